//! P3: whatever the disk does at whatever operation, everything that was synced is there afterwards, of
//! the rest the first few frames or none, and the store goes on from there.

use super::keeper::{Keeper, Step, Told, check_and_go_on, run};
use super::*;
use crate::store::files::{Fault, Unsynced};

const AFTER_A_CUT: [Unsynced; 7] = [
    Unsynced::Lost,
    Unsynced::Kept,
    Unsynced::Torn(1),
    Unsynced::Torn(2),
    Unsynced::Torn(3),
    Unsynced::Torn(4),
    Unsynced::Torn(5),
];

fn put(keys: impl IntoIterator<Item = u32>) -> Step {
    let keys: Vec<u32> = keys.into_iter().collect();
    let vouched = keys.len() != 1;
    Step::Put { keys, vouched }
}

/// Two frames a sync, one segment.
fn short_history() -> Vec<Step> {
    vec![
        put(0..2),
        put([1]),
        Step::Sync,
        put(1..3),
        Step::Sync,
        Step::Checkpoint,
        put([3]),
        put(2..4),
        Step::Sync,
    ]
}

/// Several segments, of which some are given up; leases that outlive them.
fn long_history() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..4 {
        steps.extend([
            put(round..round + 4),
            put([round + 9]),
            Step::Sync,
            Step::Lease,
            put(round + 3..round + 6),
            Step::Checkpoint,
            put(round..round + 2),
            Step::Compact,
            put([round + 20]),
            put(round + 20..round + 24),
            Step::Sync,
            Step::Compact,
            Step::Release,
        ]);
    }
    steps
}

fn operations(steps: &[Step]) -> u64 {
    let files = FaultyFiles::new();
    assert!(run(&files, steps, &mut Told::new()));
    files.operations()
}

fn cut_everywhere(steps: &[Step]) {
    for number in 0..operations(steps) {
        let files = FaultyFiles::failing(number, Fault::Cut);
        let mut told = Told::new();
        run(&files, steps, &mut told);
        assert!(files.is_cut());
        for unsynced in AFTER_A_CUT {
            check_and_go_on(&files.crash(unsynced), &told);
        }
    }
}

#[test]
fn the_long_history_gives_up_several_segments() {
    let files = FaultyFiles::new();
    let mut told = Told::new();
    assert!(run(&files, &long_history(), &mut told));
    let (keeper, recovery) = Keeper::open(&files).unwrap();
    let segments = keeper.store.segments();
    assert!(segments[0].number > 3 && segments.len() > 1, "{segments:?}");
    assert!(recovery.frames[0].sequence > 10);
}

#[test]
fn the_power_may_go_at_every_operation() {
    cut_everywhere(&short_history());
}

#[test]
fn the_power_may_go_at_every_operation_of_a_history_with_several_segments() {
    cut_everywhere(&long_history());
}

#[test]
fn an_operation_may_fail_and_the_store_opens_again() {
    let steps = long_history();
    for number in 0..operations(&steps) {
        for fault in [Fault::Io, Fault::NoSpace] {
            let files = FaultyFiles::failing(number, fault);
            let mut told = Told::new();
            run(&files, &steps, &mut told);
            check_and_go_on(&files, &told);
        }
    }
}

/// What a sync that failed left unwritten stays visible to the next process, which must not take it
/// for durable.
#[test]
fn the_power_may_go_after_an_operation_failed_and_the_store_was_opened_again() {
    let steps = long_history();
    for number in 0..operations(&steps) {
        let files = FaultyFiles::failing(number, Fault::Io);
        let mut told = Told::new();
        run(&files, &steps, &mut told);
        assert!(run(&files, &short_history(), &mut told));
        for unsynced in AFTER_A_CUT {
            check_and_go_on(&files.crash(unsynced), &told);
        }
    }
}

/// The frames that opening reports are durable, acknowledged or not.
#[test]
fn what_opening_reports_survives_a_cut_right_after_it() {
    let steps = long_history();
    for number in 0..operations(&steps) {
        let files = FaultyFiles::failing(number, Fault::Io);
        run(&files, &steps, &mut Told::new());
        let versions = Keeper::open(&files).unwrap().0.versions();
        let crashed = files.crash(Unsynced::Lost);
        let (keeper, _) = Keeper::open(&crashed).unwrap();
        assert_eq!(keeper.versions(), versions);
        assert!(keeper.all_right().unwrap());
    }
}

/// Recovery is cut at each of its operations, after a cut that left a torn tail.
#[test]
fn the_power_may_go_during_recovery_and_what_follows_it() {
    let steps = long_history();
    let operations = operations(&steps);
    for number in (0..operations).step_by(17) {
        let files = FaultyFiles::failing(number, Fault::Cut);
        let mut told = Told::new();
        run(&files, &steps, &mut told);
        let crashed = files.crash(Unsynced::Torn(number));
        for second in 0.. {
            let again = faulty(&crashed, FaultyFiles::failing(second, Fault::Cut));
            let mut told = told.clone();
            run(&again, &short_history()[..4], &mut told);
            check_and_go_on(&again.crash(Unsynced::Torn(second + 1)), &told);
            check_and_go_on(&again.crash(Unsynced::Lost), &told);
            if !again.is_cut() {
                break;
            }
        }
    }
}

#[test]
fn short_reads_and_writes_change_nothing() {
    let steps = long_history();
    for number in 0..operations(&steps) {
        let files = FaultyFiles::failing(number, Fault::Short);
        let mut told = Told::new();
        assert!(run(&files, &steps, &mut told));
        check_and_go_on(&files.crash(Unsynced::Lost), &told);
    }
}

#[test]
fn frames_that_are_synced_together_are_one_write_each_and_one_sync() {
    let files = FaultyFiles::new();
    let (store, _) = open_with(&files, Limits::default()).unwrap();
    // The first small frame also writes the zeros behind it.
    let mut writer = store.writer().unwrap();
    writer.write(1, b"meta", &[b"blob"], true).unwrap();
    writer.sync().unwrap();
    let before = files.operations();
    for _ in 0..3 {
        writer.write(1, b"meta", &[b"blob"], true).unwrap();
    }
    writer.sync().unwrap();
    writer.sync().unwrap();
    assert_eq!(files.operations() - before, 4);
}

/// A read error is an error, damages nothing, and the next read succeeds.
#[test]
fn a_read_may_fail() {
    let files = FaultyFiles::new();
    let (store, _) = open(&files).unwrap();
    let frame = PLAINS[0].write_and_sync(&store);
    let number = files.operations();
    drop(store);
    let failing = FaultyFiles::failing(number, Fault::Io);
    let (store, _) = open(&failing).unwrap();
    PLAINS[0].write_and_sync(&store);
    let mut bytes = [0; 16];
    assert!(matches!(
        store.read(frame.blobs, &mut bytes),
        Err(ReadError::Io { offset, .. }) if offset == frame.blobs.offset()
    ));
    store.read(frame.blobs, &mut bytes).unwrap();
    assert_eq!(bytes, [1; 16]);
    PLAINS[1].write_and_sync(&store);
}

/// Frames of one block each, until the second segment has some; how many were synced.
fn fill_segments(files: &FaultyFiles) -> usize {
    let Ok((store, recovery)) = open_small(files) else {
        return 0;
    };
    let done = recovery.frames.len();
    let synced = (done..24).position(|_| {
        let writer = store.writer();
        let synced = writer.and_then(|mut writer| {
            writer.write(2, b"", &[], false)?;
            writer.sync()
        });
        synced.is_err()
    });
    synced.map_or(24, |count| done + count)
}

/// Also the name of a segment whose making failed at the last step.
#[test]
fn one_frame_behind_a_failure_is_durable() {
    let whole = FaultyFiles::new();
    assert_eq!(fill_segments(&whole), 24);
    for number in 0..whole.operations() {
        let files = FaultyFiles::failing(number, Fault::Io);
        let synced = fill_segments(&files);
        let (store, _) = open_small(&files).unwrap();
        let frame = PLAINS[1].write_and_sync(&store);
        drop(store);
        let (_, recovery) = open_small(&files.crash(Unsynced::Lost)).unwrap();
        assert_eq!(recovery.frames.last(), Some(&frame));
        assert!(recovery.frames.len() > synced);
    }
}

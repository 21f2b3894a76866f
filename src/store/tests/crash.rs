//! P3: whatever the disk does at whatever operation, every acknowledged entry is there afterwards,
//! at most one that was not acknowledged, and the store goes on from there.

use super::*;
use crate::store::files::{Fault, FaultyFiles, Unsynced};

const AFTER_A_CUT: [Unsynced; 7] = [
    Unsynced::Lost,
    Unsynced::Kept,
    Unsynced::Torn(1),
    Unsynced::Torn(2),
    Unsynced::Torn(3),
    Unsynced::Torn(4),
    Unsynced::Torn(5),
];

/// Writes the steps until one fails; how many were acknowledged, or `None` if opening failed.
fn write(files: &FaultyFiles, steps: &[Step]) -> Option<usize> {
    let (store, recovery) = open(files).ok()?;
    let done = recovery.entries.len();
    let failed = steps[done..]
        .iter()
        .position(|step| step.write(&store).is_err());
    let Some(failed) = failed else {
        return Some(steps.len());
    };
    let refused = steps[0].write(&store);
    assert!(matches!(refused, Err(WriteError::Poisoned)));
    let acknowledged = &steps[..done + failed];
    assert!(files.is_cut() || acknowledged.iter().all(|step| step.is_readable(&store)));
    Some(done + failed)
}

/// Opens what is left, checks it against what was acknowledged, and writes the rest.
fn check_and_go_on(files: &(impl Files + Clone + 'static), steps: &[Step], acknowledged: usize) {
    let (store, recovery) = open(files).unwrap();
    let found = recovery.entries.len();
    assert!(found == acknowledged || found == acknowledged + 1);
    assert_eq!(recovery.entries, entries(&steps[..found]));
    assert!(steps[..found].iter().all(|step| step.is_readable(&store)));
    for step in &steps[found..] {
        step.write(&store).unwrap();
    }
    drop(store);
    let (store, recovery) = open(files).unwrap();
    assert_eq!(recovery.entries, entries(steps));
    assert_eq!(recovery.report.dropped_tail, None);
    assert!(steps.iter().all(|step| step.is_readable(&store)));
}

fn operations(steps: &[Step]) -> u64 {
    let files = FaultyFiles::new();
    assert_eq!(write(&files, steps), Some(steps.len()));
    files.operations()
}

fn cut_everywhere(steps: &[Step]) {
    for number in 0..operations(steps) {
        let files = FaultyFiles::failing(number, Fault::Cut);
        let acknowledged = write(&files, steps).unwrap_or(0);
        for unsynced in AFTER_A_CUT {
            check_and_go_on(&files.crash(unsynced), steps, acknowledged);
        }
    }
}

#[test]
fn the_power_may_go_at_every_operation() {
    cut_everywhere(&small_history());
}

#[test]
fn the_power_may_go_at_every_operation_of_a_large_commit() {
    cut_everywhere(&large_history());
}

#[test]
fn an_operation_may_fail_and_the_store_opens_again() {
    let steps = large_history();
    for number in 0..operations(&steps) {
        for fault in [Fault::Io, Fault::NoSpace] {
            let files = FaultyFiles::failing(number, fault);
            let acknowledged = write(&files, &steps).unwrap_or(0);
            check_and_go_on(&files, &steps, acknowledged);
        }
    }
}

/// What a sync that failed left unwritten stays visible to the next process, which must not take it
/// for durable.
#[test]
fn the_power_may_go_after_an_operation_failed_and_the_store_was_opened_again() {
    let steps = small_history();
    for number in 0..operations(&steps) {
        let files = FaultyFiles::failing(number, Fault::Io);
        write(&files, &steps);
        let found = write(&files, &steps).unwrap();
        assert_eq!(found, steps.len());
        for unsynced in AFTER_A_CUT {
            check_and_go_on(&files.crash(unsynced), &steps, found);
        }
    }
}

/// The entries that opening reports are durable, acknowledged or not.
#[test]
fn what_opening_reports_survives_a_cut_right_after_it() {
    let steps = small_history();
    for number in 0..operations(&steps) {
        let files = FaultyFiles::failing(number, Fault::Io);
        write(&files, &steps);
        let (_, recovery) = open(&files).unwrap();
        let crashed = files.crash(Unsynced::Lost);
        assert_eq!(open(&crashed).unwrap().1.entries, recovery.entries);
    }
}

#[test]
fn a_cut_while_a_dropped_tail_is_cleared_drops_it_again() {
    let steps = small_history();
    let mut log = log_of(&steps[..2]);
    log.extend([0xaa; 30_000]);
    let clear_and_write = |files: &FaultyFiles| {
        files.put(crate::store::log::FILE_NAME, &log);
        write(files, &steps).unwrap_or(2)
    };
    let whole = FaultyFiles::new();
    clear_and_write(&whole);
    for number in 0..whole.operations() {
        let files = FaultyFiles::failing(number, Fault::Cut);
        let acknowledged = clear_and_write(&files);
        for unsynced in AFTER_A_CUT {
            check_and_go_on(&files.crash(unsynced), &steps, acknowledged);
        }
    }
}

#[test]
fn short_reads_and_writes_change_nothing() {
    let steps = small_history();
    for number in 0..operations(&steps) {
        let files = FaultyFiles::failing(number, Fault::Short);
        assert_eq!(write(&files, &steps), Some(steps.len()));
        check_and_go_on(&files.crash(Unsynced::Lost), &steps, steps.len());
    }
}

#[test]
fn a_commit_is_one_sync() {
    let files = FaultyFiles::new();
    let (store, _) = open(&files).unwrap();
    let steps = small_history();
    steps[0].write(&store).unwrap();
    let before = files.operations();
    steps[1].write(&store).unwrap();
    // The file's length, one write, one sync.
    assert_eq!(files.operations() - before, 3);
}

//! What was live when a lease was taken can be read as long as it is held; then its space is free, and
//! nobody waited.

use std::collections::BTreeSet;

use super::*;
use crate::store::files::{Fault, OsFiles};
use crate::store::{Lease, WriteError};

/// Fills most of a segment of [`SMALL`].
const FILLING: Plain = Plain::new(9, 16, 10 * 4096, true);

/// A store with this many segments, the last of which starts at a checkpoint in the one before it.
fn filled(files: &(impl Files + Clone + 'static), segments: u32) -> (Store, Vec<Frame>) {
    let (store, _) = open_small(files).unwrap();
    let mut frames = Vec::new();
    for number in 1..=segments {
        let frame = FILLING.write_and_sync(&store);
        assert_eq!(frame.place.segment(), number);
        store.writer().unwrap().set_start(frame.place);
        frames.push(frame);
    }
    (store, frames)
}

fn is_readable(store: &Store, frame: &Frame) -> bool {
    let mut blobs = vec![0; frame.blobs_len as usize];
    match store.read(frame.blobs, &mut blobs) {
        Ok(()) => blobs == FILLING.blobs(),
        Err(ReadError::Gone { segment }) if segment == frame.place.segment() => false,
        Err(error) => panic!("{error}"),
    }
}

fn numbers(files: &impl Files) -> Vec<u32> {
    let names = log_names(files);
    let number = |name: &String| crate::store::place::number_of(name);
    names.iter().filter_map(number).collect()
}

#[test]
fn without_a_lease_a_segment_goes_at_once() {
    let files = MemoryFiles::new();
    let (store, frames) = filled(&files, 4);
    store.retire(&[1, 2]).unwrap();
    assert_eq!(numbers(&files), [3, 4]);
    assert!(!is_readable(&store, &frames[0]) && !is_readable(&store, &frames[1]));
    assert!(is_readable(&store, &frames[2]) && is_readable(&store, &frames[3]));
    let live: Vec<_> = store
        .segments()
        .into_iter()
        .map(|s| (s.number, s.is_current))
        .collect();
    assert_eq!(live, [(3, false), (4, true)]);
    // Again, and what never was: nothing happens.
    store.retire(&[1, 2, 77]).unwrap();
    assert_eq!(numbers(&files), [3, 4]);
}

#[test]
fn a_segment_is_readable_until_the_last_lease_from_before_goes() {
    let files = MemoryFiles::new();
    let (store, frames) = filled(&files, 5);
    let first = store.lease();
    store.retire(&[1]).unwrap();
    let second = store.lease();
    let third = second.clone();
    store.retire(&[2, 3]).unwrap();
    let late = store.lease();
    assert_eq!(numbers(&files), [1, 2, 3, 4, 5]);
    assert_eq!(store.segments().len(), 2);
    assert!(frames.iter().all(|frame| is_readable(&store, frame)));

    drop(second);
    assert_eq!(numbers(&files), [1, 2, 3, 4, 5]);
    drop(first);
    assert_eq!(numbers(&files), [2, 3, 4, 5]);
    assert!(!is_readable(&store, &frames[0]) && is_readable(&store, &frames[1]));
    drop(third);
    assert_eq!(numbers(&files), [4, 5]);
    drop(late);
    assert_eq!(numbers(&files), [4, 5]);
}

#[test]
fn an_old_lease_keeps_what_is_given_up_later() {
    let files = MemoryFiles::new();
    let (store, frames) = filled(&files, 5);
    let lease = store.lease();
    store.retire(&[3]).unwrap();
    store.retire(&[1]).unwrap();
    store.retire(&[2]).unwrap();
    assert!(frames.iter().all(|frame| is_readable(&store, frame)));
    drop(lease);
    assert_eq!(numbers(&files), [4, 5]);
}

/// What the next opening reads stays until a segment was begun behind a later checkpoint.
#[test]
fn a_segment_that_the_next_opening_reads_waits_for_the_next_segment() {
    let files = MemoryFiles::new();
    let (store, frames) = filled(&files, 4);
    store.retire(&[3, 1]).unwrap();
    assert_eq!(numbers(&files), [2, 3, 4]);
    assert_eq!(store.segments().len(), 2);
    drop(store);
    // It is not live, but needed.
    let (store, recovery) = open_small(&files).unwrap();
    assert_eq!(recovery.frames, frames[2..]);
    assert_eq!(
        store.settle(&BTreeSet::from([4])).unwrap(),
        [crate::store::place::file_name(2)]
    );
    assert_eq!(numbers(&files), [3, 4]);

    store.retire(&[3]).unwrap();
    store.writer().unwrap().set_start(frames[3].place);
    let lease = store.lease();
    FILLING.write_and_sync(&store);
    assert_eq!(numbers(&files), [3, 4, 5]);
    assert!(is_readable(&store, &frames[2]));
    drop(lease);
    assert_eq!(numbers(&files), [4, 5]);
    drop(store);
    assert_eq!(open_small(&files).unwrap().1.frames[0], frames[3]);
}

#[test]
fn without_a_checkpoint_nothing_goes() {
    let files = MemoryFiles::new();
    let (store, _) = open_small(&files).unwrap();
    for _ in 0..3 {
        FILLING.write_and_sync(&store);
    }
    store.retire(&[1]).unwrap();
    assert_eq!(store.settle(&BTreeSet::new()).unwrap(), [""; 0]);
    drop(store);
    assert_eq!(open_small(&files).unwrap().1.frames.len(), 3);
}

#[test]
fn the_segment_that_is_being_written_can_not_be_given_up() {
    let files = MemoryFiles::new();
    let (store, _) = filled(&files, 3);
    let refused = store.retire(&[1, 3]);
    assert!(matches!(refused, Err(WriteError::InUse { segment: 3 })));
    assert_eq!(store.segments().len(), 3);
    FILLING.write_and_sync(&store);
}

#[test]
fn a_lease_that_outlives_the_store_leaves_orphans_for_the_next_settling() {
    let files = MemoryFiles::new();
    let (store, frames) = filled(&files, 4);
    let lease = store.lease();
    store.retire(&[1, 2]).unwrap();
    // As a thread does that is about to remove a file.
    let segments = store.segments.clone();
    drop(store);
    let (store, recovery) = open_small(&files).unwrap();
    assert_eq!(recovery.report.segments, 4);
    drop((lease, segments));
    assert_eq!(numbers(&files), [1, 2, 3, 4]);
    assert!(is_readable(&store, &frames[0]));
    let removed = store.settle(&BTreeSet::from([2, 3, 4])).unwrap();
    assert_eq!(removed, ["log-0000000000000001"]);
    assert_eq!(numbers(&files), [2, 3, 4]);
    assert!(!is_readable(&store, &frames[0]) && is_readable(&store, &frames[1]));
}

#[test]
fn a_removal_that_fails_is_made_up_for_by_the_next_settling() {
    let files = FaultyFiles::new();
    let (store, _) = filled(&files, 4);
    let number = files.operations();
    drop(store);
    let files = FaultyFiles::failing(number, Fault::Io);
    let (store, frames) = filled(&files, 4);
    store.retire(&[1]).unwrap();
    assert_eq!(numbers(&files), [1, 2, 3, 4]);
    assert!(!is_readable(&store, &frames[0]));
    store.retire(&[2]).unwrap();
    assert_eq!(numbers(&files), [1, 3, 4]);
    let live = BTreeSet::from([3, 4]);
    assert_eq!(store.settle(&live).unwrap(), ["log-0000000000000001"]);
    assert_eq!(numbers(&files), [3, 4]);
}

#[test]
fn a_million_leases_and_epochs_do_not_overflow_the_stack() {
    let files = MemoryFiles::new();
    let (store, _) = filled(&files, 2);
    let segments = Arc::new(crate::store::segments::Segments::new(
        Arc::new(files),
        &[],
        &SMALL,
    ));
    let leases = crate::store::lease::Leases::new(&segments, u32::MAX);
    let oldest = leases.take();
    let clones: Vec<Lease> = (0..1_000_000).map(|_| oldest.clone()).collect();
    for number in 0..1_000_000 {
        leases.give_up(vec![number % 1000]);
    }
    let small = std::thread::Builder::new().stack_size(64 * 1024);
    let dropped = small.spawn(move || {
        drop(clones);
        drop(oldest);
    });
    dropped.unwrap().join().unwrap();
    drop(store);
}

#[test]
fn at_most_so_many_files_are_open_and_all_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let files = OsFiles::open(directory.path()).unwrap();
    let (store, frames) = filled(&files, 20);
    for frame in frames.iter().chain(&frames) {
        assert!(is_readable(&store, frame));
        assert!(store.segments.open_files() <= SMALL.open_files_max);
    }
    drop(store);
    let (store, recovery) = open_small(&files).unwrap();
    // Opening looks at no segment before the checkpoint.
    assert_eq!(recovery.frames.len(), 2);
    assert_eq!(store.segments.open_files(), 2);
    assert!(frames.iter().all(|frame| is_readable(&store, frame)));
    let lens = store.segments().into_iter().map(|s| s.len_bytes);
    assert!(lens.eq([12 * 4096; 20]));
    assert!(store.segments.open_files() <= SMALL.open_files_max);
}

#[test]
fn threads_read_what_they_hold_while_segments_come_and_go() {
    let files = MemoryFiles::new();
    let (store, frames) = filled(&files, 3);
    let newest = std::sync::Mutex::new(frames.last().cloned().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..500 {
                    // The place that is live when the lease is taken.
                    let guard = newest.lock().unwrap();
                    let (lease, frame) = (store.lease(), guard.clone());
                    drop(guard);
                    (0..5).for_each(|_| assert!(is_readable(&store, &frame)));
                    assert!(FILLING.is(&store.frame(frame.place).unwrap()));
                    drop(lease);
                }
            });
        }
        for _ in 0..200 {
            let frame = FILLING.write_and_sync(&store);
            store.writer().unwrap().set_start(frame.place);
            let mut guard = newest.lock().unwrap();
            let old = std::mem::replace(&mut *guard, frame).place.segment();
            drop(guard);
            store.retire(&[old]).unwrap();
        }
    });
    assert!(numbers(&files).len() < 6, "{:?}", numbers(&files));
}

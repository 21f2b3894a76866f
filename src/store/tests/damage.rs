//! P3, P7: damaged files give typed errors, reported tails or untouched data; never wrong data, never
//! a panic.

use super::*;
use crate::store::files::FaultyFiles;
use crate::store::frame::{BLOCK, BLOCK_BYTES};
use crate::store::{Damage, ReadError, TailCause};

/// What became of a history after its log was changed.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Opening failed with this.
    Refused(Damage),
    /// The end was dropped and reported; this many entries are left.
    Dropped(usize),
    /// All entries are there; some page or code is reported as damaged.
    Reported,
    /// Nothing is different.
    Untouched,
}

/// Opens a log and checks that what it gives is part of the history, or an error.
fn outcome(files: &(impl Files + Clone + 'static), steps: &[Step]) -> Outcome {
    let (store, recovery) = match open(files) {
        Ok(opened) => opened,
        Err(OpenError::Damaged { what, .. }) => return Outcome::Refused(what),
        Err(error) => panic!("{error}"),
    };
    let left = recovery.entries.len();
    assert_eq!(recovery.entries, entries(&steps[..left]));
    let mut all_right = true;
    for step in &steps[..left] {
        all_right &= step_is_right_or_reported(&store, step);
    }
    match recovery.report.dropped_tail {
        Some(_) => Outcome::Dropped(left),
        None if left < steps.len() => Outcome::Dropped(left),
        None if all_right => Outcome::Untouched,
        None => Outcome::Reported,
    }
}

fn step_is_right_or_reported(store: &Store, step: &Step) -> bool {
    let mut right = true;
    for (leaf, page) in &step.pages {
        match store.page(leaf) {
            Ok(read) => assert_eq!(read, *page),
            Err(ReadError::Damaged { .. }) => right = false,
            Err(error) => panic!("{error}"),
        }
    }
    for (key, code) in &step.code {
        match store.code(key) {
            Ok(read) => assert_eq!(read, *code),
            Err(ReadError::Damaged { .. }) => right = false,
            Err(error) => panic!("{error}"),
        }
    }
    right
}

#[test]
fn a_bit_flipped_at_any_byte_is_noticed_or_harmless() {
    let steps = small_history();
    let log = log_of(&steps);
    let last_at = log_of(&steps[..steps.len() - 1]).len();
    let mut counts = [0; 4];
    for at in 0..log.len() {
        let files = files_with(&log);
        let file = files.open(crate::store::log::FILE_NAME).unwrap();
        file.write_all_at(&[log[at] ^ 1 << (at % 8)], at as u64)
            .unwrap();
        match outcome(&files, &steps) {
            Outcome::Refused(Damage::LogHeader) => assert!(at < BLOCK_BYTES),
            Outcome::Refused(_) => {
                assert!(at >= BLOCK_BYTES && at < last_at);
                counts[0] += 1;
            }
            Outcome::Dropped(left) => {
                assert!(at >= last_at && left == steps.len() - 1);
                counts[1] += 1;
            }
            Outcome::Reported => counts[2] += 1,
            Outcome::Untouched => counts[3] += 1,
        }
    }
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn the_log_may_end_at_any_byte_of_its_last_frame() {
    let steps = small_history();
    let log = log_of(&steps);
    let last = steps.len() - 1;
    let last_at = log_of(&steps[..last]).len();
    for len in last_at..log.len() {
        let files = files_with(&log[..len]);
        let left = match outcome(&files, &steps) {
            Outcome::Dropped(left) => left,
            Outcome::Untouched => steps.len(),
            other => panic!("{other:?} at {len}"),
        };
        // The frame's contents end in its last page, which has no zeros.
        assert_eq!(left, last, "at {len}");
        let (store, recovery) = open(&files).unwrap();
        let dropped = recovery.report.dropped_tail;
        assert_eq!(dropped.is_some(), len > last_at);
        assert!(dropped.is_none_or(|tail| tail.offset == last_at as u64));
        if len % 61 != 0 {
            continue;
        }
        steps[last].write(&store).unwrap();
        drop(store);
        assert_eq!(outcome(&files, &steps), Outcome::Untouched);
    }
}

#[test]
fn a_log_that_ends_in_the_padding_of_its_last_frame_is_whole() {
    let steps = &small_history()[..5];
    let log = log_of(steps);
    let content_end = log.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for len in (content_end..=log.len()).step_by(13) {
        let files = files_with(&log[..len]);
        assert_eq!(outcome(&files, steps), Outcome::Untouched);
        let (store, _) = open(&files).unwrap();
        store.finalize(&id(77)).unwrap();
        drop(store);
        assert_eq!(open(&files).unwrap().1.entries.len(), 6);
    }
}

#[test]
fn a_broken_frame_before_a_valid_one_is_damage_and_says_where() {
    let steps = small_history();
    let mut log = log_of(&steps);
    let second_at = log_of(&steps[..1]).len();
    log[second_at..second_at + BLOCK_BYTES].fill(0);
    let Err(OpenError::Damaged { file, offset, what }) = open(&files_with(&log)) else {
        panic!("opened");
    };
    assert_eq!((file.as_str(), offset), ("log-00000001", second_at as u64));
    let third_at = log_of(&steps[..2]).len() as u64;
    assert_eq!(
        what,
        Damage::Frame {
            cause: TailCause::Header,
            later_sequence: 3,
            later_offset: third_at,
        }
    );
}

#[test]
fn a_missing_frame_is_damage() {
    let steps = small_history();
    let mut log = log_of(&steps);
    let (first, second) = (log_of(&steps[..1]).len(), log_of(&steps[..2]).len());
    log.drain(first..second);
    assert!(matches!(
        outcome(&files_with(&log), &steps),
        Outcome::Refused(Damage::Frame {
            later_sequence: 3,
            ..
        })
    ));
}

#[test]
fn a_damaged_page_is_reported_with_its_place_and_the_others_are_served() {
    let steps = small_history();
    let mut log = log_of(&steps);
    let (leaf, bytes) = &steps[0].pages[0];
    let at = log.windows(4096).position(|window| window == &bytes[..]);
    let at = at.unwrap();
    assert_eq!(at % BLOCK_BYTES, 0);
    log[at + 9] ^= 1;
    let (store, recovery) = open(&files_with(&log)).unwrap();
    assert_eq!(recovery.entries, entries(&steps));
    let Err(ReadError::Damaged { offset, what, .. }) = store.page(leaf) else {
        panic!("served");
    };
    assert_eq!((offset, what), (at as u64, Damage::Page { leaf: *leaf }));
    assert!(steps[1..].iter().all(|step| step.is_readable(&store)));
}

#[test]
fn a_file_cut_under_an_open_store_is_an_error() {
    let steps = small_history();
    let files = files_with(&log_of(&steps));
    let (store, _) = open(&files).unwrap();
    let file = files.open(crate::store::log::FILE_NAME).unwrap();
    file.set_len(BLOCK).unwrap();
    assert!(!step_is_right_or_reported(&store, &steps[0]));
}

/// A page may hold the bytes of a frame, but its writer does not know the log's epoch.
#[test]
fn a_frame_of_another_log_inside_a_page_is_no_frame() {
    let other = log_of(&small_history());
    let page: Page = other[BLOCK_BYTES..2 * BLOCK_BYTES].try_into().unwrap();
    let log = log_of(&[]);
    let files = files_with(&[log, vec![0xff; BLOCK_BYTES], page.to_vec()].concat());
    assert_eq!(outcome(&files, &[]), Outcome::Dropped(0));
}

#[test]
fn a_dropped_tail_stays_until_the_next_write_which_clears_it() {
    let steps = small_history();
    let log = log_of(&steps[..2]);
    let files = FaultyFiles::new();
    files.put(
        crate::store::log::FILE_NAME,
        &[&log[..], &[0xaa; 9000]].concat(),
    );
    for _ in 0..2 {
        let dropped = open(&files).unwrap().1.report.dropped_tail.unwrap();
        assert_eq!(dropped.offset, log.len() as u64);
        assert_eq!(dropped.len_bytes, 9000);
        assert_eq!(dropped.cause, TailCause::Header);
    }
    let (store, _) = open(&files).unwrap();
    steps[2].write(&store).unwrap();
    drop(store);
    assert_eq!(open(&files).unwrap().1.report.dropped_tail, None);
}

#[test]
fn random_bytes_for_a_log_are_refused() {
    for len in [0, 1, 55, 56, 4096, 10_000] {
        let bytes: Vec<u8> = (0..len).map(|at| (at * 31 % 251) as u8).collect();
        let files = files_with(&bytes);
        assert_eq!(outcome(&files, &[]), Outcome::Refused(Damage::LogHeader));
    }
}

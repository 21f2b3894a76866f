//! P3: what was never acknowledged is dropped and reported, what was is not; even if several frames were
//! on their way to the disk when the power went.

use super::*;
use crate::store::frame::{BLOCK, BLOCK_BYTES};
use crate::store::{Damage, TailCause};

const NAME: &str = "log-0000000000000001";

/// Files with three synced frames and then three that are not; the places of these.
fn three_unsynced() -> (FaultyFiles, Vec<Frame>) {
    let files = FaultyFiles::new();
    let (store, _) = open(&files).unwrap();
    for plain in &PLAINS[..3] {
        plain.write_and_sync(&store);
    }
    let frames = [PLAINS[3], PLAINS[7], PLAINS[0]].map(|plain| plain.write(&store));
    (files, frames.to_vec())
}

fn break_at(files: &impl Files, offset: u64) {
    let file = files.open(NAME).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

#[test]
fn of_frames_that_were_not_synced_those_before_the_first_broken_one_are_kept() {
    for broken in 0..3 {
        for blobs in [false, true] {
            let (files, frames) = three_unsynced();
            let frame = &frames[broken];
            let place = if blobs { frame.blobs } else { frame.place };
            break_at(&files, place.offset());
            let (_, recovery) = open(&files).unwrap();
            assert_eq!(recovery.frames.len(), 3 + broken);
            assert_eq!(recovery.frames[3..], frames[..broken]);
            let dropped = recovery.report.dropped_tail.unwrap();
            assert_eq!(
                (dropped.file.as_str(), dropped.offset),
                (NAME, frame.place.offset())
            );
            let end = frames[2].blobs.offset() + frames[2].blobs_len;
            assert_eq!(dropped.offset + dropped.len_bytes, end);
            let cause = if blobs {
                TailCause::Blobs
            } else {
                TailCause::Header
            };
            assert_eq!(dropped.cause, cause);
        }
    }
}

/// The dropped frames are whole and have the numbers of those that come next: they must not follow them.
#[test]
fn dropped_frames_do_not_come_back_behind_new_ones() {
    let (files, frames) = three_unsynced();
    break_at(&files, frames[0].place.offset());
    let (store, _) = open(&files).unwrap();
    // Of the same length as the one that broke.
    let again = PLAINS[3].write_and_sync(&store);
    assert_eq!(again, frames[0]);
    drop(store);
    let (_, recovery) = open(&files).unwrap();
    assert_eq!(recovery.frames.len(), 4);
    assert_eq!(recovery.report.dropped_tail, None);
}

#[test]
fn a_frame_that_was_written_after_their_sync_makes_a_break_damage() {
    let (files, frames) = three_unsynced();
    let (store, _) = open(&files).unwrap();
    // Opening synced them: this one says so.
    let witness = PLAINS[1].write(&store);
    drop(store);
    for frame in &frames {
        break_at(&files, frame.place.offset());
        let Err(OpenError::Damaged { offset, what, .. }) = open(&files) else {
            panic!("opened");
        };
        assert_eq!(offset, frame.place.offset());
        assert_eq!(
            what,
            Damage::Frame {
                cause: TailCause::Header,
                later_sequence: 7,
                later: witness.place,
            }
        );
        break_at(&files, frame.place.offset());
    }
    // Blobs of frames that are known to be synced are their reader's business.
    break_at(&files, frames[1].blobs.offset());
    let (store, recovery) = open(&files).unwrap();
    assert_eq!(recovery.frames.len(), 7);
    assert!(store.blobs(&frames[1]).is_err());
}

/// A frame of a dropped tail still tells what was synced before it.
#[test]
fn a_synced_frame_before_a_dropped_tail_is_kept_although_its_blobs_broke() {
    let files = FaultyFiles::new();
    let (store, _) = open(&files).unwrap();
    let synced = PLAINS[7].write_and_sync(&store);
    let broken = PLAINS[1].write(&store);
    PLAINS[1].write(&store);
    drop(store);
    break_at(&files, synced.blobs.offset());
    break_at(&files, broken.place.offset());
    let (store, recovery) = open(&files).unwrap();
    let dropped = recovery.report.dropped_tail.unwrap();
    assert_eq!(dropped.offset, broken.place.offset());
    assert_eq!(recovery.frames, [synced]);
    assert!(store.blobs(&recovery.frames[0]).is_err());
}

#[test]
fn a_next_segment_makes_a_break_damage() {
    let files = FaultyFiles::new();
    let (store, _) = open_small(&files).unwrap();
    let first = PLAINS[1].write(&store);
    PLAINS[6].write(&store);
    let next = PLAINS[6].write(&store);
    assert_eq!((next.place.segment(), next.place.offset()), (2, BLOCK));
    drop(store);
    break_at(&files, first.place.offset());
    let Err(OpenError::Damaged { file, what, .. }) = open_small(&files) else {
        panic!("opened");
    };
    assert_eq!(file, NAME);
    let Damage::Frame {
        later_sequence,
        later,
        ..
    } = what
    else {
        panic!("{what}");
    };
    assert_eq!((later_sequence, later), (3, next.place));
}

#[test]
fn a_log_may_end_at_any_byte_of_its_last_frame() {
    for plains in [&PLAINS[..], &PLAINS[..7]] {
        let last = plains.len() - 1;
        let whole = log_of(plains, LARGE).remove(NAME).unwrap();
        let last_at = log_of(&plains[..last], LARGE)[NAME].len();
        let content_end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for len in (last_at..content_end).step_by(67).chain([content_end - 1]) {
            let files = MemoryFiles::with([(NAME.to_owned(), whole[..len].to_vec())]);
            let (store, recovery) = open(&files).unwrap();
            assert_eq!(recovery.frames.len(), last, "at {len}");
            let dropped = recovery.report.dropped_tail;
            assert_eq!(dropped.is_some(), len > last_at);
            assert!(dropped.is_none_or(|tail| tail.offset == last_at as u64));
            plains[last].write_and_sync(&store);
            drop(store);
            let (_, recovery) = open(&files).unwrap();
            assert_eq!(recovery.frames.len(), plains.len());
            assert_eq!(recovery.report.dropped_tail, None);
        }
    }
}

#[test]
fn a_log_that_ends_in_the_padding_of_its_last_frame_is_whole() {
    let whole = log_of(&PLAINS[..5], LARGE).remove(NAME).unwrap();
    let content_end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for len in (content_end..=whole.len()).step_by(499) {
        let files = MemoryFiles::with([(NAME.to_owned(), whole[..len].to_vec())]);
        let (store, recovery) = open(&files).unwrap();
        assert_eq!(
            (recovery.frames.len(), recovery.report.dropped_tail),
            (5, None)
        );
        PLAINS[5].write_and_sync(&store);
        drop(store);
        assert_eq!(open(&files).unwrap().1.frames.len(), 6);
    }
}

#[test]
fn a_dropped_tail_stays_until_the_next_write_which_clears_it() {
    let mut log = log_of(&PLAINS[..2], LARGE).remove(NAME).unwrap();
    let end = log.len();
    log.extend([0xaa; 9000]);
    let files = MemoryFiles::with([(NAME.to_owned(), log)]);
    for _ in 0..2 {
        let dropped = open(&files).unwrap().1.report.dropped_tail.unwrap();
        assert_eq!((dropped.offset, dropped.len_bytes), (end as u64, 9000));
        assert_eq!(dropped.cause, TailCause::Header);
    }
    let (store, _) = open(&files).unwrap();
    let mut bytes = [0; 16];
    let tail = crate::store::Place::new(1, end as u64).unwrap();
    assert!(store.read(tail, &mut bytes).is_err());
    PLAINS[2].write_and_sync(&store);
    drop(store);
    assert_eq!(open(&files).unwrap().1.report.dropped_tail, None);
}

/// The tail goes although the next frame goes into the next segment.
#[test]
fn a_dropped_tail_of_a_full_segment_is_cleared_too() {
    let plains = [PLAINS[1], PLAINS[6]];
    let mut log = log_of(&plains, SMALL).remove(NAME).unwrap();
    let end = log.len();
    log.extend([0xaa; 9000]);
    let files = MemoryFiles::with([(NAME.to_owned(), log)]);
    let (store, recovery) = open_small(&files).unwrap();
    assert!(recovery.report.dropped_tail.is_some());
    let frame = PLAINS[6].write_and_sync(&store);
    assert_eq!(frame.place.segment(), 2);
    assert_eq!(files.bytes(NAME).unwrap().len(), end);
    drop(store);
    let (_, recovery) = open_small(&files).unwrap();
    assert_eq!(
        (recovery.frames.len(), recovery.report.dropped_tail),
        (3, None)
    );
}

/// Blobs may hold the bytes of a frame, but their writer does not know the segment's epoch.
#[test]
fn a_frame_of_another_segment_inside_a_blob_is_no_frame() {
    // Written when frame 1 was known to be synced, and one block long.
    let other = log_of(&PLAINS[..2], LARGE).remove(NAME).unwrap();
    let witness = &other[other.len() - BLOCK_BYTES..];
    assert!(witness.starts_with(&crate::store::frame::MAGIC));
    let files = MemoryFiles::new();
    let (store, _) = open(&files).unwrap();
    let mut writer = store.writer().unwrap();
    let place = writer.write(1, b"meta", &[witness], true).unwrap();
    writer.sync().unwrap();
    drop(writer);
    drop(store);
    break_at(&files, place.offset());
    let (_, recovery) = open(&files).unwrap();
    assert_eq!(recovery.frames, []);
    assert!(recovery.report.dropped_tail.is_some());
}

#[test]
fn an_error_of_the_judge_of_contents_is_the_error_of_opening() {
    struct Failing;
    impl Contents for Failing {
        fn whole(&self, _: &Frame, read: ReadPlace<'_>) -> Result<bool, ReadError> {
            let nowhere = crate::store::Place::new(9, 0).unwrap();
            read(nowhere, &mut [0; 16]).map(|()| true)
        }
    }
    let files = MemoryFiles::with(log_of(&PLAINS[..1], LARGE));
    let opened = Store::open(Arc::new(files), &Failing);
    assert!(matches!(
        opened.err(),
        Some(OpenError::Damaged {
            what: Damage::Missing,
            ..
        })
    ));
}

/// A crash may take the zeros behind a frame's contents, which then ends with the file.
#[test]
fn a_frame_whose_padding_is_lost_can_be_read() {
    for plain in PLAINS {
        let mut log = log_of(&[PLAINS[7], plain], LARGE);
        let bytes = log.values_mut().next().unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes.truncate(used + 1);
        let files = MemoryFiles::with(log);
        let (store, recovery) = open(&files).unwrap();
        let last = recovery.frames.last().unwrap();
        assert!(plain.is(last));
        assert_eq!(store.frame(last.place).unwrap(), *last);
        assert_eq!(blobs_of(&store, last), plain.blobs());
        assert_eq!(store.frames(1).unwrap(), recovery.frames);
    }
}

//! P3 and P7: a segment that takes the file of one that was given up has that one's frames behind its own. None of them is
//! ever taken for one of its own, nor for the tail of a crash.

use super::*;
use crate::store::header::{HEADER_LEN, SegmentHeader};

/// Fills most of a segment.
const FILLING: Plain = Plain::new(9, 16, 10 * 4096, true);
const SMALL_ONE: Plain = Plain::new(5, 20, 100, true);

fn open_recycling(files: &(impl Files + Clone + 'static)) -> (Store, Recovery) {
    open_with(files, RECYCLING).unwrap()
}

/// A store whose newest segment has the file of its first.
fn recycled() -> (MemoryFiles, Store) {
    let files = MemoryFiles::new();
    let (store, _) = open_recycling(&files);
    for _ in 0..3 {
        let frame = FILLING.write_and_sync(&store);
        store.writer().unwrap().set_start(frame.place);
    }
    store.retire(&[1]).unwrap();
    assert_eq!(log_names(&files)[2..], ["spare-0000000000000001"]);
    let frame = FILLING.write_and_sync(&store);
    assert_eq!(frame.place.segment(), 4);
    assert!(
        log_names(&files)
            .iter()
            .all(|name| name.starts_with("log-"))
    );
    (files, store)
}

fn newest(files: &MemoryFiles) -> (String, Vec<u8>) {
    bytes_of(files).into_iter().next_back().unwrap()
}

fn header(bytes: &[u8]) -> SegmentHeader {
    SegmentHeader::decode(bytes.first_chunk::<HEADER_LEN>().unwrap()).unwrap()
}

#[test]
fn what_an_earlier_segment_left_is_no_tail() {
    let (files, store) = recycled();
    drop(store);
    let (name, bytes) = newest(&files);
    assert!(header(&bytes).recycled);
    let (store, recovery) = open_recycling(&files);
    assert_eq!(recovery.report.dropped_tail, None);
    let end = recovery.report.end_offset;
    assert_eq!(recovery.report.end_file, name);
    // One more frame, shorter than what was there: the old one's bytes follow it.
    SMALL_ONE.write_and_sync(&store);
    drop(store);
    let (_, bytes) = newest(&files);
    assert!(bytes.len() as u64 > end + 2 * 4096);
    let (_, recovery) = open_recycling(&files);
    assert_eq!(recovery.report.dropped_tail, None);
    assert!(SMALL_ONE.is(recovery.frames.last().unwrap()));
}

#[test]
fn frames_of_an_earlier_segment_do_not_come_back() {
    let files = MemoryFiles::new();
    let (store, _) = open_recycling(&files);
    // Small frames, so that there is an old one at every other block.
    while store.segments().len() < 4 {
        let frame = SMALL_ONE.write_and_sync(&store);
        store.writer().unwrap().set_start(frame.place);
    }
    store.retire(&[1, 2]).unwrap();
    let mut written = 0;
    while store.segments().last().unwrap().number < 6 {
        SMALL_ONE.write_and_sync(&store);
        written += 1;
    }
    assert!(written > 3);
    drop(store);
    let (_, bytes) = newest(&files);
    let frames = bytes
        .chunks(4096)
        .filter(|block| block.starts_with(b"crosfram"));
    assert!(header(&bytes).recycled && frames.count() > 2);
    let (store, recovery) = open_recycling(&files);
    assert_eq!(recovery.report.dropped_tail, None);
    assert_eq!(store.frames(6).unwrap().len(), 1);
    let sequences: Vec<u64> = recovery.frames.iter().map(|frame| frame.sequence).collect();
    assert!(sequences.windows(2).all(|two| two[0] + 1 == two[1]));
}

#[test]
fn a_torn_frame_is_reported_and_cut_off() {
    let (files, store) = recycled();
    let frame = SMALL_ONE.write(&store);
    drop(store);
    let (name, bytes) = newest(&files);
    let file = files.open(&name).unwrap();
    let at = frame.place.offset() + 130;
    file.write_all_at(&[bytes[at as usize] ^ 1], at).unwrap();
    let (store, recovery) = open_recycling(&files);
    let dropped = recovery.report.dropped_tail.unwrap();
    assert_eq!((dropped.file, dropped.offset), (name, frame.place.offset()));
    SMALL_ONE.write_and_sync(&store);
    drop(store);
    let (_, recovery) = open_recycling(&files);
    assert_eq!(recovery.report.dropped_tail, None);
    assert!(SMALL_ONE.is(recovery.frames.last().unwrap()));
}

/// The last frame was acknowledged, and nothing later proves it: whatever one bit of it becomes, that it is gone is told.
#[test]
fn no_flipped_bit_of_the_last_frame_loses_it_silently() {
    let (files, store) = recycled();
    let frame = SMALL_ONE.write_and_sync(&store);
    drop(store);
    let (name, bytes) = newest(&files);
    let file = files.open(&name).unwrap();
    for at in 0..128 + SMALL_ONE.meta_len as u64 {
        for bit in 0..8 {
            let at = frame.place.offset() + at;
            let byte = bytes[at as usize];
            file.write_all_at(&[byte ^ 1 << bit], at).unwrap();
            let (_, recovery) = open_recycling(&files);
            let whole = recovery.frames.last() == Some(&frame);
            assert!(
                whole != recovery.report.dropped_tail.is_some(),
                "bit {bit} of {at}"
            );
            file.write_all_at(&[byte], at).unwrap();
        }
    }
}

#[test]
fn damage_is_found_in_a_recycled_segment_too() {
    let (files, store) = recycled();
    let first = SMALL_ONE.write_and_sync(&store);
    SMALL_ONE.write_and_sync(&store);
    drop(store);
    let (name, _) = newest(&files);
    let file = files.open(&name).unwrap();
    file.write_all_at(b"x", first.place.offset()).unwrap();
    let error = open_with(&files, RECYCLING).map(drop).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Damaged { offset, .. } if offset == first.place.offset()
    ));
}

#[test]
fn no_more_spares_are_kept_than_wanted() {
    let files = MemoryFiles::new();
    let (store, _) = open_recycling(&files);
    for _ in 0..7 {
        let frame = FILLING.write_and_sync(&store);
        store.writer().unwrap().set_start(frame.place);
    }
    store.retire(&[1, 2, 3, 4, 5]).unwrap();
    let spares = |files: &MemoryFiles| {
        let names = log_names(files).into_iter();
        names.filter(|name| name.starts_with("spare-")).count()
    };
    assert_eq!(spares(&files), RECYCLING.spares_max);
    drop(store);
    let (store, recovery) = open_recycling(&files);
    assert_eq!((spares(&files), &recovery.report.orphans), (2, &Vec::new()));
    drop(store);
    let (_store, _) = open_with(&files, SMALL).unwrap();
    assert_eq!(spares(&files), 0);
}

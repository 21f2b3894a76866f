//! P3: what was written is there after opening again, once, in order, and reads as it was.

use super::*;
use crate::store::files::OsFiles;
use crate::store::{Place, WriteError};

fn round_trip(files: &(impl Files + Clone + 'static), limits: Limits) {
    let (store, recovery) = open_with(files, limits).unwrap();
    assert_eq!(recovery.frames, []);
    let plains = [PLAINS, PLAINS].concat();
    let frames: Vec<Frame> = plains.iter().map(|p| p.write_and_sync(&store)).collect();
    check(&store, &plains, &frames);
    drop(store);
    let (store, recovery) = open_with(files, limits).unwrap();
    assert_eq!(recovery.frames, frames);
    assert_eq!(recovery.report.frames, 16);
    assert_eq!(recovery.report.dropped_tail, None);
    assert_eq!(recovery.report.segments, store.segments().len() as u64);
    check(&store, &plains, &frames);
}

fn check(store: &Store, plains: &[Plain], frames: &[Frame]) {
    for (at, (plain, frame)) in plains.iter().zip(frames).enumerate() {
        assert!(plain.is(frame));
        assert_eq!(frame.sequence, at as u64 + 1);
        assert_eq!(frame.blobs.offset() % 4096, 0);
        assert_eq!(store.frame(frame.place).unwrap(), *frame);
        assert_eq!(store.blobs(frame).unwrap(), plain.blobs());
        assert_eq!(blobs_of(store, frame), plain.blobs());
        let (file, offset) = store.file_of(frame.place);
        assert_eq!(offset, frame.place.offset());
        assert_eq!(file, format!("log-{:016x}", frame.place.segment()));
    }
}

#[test]
fn frames_round_trip_in_memory_and_on_the_disk() {
    for limits in [Limits::default(), SMALL] {
        round_trip(&MemoryFiles::new(), limits);
        let directory = tempfile::tempdir().unwrap();
        let files = OsFiles::open(directory.path().join("not/yet/there")).unwrap();
        round_trip(&files, limits);
    }
}

#[test]
fn blobs_lie_where_they_were_said_to() {
    let (store, _) = open_small(&MemoryFiles::new()).unwrap();
    let mut writer = store.writer().unwrap();
    for plain in [PLAINS, PLAINS].concat() {
        let lens = (plain.meta_len as u64, plain.blobs_len as u64);
        let said = writer.blobs_place(lens.0, lens.1).unwrap();
        assert_eq!(writer.blobs_place(lens.0, lens.1).unwrap(), said);
        let place = writer.write(1, &plain.meta(), &[&plain.blobs()], true);
        assert_eq!(store.frame(place.unwrap()).unwrap().blobs, said);
    }
}

#[test]
fn a_frame_larger_than_a_segment_has_one_of_its_own() {
    let files = MemoryFiles::new();
    let (store, _) = open_small(&files).unwrap();
    let large = Plain::new(1, 16, 300_000, false);
    let plains = [large, PLAINS[1], large, large, PLAINS[1]];
    let frames: Vec<Frame> = plains.iter().map(|p| p.write_and_sync(&store)).collect();
    let segments = frames.iter().map(|frame| frame.place.segment());
    assert_eq!(segments.collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    check(&store, &plains, &frames);
    drop(store);
    let (store, recovery) = open_small(&files).unwrap();
    assert_eq!(recovery.frames, frames);
    check(&store, &plains, &frames);
}

#[test]
fn a_segment_is_as_long_as_its_frames_once_the_next_was_begun() {
    let files = MemoryFiles::new();
    let (store, _) = open_small(&files).unwrap();
    for plain in PLAINS {
        plain.write(&store);
    }
    for segment in store.segments() {
        let len = files.bytes(&segment.file).unwrap().len() as u64;
        if segment.is_current {
            assert_eq!(len % SMALL.growth_bytes, 0);
            assert!(len >= segment.len_bytes && len < segment.len_bytes + SMALL.growth_bytes);
        } else {
            assert_eq!(len, segment.len_bytes);
        }
        assert!(segment.len_bytes <= SMALL.segment_bytes);
    }
}

#[test]
fn a_frame_longer_than_a_segment_can_be_is_refused_and_nothing_happens() {
    let files = FaultyFiles::new();
    let (store, _) = open(&files).unwrap();
    let before = files.operations();
    let mut writer = store.writer().unwrap();
    for (meta, blobs) in [(1 << 36, 0), (0, 1 << 36), (u64::MAX, u64::MAX)] {
        let refused = writer.blobs_place(meta, blobs);
        assert!(matches!(refused, Err(WriteError::TooLong { .. })));
    }
    assert_eq!(files.operations(), before);
    writer.write(1, b"", &[], false).unwrap();
}

#[test]
fn opening_begins_at_the_checkpoint_that_the_newest_segment_names() {
    let files = MemoryFiles::new();
    let (store, _) = open_small(&files).unwrap();
    let first = PLAINS.map(|plain| plain.write(&store));
    let checkpoint = PLAINS[1].write(&store);
    store.writer().unwrap().set_start(checkpoint.place);
    let newest = |store: &Store| store.segments().len();
    let segments = newest(&store);
    let mut after = vec![checkpoint];
    while newest(&store) == segments {
        assert_eq!(open_after(&files, &store).len(), first.len() + after.len());
        after.push(PLAINS[4].write(&store));
    }
    after.push(PLAINS[6].write(&store));
    assert_eq!(open_after(&files, &store), after);
}

/// The frames that an opening of the same files would give.
fn open_after(files: &MemoryFiles, _open: &Store) -> Vec<Frame> {
    let copy = MemoryFiles::with(bytes_of(files));
    open_small(&copy).unwrap().1.frames
}

#[test]
fn ten_thousand_frames_round_trip() {
    let limits = Limits {
        segment_bytes: 1 << 20,
        ..Limits::default()
    };
    let files = MemoryFiles::new();
    let (store, _) = open_with(&files, limits).unwrap();
    let mut writer = store.writer().unwrap();
    let mut places: Vec<Place> = Vec::new();
    for number in 0..10_000u32 {
        let meta = number.to_le_bytes();
        places.push(writer.write(7, &meta, &[], number % 2 == 0).unwrap());
        if number % 16 == 0 {
            writer.sync().unwrap();
        }
    }
    writer.sync().unwrap();
    drop(writer);
    drop(store);
    let (store, recovery) = open_with(&files, limits).unwrap();
    assert_eq!(recovery.frames.len(), 10_000);
    assert!(store.segments().len() >= 40);
    for (number, (frame, place)) in recovery.frames.iter().zip(&places).enumerate() {
        assert_eq!(frame.place, *place);
        assert_eq!(frame.meta, (number as u32).to_le_bytes());
        assert_eq!(frame.sequence, number as u64 + 1);
    }
}

#[test]
fn threads_read_while_one_writes() {
    let (store, _) = open_small(&MemoryFiles::new()).unwrap();
    let first = PLAINS[0].write_and_sync(&store);
    std::thread::scope(|scope| {
        scope.spawn(|| (0..300).for_each(|_| assert_eq!(blobs_of(&store, &first), [1; 9000])));
        for plain in [PLAINS; 8].concat() {
            let frame = plain.write(&store);
            assert_eq!(blobs_of(&store, &frame), plain.blobs());
        }
    });
}

#[test]
fn stores_and_leases_may_be_used_by_any_thread() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Store>();
    is_shared::<crate::store::Lease>();
}

/// A reader does not wait for the disk work of a write.
#[test]
fn reading_does_not_need_the_writer() {
    let (store, _) = open(&MemoryFiles::new()).unwrap();
    let frame = PLAINS[0].write_and_sync(&store);
    let writer = store.writer().unwrap();
    assert_eq!(blobs_of(&store, &frame), [1; 9000]);
    assert_eq!(store.frame(frame.place).unwrap(), frame);
    let lease = store.lease();
    assert_eq!(store.segments().len(), 1);
    drop((writer, lease));
}

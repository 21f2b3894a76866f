//! P3, P7: damaged files give typed errors, reported tails or untouched data; never wrong data, never
//! a panic.

use std::collections::BTreeSet;

use super::*;
use crate::store::frame::{BLOCK_BYTES, HEADER_LEN};
use crate::store::{Damage, TailCause, header};

type Log = BTreeMap<String, Vec<u8>>;

/// What a byte of the log belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    SegmentHeader,
    /// Header and meta of the frame with this index.
    Head(usize),
    Blobs(usize),
    Padding,
}

/// The frames of a log, to find out what its bytes are.
struct Map {
    frames: Vec<Frame>,
    log: Log,
}

impl Map {
    fn of(plains: &[Plain], limits: Limits) -> Self {
        let log = log_of(plains, limits);
        let (_, recovery) = open_with(&MemoryFiles::with(log.clone()), limits).unwrap();
        let frames = recovery.frames;
        assert_eq!(frames.len(), plains.len());
        Self { frames, log }
    }

    fn part(&self, segment: u32, offset: u64) -> Part {
        if offset < header::HEADER_LEN as u64 {
            return Part::SegmentHeader;
        }
        let in_segment = |frame: &&(usize, &Frame)| frame.1.place.segment() == segment;
        let frames: Vec<_> = self.frames.iter().enumerate().collect();
        let before = |frame: &&(usize, &Frame)| frame.1.place.offset() <= offset;
        let Some((at, frame)) = frames.iter().filter(in_segment).rfind(before) else {
            return Part::Padding;
        };
        let head_end = frame.place.offset() + (HEADER_LEN + frame.meta.len()) as u64;
        let blobs = frame.blobs.offset()..frame.blobs.offset() + frame.blobs_len;
        match offset {
            _ if offset < head_end => Part::Head(*at),
            _ if blobs.contains(&offset) => Part::Blobs(*at),
            _ => Part::Padding,
        }
    }

    /// Every byte near the beginning or the end of something, and some between.
    fn samples(&self) -> Vec<(String, u64)> {
        let near = |at: usize| {
            let between = HEADER_LEN + 8..BLOCK_BYTES - 3;
            !between.contains(&(at % BLOCK_BYTES)) || at.is_multiple_of(101)
        };
        let samples = self.log.iter().flat_map(|(name, bytes)| {
            let offsets = (0..bytes.len()).filter(|at| near(*at));
            offsets.map(|at| (name.clone(), at as u64))
        });
        samples.collect()
    }

    fn flipped(&self, name: &str, offset: u64) -> MemoryFiles {
        let mut log = self.log.clone();
        log.get_mut(name).unwrap()[offset as usize] ^= 1 << (offset % 8);
        MemoryFiles::with(log)
    }
}

/// Opens with one bit flipped and says what must come of it.
fn check_flip(map: &Map, plains: &[Plain], limits: Limits, (name, offset): &(String, u64)) {
    let segment = crate::store::place::number_of(name).unwrap();
    let part = map.part(segment, *offset);
    let opened = open_with(&map.flipped(name, *offset), limits);
    let last = plains.len() - 1;
    match (part, opened) {
        (Part::SegmentHeader, Err(OpenError::Damaged { file, what, .. })) => {
            assert_eq!((&file, what), (name, Damage::SegmentHeader));
        }
        (Part::Head(at), Err(OpenError::Damaged { file, offset, what })) => {
            let place = map.frames[at].place;
            assert_eq!((&file, offset), (name, place.offset()));
            assert!(matches!(what, Damage::Frame { later_sequence, .. }
                if later_sequence > at as u64 + 1));
            assert!(at < last);
        }
        (Part::Head(at), Ok((_, recovery))) => assert_dropped(map, &recovery, last, at, false),
        (Part::Blobs(at), Ok((_, recovery))) if at == last => {
            assert_dropped(map, &recovery, last, at, true);
        }
        (Part::Blobs(at), Ok((store, recovery))) => {
            assert_eq!(recovery.frames, map.frames);
            assert_only_broken(&store, &map.frames, plains, Some(at));
        }
        (Part::Padding, Ok((store, recovery))) => {
            assert_eq!(recovery.frames, map.frames);
            assert_only_broken(&store, &map.frames, plains, None);
        }
        (part, opened) => panic!("{part:?} at {offset} of {name}: {:?}", opened.err()),
    }
}

fn assert_dropped(map: &Map, recovery: &Recovery, last: usize, at: usize, blobs: bool) {
    assert_eq!(at, last);
    assert_eq!(recovery.frames, map.frames[..last]);
    let dropped = recovery.report.dropped_tail.as_ref().unwrap();
    let place = map.frames[last].place;
    assert_eq!(dropped.offset, place.offset());
    assert_eq!(
        dropped.file,
        crate::store::place::file_name(place.segment())
    );
    assert_eq!(dropped.cause == TailCause::Blobs, blobs);
}

/// Blobs that are not vouched for are refused by the store, the others by whoever knows their hash.
fn assert_only_broken(store: &Store, frames: &[Frame], plains: &[Plain], broken: Option<usize>) {
    for (at, (frame, plain)) in frames.iter().zip(plains).enumerate() {
        let blobs = store.blobs(frame);
        match (broken == Some(at), plain.vouched) {
            (false, _) => assert_eq!(blobs.unwrap(), plain.blobs()),
            (true, true) => assert_ne!(blobs.unwrap(), plain.blobs()),
            (true, false) => assert!(matches!(
                blobs,
                Err(ReadError::Damaged { what: Damage::Blob, offset, .. })
                    if offset == frame.blobs.offset()
            )),
        }
    }
}

fn flip_everywhere(plains: &[Plain], limits: Limits) {
    let map = Map::of(plains, limits);
    for sample in map.samples() {
        check_flip(&map, plains, limits, &sample);
    }
}

#[test]
fn a_bit_flipped_in_a_log_of_one_segment_is_noticed_or_harmless() {
    flip_everywhere(&PLAINS, LARGE);
}

#[test]
fn a_bit_flipped_in_a_log_of_several_segments_is_noticed_or_harmless() {
    let plains = [&PLAINS[..], &PLAINS[..7]].concat();
    assert!(log_of(&plains, SMALL).len() > 3);
    flip_everywhere(&plains, SMALL);
}

#[test]
fn a_segment_before_the_last_is_missed() {
    let log = log_of(&PLAINS, SMALL);
    let newest = log.keys().next_back().unwrap();
    for name in log.keys().filter(|name| *name != newest) {
        let mut log = log.clone();
        log.remove(name);
        let Err(OpenError::Damaged { file, what, .. }) = open_small(&MemoryFiles::with(log)) else {
            panic!("opened without {name}");
        };
        assert_eq!((&file, what), (name, Damage::Missing));
    }
}

/// Nothing in the log tells that there was another segment; whoever has places in it knows.
#[test]
fn a_segment_that_is_needed_and_missing_is_damage() {
    let mut log = log_of(&PLAINS, SMALL);
    let (newest, _) = log.pop_last().unwrap();
    let files = MemoryFiles::with(log.clone());
    let (store, _) = open_small(&files).unwrap();
    let number = crate::store::place::number_of(&newest).unwrap();
    let Err(OpenError::Damaged { file, what, .. }) = store.settle(&BTreeSet::from([1, number]))
    else {
        panic!("settled without {newest}");
    };
    assert_eq!((file, what), (newest, Damage::Missing));
    assert_eq!(bytes_of(&files).len(), log.len());
}

#[test]
fn segments_that_were_exchanged_are_noticed() {
    let log = log_of(&PLAINS, SMALL);
    let names: Vec<_> = log.keys().collect();
    for (first, second) in names.iter().zip(&names[1..]) {
        let mut swapped = log.clone();
        swapped.insert((*first).clone(), log[*second].clone());
        swapped.insert((*second).clone(), log[*first].clone());
        assert_eq!(refusal(swapped), Damage::SegmentHeader);
        let mut copied = log.clone();
        copied.insert((*second).clone(), log[*first].clone());
        assert_eq!(refusal(copied), Damage::SegmentHeader);
    }
}

fn refusal(log: Log) -> Damage {
    match open_small(&MemoryFiles::with(log)) {
        Err(OpenError::Damaged { what, .. }) => what,
        other => panic!("{:?}", other.err()),
    }
}

/// Also the newest: its header was on the disk before it had its name, so nothing that a crash
/// leaves looks like this, and what it held may have been acknowledged.
#[test]
fn a_segment_cut_inside_its_header_is_damage() {
    let log = log_of(&PLAINS, SMALL);
    for name in log.keys() {
        for len in [0, 1, 55, 56, 111] {
            let mut log = log.clone();
            log.get_mut(name).unwrap().truncate(len);
            assert_eq!(refusal(log), Damage::SegmentHeader);
        }
    }
}

#[test]
fn a_segment_before_the_last_that_is_cut_is_damage_and_says_where() {
    let log = log_of(&PLAINS, SMALL);
    let name = log.keys().next().unwrap();
    let content_end = log[name].iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for len in (BLOCK_BYTES..content_end).step_by(1711) {
        let mut log = log.clone();
        log.get_mut(name).unwrap().truncate(len);
        match refusal(log) {
            Damage::Frame { later, .. } => assert_eq!((later.segment(), later.offset()), (2, 4096)),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_broken_frame_before_a_synced_one_is_damage_and_says_where() {
    let map = Map::of(&PLAINS, LARGE);
    let mut log = map.log.clone();
    let (name, bytes) = log.iter_mut().next().unwrap();
    let (name, second) = (name.clone(), map.frames[1].place.offset() as usize);
    bytes[second..second + BLOCK_BYTES].fill(0);
    let Err(OpenError::Damaged { file, offset, what }) = open(&MemoryFiles::with(log)) else {
        panic!("opened");
    };
    assert_eq!((file, offset), (name, second as u64));
    // The last frame was written when the most was known to be synced.
    assert_eq!(
        what,
        Damage::Frame {
            cause: TailCause::Header,
            later_sequence: 8,
            later: map.frames[7].place,
        }
    );
    assert!(what.to_string().contains("log-0000000000000001"), "{what}");
}

#[test]
fn a_missing_frame_is_damage() {
    let map = Map::of(&PLAINS, LARGE);
    let mut log = map.log.clone();
    let bytes = log.values_mut().next().unwrap();
    let at = |index: usize| map.frames[index].place.offset() as usize;
    bytes.drain(at(1)..at(2));
    assert!(matches!(
        refusal(log),
        Damage::Frame {
            later_sequence: 8,
            ..
        }
    ));
}

#[test]
fn a_file_cut_or_removed_under_an_open_store_is_an_error() {
    let log = log_of(&[PLAINS; 3].concat(), SMALL);
    assert!(log.len() > SMALL.open_files_max + 1);
    let files = MemoryFiles::with(log);
    let (store, recovery) = open_small(&files).unwrap();
    let frame = &recovery.frames[0];
    let file = files.open("log-0000000000000001").unwrap();
    file.set_len(4096).unwrap();
    let mut bytes = [0; 16];
    assert!(matches!(
        store.read(frame.blobs, &mut bytes),
        Err(ReadError::Damaged {
            what: Damage::Truncated,
            ..
        })
    ));
    assert!(store.frame(frame.place).is_err());

    files.remove("log-0000000000000001").unwrap();
    for frame in &recovery.frames[1..] {
        // Other files take its place among the open ones.
        store.frame(frame.place).unwrap_or(frame.clone());
    }
    assert!(matches!(
        store.read(frame.blobs, &mut bytes),
        Err(ReadError::Damaged {
            what: Damage::Missing,
            ..
        })
    ));
}

#[test]
fn a_place_where_nothing_is_gives_an_error() {
    let (store, _) = open(&MemoryFiles::new()).unwrap();
    let frame = PLAINS[0].write_and_sync(&store);
    let mut bytes = [0; 32];
    let behind = frame.blobs.plus(9008).unwrap();
    assert!(
        store
            .read(frame.blobs.plus(8976).unwrap(), &mut bytes)
            .is_ok()
    );
    let end = frame.blobs.plus(3 * 4096).unwrap();
    assert!(matches!(
        store.read(end, &mut bytes),
        Err(ReadError::Damaged {
            what: Damage::Truncated,
            ..
        })
    ));
    for (place, cause) in [
        (behind, TailCause::Header),
        (frame.blobs, TailCause::Header),
        (end, TailCause::Header),
    ] {
        assert!(matches!(
            store.frame(place),
            Err(ReadError::Damaged { what: Damage::NoFrame { cause: found }, offset, .. })
                if found == cause && offset == place.offset()
        ));
    }
    for segment in [0, 2, u32::MAX] {
        let place = crate::store::Place::new(segment, 4096).unwrap();
        let gone = store.read(place, &mut bytes);
        assert!(matches!(gone, Err(ReadError::Gone { segment: s }) if s == segment));
    }
}

#[test]
fn all_frames_of_a_segment_are_given_or_the_broken_one_is_named() {
    let map = Map::of(&PLAINS, SMALL);
    let first: Vec<_> = map
        .frames
        .iter()
        .filter(|f| f.place.segment() == 1)
        .collect();
    let files = MemoryFiles::with(map.log.clone());
    let (store, _) = open_small(&files).unwrap();
    assert!(store.frames(1).unwrap().iter().eq(first.iter().copied()));
    let newest = store.segments().pop().unwrap();
    assert_eq!(
        store.frames(newest.number).unwrap().last(),
        map.frames.last()
    );

    let broken = first[1].place;
    let file = files.open("log-0000000000000001").unwrap();
    file.write_all_at(&[0xff], broken.offset() + 128).unwrap();
    assert!(matches!(
        store.frames(1),
        Err(ReadError::Damaged { offset, what: Damage::NoFrame { cause: TailCause::Checksum }, .. })
            if offset == broken.offset()
    ));
}

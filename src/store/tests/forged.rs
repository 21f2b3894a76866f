//! P7: no bytes make opening or reading panic, not even bytes whose checksums are right.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::store::Place;
use crate::store::frame::{BLOCK_BYTES, Fields, HEADER_LEN};
use crate::store::header::SegmentHeader;
use crate::store::place::file_name;

const EXTREMES: [u64; 9] = [
    0,
    1,
    2,
    4095,
    1 << 32,
    1 << 36,
    u64::MAX / 2,
    u64::MAX - 1,
    u64::MAX,
];

fn segment(number: u32, first_sequence: u64, start: u64, frame: &[u8]) -> (String, Vec<u8>) {
    let header = SegmentHeader {
        epoch: 7,
        number,
        first_sequence,
        start: Place::from_u64(start),
        recycled: false,
    };
    let mut bytes = header.encode();
    bytes.extend_from_slice(frame);
    (file_name(number), bytes)
}

fn frame(sequence: u64, meta_len: u64, blobs_len: u64, durable: u64, hash: u8) -> Vec<u8> {
    let fields = Fields {
        kind: 1,
        epoch: 7,
        sequence,
        meta_len,
        blobs_len,
        durable,
        blobs_hash: [hash; 32],
    };
    let mut bytes = fields.encode(b"").to_vec();
    bytes.resize(BLOCK_BYTES, 0);
    bytes
}

/// Opens, and if that succeeds, uses it.
fn try_out(log: impl IntoIterator<Item = (String, Vec<u8>)>) {
    let files = MemoryFiles::with(log);
    let Ok((store, recovery)) = open_small(&files) else {
        return;
    };
    for frame in &recovery.frames {
        let _ = (store.frame(frame.place), store.blobs(frame));
    }
    for segment in store.segments() {
        let _ = store.frames(segment.number);
    }
    let writer = store.writer();
    let _ = writer.map(|mut writer| (writer.write(1, b"", &[], false), writer.sync()));
}

#[test]
fn headers_with_extreme_numbers_are_refused_or_taken() {
    for first in EXTREMES {
        for start in EXTREMES
            .into_iter()
            .chain([1 << 32 | 256, 2 << 32 | 256, 257])
        {
            for newest in [1, 2, u32::MAX] {
                let frame = frame(first, 0, 0, 0, 0);
                let log = [segment(1, 1, 0, &[]), segment(newest, first, start, &frame)];
                try_out(log);
            }
        }
    }
}

#[test]
fn frames_with_extreme_numbers_are_refused_or_taken() {
    for len in EXTREMES {
        for other in EXTREMES {
            for hash in [0, 1] {
                let one = |frame: Vec<u8>| try_out([segment(1, 1, 0, &frame)]);
                one(frame(1, len, other, 0, hash));
                one(frame(1, 0, len, other, hash));
                one([frame(1, 0, 0, len, hash), frame(2, 0, 0, other, hash)].concat());
                one([frame(3, 0, 0, len, hash), frame(other, 0, 0, len, hash)].concat());
                let two = segment(2, other, 1 << 32 | 256, &frame(other, 0, 0, len, hash));
                try_out([segment(1, 1, 0, &frame(len, 0, 0, 0, hash)), two]);
            }
        }
    }
}

#[test]
fn a_frame_begins_at_a_block() {
    let shifted = [&[0; 16], &frame(1, 0, 0, 0, 0)[..]].concat();
    let files = MemoryFiles::with([segment(1, 1, 0, &shifted)]);
    let (store, _) = open_small(&files).unwrap();
    for _ in 0..2 {
        // The log's length covers it.
        PLAINS[2].write_and_sync(&store);
    }
    let file = files.open(&file_name(1)).unwrap();
    file.write_all_at(&frame(1, 0, 0, 0, 0), 8192 + 16).unwrap();
    assert!(store.frame(Place::new(1, 8192 + 16).unwrap()).is_err());
    file.write_all_at(&frame(1, 0, 0, 0, 0), 8192).unwrap();
    assert!(store.frame(Place::new(1, 8192).unwrap()).is_ok());
}

proptest! {
    #[test]
    fn random_bytes_are_no_log(bytes in vec(any::<u8>(), 0..9000)) {
        let files = MemoryFiles::with([(file_name(1), bytes)]);
        let refused = matches!(open(&files), Err(OpenError::Damaged { .. }));
        prop_assert!(refused);
    }

    /// Runs of a log are overwritten, moved or cut out; frames are lost or refused, never changed.
    #[test]
    fn a_mangled_log_gives_its_first_frames_or_an_error(
        edits in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1..9000usize, 0..3u8), 1..4),
    ) {
        let log = log_of(&PLAINS, SMALL);
        let (_, whole) = open_small(&MemoryFiles::with(log.clone())).unwrap();
        let mut mangled = log;
        for (from, to, len, kind) in edits {
            let names: Vec<String> = mangled.keys().cloned().collect();
            let source = mangled[from.get(&names)].clone();
            let target = mangled.get_mut(to.get(&names)).unwrap();
            mangle(&source, target, (from, to), len, kind);
        }
        if let Ok((store, recovery)) = open_small(&MemoryFiles::with(mangled)) {
            let count = recovery.frames.len();
            prop_assert_eq!(&recovery.frames[..], &whole.frames[..count]);
            for (frame, plain) in recovery.frames.iter().zip(&PLAINS) {
                let right = store.blobs(frame).map(|blobs| blobs == plain.blobs());
                // What is vouched for is checked by its reader.
                prop_assert!(plain.vouched || right.unwrap_or(true));
            }
        }
    }

    #[test]
    fn headers_have_one_encoding(epoch: u64, number: u32, first in 1..u64::MAX / 2, start: u64, at in 0..112usize, bit in 0..8) {
        let header = SegmentHeader { epoch, number, first_sequence: first, start: Place::from_u64(start), recycled: false };
        let mut bytes: [u8; 112] = *header.encode().first_chunk().unwrap();
        prop_assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        bytes[at] ^= 1u8 << bit;
        prop_assert!(SegmentHeader::decode(&bytes).is_err());
    }

    #[test]
    fn frame_headers_give_back_their_fields(kind: u8, epoch: u64, sequence: u64, meta_len: u64, blobs_len: u64, durable: u64, blobs_hash: [u8; 32], offset: u64) {
        let fields = Fields { kind, epoch, sequence, meta_len, blobs_len, durable, blobs_hash };
        let bytes: [u8; HEADER_LEN] = fields.encode(b"meta");
        prop_assert_eq!(Fields::decode(&bytes), Some(fields));
        let _ = fields.extent(offset);
    }

    #[test]
    fn places_give_back_their_parts(segment: u32, units: u32, number: u64, further: u64) {
        let offset = u64::from(units) * 16;
        let place = Place::new(segment, offset).unwrap();
        prop_assert_eq!((place.segment(), place.offset()), (segment, offset));
        prop_assert_eq!(Place::from_u64(place.to_u64()), place);
        prop_assert_eq!(Place::from_u64(number).to_u64(), number);
        let end = offset.checked_add(further).and_then(|end| Place::new(segment, end));
        prop_assert_eq!(place.plus(further), end);
        prop_assert_eq!(Place::new(segment, offset + 1 + further % 15), None);
    }
}

fn mangle(
    source: &[u8],
    target: &mut Vec<u8>,
    (from, to): (prop::sample::Index, prop::sample::Index),
    len: usize,
    kind: u8,
) {
    if source.is_empty() || target.is_empty() {
        return;
    }
    let (from, to) = (from.index(source.len()), to.index(target.len()));
    let run = &source[from..source.len().min(from + len)];
    let end = target.len().min(to + run.len());
    match kind {
        0 => target[to..end].copy_from_slice(&run[..end - to]),
        1 => drop(target.drain(to..end)),
        _ => target[to..end].fill(0),
    }
}

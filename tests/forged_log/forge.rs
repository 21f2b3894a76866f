//! A store's log taken apart, changed, and put together again with checksums that hold: what an attacker with the disk, or a
//! defect of another build, can leave, and what random damage never is.

use crostata::CommitId;
use crostata::Root;
use crostata_proof::hash::{self, Kind};

const BLOCK: usize = 4_096;
const HEADER: usize = 128;
/// Bytes of a segment's header that the second checksum covers.
const SEGMENT_FIELDS: usize = 80;
const COMMIT: u8 = 1;

/// A number below another, from bytes of a fuzzer or a seed.
pub type Choose<'c> = &'c mut dyn FnMut(u64) -> u64;

/// A log's segments, in order.
#[derive(Clone)]
pub struct Log {
    pub segments: Vec<Segment>,
}

/// A segment.
#[derive(Clone)]
pub struct Segment {
    pub name: String,
    /// The header's first bytes, checksums left out of account.
    pub header: Vec<u8>,
    pub frames: Vec<Frame>,
}

/// A frame.
#[derive(Clone)]
pub struct Frame {
    pub kind: u8,
    pub epoch: u64,
    pub sequence: u64,
    pub durable: u64,
    /// Whether the frame states a hash of its blobs.
    pub hashed: bool,
    pub meta: Vec<u8>,
    pub blobs: Vec<u8>,
    /// Lengths of meta and blobs that the header states instead of the true ones.
    pub stated: [Option<u64>; 2],
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u64::from_le_bytes(*word))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    for (byte, value) in bytes.iter_mut().skip(at).zip(value) {
        *byte = *value;
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

fn checksum(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = hash::hasher(Kind::LogFrame);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

impl Frame {
    /// The frame that these bytes begin with, and its length.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let header = bytes.get(..HEADER)?;
        if !header.starts_with(b"crosfram") {
            return None;
        }
        let (meta_len, blobs_len) = (word(header, 32) as usize, word(header, 40) as usize);
        let blobs_at = (HEADER + meta_len).next_multiple_of(BLOCK);
        let frame = Self {
            kind: header[8],
            epoch: word(header, 16),
            sequence: word(header, 24),
            durable: word(header, 48),
            hashed: header[64..96] != [0; 32],
            meta: bytes.get(HEADER..HEADER + meta_len)?.to_vec(),
            blobs: bytes.get(blobs_at..blobs_at + blobs_len)?.to_vec(),
            stated: [None; 2],
        };
        Some((frame, (blobs_at + blobs_len).next_multiple_of(BLOCK)))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mut header = vec![0; HEADER];
        put(&mut header, 0, b"crosfram");
        put(&mut header, 8, &[self.kind, 2]);
        put(&mut header, 16, &self.epoch.to_le_bytes());
        put(&mut header, 24, &self.sequence.to_le_bytes());
        let lengths = [self.meta.len() as u64, self.blobs.len() as u64];
        for (at, (stated, length)) in self.stated.iter().zip(lengths).enumerate() {
            put(
                &mut header,
                32 + 8 * at,
                &stated.unwrap_or(length).to_le_bytes(),
            );
        }
        put(&mut header, 48, &self.durable.to_le_bytes());
        if self.hashed {
            put(&mut header, 64, &checksum(&[&self.blobs]));
        }
        let sum = checksum(&[&header[..96], &self.meta]);
        put(&mut header, 96, &sum);
        out.extend_from_slice(&header);
        out.extend_from_slice(&self.meta);
        pad(out);
        out.extend_from_slice(&self.blobs);
        pad(out);
    }

    /// Gives a commit's entry the id of its parent, root and tag.
    fn rename(&mut self) {
        let part = |at: usize| {
            let part = self.meta.get(at..).and_then(<[u8]>::first_chunk);
            part.copied().unwrap_or([0; 32])
        };
        let (parent, root) = (CommitId::from_bytes(part(32)), Root::from_bytes(part(64)));
        let id = hash::commit_id(&parent, &root, &part(96));
        put(&mut self.meta, 0, id.as_bytes());
    }
}

impl Segment {
    fn parse(name: &str, bytes: &[u8]) -> Self {
        let mut frames = Vec::new();
        let mut at = BLOCK;
        while let Some((frame, len)) = bytes.get(at..).and_then(Frame::parse) {
            frames.push(frame);
            at += len;
        }
        Self {
            name: name.to_owned(),
            header: bytes[..SEGMENT_FIELDS].to_vec(),
            frames,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.header.clone();
        let common = checksum(&[&bytes[..24]]);
        put(&mut bytes, 24, &common);
        let sum = checksum(&[&bytes]);
        bytes.extend_from_slice(&sum);
        pad(&mut bytes);
        self.frames
            .iter()
            .for_each(|frame| frame.encode(&mut bytes));
        bytes
    }
}

impl Log {
    /// Takes the segments among files apart.
    pub fn parse(files: &[(String, Vec<u8>)]) -> Self {
        let segments = files.iter().filter(|(name, _)| name.starts_with("log-"));
        let segments = segments.map(|(name, bytes)| Segment::parse(name, bytes));
        Self {
            segments: segments.collect(),
        }
    }

    /// The files.
    pub fn encode(&self) -> Vec<(String, Vec<u8>)> {
        let segments = self.segments.iter();
        segments
            .map(|segment| (segment.name.clone(), segment.encode()))
            .collect()
    }

    /// Tells one lie, and mends what follows from it mostly: numbers of frames, ids of commits.
    pub fn lie(&mut self, choose: Choose<'_>) {
        let places = self.places();
        // What lies before the last checkpoint is hardly looked at.
        let segment = last_of_two(self.segments.len(), choose);
        match choose(16) {
            0..3 => self.lie_in_segment(segment, choose),
            3 => self.move_frames(segment, choose),
            kind => {
                let ids = self.ids();
                let frames = &mut self.segments[segment].frames;
                if frames.is_empty() {
                    return;
                }
                let frame = last_of_two(frames.len(), choose);
                lie_in_frame(&mut frames[frame], kind, &places, &ids, choose);
            }
        }
        if choose(8) > 0 {
            self.number();
        }
    }

    /// The places of all frames.
    fn places(&self) -> Vec<u64> {
        let mut places = vec![0];
        for segment in &self.segments {
            let number = word(&segment.header, 56) << 32;
            let (mut at, mut bytes) = (BLOCK, Vec::new());
            for frame in &segment.frames {
                places.push(number | (at as u64 / 16));
                bytes.clear();
                frame.encode(&mut bytes);
                let blobs_at = (HEADER + frame.meta.len()).next_multiple_of(BLOCK);
                places.push(number | ((at + blobs_at) as u64 / 16));
                places.push(number | ((at + blobs_at + 16) as u64 / 16));
                at += bytes.len();
            }
        }
        places
    }

    /// The ids, roots and hashes that frames begin with.
    fn ids(&self) -> Vec<[u8; 32]> {
        let frames = self.segments.iter().flat_map(|segment| &segment.frames);
        let parts = frames.flat_map(|frame| frame.meta.chunks_exact(32).take(5));
        let mut ids: Vec<[u8; 32]> = parts
            .filter_map(|part| part.first_chunk().copied())
            .collect();
        ids.push([0; 32]);
        ids
    }

    /// Numbers all frames anew, from the first one's number on.
    fn number(&mut self) {
        let mut next = word(&self.segments[0].header, 64);
        for segment in &mut self.segments {
            put(&mut segment.header, 64, &next.to_le_bytes());
            for frame in &mut segment.frames {
                frame.sequence = next;
                next = next.wrapping_add(1);
            }
        }
    }

    fn lie_in_segment(&mut self, segment: usize, choose: Choose<'_>) {
        let places = self.places();
        let header = &mut self.segments[segment].header;
        match choose(5) {
            4 => {
                // The first segment's number goes for all that follow.
                let near = [u64::MAX, u64::MAX / 2, 16][choose(3) as usize];
                let lie = near - choose(16);
                put(&mut self.segments[0].header, 64, &lie.to_le_bytes());
            }
            0 => {
                let lie = value(&places, word(header, 72), choose);
                put(header, 72, &lie.to_le_bytes());
            }
            1 => {
                let at = 8 * choose(10) as usize;
                let lie = value(&places, word(header, at), choose);
                put(header, at, &lie.to_le_bytes());
            }
            2 => put(header, 60, &[choose(2) as u8]),
            _ => {
                let mut twin = self.segments[segment].clone();
                let number = 1 + choose(6) as u32;
                twin.name = format!("log-{number:016x}");
                put(&mut twin.header, 56, &number.to_le_bytes());
                self.segments.retain(|segment| segment.name != twin.name);
                self.segments.push(twin);
                self.segments
                    .sort_by(|left, right| left.name.cmp(&right.name));
            }
        }
    }

    /// Takes a frame away, brings it twice, or puts it elsewhere.
    fn move_frames(&mut self, segment: usize, choose: Choose<'_>) {
        let frames = &mut self.segments[segment].frames;
        if frames.is_empty() {
            return;
        }
        let from = choose(frames.len() as u64) as usize;
        let mut frame = frames[from].clone();
        let what = choose(4);
        if what != 0 {
            frames.remove(from);
        }
        if what != 1 {
            let segment = choose(self.segments.len() as u64) as usize;
            let segment = &mut self.segments[segment];
            frame.epoch = word(&segment.header, 16);
            let to = choose(segment.frames.len() as u64 + 1) as usize;
            segment.frames.insert(to, frame);
        }
    }
}

/// An index, rather high.
fn last_of_two(len: usize, choose: Choose<'_>) -> usize {
    let first = choose(len as u64);
    first.max(choose(len as u64)) as usize
}

/// A number instead of another: an edge, a neighbour, or the place of something.
fn value(places: &[u64], before: u64, choose: Choose<'_>) -> u64 {
    const EDGES: [u64; 14] = [
        0,
        1,
        2,
        16,
        255,
        4_096,
        1 << 16,
        1 << 31,
        u32::MAX as u64,
        1 << 32,
        1 << 62,
        i64::MAX as u64,
        u64::MAX - 4_095,
        u64::MAX,
    ];
    match choose(5) {
        0 => EDGES[choose(EDGES.len() as u64) as usize],
        1 => before.wrapping_add(1),
        2 => before.wrapping_sub(1),
        3 => before ^ 1 << choose(64),
        _ => places[choose(places.len() as u64) as usize],
    }
}

fn lie_in_frame(
    frame: &mut Frame,
    kind: u64,
    places: &[u64],
    ids: &[[u8; 32]],
    choose: Choose<'_>,
) {
    match kind {
        14 => frame.kind = choose(10) as u8,
        15 => frame.durable = value(places, frame.durable, choose),
        4 => {
            let which = choose(2) as usize;
            let length = [frame.meta.len(), frame.blobs.len()][which] as u64;
            frame.stated[which] = Some(value(places, length, choose));
        }
        5 => {
            let id = ids[choose(ids.len() as u64) as usize];
            put(&mut frame.meta, 32 * choose(5) as usize, &id);
        }
        6 => resize(&mut frame.meta, choose),
        7 => resize(&mut frame.blobs, choose),
        8 => frame.hashed = !frame.hashed,
        9..12 => overwrite(&mut frame.blobs, places, choose),
        _ => overwrite(&mut frame.meta, places, choose),
    }
    if frame.kind == COMMIT && choose(4) > 0 {
        frame.rename();
    }
}

/// Puts bytes in, or takes some out.
fn resize(bytes: &mut Vec<u8>, choose: Choose<'_>) {
    let at = choose(bytes.len() as u64 + 1) as usize;
    let len = [1, 4, 8, 16, 32, 36, 4_096][choose(7) as usize];
    if choose(2) == 0 {
        bytes.splice(at..at, vec![choose(256) as u8; len]);
    } else {
        bytes.drain(at..bytes.len().min(at + len));
    }
}

/// Puts another number of 1, 4 or 8 bytes somewhere, where a count or a length may be mostly.
fn overwrite(bytes: &mut [u8], places: &[u64], choose: Choose<'_>) {
    let end = bytes.len().min(6_000);
    let is_count = |at: &usize| (1..5_000).contains(&(word(bytes, *at) as u32));
    let counts: Vec<usize> = (0..end).filter(is_count).collect();
    let at = match choose(3) {
        0 => choose(end as u64) as usize,
        _ if counts.is_empty() => 0,
        _ => counts[choose(counts.len() as u64) as usize],
    };
    let lie = value(places, word(bytes, at), choose);
    let len = [4, 4, 8, 1][choose(4) as usize];
    put(bytes, at, &lie.to_le_bytes()[..len]);
}

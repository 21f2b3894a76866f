//! Reading a log from its beginning: its entries, its index, and what is wrong with its end.
//!
//! Only reads. The walk stops at the first place where the next frame is not; then the rest of the
//! file decides: a later valid frame means damage, anything else is a dropped tail.
//! Reads the entries, and of the blobs only those of the last frame.

use std::io;

use crostata_abi::PAGE_BYTES;
use crostata_proof::hash;

use super::blobs::{Blob, BlobList, Blobs};
use super::codec;
use super::entry::Entry;
use super::error::Damage;
use super::files::File;
use super::frame::{self, BLOCK, BLOCK_BYTES, Checksum, Extent, Fields, HEADER_LEN};
use super::recovery::{DroppedTail, TailCause};

/// How much of the file's end is looked through at once. A multiple of [`BLOCK_BYTES`].
const SCAN_BYTES: usize = 64 * BLOCK_BYTES;

const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// What a log holds.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub entries: Vec<Entry>,
    pub blobs: Blobs,
    /// The last valid frame.
    pub last: Option<Extent>,
    pub dropped_tail: Option<DroppedTail>,
}

/// Why a log could not be read.
#[derive(Debug)]
pub(super) enum ReplayError {
    Io(io::Error),
    Damaged { offset: u64, what: Damage },
}

impl From<io::Error> for ReplayError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A frame whose checksum holds, not yet decoded.
struct Loaded {
    fields: Fields,
    extent: Extent,
    meta: Vec<u8>,
}

/// A whole frame, without its blobs.
struct Frame {
    extent: Extent,
    entry: Entry,
    list: BlobList,
}

/// Reads a log whose header gave this epoch.
pub(super) fn replay(file: &dyn File, epoch: u64) -> Result<Replay, ReplayError> {
    let log = LogReader {
        file,
        epoch,
        len: file.len()?,
    };
    let mut frames = Vec::new();
    let mut cause = log.walk(&mut frames)?;
    if let Some(offset) = log.broken_blob(frames.last())? {
        frames.pop();
        cause = TailCause::Blob { offset };
    }
    let end = frames.last().map_or(BLOCK, |frame| frame.extent.end);
    let dropped_tail = log.tail(end, frames.len() as u64 + 1, cause)?;
    Ok(collect(frames, dropped_tail))
}

fn collect(frames: Vec<Frame>, dropped_tail: Option<DroppedTail>) -> Replay {
    let mut replay = Replay {
        dropped_tail,
        ..Replay::default()
    };
    for frame in frames {
        replay.blobs.insert(&frame.list, frame.extent.blobs_at);
        replay.entries.push(frame.entry);
        replay.last = Some(frame.extent);
    }
    replay
}

/// A log that is being read.
struct LogReader<'a> {
    file: &'a dyn File,
    epoch: u64,
    len: u64,
}

impl LogReader<'_> {
    /// Reads frames until one is missing or broken; why the last one is no frame.
    fn walk(&self, frames: &mut Vec<Frame>) -> Result<TailCause, ReplayError> {
        let mut offset = BLOCK;
        loop {
            let sequence = frames.len() as u64 + 1;
            let loaded = match self.load(offset, |found| found == sequence)? {
                Ok(loaded) => loaded,
                Err(cause) => return Ok(cause),
            };
            let frame = decode(&loaded).ok_or(ReplayError::Damaged {
                offset,
                what: Damage::Meta,
            })?;
            offset = frame.extent.end;
            frames.push(frame);
        }
    }

    /// The frame at `offset`, if its sequence number is wanted and its checksum holds.
    fn load(
        &self,
        offset: u64,
        wanted: impl Fn(u64) -> bool,
    ) -> io::Result<Result<Loaded, TailCause>> {
        let Some(header) = self.header(offset)? else {
            return Ok(Err(TailCause::Header));
        };
        let fields = Fields::decode(&header)
            .filter(|fields| fields.epoch == self.epoch && wanted(fields.sequence));
        let Some(fields) = fields else {
            return Ok(Err(TailCause::Header));
        };
        let extent = fields
            .extent(offset)
            .filter(|extent| extent.content_end <= self.len);
        let Some(extent) = extent else {
            return Ok(Err(TailCause::Length));
        };
        let meta_at = offset + HEADER_LEN as u64;
        if !self.checksum_holds(&header, meta_at, fields.meta_len)? {
            return Ok(Err(TailCause::Checksum));
        }
        let meta = self.bytes(meta_at, fields.meta_len)?;
        Ok(Ok(Loaded {
            fields,
            extent,
            meta,
        }))
    }

    fn header(&self, offset: u64) -> io::Result<Option<[u8; HEADER_LEN]>> {
        if self.len.saturating_sub(offset) < HEADER_LEN as u64 {
            return Ok(None);
        }
        let mut header = [0; HEADER_LEN];
        self.file.read_exact_at(&mut header, offset)?;
        Ok(Some(header))
    }

    /// Reads the entry in small parts: until its checksum holds, its length may be anything up to
    /// the file's, and nothing is allocated for it.
    fn checksum_holds(
        &self,
        header: &[u8; HEADER_LEN],
        meta_at: u64,
        meta_len: u64,
    ) -> io::Result<bool> {
        let mut checksum = Checksum::new(header);
        let mut buffer = [0; BLOCK_BYTES];
        let mut done = 0;
        while done < meta_len {
            let part = &mut buffer[..(meta_len - done).min(BLOCK) as usize];
            self.file.read_exact_at(part, meta_at + done)?;
            checksum.update(part);
            done += part.len() as u64;
        }
        Ok(checksum.holds())
    }

    fn bytes(&self, offset: u64, len_bytes: u64) -> io::Result<Vec<u8>> {
        let len = usize::try_from(len_bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// The offset of the frame's first blob that does not match its hash.
    fn broken_blob(&self, frame: Option<&Frame>) -> io::Result<Option<u64>> {
        let Some(frame) = frame else {
            return Ok(None);
        };
        for (blob, offset, len_bytes) in frame.list.places(frame.extent.blobs_at) {
            let bytes = self.bytes(offset, len_bytes)?;
            if !matches(blob, &bytes) {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    /// What lies behind the valid frames, which end at `end`, where frame `sequence` should begin.
    fn tail(
        &self,
        end: u64,
        sequence: u64,
        cause: TailCause,
    ) -> Result<Option<DroppedTail>, ReplayError> {
        let mut buffer = vec![0; SCAN_BYTES];
        let mut used_end = end;
        let mut offset = end;
        while offset < self.len {
            let len = (self.len - offset).min(SCAN_BYTES as u64);
            let chunk = &mut buffer[..len as usize];
            self.file.read_exact_at(chunk, offset)?;
            for (block, at) in chunk
                .chunks(BLOCK_BYTES)
                .zip((offset..).step_by(BLOCK_BYTES))
            {
                let used = used_len(block);
                if used > 0 {
                    used_end = at + used;
                }
                if let Some(later) = self.later_frame(block, at, sequence)? {
                    let what = broken(cause, &later);
                    return Err(ReplayError::Damaged { offset: end, what });
                }
            }
            offset += len;
        }
        Ok((used_end > end).then_some(DroppedTail {
            offset: end,
            len_bytes: used_end - end,
            cause,
        }))
    }

    /// The frame that begins with this block, if it is valid and its number is above `sequence`.
    fn later_frame(&self, block: &[u8], at: u64, sequence: u64) -> io::Result<Option<Loaded>> {
        if !block.starts_with(&frame::MAGIC) {
            return Ok(None);
        }
        Ok(self.load(at, |found| found > sequence)?.ok())
    }
}

fn broken(cause: TailCause, later: &Loaded) -> Damage {
    Damage::Frame {
        cause,
        later_sequence: later.fields.sequence,
        later_offset: later.extent.offset,
    }
}

/// The length of a block without the zeros at its end.
fn used_len(block: &[u8]) -> u64 {
    // Nearly all blocks looked at are zeros: comparing them whole is many times as fast.
    if block == &ZEROS[..block.len()] {
        return 0;
    }
    let last = block.iter().rposition(|byte| *byte != 0);
    last.map_or(0, |last| last as u64 + 1)
}

fn decode(loaded: &Loaded) -> Option<Frame> {
    let (entry, list) = codec::decode(loaded.fields.kind()?, &loaded.meta)?;
    (list.len_bytes()? == loaded.fields.blobs_len).then_some(Frame {
        extent: loaded.extent,
        entry,
        list,
    })
}

fn matches(blob: Blob, bytes: &[u8]) -> bool {
    match blob {
        Blob::Page(leaf) => {
            let page = <&[u8; PAGE_BYTES]>::try_from(bytes);
            page.is_ok_and(|page| hash::page_leaf(page) == leaf)
        }
        Blob::Code(key) => hash::code_hash(bytes) == key,
    }
}

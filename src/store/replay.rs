//! Reading a log from its start to its end: its frames, and what is wrong with its end.
//!
//! Only reads. In every segment but the newest each frame up to the next segment's first was synced
//! before that segment was made: whatever is wrong there is damage. In the newest the walk stops at the first
//! place where the next frame is not; then the rest of the file decides: a later valid frame that
//! was written when the missing one was known to be synced means damage, anything else is a
//! dropped tail.

use super::error::{Damage, ReadError};
use super::frame::{BLOCK, BLOCK_BYTES, EPOCH_AT, Extent, Frame, MAGIC, SEQUENCE_AT, VOUCHED};
use super::header::SegmentHeader;
use super::place::{Place, file_name};
use super::reader::{Loaded, SegmentReader};
use super::recovery::{DroppedTail, TailCause};
use super::segments::{HeaderError, Segments};

/// How much of the file's end is looked through at once. A multiple of [`BLOCK_BYTES`].
const SCAN_BYTES: usize = 64 * BLOCK_BYTES;

const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// Fills a buffer with the bytes at a place.
pub type ReadPlace<'a> = &'a mut dyn FnMut(Place, &mut [u8]) -> Result<(), ReadError>;

/// What the store asks about frames that it can not judge.
pub trait Contents {
    /// Whether the blobs of a frame that was written with `vouched` are those that its meta names.
    ///
    /// Asked while the store is opened, of frames that a crash may have torn. `read` gives the
    /// bytes of any place; its errors are to be handed on. `false` drops the frame, and all behind it.
    fn whole(&self, frame: &Frame, read: ReadPlace<'_>) -> Result<bool, ReadError>;
}

/// What a log holds.
#[derive(Debug)]
pub(super) struct Replay {
    pub frames: Vec<Frame>,
    /// The header of the newest segment.
    pub newest: SegmentHeader,
    /// Where the next frame begins in the newest segment.
    pub end: u64,
    /// The number of the next frame.
    pub sequence: u64,
    /// The frames that nothing proves to be on the disk.
    pub unproven: Vec<Extent>,
    pub dropped_tail: Option<DroppedTail>,
}

/// Reads the log.
pub(super) fn replay(segments: &Segments, contents: &dyn Contents) -> Result<Replay, HeaderError> {
    let newest = segments.header(segments.newest())?;
    let (first, mut offset, mut wanted) = beginning(&newest)?;
    let mut frames = Vec::new();
    for number in first..newest.number {
        let until = segments.header(number + 1)?.first_sequence;
        let finished = Finished {
            reader: segments.reader(number)?,
            until,
        };
        finished.walk(offset, wanted, &mut frames)?;
        (offset, wanted) = (BLOCK, Some(until));
    }
    if wanted != Some(newest.first_sequence) {
        // Of the first segment there is.
        return Err(ReadError::damaged(newest.number, 0, Damage::SegmentHeader).into());
    }
    let reader = segments.reader(newest.number)?;
    let end = End {
        segments,
        contents,
        reader,
        newest,
    };
    Ok(end.read(frames)?)
}

/// Where reading begins: segment, offset, and the number of the frame there, if it is known.
fn beginning(newest: &SegmentHeader) -> Result<(u32, u64, Option<u64>), ReadError> {
    let start = newest.start;
    if start == Place::NONE {
        return Ok((1, BLOCK, Some(1)));
    }
    if start.segment() == 0 || start.segment() >= newest.number {
        return Err(ReadError::damaged(newest.number, 0, Damage::SegmentHeader));
    }
    Ok((start.segment(), start.offset(), None))
}

/// A segment behind which there is another.
struct Finished {
    reader: SegmentReader,
    /// The number of the next segment's first frame.
    until: u64,
}

impl Finished {
    /// Reads the frames from an offset on; the first has this number, if it is known.
    fn walk(
        &self,
        mut offset: u64,
        mut wanted: Option<u64>,
        frames: &mut Vec<Frame>,
    ) -> Result<(), ReadError> {
        while wanted != Some(self.until) {
            let fits = |found| found < self.until && wanted.is_none_or(|wanted| wanted == found);
            let loaded = self.reader.load(offset, fits)?;
            let loaded = loaded.map_err(|cause| self.damaged(offset, cause))?;
            offset = loaded.extent.end;
            wanted = Some(loaded.frame.sequence + 1);
            frames.push(loaded.frame);
        }
        Ok(())
    }

    fn damaged(&self, offset: u64, cause: TailCause) -> ReadError {
        let number = self.reader.segment;
        let what = Damage::Frame {
            cause,
            later_sequence: self.until,
            later: Place::new(number + 1, BLOCK).unwrap_or(Place::NONE),
        };
        ReadError::damaged(number, offset, what)
    }
}

/// The newest segment.
struct End<'a> {
    segments: &'a Segments,
    contents: &'a dyn Contents,
    reader: SegmentReader,
    newest: SegmentHeader,
}

/// What lies behind the frames that were walked over.
struct Tail {
    /// Behind the last byte that is not zero; 0 if all are.
    used_end: u64,
    /// The frame there that was written when the most frames were known to be synced.
    witness: Option<Loaded>,
}

impl End<'_> {
    fn read(&self, mut frames: Vec<Frame>) -> Result<Replay, ReadError> {
        let mut walked = Vec::new();
        let mut cause = self.walk(&mut walked)?;
        let mut end = walked.last().map_or(BLOCK, |last| last.extent.end);
        let tail = self.tail(end, self.newest.first_sequence + walked.len() as u64)?;
        self.refuse_damage(&tail, end, walked.len() as u64, cause)?;

        let durable = self.durable(&walked, &tail);
        let mut used_end = tail.used_end;
        if let Some(broken) = self.first_torn(&walked, durable)? {
            used_end = used_end.max(walked.last().map_or(0, |last| last.extent.content_end));
            end = walked[broken].extent.offset;
            walked.truncate(broken);
            cause = TailCause::Blobs;
        }
        let dropped_tail = (used_end > end).then(|| DroppedTail {
            file: file_name(self.newest.number),
            offset: end,
            len_bytes: used_end - end,
            cause,
        });
        let unproven = walked.iter().filter(|l| l.frame.sequence > durable);
        let unproven = unproven.map(|loaded| loaded.extent).collect();
        let sequence = self.newest.first_sequence + walked.len() as u64;
        frames.extend(walked.into_iter().map(|loaded| loaded.frame));
        Ok(Replay {
            frames,
            newest: self.newest,
            end,
            sequence,
            unproven,
            dropped_tail,
        })
    }

    /// Reads frames until one is missing or broken; why what is there is no frame.
    fn walk(&self, walked: &mut Vec<Loaded>) -> Result<TailCause, ReadError> {
        let mut offset = BLOCK;
        loop {
            let sequence = self.newest.first_sequence + walked.len() as u64;
            match self.reader.load(offset, |found| found == sequence)? {
                Ok(loaded) => {
                    offset = loaded.extent.end;
                    walked.push(loaded);
                }
                Err(cause) => return Ok(cause),
            }
        }
    }

    /// Looks through everything behind `end`, where frame `sequence` should begin.
    fn tail(&self, end: u64, sequence: u64) -> Result<Tail, ReadError> {
        let mut tail = Tail {
            used_end: 0,
            witness: None,
        };
        let mut buffer = vec![0; SCAN_BYTES];
        let mut offset = end;
        while offset < self.reader.len {
            let len = (self.reader.len - offset).min(SCAN_BYTES as u64);
            let chunk = &mut buffer[..len as usize];
            self.reader.read(chunk, offset)?;
            let blocks = chunk.chunks(BLOCK_BYTES);
            for (block, at) in blocks.zip((offset..).step_by(BLOCK_BYTES)) {
                self.look_at(block, at, sequence, &mut tail)?;
            }
            offset += len;
        }
        Ok(tail)
    }

    fn look_at(
        &self,
        block: &[u8],
        at: u64,
        sequence: u64,
        tail: &mut Tail,
    ) -> Result<(), ReadError> {
        let is_frame = self.is_ours(block, sequence);
        // Behind the frames of a recycled segment lies what an earlier one had there.
        if is_frame || !self.newest.recycled {
            let used = used_len(block);
            if used > 0 {
                tail.used_end = at + used;
            }
        }
        if !is_frame {
            return Ok(());
        }
        if let Ok(later) = self.reader.load(at, |found| found > sequence)? {
            let known = tail.witness.as_ref().map_or(0, durable_at);
            if tail.witness.is_none() || durable_at(&later) > known {
                tail.witness = Some(later);
            }
        }
        Ok(())
    }

    /// Whether a frame of this segment, `sequence` or a later one, begins with this block, even if one of the fields
    /// that say so is broken. What an earlier segment left has none of these but the magic.
    fn is_ours(&self, block: &[u8], sequence: u64) -> bool {
        let word = |at: usize| {
            let word = block.get(at..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*word))
        };
        let told = [
            block.starts_with(&MAGIC),
            word(EPOCH_AT) == Some(self.newest.epoch),
            word(SEQUENCE_AT) >= Some(sequence),
        ];
        told.into_iter().filter(|told| *told).count() >= 2
    }

    /// A frame behind the first broken one that was written when that one was known to be synced
    /// shows that it broke later.
    fn refuse_damage(
        &self,
        tail: &Tail,
        end: u64,
        walked: u64,
        cause: TailCause,
    ) -> Result<(), ReadError> {
        let broken = self.newest.first_sequence + walked;
        match &tail.witness {
            Some(later) if durable_at(later) >= broken => {
                let what = Damage::Frame {
                    cause,
                    later_sequence: later.frame.sequence,
                    later: later.frame.place,
                };
                Err(ReadError::damaged(self.newest.number, end, what))
            }
            _ => Ok(()),
        }
    }

    /// The number of the last frame that is known to be synced.
    fn durable(&self, walked: &[Loaded], tail: &Tail) -> u64 {
        let before = self.newest.first_sequence - 1;
        let told = walked.iter().chain(&tail.witness).map(durable_at);
        told.fold(before, u64::max)
    }

    /// The first frame behind the durable ones whose blobs are not whole, counted in the segment.
    fn first_torn(&self, walked: &[Loaded], durable: u64) -> Result<Option<usize>, ReadError> {
        for (at, loaded) in walked.iter().enumerate() {
            if loaded.frame.sequence > durable && !self.is_whole(loaded)? {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn is_whole(&self, loaded: &Loaded) -> Result<bool, ReadError> {
        if loaded.fields.blobs_len == 0 {
            return Ok(true);
        }
        if loaded.fields.blobs_hash == VOUCHED {
            let mut read = |place, bytes: &mut [u8]| self.segments.read(place, bytes);
            return self.contents.whole(&loaded.frame, &mut read);
        }
        self.reader.blobs_match(loaded)
    }
}

/// What a frame says of the frames before it.
fn durable_at(loaded: &Loaded) -> u64 {
    loaded.fields.durable
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

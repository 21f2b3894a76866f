//! Writing: frames behind one another, and a new segment when one is full.
//!
//! A write goes into space that was zeros, or that an earlier segment had; no block of an earlier frame is written again. A frame is durable
//! after the next sync. A segment is synced before the next one's name appears.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;

use crostata_proof::Hash;

use super::error::WriteError;
use super::files::{File, Files};
use super::frame::{BLOCK, BLOCK_BYTES, Extent, Fields};
use super::header::SegmentHeader;
use super::place::{Place, file_name, new_name};
use super::segments::Segments;
use super::{Limits, replay::Replay};

/// How much is handed to the system at once.
const WRITE_BYTES: usize = 256 * 1024;

/// A frame that is no longer is small: a commit of a page, a finalise.
const SMALL_FRAME_BYTES: u64 = 2 * BLOCK;

/// How much space the disk is asked for at once.
const RESERVE_BYTES: u64 = 8 << 20;

/// The end of the log, where frames are appended.
pub(super) struct Append {
    limits: Limits,
    file: Arc<dyn File>,
    segment: SegmentHeader,
    /// The number of the next frame.
    sequence: u64,
    /// The number of the last frame that is known to be synced.
    durable: u64,
    /// Where the next frame begins.
    end: u64,
    file_len: u64,
    /// Up to where the disk was asked for space.
    reserved: u64,
    /// The bytes behind `end` are not all zeros.
    dirty: bool,
    /// Where a reader begins, for the headers of segments to come.
    start: Place,
    /// A write failed, or is under way.
    failed: bool,
}

/// Takes the next bytes of the blobs.
pub type PutBlob<'a> = &'a mut dyn FnMut(&[u8]) -> io::Result<()>;

/// Hands blobs over, in order.
pub type BlobSource<'a> = &'a mut dyn FnMut(PutBlob<'_>) -> io::Result<()>;

/// A frame to be written.
pub(super) struct Parts<'a> {
    pub kind: u8,
    pub meta: &'a [u8],
    pub blobs_len: u64,
    /// The keyed hash of the blobs, or [`VOUCHED`](super::frame::VOUCHED).
    pub blobs_hash: Hash,
    pub blobs: BlobSource<'a>,
}

impl Append {
    /// Behind what was read. Returns when all of that is on the disk.
    pub fn new(file: Arc<dyn File>, replay: &Replay, limits: Limits) -> io::Result<Self> {
        for frame in &replay.unproven {
            rewrite(&*file, *frame)?;
        }
        if !replay.unproven.is_empty() {
            file.sync_data()?;
        }
        let mut file_len = file.len()?;
        if file_len < replay.end {
            // A crash took the zeros behind the last frame's contents. Who reads the frame reads whole blocks.
            file.set_len(replay.end)?;
            file_len = replay.end;
        }
        Ok(Self {
            limits,
            file,
            segment: replay.newest,
            sequence: replay.sequence,
            durable: replay.sequence - 1,
            end: replay.end,
            file_len,
            reserved: 0,
            dirty: replay.dropped_tail.is_some(),
            start: replay.newest.start,
            failed: false,
        })
    }

    /// Where a reader begins, for the headers of segments to come.
    pub fn set_start(&mut self, start: Place) {
        self.start = start;
    }

    /// The start that the newest segment's header states.
    pub fn stated_start(&self) -> Place {
        self.segment.start
    }

    /// Fails if an earlier write did.
    pub fn usable(&self) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Poisoned);
        }
        Ok(())
    }

    /// Makes room for a frame, in a new segment if need be, and says where it will lie.
    pub fn room(
        &mut self,
        segments: &Segments,
        meta_len: u64,
        blobs_len: u64,
    ) -> Result<(u32, Extent), WriteError> {
        let too_long = || WriteError::TooLong {
            len_bytes: meta_len.saturating_add(blobs_len),
        };
        let alone = Extent::of(BLOCK, meta_len, blobs_len).ok_or_else(too_long)?;
        let here = Extent::of(self.end, meta_len, blobs_len)
            .filter(|here| here.end <= self.limits.segment_bytes || here.offset == BLOCK);
        if let Some(here) = here {
            return Ok((self.segment.number, here));
        }
        self.attempt(self.segment.number, |append| append.finish())?;
        let number = self.segment.number.saturating_add(1);
        self.attempt(number, |append| append.begin(segments, number))?;
        Ok((number, alone))
    }

    /// Appends a frame; durable after the next sync.
    pub fn write(
        &mut self,
        segments: &Segments,
        parts: &mut Parts<'_>,
    ) -> Result<Place, WriteError> {
        let (meta_len, blobs_len) = (parts.meta.len() as u64, parts.blobs_len);
        let (number, extent) = self.room(segments, meta_len, blobs_len)?;
        let place = Place::new(number, extent.offset).ok_or(WriteError::TooLong {
            len_bytes: blobs_len,
        })?;
        self.attempt(number, |append| append.put(parts, extent))?;
        segments.set_used(number, self.end);
        Ok(place)
    }

    /// Makes everything that was written durable.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.usable()?;
        if self.durable + 1 == self.sequence {
            return Ok(());
        }
        self.attempt(self.segment.number, |append| append.file.sync_data())?;
        self.durable = self.sequence - 1;
        Ok(())
    }

    /// Does what may fail half-way: then nothing more is written.
    fn attempt<T>(
        &mut self,
        number: u32,
        work: impl FnOnce(&mut Self) -> io::Result<T>,
    ) -> Result<T, WriteError> {
        self.usable()?;
        self.failed = true;
        let file = || file_name(number);
        let done = work(self).map_err(|source| WriteError::Io {
            file: file(),
            source,
        })?;
        self.failed = false;
        Ok(done)
    }

    fn put(&mut self, parts: &mut Parts<'_>, extent: Extent) -> io::Result<()> {
        self.clear_tail()?;
        self.reserve(extent.end);
        if extent.end > self.file_len {
            self.grow(extent)?;
        }
        let fields = self.fields(parts);
        let mut run = Run::new(&*self.file, extent);
        run.put(&fields.encode(parts.meta))?;
        run.put(parts.meta)?;
        run.pad(extent.blobs_at)?;
        (parts.blobs)(&mut |blob| run.put(blob))?;
        if run.end() != extent.blobs_at + parts.blobs_len {
            return Err(io::Error::other("the blobs are not as long as was said"));
        }
        run.pad(extent.end)?;
        run.flush()?;
        self.sequence += 1;
        self.end = extent.end;
        Ok(())
    }

    /// Lengthens the file for a frame; for a small one by zeros, so that those that follow find written space. Behind a
    /// large one that would write much more than the frame.
    fn grow(&mut self, extent: Extent) -> io::Result<()> {
        let mut end = extent.end;
        if end - extent.offset <= SMALL_FRAME_BYTES {
            let len = end.next_multiple_of(self.limits.growth_bytes);
            let mut zeros = Run::at(&*self.file, end, len - end);
            zeros.pad(len)?;
            zeros.flush()?;
            end = len;
        }
        self.file_len = end;
        Ok(())
    }

    /// Asks for space ahead, so that syncs need not find it.
    fn reserve(&mut self, end: u64) {
        if end > self.reserved {
            let wanted = end.next_multiple_of(RESERVE_BYTES);
            self.reserved = wanted.min(self.limits.segment_bytes.max(end));
            self.file.reserve(self.reserved);
        }
    }

    fn fields(&self, parts: &Parts<'_>) -> Fields {
        Fields {
            kind: parts.kind,
            epoch: self.segment.epoch,
            sequence: self.sequence,
            meta_len: parts.meta.len() as u64,
            blobs_len: parts.blobs_len,
            durable: self.durable,
            blobs_hash: parts.blobs_hash,
        }
    }

    /// Cuts off what a dropped tail left, on the disk before the next frame: its bytes must not be
    /// taken for what follows that frame.
    fn clear_tail(&mut self) -> io::Result<()> {
        if !self.dirty {
            return Ok(());
        }
        self.cut()?;
        self.dirty = false;
        Ok(())
    }

    /// Cuts the file where the last frame ends, and syncs it.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        self.file_len = self.end;
        self.reserved = self.end;
        self.file.sync_data()
    }

    /// Ends the segment: it is as long as its frames, and they are on the disk.
    fn finish(&mut self) -> io::Result<()> {
        self.cut()?;
        self.dirty = false;
        self.durable = self.sequence - 1;
        Ok(())
    }

    /// Begins the next segment.
    fn begin(&mut self, segments: &Segments, number: u32) -> io::Result<()> {
        if number == self.segment.number {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let spare = segments.take_spare();
        let files = &**segments.files();
        let (header, file) = create(files, spare, number, self.sequence, self.start)?;
        let file_len = file.len()?;
        segments.add(header, BLOCK, file.clone());
        self.file = file;
        self.segment = header;
        self.end = BLOCK;
        self.file_len = file_len;
        self.reserved = file_len;
        Ok(())
    }
}

/// Makes an empty segment, of a spare file if there is one. Its name appears only when its header is on the disk.
pub(super) fn create(
    files: &dyn Files,
    spare: Option<String>,
    number: u32,
    first_sequence: u64,
    start: Place,
) -> io::Result<(SegmentHeader, Arc<dyn File>)> {
    let header = SegmentHeader {
        epoch: RandomState::new().build_hasher().finish(),
        number,
        first_sequence,
        start,
        recycled: spare.is_some(),
    };
    let name = new_name(number);
    let file = match spare {
        None => files.create(&name)?,
        Some(spare) => {
            files.rename(&spare, &name)?;
            files.open(&name)?
        }
    };
    file.write_all_at(&header.encode(), 0)?;
    file.sync_data()?;
    files.rename(&name, &file_name(number))?;
    files.sync_dir()?;
    Ok((header, file))
}

/// Writes a frame's bytes over themselves.
fn rewrite(file: &dyn File, frame: Extent) -> io::Result<()> {
    let mut buffer = vec![0; WRITE_BYTES];
    let mut offset = frame.offset;
    while offset < frame.content_end {
        let len = (frame.content_end - offset).min(WRITE_BYTES as u64);
        let chunk = &mut buffer[..len as usize];
        file.read_exact_at(chunk, offset)?;
        file.write_all_at(chunk, offset)?;
        offset += len;
    }
    Ok(())
}

/// Consecutive bytes on their way to the file, gathered into large writes.
struct Run<'a> {
    file: &'a dyn File,
    /// Where the gathered bytes belong.
    offset: u64,
    gathered: Vec<u8>,
}

impl<'a> Run<'a> {
    /// The bytes of a frame.
    fn new(file: &'a dyn File, extent: Extent) -> Self {
        Self::at(file, extent.offset, extent.end - extent.offset)
    }

    /// About so many bytes.
    fn at(file: &'a dyn File, offset: u64, len_bytes: u64) -> Self {
        let len = len_bytes.min(WRITE_BYTES as u64 + BLOCK);
        Self {
            file,
            offset,
            gathered: Vec::with_capacity(len as usize),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() >= WRITE_BYTES {
            self.flush()?;
            self.file.write_all_at(bytes, self.offset)?;
            self.offset += bytes.len() as u64;
            return Ok(());
        }
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() < WRITE_BYTES {
            return Ok(());
        }
        self.flush()
    }

    /// Behind what was put.
    fn end(&self) -> u64 {
        self.offset + self.gathered.len() as u64
    }

    /// Zeros up to an offset.
    fn pad(&mut self, end: u64) -> io::Result<()> {
        const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
        loop {
            let len = end.saturating_sub(self.end()).min(BLOCK);
            if len == 0 {
                return Ok(());
            }
            self.put(&ZEROS[..len as usize])?;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.gathered, self.offset)?;
        self.offset += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }
}

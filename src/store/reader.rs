//! Reading frames of one segment, with their checksums.
//!
//! Says of bytes whether they are a frame, and if not, why; what follows from that is not decided here.

use std::sync::Arc;

use crostata_proof::hash;

use super::error::{Damage, ReadError};
use super::files::File;
use super::frame::{
    BLOCK, BLOCK_BYTES, Checksum, Extent, Fields, Frame, HEADER_LEN, VOUCHED, hash_of,
};
use super::place::Place;
use super::recovery::TailCause;

/// A segment that is being read.
#[derive(Clone)]
pub(super) struct SegmentReader {
    pub file: Arc<dyn File>,
    pub segment: u32,
    pub epoch: u64,
    /// Behind what may be read of it.
    pub len: u64,
}

/// A frame whose checksum holds, with what only the store needs to know of it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub frame: Frame,
    pub fields: Fields,
    pub extent: Extent,
}

impl SegmentReader {
    /// The frame at `offset`, if its sequence number is wanted and its checksum holds.
    pub fn load(
        &self,
        offset: u64,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<Result<Loaded, TailCause>, ReadError> {
        if !offset.is_multiple_of(BLOCK) {
            return Ok(Err(TailCause::Header));
        }
        let block = self.first_block(offset)?;
        let Some(header) = block.first_chunk::<HEADER_LEN>() else {
            return Ok(Err(TailCause::Header));
        };
        let fields = Fields::decode(header)
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
        let Some(meta) = self.meta(&block, &fields, offset)? else {
            return Ok(Err(TailCause::Checksum));
        };
        let loaded = self.loaded(fields, extent, meta);
        Ok(loaded.ok_or(TailCause::Length))
    }

    /// Fills the buffer with the bytes from `offset` on.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), ReadError> {
        self.file
            .read_exact_at(buffer, offset)
            .map_err(|source| ReadError::of_io(self.segment, offset, source))
    }

    fn loaded(&self, fields: Fields, extent: Extent, meta: Vec<u8>) -> Option<Loaded> {
        let frame = Frame {
            place: Place::new(self.segment, extent.offset)?,
            kind: fields.kind,
            sequence: fields.sequence,
            meta,
            blobs: Place::new(self.segment, extent.blobs_at)?,
            blobs_len: fields.blobs_len,
        };
        Some(Loaded {
            frame,
            fields,
            extent,
        })
    }

    /// The frame's first block, or what there is of it.
    fn first_block(&self, offset: u64) -> Result<Vec<u8>, ReadError> {
        let len = self.len.saturating_sub(offset).min(BLOCK);
        let mut block = vec![0; len as usize];
        self.read(&mut block, offset)?;
        Ok(block)
    }

    /// The meta, if the checksum holds. What goes beyond the first block is read twice: until the checksum
    /// holds, the length may be anything up to the file's, and nothing is allocated for it.
    fn meta(
        &self,
        block: &[u8],
        fields: &Fields,
        offset: u64,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let Some((header, rest)) = block.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let first = &rest[..fields.meta_len.min(rest.len() as u64) as usize];
        let mut checksum = Checksum::new(header);
        checksum.update(first);
        let rest_at = offset + BLOCK;
        let rest_len = fields.meta_len - first.len() as u64;
        self.parts(rest_at, rest_len, |part| checksum.update(part))?;
        if !checksum.holds() {
            return Ok(None);
        }
        let mut meta = first.to_vec();
        meta.reserve_exact(rest_len as usize);
        self.parts(rest_at, rest_len, |part| meta.extend_from_slice(part))?;
        Ok(Some(meta))
    }

    /// The frame at `offset`, which must be there.
    pub fn frame(&self, offset: u64, wanted: impl Fn(u64) -> bool) -> Result<Loaded, ReadError> {
        self.load(offset, wanted)?.map_err(|cause| {
            let what = Damage::NoFrame { cause };
            ReadError::damaged(self.segment, offset, what)
        })
    }

    /// All frames up to the end, if the first has this number.
    pub fn frames(&self, first_sequence: u64) -> Result<Vec<Frame>, ReadError> {
        let mut frames = Vec::new();
        let mut offset = BLOCK;
        while offset < self.len {
            let sequence = first_sequence + frames.len() as u64;
            let loaded = self.frame(offset, |found| found == sequence)?;
            offset = loaded.extent.end;
            frames.push(loaded.frame);
        }
        Ok(frames)
    }

    /// All blobs of a frame, checked if it states a hash of them.
    pub fn blobs(&self, loaded: &Loaded) -> Result<Vec<u8>, ReadError> {
        let (at, len) = (loaded.extent.blobs_at, loaded.fields.blobs_len);
        let mut blobs = vec![0; len as usize];
        self.read(&mut blobs, at)?;
        let stated = loaded.fields.blobs_hash;
        if stated != VOUCHED && hash_of(&[&blobs]) != stated {
            return Err(ReadError::damaged(self.segment, at, Damage::Blob));
        }
        Ok(blobs)
    }

    /// Whether the blobs match the hash that the frame states of them.
    pub fn blobs_match(&self, loaded: &Loaded) -> Result<bool, ReadError> {
        let mut hasher = hash::hasher(hash::Kind::LogFrame);
        let (at, len) = (loaded.extent.blobs_at, loaded.fields.blobs_len);
        self.parts(at, len, |part| {
            hasher.update(part);
        })?;
        Ok(hasher.finalize() == loaded.fields.blobs_hash)
    }

    /// Reads a run in small parts.
    pub fn parts(
        &self,
        offset: u64,
        len_bytes: u64,
        mut with: impl FnMut(&[u8]),
    ) -> Result<(), ReadError> {
        let mut buffer = [0; 4 * BLOCK_BYTES];
        let mut done = 0;
        while done < len_bytes {
            let len = (len_bytes - done).min(buffer.len() as u64) as usize;
            let part = &mut buffer[..len];
            self.read(part, offset + done)?;
            with(part);
            done += len as u64;
        }
        Ok(())
    }
}

//! The right to append: frames, their sync, and where readers begin.

use std::sync::MutexGuard;

use crostata_proof::Hash;

use super::Store;
use super::append::{Append, BlobSource, Parts, PutBlob};
use super::error::WriteError;
use super::frame::{VOUCHED, hash_of};
use super::place::Place;

/// The right to append to a store, for one at a time.
///
/// What was written and not synced when a writer is dropped is synced by the next one's sync.
pub struct Writer<'a> {
    store: &'a Store,
    append: MutexGuard<'a, Append>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        store: &'a Store,
        append: MutexGuard<'a, Append>,
    ) -> Result<Self, WriteError> {
        append.usable()?;
        Ok(Self { store, append })
    }

    /// Where the blobs of a frame with these lengths would begin if it were written next.
    ///
    /// This may begin a new segment. A [`write`](Self::write) of these lengths right after it puts the
    /// blobs there.
    pub fn blobs_place(&mut self, meta_len: u64, blobs_len: u64) -> Result<Place, WriteError> {
        self.clear_leftovers()?;
        let room = self.append.room(&self.store.segments, meta_len, blobs_len);
        let room = self.followed_up(room)?;
        Place::new(room.0, room.1.blobs_at).ok_or(WriteError::TooLong {
            len_bytes: blobs_len,
        })
    }

    /// Writes a frame behind the last one and says where it is. It can be read at once, and is durable after
    /// the next [`sync`](Self::sync).
    ///
    /// With `vouched`, [`Contents`](super::Contents) can judge the blobs by the frame's meta;
    /// otherwise a hash over them is computed and stored.
    pub fn write(
        &mut self,
        kind: u8,
        meta: &[u8],
        blobs: &[&[u8]],
        vouched: bool,
    ) -> Result<Place, WriteError> {
        let hash = match vouched {
            true => VOUCHED,
            false => hash_of(blobs),
        };
        let mut put_all = |put: PutBlob<'_>| blobs.iter().try_for_each(|blob| put(blob));
        let len_bytes = blobs.iter().map(|blob| blob.len() as u64).sum();
        self.put(kind, meta, (len_bytes, hash), &mut put_all)
    }

    /// As [`write`](Self::write) with `vouched`, of blobs that `source` hands over in order, `blobs_len` bytes in all.
    ///
    /// If it fails, or hands over another number of bytes, the handle refuses further writes.
    pub fn write_from(
        &mut self,
        kind: u8,
        meta: &[u8],
        blobs_len: u64,
        source: BlobSource<'_>,
    ) -> Result<Place, WriteError> {
        self.put(kind, meta, (blobs_len, VOUCHED), source)
    }

    fn put(
        &mut self,
        kind: u8,
        meta: &[u8],
        (blobs_len, blobs_hash): (u64, Hash),
        blobs: BlobSource<'_>,
    ) -> Result<Place, WriteError> {
        self.clear_leftovers()?;
        let mut parts = Parts {
            kind,
            meta,
            blobs_len,
            blobs_hash,
            blobs,
        };
        let written = self.append.write(&self.store.segments, &mut parts);
        self.followed_up(written)
    }

    /// Makes everything that was written durable: one `fdatasync`, or none if nothing is missing.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.append.sync()
    }

    /// From the next segment on, headers name this frame as the one where a reader begins: opening
    /// then gives the frames from this one on.
    ///
    /// It must be a frame that was written to this store. Opening knows only the start that the
    /// newest segment's header names: if there is a later one, set it again.
    pub fn set_start(&mut self, checkpoint: Place) {
        self.append.set_start(checkpoint);
    }

    /// Removes what a crash left of a segment that was being made.
    fn clear_leftovers(&self) -> Result<(), WriteError> {
        self.append.usable()?;
        // What can not be removed now is found when the store is opened again.
        let _ = self.store.remove_leftovers();
        Ok(())
    }

    /// If a segment was begun, those that its start leaves behind need not wait any longer.
    fn followed_up<T>(&self, result: Result<T, WriteError>) -> Result<T, WriteError> {
        let read_from = self.append.stated_start().segment();
        if read_from > self.store.leases.read_from() {
            self.store.leases.set_read_from(read_from);
        }
        result
    }
}

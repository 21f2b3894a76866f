//! The store: an append-only log of frames in a directory, durably.
//!
//! [`Store`] appends frames, syncs them, and reads any of their bytes back by their [`Place`]. The
//! log is cut into segments, files of 32 MiB; what is in a segment that its caller gave up is gone when
//! the last reader that may know of it is. What a frame means is its caller's business, who gets
//! every frame back, in order, from [`Store::open`].
//!
//! What holds:
//! * after [`Writer::sync`] returned `Ok`, everything that was written before is on the disk;
//! * opening after a crash gives every frame that was synced, and of those that were not, the first
//!   few or none, each of them whole;
//! * a frame that is broken although it was synced is an error with file and offset; what opening
//!   dropped is in the [`RecoveryReport`];
//! * after a failed write or sync the handle refuses to write until the store is opened again;
//! * what was live when a [`Lease`] was taken can be read as long as it is held.
//!
//! Blobs are checked by their caller, who knows their hashes, when they are read; the store checks
//! them only where a crash may have torn them.
//!
//! The format is in `docs/format.md`, "Store files".

mod append;
mod error;
pub mod files;
mod frame;
mod header;
mod lease;
mod open;
mod open_files;
mod place;
mod reader;
mod recovery;
mod replay;
mod segments;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use self::append::Append;
use self::files::{Files, LockGuard};
use self::lease::Leases;
use self::segments::{HeaderError, Segments};

pub use self::error::{Damage, OpenError, ReadError, WriteError};
pub use self::frame::Frame;
pub use self::lease::Lease;
pub use self::place::{Place, SEGMENT_BYTES_MAX};
pub use self::recovery::{DroppedTail, Recovery, RecoveryReport, TailCause};
pub use self::replay::{Contents, ReadPlace};
pub use self::segments::SegmentInfo;
pub use self::writer::Writer;

/// A segment is finished when the next frame would take it beyond this.
pub const SEGMENT_BYTES: u64 = 32 << 20;

/// The sizes that a store keeps to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A segment is finished when the next frame would take it beyond this.
    pub segment_bytes: u64,
    /// A file that small frames are written to grows by zeros up to a multiple of this, so that most syncs find space
    /// that was written before. Little, so that opening has little to look through.
    pub growth_bytes: u64,
    /// How many files are kept open.
    pub open_files_max: usize,
    /// How many files of segments that were given up are kept, for the next ones to take their space: a sync of what
    /// overwrites written space is faster.
    pub spares_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: SEGMENT_BYTES,
            growth_bytes: 256 << 10,
            open_files_max: 512,
            spares_max: 2,
        }
    }
}

/// An open store. It holds the directory's lock until it is dropped.
///
/// Reads and writes may come from any thread; writers wait for one another, reads do not wait for
/// the disk work of a write.
pub struct Store {
    segments: Arc<Segments>,
    leases: Leases,
    append: Mutex<Append>,
    /// Files of segments that were never finished being made.
    leftovers: Mutex<Vec<String>>,
    _lock: LockGuard,
}

impl Store {
    /// Opens the store in a directory, or makes one if the directory is empty.
    ///
    /// Reads the frames from the start that the newest segment's header names to the end, without
    /// their blobs, but for those of frames that nothing proves to be synced. What they were, and
    /// whether the end was dropped, is in the [`Recovery`]. Everything in it is on the disk when
    /// this returns.
    pub fn open(
        files: Arc<dyn Files>,
        contents: &dyn Contents,
    ) -> Result<(Self, Recovery), OpenError> {
        Self::open_with(files, contents, Limits::default())
    }

    /// [`open`](Self::open) with other sizes than the usual ones.
    pub fn open_with(
        files: Arc<dyn Files>,
        contents: &dyn Contents,
        limits: Limits,
    ) -> Result<(Self, Recovery), OpenError> {
        let opened = open::open(files, contents, limits)?;
        let start = opened.append.stated_start();
        let store = Self {
            leases: Leases::new(&opened.segments, start.segment()),
            segments: opened.segments,
            append: Mutex::new(opened.append),
            leftovers: Mutex::new(opened.leftovers),
            _lock: opened.lock,
        };
        Ok((store, opened.recovery))
    }

    /// The right to write, for one at a time: waits until no other writer is there.
    pub fn writer(&self) -> Result<Writer<'_>, WriteError> {
        // A thread that panicked while it wrote left the log marked as failed.
        let append = self.append.lock().unwrap_or_else(PoisonError::into_inner);
        Writer::new(self, append)
    }

    /// Fills the buffer with the bytes at a place, which may be written and not yet synced.
    ///
    /// They are not checked. A place in a segment that is gone is [`ReadError::Gone`]; hold a
    /// [`Lease`] to be sure of those that were live when it was taken.
    pub fn read(&self, place: Place, bytes: &mut [u8]) -> Result<(), ReadError> {
        self.segments.read(place, bytes)
    }

    /// So many bytes at a place, not checked. A length that a damaged or forged file states makes no room for bytes that
    /// are not there.
    pub fn read_vec(&self, place: Place, len_bytes: u64) -> Result<Vec<u8>, ReadError> {
        let end = place.offset().saturating_add(len_bytes);
        if end > self.segments.used(place.segment())? {
            let (segment, offset) = (place.segment(), place.offset());
            return Err(ReadError::damaged(segment, offset, Damage::Truncated));
        }
        let mut bytes = vec![0; len_bytes as usize];
        self.read(place, &mut bytes)?;
        Ok(bytes)
    }

    /// The frame that begins at this place, read again and checked.
    pub fn frame(&self, place: Place) -> Result<Frame, ReadError> {
        let reader = self.segments.reader(place.segment()).map_err(unversioned)?;
        Ok(reader.frame(place.offset(), |_| true)?.frame)
    }

    /// All blobs of a frame, read and checked against the hash that the frame states of them. Those
    /// that were written with `vouched` have none, and are not checked.
    pub fn blobs(&self, frame: &Frame) -> Result<Vec<u8>, ReadError> {
        let segment = frame.place.segment();
        let reader = self.segments.reader(segment).map_err(unversioned)?;
        reader.blobs(&reader.frame(frame.place.offset(), |found| found == frame.sequence)?)
    }

    /// Every frame of a segment, in order, read again and checked, but not their blobs.
    ///
    /// For finding out what is in a segment, and whether it is whole: the cost is that of reading
    /// all its frames.
    pub fn frames(&self, segment: u32) -> Result<Vec<Frame>, ReadError> {
        let header = self.segments.header(segment).map_err(unversioned)?;
        let reader = self.segments.reader(segment).map_err(unversioned)?;
        reader.frames(header.first_sequence)
    }

    /// A lease of all that is live now.
    pub fn lease(&self) -> Lease {
        self.leases.take()
    }

    /// The segments that were not given up, by ascending number.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.segments.live()
    }

    /// The segments that were not given up and whose names are not in the directory: others removed the files. What
    /// is in them can be read until they are closed, and no longer.
    pub fn missing(&self) -> Result<Vec<SegmentInfo>, ReadError> {
        let listed = self.segments.files().names();
        let names = listed.map_err(|source| ReadError::of_io(self.segments.newest(), 0, source))?;
        let mut missing = self.segments.live();
        missing.retain(|segment| !names.contains(&segment.file));
        // A segment may have been given up between, with its last reader gone.
        missing.retain(|segment| !self.segments.is_gone(segment.number));
        Ok(missing)
    }

    /// Gives up segments: their files are removed when the last lease that was taken before is
    /// dropped, at once if there is none.
    ///
    /// What is to be kept of them must have been written again and synced. A segment that the next
    /// opening would read, since the newest segment's header has a start before it, is kept until a
    /// segment with a later start was begun. Numbers of segments that were given up before are
    /// ignored. A file that can not be removed is found by [`settle`](Self::settle) when the store
    /// was opened again. The segment that is being written can not be given up.
    pub fn retire(&self, segments: &[u32]) -> Result<(), WriteError> {
        let current = self.segments.newest();
        if segments.contains(&current) {
            return Err(WriteError::InUse { segment: current });
        }
        let mut numbers = segments.to_vec();
        numbers.retain(|number| self.segments.give_up(*number));
        self.leases.give_up(numbers);
        Ok(())
    }

    /// Removes what a crash left behind: every segment that is not in `live` and was not needed for
    /// the frames that opening read. The names of the files that were removed.
    ///
    /// To be called once after opening. A member of `live` that is not there is damage; nothing is
    /// removed then.
    pub fn settle(&self, live: &BTreeSet<u32>) -> Result<Vec<String>, OpenError> {
        if let Some(missing) = live.iter().find(|number| !self.segments.contains(**number)) {
            return Err(OpenError::missing(*missing));
        }
        let removed = self.remove_orphans(live);
        removed.map_err(|source| OpenError::Io {
            path: self.segments.files().path(),
            source,
        })
    }

    /// The name of the file in which a place is, and the offset in it in bytes: for messages.
    pub fn file_of(&self, place: Place) -> (String, u64) {
        (place::file_name(place.segment()), place.offset())
    }

    fn remove_orphans(&self, live: &BTreeSet<u32>) -> io::Result<Vec<String>> {
        let mut removed = self.remove_leftovers()?;
        let mut names = self.segments.files().names()?;
        names.sort_unstable();
        for name in names {
            let Some(number) = place::number_of(&name) else {
                continue;
            };
            let needed = number >= self.leases.read_from() || live.contains(&number);
            if needed || self.segments.is_given_up(number) {
                continue;
            }
            self.segments.remove(number)?;
            removed.push(name);
        }
        Ok(removed)
    }

    /// Removes the segments that were being made when the store was last closed.
    fn remove_leftovers(&self) -> io::Result<Vec<String>> {
        let mut leftovers = self
            .leftovers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let names = std::mem::take(&mut *leftovers);
        // Locked until they are gone: one may have the name of the segment that is made next.
        for name in &names {
            match self.segments.files().remove(name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(names)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The directory's lock is released next: leases that are dropped later leave its files alone.
        self.segments.close();
    }
}

/// The segment is not one of this version; its name says that it is.
fn unversioned(error: HeaderError) -> ReadError {
    match error {
        HeaderError::Read(error) => error,
        HeaderError::Version { file, .. } => ReadError::Damaged {
            file,
            offset: 0,
            what: Damage::SegmentHeader,
        },
    }
}

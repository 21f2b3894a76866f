//! The store: commits, pages and code kept in one append-only log of a directory, durably.
//!
//! [`Store`] appends commits, finalisations and deletions, each as one frame and one sync, and
//! gives pages and code back by their hash. It never interprets what a commit means: which parents
//! exist, whether a root is right and which commits are alive is the business of its caller, who
//! gets every entry back, in order, from [`Store::open`].
//!
//! What holds:
//! * a function that writes returns `Ok` only when the entry is on the disk, with every page and
//!   every code that it brought;
//! * opening after a crash gives every acknowledged entry, and at most one that was not;
//! * bytes are checked against their hash each time they are read; damage is an error with file
//!   and offset, never wrong data, and what opening dropped is in the [`RecoveryReport`];
//! * after a failed write the handle refuses to write until the store is opened again.
//!
//! The format is in `docs/format.md`, "Store files".

mod blobs;
mod codec;
mod entry;
mod error;
pub mod files;
mod frame;
mod header;
mod log;
mod recovery;
mod replay;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crostata_abi::PAGE_BYTES;
use crostata_proof::{CodeHash, CommitId, EMPTY, Hash, hash};

use self::blobs::{BlobList, Blobs, Body};
use self::files::{File, Files, LockGuard};
use self::log::Log;

pub use self::entry::{CommitEntry, ContractChange, Entry};
pub use self::error::{Damage, OpenError, ReadError, WriteError};
pub use self::recovery::{DroppedTail, Recovery, RecoveryReport, TailCause};

/// The bytes of one page.
pub type Page = [u8; PAGE_BYTES];

/// An open store. It holds the directory's lock until it is dropped.
///
/// Reads and writes may come from any thread; writes wait for one another, reads do not wait for
/// the disk work of a write.
pub struct Store {
    file: Arc<dyn File>,
    blobs: RwLock<Blobs>,
    log: Mutex<Log>,
    _lock: LockGuard,
}

impl Store {
    /// Opens the store in a directory, or makes one if the directory is empty.
    ///
    /// Reads the entries of the log and the blobs of the last frame, but no other blobs.
    /// What the log held, and whether its end was dropped, is in the [`Recovery`].
    /// Everything in it is on the disk when this returns.
    pub fn open(files: Arc<dyn Files>) -> Result<(Self, Recovery), OpenError> {
        let opened = log::open(&*files)?;
        let store = Self {
            file: opened.log.file(),
            blobs: RwLock::new(opened.blobs),
            log: Mutex::new(opened.log),
            _lock: opened.lock,
        };
        Ok((store, opened.recovery))
    }

    /// Appends a commit with the pages and the code it brings; durable when this returns `Ok`.
    ///
    /// Pages and code that the store has already, and pages of zeros, are not written again.
    /// Each page and code must hash to the hash given with it: a mismatch is found when it is read,
    /// or, in the last frame, when the store is opened. Every page that `entry` names must be in
    /// `pages` or in the store.
    pub fn commit(
        &self,
        entry: &CommitEntry,
        pages: &[(Hash, &Page)],
        code: &[(CodeHash, &[u8])],
    ) -> Result<(), WriteError> {
        debug_assert!(
            pages
                .iter()
                .all(|(leaf, page)| hash::page_leaf(page) == *leaf)
        );
        debug_assert!(code.iter().all(|(key, code)| hash::code_hash(code) == *key));
        let mut log = self.log();
        let body = Body::fresh(&self.blobs(), pages, code);
        self.require_pages(entry, &body.list)?;
        let meta = codec::encode_commit(entry, &body.list)?;
        let blobs_at = log.append(frame::Kind::Commit, &meta, &body.parts)?;
        self.blobs_mut().insert(&body.list, blobs_at);
        Ok(())
    }

    /// Appends that a commit became final; durable when this returns `Ok`.
    pub fn finalize(&self, id: &CommitId) -> Result<(), WriteError> {
        self.log()
            .append(frame::Kind::Finalize, id.as_bytes(), &[])?;
        Ok(())
    }

    /// Appends that a commit, and with it the branch above it, was deleted; durable when this
    /// returns `Ok`.
    pub fn delete(&self, id: &CommitId) -> Result<(), WriteError> {
        self.log().append(frame::Kind::Delete, id.as_bytes(), &[])?;
        Ok(())
    }

    /// The page with this leaf hash, read from the disk and checked. [`EMPTY`] gives zeros.
    pub fn page(&self, leaf: &Hash) -> Result<Box<Page>, ReadError> {
        let mut page = Box::new([0; PAGE_BYTES]);
        if *leaf == EMPTY {
            return Ok(page);
        }
        let offset = self.blobs().page(leaf);
        let offset = offset.ok_or(ReadError::MissingPage { leaf: *leaf })?;
        self.read(&mut page[..], offset)?;
        if hash::page_leaf(&page) != *leaf {
            return Err(damaged(offset, Damage::Page { leaf: *leaf }));
        }
        Ok(page)
    }

    /// The code with this hash, read from the disk and checked.
    pub fn code(&self, key: &CodeHash) -> Result<Vec<u8>, ReadError> {
        let place = self.blobs().code(key);
        let (offset, len_bytes) = place.ok_or(ReadError::MissingCode { code: *key })?;
        let mut code = self.room(*key, offset, len_bytes)?;
        self.read(&mut code, offset)?;
        if hash::code_hash(&code) != *key {
            return Err(damaged(offset, Damage::Code { code: *key }));
        }
        Ok(code)
    }

    /// Whether the page is in the store, durably. True for [`EMPTY`].
    pub fn has_page(&self, leaf: &Hash) -> bool {
        *leaf == EMPTY || self.blobs().page(leaf).is_some()
    }

    /// Whether the code is in the store, durably.
    pub fn has_code(&self, key: &CodeHash) -> bool {
        self.blobs().code(key).is_some()
    }

    /// Zeros for the code's bytes: as many as the log says, if the file can hold them.
    fn room(&self, code: CodeHash, offset: u64, len_bytes: u64) -> Result<Vec<u8>, ReadError> {
        let file_len = self
            .file
            .len()
            .map_err(|source| read_error(offset, source))?;
        let end = offset.checked_add(len_bytes);
        match usize::try_from(len_bytes) {
            Ok(len) if end.is_some_and(|end| end <= file_len) => Ok(vec![0; len]),
            _ => Err(damaged(offset, Damage::Code { code })),
        }
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), ReadError> {
        self.file
            .read_exact_at(buffer, offset)
            .map_err(|source| read_error(offset, source))
    }

    fn require_pages(&self, entry: &CommitEntry, brought: &BlobList) -> Result<(), WriteError> {
        let mut brought = brought.pages.clone();
        brought.sort_unstable();
        let blobs = self.blobs();
        let mut leaves = entry.contracts.iter().flat_map(|change| &change.pages);
        let missing = leaves.find(|(_, leaf)| {
            *leaf != EMPTY && blobs.page(leaf).is_none() && brought.binary_search(leaf).is_err()
        });
        match missing {
            Some((_, leaf)) => Err(WriteError::MissingPage { leaf: *leaf }),
            None => Ok(()),
        }
    }

    // A thread that panicked while it held one of these locks left nothing half-made: the index
    // changes only after an append, and the log marks itself as failed before it begins one.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn blobs(&self) -> RwLockReadGuard<'_, Blobs> {
        self.blobs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn blobs_mut(&self) -> RwLockWriteGuard<'_, Blobs> {
        self.blobs.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn damaged(offset: u64, what: Damage) -> ReadError {
    let file = log::FILE_NAME.to_owned();
    ReadError::Damaged { file, offset, what }
}

/// An end of file inside bytes that the log listed is damage; the rest is the disk's own error.
fn read_error(offset: u64, source: std::io::Error) -> ReadError {
    if source.kind() == std::io::ErrorKind::UnexpectedEof {
        return damaged(offset, Damage::Truncated);
    }
    let file = log::FILE_NAME.to_owned();
    ReadError::Io {
        file,
        offset,
        source,
    }
}

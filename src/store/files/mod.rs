//! The only door to files: a directory ([`Files`]) and what is in it ([`File`]).
//!
//! Three implementations: [`OsFiles`] on a real directory, [`MemoryFiles`] in memory, and
//! [`FaultyFiles`], a test tool that fails and loses writes as a disk may.
//! Nothing here knows what the files hold.

mod faulty;
mod memory;
mod os;

use std::any::Any;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

pub use self::faulty::{Fault, FaultyFiles, Unsynced};
pub use self::memory::MemoryFiles;
pub use self::os::OsFiles;

/// The name of the lock file.
pub const LOCK_NAME: &str = "lock";

/// A flat directory of files.
pub trait Files: Send + Sync {
    /// Where the directory is, for messages.
    fn path(&self) -> PathBuf;

    /// Takes the directory for this handle alone, until the guard is dropped.
    fn lock(&self) -> Result<LockGuard, LockError>;

    /// The names of everything in the directory.
    fn names(&self) -> io::Result<Vec<String>>;

    /// Opens a file that exists, for reading and writing.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Creates an empty file, in place of one that may exist. Durable after
    /// [`sync_dir`](Files::sync_dir).
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>>;

    /// Creates an empty file that only this user can read, where the system knows users.
    fn create_private(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.create(name)
    }

    /// Renames a file, in place of one that may exist. Durable after [`sync_dir`](Files::sync_dir).
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Durable after [`sync_dir`](Files::sync_dir).
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the names in the directory durable.
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file. Reads and writes name their offset, so one file serves many threads.
pub trait File: Send + Sync {
    /// Reads some bytes; fewer than asked for at the end of the file, or for no reason.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes some bytes, perhaps fewer than given, growing the file if need be.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// The length of the file in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or lengthens it with zeros.
    fn set_len(&self, len_bytes: u64) -> io::Result<()>;

    /// Asks for space on the disk for the file's first `len_bytes` bytes, without lengthening it: syncs of what is
    /// written there are faster. A wish: nothing else depends on whether it comes true.
    fn reserve(&self, _len_bytes: u64) {}

    /// Makes the bytes and the length of the file durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Notes that the file was used now: for caches, which remove what was not used for long. A wish, as
    /// [`reserve`](Self::reserve).
    fn touch(&self) {}

    /// When the file was written or touched last, as a number to compare with that of other files of the directory; 0 where nobody
    /// keeps that. It comes from a clock, so nothing but which file of a cache is removed may depend on it.
    fn touched(&self) -> io::Result<u64> {
        Ok(0)
    }

    /// Fills the buffer, or fails with [`ErrorKind::UnexpectedEof`].
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => {
                    buffer = buffer.get_mut(len..).unwrap_or_default();
                    offset = offset.saturating_add(len as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes all bytes.
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => {
                    bytes = bytes.get(len..).unwrap_or_default();
                    offset = offset.saturating_add(len as u64);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Keeps a directory locked until it is dropped.
pub struct LockGuard {
    _held: Box<dyn Any + Send + Sync>,
}

impl LockGuard {
    /// A guard that releases the lock when `held` is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self {
            _held: Box::new(held),
        }
    }
}

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another handle holds the lock.
    #[error("the directory is locked")]
    Held {
        /// The process that holds it, if it could be read.
        process: Option<u32>,
    },
    /// The lock could not be tried.
    #[error("locking the directory failed")]
    Io(#[from] io::Error),
}

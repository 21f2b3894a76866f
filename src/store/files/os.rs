//! Files of a real directory.
//!
//! Never maps a file: a read error is an error, not a signal.

use std::ffi::OsString;
use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, Timespec, Timestamps, UTIME_NOW, fallocate, futimens};

use super::{File, Files, LOCK_NAME, LockError, LockGuard};

/// Digits of the largest process id, and then some: what is read of a lock file.
const PROCESS_ID_LEN_MAX: usize = 16;

/// A directory of the operating system.
#[derive(Debug, Clone)]
pub struct OsFiles {
    path: PathBuf,
}

impl OsFiles {
    /// The files in this directory, which is made, durably, if it does not exist.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        create_dir(&path)?;
        Ok(Self { path })
    }

    fn file(&self, name: &str, options: &mut OpenOptions) -> io::Result<fs::File> {
        options.read(true).write(true).open(self.path.join(name))
    }
}

/// The locked lock file.
struct Locked(fs::File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing is not enough: a process that is just being forked holds the file, too, until it runs its program.
        // If this fails, closing releases the lock later.
        let _ = self.0.unlock();
    }
}

impl Files for OsFiles {
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    fn lock(&self) -> Result<LockGuard, LockError> {
        let file = self.file(LOCK_NAME, OpenOptions::new().create(true))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = holder(&file);
                return Err(LockError::Held { process });
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // For messages only: a full disk does not keep the store from opening.
        let process = std::process::id().to_string();
        let _ = fs::File::set_len(&file, 0);
        let _ = FileExt::write_all_at(&file, process.as_bytes(), 0);
        Ok(LockGuard::new(Locked(file)))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let name = |name: OsString| name.to_string_lossy().into_owned();
        fs::read_dir(&self.path)?
            .map(|entry| Ok(name(entry?.file_name())))
            .collect()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(self.file(name, &mut OpenOptions::new())?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = self.file(name, OpenOptions::new().create(true).truncate(true))?;
        Ok(Arc::new(file))
    }

    fn create_private(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        let file = self.file(name, options.create_new(true).mode(0o600))?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }
}

impl File for fs::File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        fs::File::set_len(self, len_bytes)
    }

    fn reserve(&self, len_bytes: u64) {
        // Where the file system can not, or has no space, writing says so or does without.
        let _ = fallocate(self, FallocateFlags::KEEP_SIZE, 0, len_bytes);
    }

    fn sync_data(&self) -> io::Result<()> {
        fs::File::sync_data(self)
    }

    fn touch(&self) {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        // A cache that can not note it removes files in another order.
        let _ = futimens(
            self,
            &Timestamps {
                last_access: now,
                last_modification: now,
            },
        );
    }

    fn touched(&self) -> io::Result<u64> {
        const NANOSECONDS: u64 = 1_000_000_000;
        let metadata = self.metadata()?;
        let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
        let rest = u64::try_from(metadata.mtime_nsec()).unwrap_or(0);
        Ok(seconds.saturating_mul(NANOSECONDS).saturating_add(rest))
    }
}

/// The process id that the holder of the lock wrote into the file.
fn holder(file: &fs::File) -> Option<u32> {
    let mut text = [0; PROCESS_ID_LEN_MAX];
    let len = FileExt::read_at(file, &mut text, 0).ok()?;
    str::from_utf8(text.get(..len)?).ok()?.parse().ok()
}

/// Makes the directory and its missing parents, each durable in the one above it.
fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if parent != path {
        create_dir(parent)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::File::open(parent)?.sync_all()
}

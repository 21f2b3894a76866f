//! Files that count what is written to them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crostata::store::files::{File, Files, LockError, LockGuard, OsFiles};

/// A directory whose written bytes are counted.
pub struct CountingFiles {
    files: OsFiles,
    written: Arc<AtomicU64>,
}

struct CountingFile {
    file: Arc<dyn File>,
    written: Arc<AtomicU64>,
}

impl CountingFiles {
    pub fn open(directory: &Path) -> Self {
        Self {
            files: OsFiles::open(directory).unwrap(),
            written: Arc::default(),
        }
    }

    /// The counter.
    pub fn written(&self) -> Arc<AtomicU64> {
        self.written.clone()
    }

    fn counted(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        let written = self.written.clone();
        Arc::new(CountingFile { file, written })
    }
}

impl Files for CountingFiles {
    fn path(&self) -> PathBuf {
        self.files.path()
    }

    fn lock(&self) -> Result<LockGuard, LockError> {
        self.files.lock()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.files.names()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.counted(self.files.open(name)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.counted(self.files.create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.files.sync_dir()
    }
}

impl File for CountingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let written = self.file.write_at(bytes, offset)?;
        self.written.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        self.file.set_len(len_bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

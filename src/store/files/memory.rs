//! Files in memory: for VMs that keep nothing, and for tests.
//!
//! A clone shows the same files. They live as long as a clone or an open file does.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::{File, Files, LockError, LockGuard};

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// A directory in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    files: Arc<Mutex<BTreeMap<String, Arc<MemoryFile>>>>,
    locked: MemoryLock,
}

impl MemoryFiles {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// A directory with these files.
    pub fn with(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let file = |bytes| Arc::new(MemoryFile(RwLock::new(bytes)));
        let files = files
            .into_iter()
            .map(|(name, bytes)| (name, file(bytes)))
            .collect();
        Self {
            files: Arc::new(Mutex::new(files)),
            locked: MemoryLock::default(),
        }
    }

    /// The bytes of a file, if it exists.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.files().get(name).cloned()?;
        Some(read(&file.0, |bytes| bytes.clone()))
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Arc<MemoryFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files for MemoryFiles {
    fn path(&self) -> PathBuf {
        PathBuf::from("memory")
    }

    fn lock(&self) -> Result<LockGuard, LockError> {
        self.locked.take()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files().keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        match self.files().get(name) {
            Some(file) => Ok(file.clone()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = Arc::new(MemoryFile::default());
        self.files().insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files();
        let file = files.remove(from).ok_or(ErrorKind::NotFound)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.files().remove(name);
        removed.map(drop).ok_or(ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Default)]
struct MemoryFile(RwLock<Vec<u8>>);

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(read(&self.0, |bytes| copy_out(bytes, buffer, offset)))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        copy_in(&mut write(&self.0), bytes, offset)?;
        Ok(bytes.len())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(read(&self.0, |bytes| bytes.len() as u64))
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        resize(&mut write(&self.0), len_bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

fn read<R>(bytes: &RwLock<Vec<u8>>, with: impl FnOnce(&Vec<u8>) -> R) -> R {
    with(&bytes.read().unwrap_or_else(PoisonError::into_inner))
}

fn write(bytes: &RwLock<Vec<u8>>) -> std::sync::RwLockWriteGuard<'_, Vec<u8>> {
    bytes.write().unwrap_or_else(PoisonError::into_inner)
}

/// Copies what there is at the offset into the buffer; how much that was.
pub(super) fn copy_out(bytes: &[u8], buffer: &mut [u8], offset: u64) -> usize {
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let source = bytes.get(start..).unwrap_or_default();
    let len = source.len().min(buffer.len());
    buffer[..len].copy_from_slice(&source[..len]);
    len
}

/// Writes bytes at the offset, with zeros before them if the file was shorter.
pub(super) fn copy_in(file: &mut Vec<u8>, bytes: &[u8], offset: u64) -> io::Result<()> {
    let end = offset
        .checked_add(bytes.len() as u64)
        .ok_or(ErrorKind::FileTooLarge)?;
    if end > file.len() as u64 {
        resize(file, end)?;
    }
    // The end fits `usize` by now, so the offset before it does too.
    let start = offset as usize;
    file[start..start + bytes.len()].copy_from_slice(bytes);
    Ok(())
}

/// Cuts the bytes or adds zeros. No memory is an error, as no space is on a disk.
pub(super) fn resize(bytes: &mut Vec<u8>, len_bytes: u64) -> io::Result<()> {
    let len = usize::try_from(len_bytes).map_err(|_| ErrorKind::FileTooLarge)?;
    bytes
        .try_reserve(len.saturating_sub(bytes.len()))
        .map_err(|_| ErrorKind::StorageFull)?;
    bytes.truncate(len);
    // In large parts: without optimisation, byte by byte takes long.
    while bytes.len() < len {
        let part = (len - bytes.len()).min(ZEROS.len());
        bytes.extend_from_slice(&ZEROS[..part]);
    }
    Ok(())
}

/// The lock of a directory in memory: a flag.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryLock(Arc<AtomicBool>);

impl MemoryLock {
    pub(super) fn take(&self) -> Result<LockGuard, LockError> {
        if self.0.swap(true, Ordering::AcqRel) {
            let process = Some(std::process::id());
            return Err(LockError::Held { process });
        }
        Ok(LockGuard::new(Held(self.0.clone())))
    }
}

struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

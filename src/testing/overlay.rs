//! Files of a directory that is only read: what is written goes into memory, over what is there, and is gone with the handle.

use std::collections::BTreeMap;
use std::fs::{self, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::files::{File, Files, LOCK_NAME, LockError, LockGuard};

/// Bytes that are kept in memory together, when one of them is written.
const BLOCK_BYTES: u64 = 64 << 10;

/// A directory seen as it is, with what was written since beside it.
pub struct Overlay {
    directory: PathBuf,
    /// Files that were opened, made or removed: those are none.
    files: Mutex<BTreeMap<String, Option<Arc<Overlaid>>>>,
}

/// A file, and what was written to it since it was opened.
struct Overlaid(Mutex<Content>);

struct Content {
    below: Option<fs::File>,
    /// Bytes of the file below that count: those behind were cut off.
    below_len: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
    len: u64,
}

impl Overlay {
    /// The files in this directory.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            files: Mutex::default(),
        }
    }

    fn opened(&self) -> MutexGuard<'_, BTreeMap<String, Option<Arc<Overlaid>>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_file(&self, name: &str) -> io::Result<Arc<Overlaid>> {
        let mut opened = self.opened();
        match opened.get(name) {
            Some(Some(file)) => return Ok(file.clone()),
            Some(None) => return Err(ErrorKind::NotFound.into()),
            None => {}
        }
        let below = fs::File::open(self.directory.join(name))?;
        let len = below.metadata()?.len();
        let file = Arc::new(Overlaid(Mutex::new(Content {
            below: Some(below),
            below_len: len,
            blocks: BTreeMap::new(),
            len,
        })));
        opened.insert(name.to_owned(), Some(file.clone()));
        Ok(file)
    }
}

impl Files for Overlay {
    fn path(&self) -> PathBuf {
        self.directory.clone()
    }

    /// Nobody may write while this reads; others may read.
    fn lock(&self) -> Result<LockGuard, LockError> {
        let file = match fs::File::open(self.directory.join(LOCK_NAME)) {
            Ok(file) => file,
            // Nobody ever opened it, or it is a copy.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(LockGuard::new(())),
            Err(error) => return Err(error.into()),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(LockGuard::new(file)),
            Err(TryLockError::WouldBlock) => Err(LockError::Held { process: None }),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut there: BTreeMap<String, bool> = BTreeMap::new();
        for entry in fs::read_dir(&self.directory)? {
            there.insert(entry?.file_name().to_string_lossy().into_owned(), true);
        }
        for (name, file) in self.opened().iter() {
            there.insert(name.clone(), file.is_some());
        }
        let there = there.into_iter().filter(|(_, exists)| *exists);
        Ok(there.map(|(name, _)| name).collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        Ok(self.open_file(name)?)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = Arc::new(Overlaid(Mutex::new(Content {
            below: None,
            below_len: 0,
            blocks: BTreeMap::new(),
            len: 0,
        })));
        self.opened().insert(name.to_owned(), Some(file.clone()));
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.open_file(from)?;
        let mut opened = self.opened();
        opened.insert(from.to_owned(), None);
        opened.insert(to.to_owned(), Some(file));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.open_file(name)?;
        self.opened().insert(name.to_owned(), None);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Overlaid {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// Fills `buffer`, which lies within one block, from what is there; zeros where nothing is.
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let within = (offset % BLOCK_BYTES) as usize;
        if let Some(block) = self.blocks.get(&(offset / BLOCK_BYTES)) {
            buffer.copy_from_slice(&block[within..within + buffer.len()]);
            return Ok(());
        }
        buffer.fill(0);
        let there = self.below_len.saturating_sub(offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX);
        let len = there.min(buffer.len());
        match &self.below {
            Some(file) => FileExt::read_exact_at(file, &mut buffer[..len], offset),
            None => Ok(()),
        }
    }

    /// The block, which may be written from here on.
    fn block(&mut self, index: u64) -> io::Result<&mut Vec<u8>> {
        if !self.blocks.contains_key(&index) {
            let mut block = vec![0; BLOCK_BYTES as usize];
            self.read(&mut block, index * BLOCK_BYTES)?;
            self.blocks.insert(index, block);
        }
        self.blocks
            .get_mut(&index)
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.below_len = self.below_len.min(len);
        self.blocks.retain(|index, _| index * BLOCK_BYTES < len);
        let within = (len % BLOCK_BYTES) as usize;
        if let Some(block) = self.blocks.get_mut(&(len / BLOCK_BYTES)) {
            block[within..].fill(0);
        }
        Ok(())
    }
}

/// How much of `len` bytes at an offset is within the block that the offset is in.
fn within_block(offset: u64, len: usize) -> usize {
    len.min((BLOCK_BYTES - offset % BLOCK_BYTES) as usize)
}

impl File for Overlaid {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content();
        let there = content.len.saturating_sub(offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX);
        let len = within_block(offset, buffer.len().min(there));
        content.read(&mut buffer[..len], offset)?;
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut content = self.content();
        let len = within_block(offset, bytes.len());
        let within = (offset % BLOCK_BYTES) as usize;
        let block = content.block(offset / BLOCK_BYTES)?;
        block[within..within + len].copy_from_slice(&bytes[..len]);
        content.len = content.len.max(offset.saturating_add(len as u64));
        Ok(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.content().len)
    }

    fn set_len(&self, len_bytes: u64) -> io::Result<()> {
        let mut content = self.content();
        if len_bytes < content.len {
            content.cut(len_bytes)?;
        }
        content.len = len_bytes;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::files::MemoryFiles;

    #[derive(Debug, Clone)]
    enum Change {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn changes() -> impl Strategy<Value = Change> {
        prop_oneof![
            (0..200_000u64, prop::collection::vec(1u8.., 1..100_000))
                .prop_map(|(at, bytes)| Change::Write(at, bytes)),
            (0..300_000u64).prop_map(Change::SetLen),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// A file that is only read is, with what is written over it, what a file in memory is; the one below stays as it was.
        #[test]
        fn is_a_file(below in prop::collection::vec(any::<u8>(), 0..150_000), changes in prop::collection::vec(changes(), 0..8)) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            std::fs::write(&path, &below).unwrap();
            let overlay = Overlay::new(directory.path().to_path_buf());
            let memory = MemoryFiles::with([("file".to_owned(), below.clone())]);
            let files: [Arc<dyn File>; 2] = [overlay.open("file").unwrap(), memory.open("file").unwrap()];
            for change in changes {
                for file in &files {
                    match &change {
                        Change::Write(at, bytes) => file.write_all_at(bytes, *at).unwrap(),
                        Change::SetLen(len) => file.set_len(*len).unwrap(),
                    }
                }
            }
            let [ours, model] = files.map(|file| {
                let mut bytes = vec![0; file.len().unwrap() as usize];
                file.read_exact_at(&mut bytes, 0).unwrap();
                bytes
            });
            prop_assert!(ours == model);
            prop_assert!(std::fs::read(&path).unwrap() == below);
        }
    }

    /// Names come and go in memory alone.
    #[test]
    fn names_change_in_memory() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["kept", "removed", "renamed"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        let overlay = Overlay::new(directory.path().to_path_buf());
        overlay.remove("removed").unwrap();
        overlay.rename("renamed", "new").unwrap();
        overlay.create("made").unwrap();
        assert_eq!(overlay.names().unwrap(), ["kept", "made", "new"]);
        assert!(overlay.open("removed").is_err() && overlay.remove("renamed").is_err());
        assert_eq!(overlay.open("new").unwrap().len().unwrap(), 7);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    }
}

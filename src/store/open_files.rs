//! The files that are open: each segment's stays open until too many are, then the one that was
//! used least recently is closed.
//!
//! Whoever holds a file can go on using it after it was closed here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::files::File;

/// The open files, by the number of their segment.
pub(super) struct OpenFiles {
    files_max: usize,
    /// Counts uses.
    clock: AtomicU64,
    files: RwLock<HashMap<u32, OpenFile>>,
}

struct OpenFile {
    file: Arc<dyn File>,
    /// When it was last used.
    used: AtomicU64,
}

impl OpenFiles {
    /// None yet, and never more than this many (but at least one).
    pub fn new(files_max: usize) -> Self {
        Self {
            files_max: files_max.max(1),
            clock: AtomicU64::new(0),
            files: RwLock::default(),
        }
    }

    /// The file of this segment, if it is open.
    pub fn get(&self, segment: u32) -> Option<Arc<dyn File>> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let open = files.get(&segment)?;
        open.used.store(self.now(), Ordering::Relaxed);
        Some(open.file.clone())
    }

    /// Keeps a file open.
    pub fn put(&self, segment: u32, file: Arc<dyn File>) {
        let used = AtomicU64::new(self.now());
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.insert(segment, OpenFile { file, used });
        let closed = (files.len() > self.files_max)
            .then(|| least_used(&files))
            .flatten()
            .and_then(|segment| files.remove(&segment));
        drop(files);
        // Closing may take time: only now.
        drop(closed);
    }

    /// Closes the file of this segment.
    pub fn close(&self, segment: u32) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let closed = files.remove(&segment);
        drop(files);
        drop(closed);
    }

    /// How many are open.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.files.read().unwrap().len()
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

fn least_used(files: &HashMap<u32, OpenFile>) -> Option<u32> {
    let used = |open: &OpenFile| open.used.load(Ordering::Relaxed);
    let least = files.iter().min_by_key(|(_, open)| used(open))?;
    Some(*least.0)
}

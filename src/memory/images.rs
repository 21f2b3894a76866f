//! The images of committed memories, shared by all sessions of a VM.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::{MemoryError, PageSource};
use crate::region::{Image, ImageFile};

/// What identifies a committed memory: root of its page tree, and size in bytes.
pub type ImageKey = ([u8; 32], u64);

/// A cache of images, bounded by the bytes they hold. Sessions keep alive what they map.
#[derive(Debug)]
pub struct Images {
    file: Arc<ImageFile>,
    held: Mutex<Held>,
    budget_bytes: u64,
}

#[derive(Debug, Default)]
struct Held {
    images: HashMap<ImageKey, Entry>,
    bytes: u64,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    image: Arc<Image>,
    bytes: u64,
    used: u64,
}

impl Images {
    /// An empty cache that keeps images of up to `budget_bytes` bytes in all.
    ///
    /// # Errors
    /// When the system gives no memory file.
    pub fn new(budget_bytes: u64) -> io::Result<Self> {
        Ok(Self {
            file: Arc::new(ImageFile::new()?),
            held: Mutex::default(),
            budget_bytes,
        })
    }

    /// The image of the memory that `key` names, filled from `source` unless it is held already.
    ///
    /// # Errors
    /// [`MemoryError`] when a page or memory can not be had; nothing is kept then.
    pub fn get(&self, key: ImageKey, source: &dyn PageSource) -> Result<Arc<Image>, MemoryError> {
        if let Some(image) = self.lock().touch(&key) {
            return Ok(image);
        }
        let (image, bytes) = self.fill(source)?;
        let image = Arc::new(image);
        self.lock()
            .insert(key, image.clone(), bytes, self.budget_bytes);
        Ok(image)
    }

    fn fill(&self, source: &dyn PageSource) -> Result<(Image, u64), MemoryError> {
        let size_bytes = source.size_bytes();
        let system = |source| MemoryError::System { size_bytes, source };
        let image = self.file.build(size_bytes).map_err(system)?;
        for index in source.pages() {
            let page = source.page(index)?;
            image.write(index.address(), &page[..]).map_err(system)?;
        }
        // Reading a page of zeros takes memory too, so the whole length counts.
        Ok((image.finish(), size_bytes))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        // A panic while the lock was held leaves at worst a cache that counts wrongly.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn touch(&mut self, key: &ImageKey) -> Option<Arc<Image>> {
        self.clock += 1;
        let entry = self.images.get_mut(key)?;
        entry.used = self.clock;
        Some(entry.image.clone())
    }

    fn insert(&mut self, key: ImageKey, image: Arc<Image>, bytes: u64, budget_bytes: u64) {
        let used = self.clock;
        let entry = Entry { image, bytes, used };
        if let Some(old) = self.images.insert(key, entry) {
            self.bytes -= old.bytes;
        }
        self.bytes += bytes;
        while self.bytes > budget_bytes && self.evict() {}
    }

    fn evict(&mut self) -> bool {
        let oldest = self.images.iter().min_by_key(|(_, entry)| entry.used);
        let Some(key) = oldest.map(|(key, _)| *key) else {
            return false;
        };
        if let Some(entry) = self.images.remove(&key) {
            self.bytes -= entry.bytes;
        }
        true
    }
}

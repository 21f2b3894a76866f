//! The images of committed memories, shared by all sessions of a VM.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::image::{Loaded, SharedImage};
use super::{CommittedImage, MemoryError, PageSource};
use crate::region::{Image, ImageFile};

/// What identifies a committed memory: root of its page tree, and size in bytes.
pub type ImageKey = ([u8; 32], u64);

/// Images looked at in one call to make room, so that no call pays for the whole cache.
const EVICTIONS_MAX: usize = 8;

/// What an image counts for at least, so that the budget also bounds how many there are.
const ENTRY_BYTES: u64 = 4096;

/// A cache of images, bounded by the bytes that are loaded in them. Sessions keep alive what they use.
#[derive(Debug)]
pub struct Images {
    held: Mutex<Held>,
    loaded: Arc<Loaded>,
    budget_bytes: u64,
}

/// What a VM's cache of committed pages did since the VM was opened, and what it holds. For watching only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImageCounters {
    /// Memories that sessions asked for and that were known.
    pub hits: u64,
    /// Memories that sessions asked for and that were not.
    pub misses: u64,
    /// Memories that were forgotten to make room.
    pub evicted: u64,
    /// Pages that were loaded from the log and checked.
    pub pages_loaded: u64,
    /// Memories that are known.
    pub images: u64,
    /// Bytes loaded in them, and in those that only sessions hold.
    pub loaded_bytes: u64,
}

#[derive(Debug)]
struct Held {
    counters: ImageCounters,
    file: Arc<ImageFile>,
    images: HashMap<ImageKey, Entry>,
    /// The keys by when they were last used.
    order: BTreeMap<u64, ImageKey>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    image: Arc<SharedImage>,
    used: u64,
}

impl Images {
    /// An empty cache that keeps images of up to `budget_bytes` loaded bytes in all.
    ///
    /// # Errors
    /// When the system gives no memory file.
    pub fn new(budget_bytes: u64) -> io::Result<Self> {
        let held = Held {
            counters: ImageCounters::default(),
            file: Arc::new(ImageFile::new()?),
            images: HashMap::new(),
            order: BTreeMap::new(),
            clock: 0,
        };
        Ok(Self {
            held: Mutex::new(held),
            loaded: Arc::default(),
            budget_bytes,
        })
    }

    /// The image of the memory that `key` names; what it has not loaded, whoever gets it here loads from `source`.
    /// Nothing is loaded here.
    ///
    /// # Errors
    /// [`MemoryError::System`].
    pub fn get(
        &self,
        key: ImageKey,
        source: Arc<dyn PageSource>,
    ) -> Result<Arc<CommittedImage>, MemoryError> {
        let mut held = self.lock();
        if let Some(image) = held.touch(&key) {
            held.counters.hits += 1;
            return Ok(Arc::new(CommittedImage::new(image, source)));
        }
        held.counters.misses += 1;
        let image = Arc::new(self.make(&mut held, source.size_bytes())?);
        held.insert(key, image.clone());
        let gone = held.make_room(&self.loaded.bytes, self.budget_bytes);
        // Dropping an image is a system call, which nobody else should wait for.
        drop(held);
        drop(gone);
        Ok(Arc::new(CommittedImage::new(image, source)))
    }

    /// What the cache did and holds.
    pub fn counters(&self) -> ImageCounters {
        let held = self.lock();
        ImageCounters {
            pages_loaded: self.loaded.pages.load(Ordering::Relaxed),
            loaded_bytes: self.loaded.bytes.load(Ordering::Relaxed),
            images: held.images.len() as u64,
            ..held.counters
        }
    }

    /// Bytes that may be loaded in so many more images before images go.
    pub fn room_bytes(&self, more_images: usize) -> u64 {
        let images = self.lock().images.len() + more_images;
        let held = self.loaded_bytes() + images as u64 * ENTRY_BYTES;
        self.budget_bytes.saturating_sub(held)
    }

    /// Bytes loaded in all images that are held here or by a session.
    pub fn loaded_bytes(&self) -> u64 {
        self.loaded.bytes.load(Ordering::Relaxed)
    }

    /// Forgets images that no session uses, least recently used first, while more is loaded than the budget allows.
    pub fn trim(&self) {
        if self.loaded.bytes.load(Ordering::Relaxed) > self.budget_bytes {
            let gone = self.lock().make_room(&self.loaded.bytes, self.budget_bytes);
            drop(gone);
        }
    }

    fn make(&self, held: &mut Held, size_bytes: u64) -> Result<SharedImage, MemoryError> {
        let image = held.image(size_bytes);
        let image = image.map_err(|source| MemoryError::System { size_bytes, source })?;
        Ok(SharedImage::new(image, self.loaded.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // A panic while the lock was held leaves at worst a key in one of the two maps only, which is passed over.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Room for an image: in a new file if the present one is used up.
    fn image(&mut self, size_bytes: u64) -> io::Result<Image> {
        self.file.image(size_bytes).or_else(|_| {
            self.file = Arc::new(ImageFile::new()?);
            self.file.image(size_bytes)
        })
    }

    fn touch(&mut self, key: &ImageKey) -> Option<Arc<SharedImage>> {
        let entry = self.images.get_mut(key)?;
        self.order.remove(&entry.used);
        self.clock += 1;
        entry.used = self.clock;
        self.order.insert(self.clock, *key);
        Some(entry.image.clone())
    }

    fn insert(&mut self, key: ImageKey, image: Arc<SharedImage>) {
        self.clock += 1;
        let used = self.clock;
        self.images.insert(key, Entry { image, used });
        self.order.insert(used, key);
    }

    /// Forgets images, least recently used first. One that a session holds would give nothing back: it counts as
    /// used just now.
    fn make_room(&mut self, loaded: &AtomicU64, budget_bytes: u64) -> Vec<Arc<SharedImage>> {
        let mut gone = Vec::new();
        let mut freed_bytes = 0;
        for _ in 0..EVICTIONS_MAX {
            let entries = (self.images.len() as u64).saturating_mul(ENTRY_BYTES);
            let bytes = loaded.load(Ordering::Relaxed).saturating_add(entries);
            if bytes.saturating_sub(freed_bytes) <= budget_bytes {
                break;
            }
            let Some((_, key)) = self.order.pop_first() else {
                break;
            };
            if let Some(image) = self.evict(key) {
                self.counters.evicted += 1;
                freed_bytes += image.loaded_bytes();
                gone.push(image);
            }
        }
        gone
    }

    fn evict(&mut self, key: ImageKey) -> Option<Arc<SharedImage>> {
        let entry = self.images.get(&key)?;
        if Arc::strong_count(&entry.image) == 1 {
            return self.images.remove(&key).map(|entry| entry.image);
        }
        self.touch(&key);
        None
    }
}

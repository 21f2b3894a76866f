//! A committed memory as sessions see it: an image that fills itself, page by page, when pages are first touched.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crostata_abi::{PAGE_BYTES, PageIndex};

use super::loaded::LoadedPages;
use super::{MemoryError, PageSource};
use crate::region::{Image, Region};

/// Locks for filling: threads that load different pages seldom wait for each other.
const FILLING_LOCKS: usize = 8;

/// The committed pages of one memory, as one session sees them: what is loaded is shared with all that see the same
/// pages, and what is not is loaded from the session's own source. Another one's may be gone when that one is.
///
/// Where a source may have less than the memory, nothing is shared: each memory puts the pages that it needs into its own region.
pub struct CommittedImage {
    shared: Option<Arc<SharedImage>>,
    source: Arc<dyn PageSource>,
}

/// Committed pages, loaded and checked at their first use in the process.
pub(super) struct SharedImage {
    image: Arc<Image>,
    pages: u32,
    loaded: LoadedPages,
    filling: [Mutex<()>; FILLING_LOCKS],
    bytes: AtomicU64,
    total: Arc<Loaded>,
}

/// What all images of a cache loaded.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    /// Bytes that they hold.
    pub bytes: AtomicU64,
    /// Pages that were ever loaded.
    pub pages: AtomicU64,
}

impl CommittedImage {
    /// These pages, of which those that are not loaded are loaded from `source`.
    pub(super) fn new(shared: Arc<SharedImage>, source: Arc<dyn PageSource>) -> Self {
        Self {
            shared: Some(shared),
            source,
        }
    }

    /// The pages of this source, shared with nobody.
    pub fn alone(source: Arc<dyn PageSource>) -> Self {
        let shared = None;
        Self { shared, source }
    }

    /// Size of the committed memory in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.source.size_bytes()
    }

    /// Bytes loaded so far, by whomever. Pages of zeros count: a mapping that reads them makes them real.
    #[cfg(test)]
    pub fn loaded_bytes(&self) -> u64 {
        self.shared
            .as_ref()
            .map_or(0, |shared| shared.loaded_bytes())
    }

    /// Whether both see the same loaded pages.
    #[cfg(test)]
    pub fn is_shared_with(&self, other: &Self) -> bool {
        let shared = self.shared.as_ref().zip(other.shared.as_ref());
        shared.is_some_and(|(one, other)| Arc::ptr_eq(one, other))
    }

    /// What a region maps; none if nothing is shared.
    pub(super) fn image(&self) -> Option<&Arc<Image>> {
        self.shared.as_ref().map(|shared| &shared.image)
    }

    /// Makes sure that a page of what is shared holds its committed content; pages beyond the image have none.
    ///
    /// # Errors
    /// [`MemoryError`] when the page can not be had; it is tried again at the next use.
    pub fn load(&self, page: u32) -> Result<(), MemoryError> {
        match &self.shared {
            Some(shared) => shared.load(page, &*self.source),
            None => Ok(()),
        }
    }

    /// Reads base bytes of a loaded page; zeros for what lies beyond the image.
    ///
    /// # Errors
    /// When the bytes lie across the image's end, or the system fails.
    pub fn read_base(&self, page: u32, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        match &self.shared {
            Some(shared) => shared.read_base(page, offset, bytes),
            None => self.read_alone(page, offset, bytes),
        }
    }

    /// Pages that are not shared.
    pub(super) fn pages_alone(&self) -> u32 {
        match self.shared {
            Some(_) => 0,
            None => u32::try_from(self.size_bytes() / PAGE_BYTES as u64).unwrap_or(u32::MAX),
        }
    }

    /// Puts the bytes of a page that is not shared into a region which holds zeros there.
    ///
    /// # Errors
    /// [`MemoryError::Source`] when the page can not be had.
    pub(super) fn put(&self, page: u32, region: &Region) -> Result<(), MemoryError> {
        self.source.read(PageIndex(page), &mut |bytes| {
            // What the memory has at its base lies inside of it.
            let _ = region.write(page as usize * PAGE_BYTES, bytes);
            region.note_written(page);
        })?;
        Ok(())
    }

    fn read_alone(&self, page: u32, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        bytes.fill(0);
        if page >= self.pages_alone() {
            return Ok(());
        }
        let mut copy = |page: &[u8]| {
            let known = page.get(offset..).unwrap_or(&[]);
            let len = known.len().min(bytes.len());
            bytes[..len].copy_from_slice(&known[..len]);
        };
        let read = self.source.read(PageIndex(page), &mut copy);
        read.map_err(io::Error::other)
    }
}

impl SharedImage {
    /// An image with nothing loaded, whose bytes are also counted in `total` while it lives.
    pub fn new(image: Image, total: Arc<Loaded>) -> Self {
        let pages = u32::try_from(image.len_bytes() / PAGE_BYTES as u64).unwrap_or(u32::MAX);
        Self {
            image: Arc::new(image),
            pages,
            loaded: LoadedPages::new(pages),
            filling: Default::default(),
            bytes: AtomicU64::new(0),
            total,
        }
    }

    /// Bytes loaded so far.
    pub fn loaded_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn load(&self, page: u32, source: &dyn PageSource) -> Result<(), MemoryError> {
        match page >= self.pages || self.loaded.contains(page) {
            true => Ok(()),
            false => self.fill(page, source),
        }
    }

    fn read_base(&self, page: u32, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        if page >= self.pages {
            bytes.fill(0);
            return Ok(());
        }
        let start = PageIndex(page).address() + offset as u64;
        self.image.read(start, bytes)
    }

    #[cold]
    fn fill(&self, page: u32, source: &dyn PageSource) -> Result<(), MemoryError> {
        let group = Image::pages_per_fill();
        let first = page - page % group;
        let lock = &self.filling[(first / group) as usize % FILLING_LOCKS];
        // A panic while the lock was held left pages that are not marked as loaded.
        let _filling = lock.lock().unwrap_or_else(PoisonError::into_inner);
        if self.loaded.contains(page) {
            return Ok(());
        }
        let pages = first..first.saturating_add(group).min(self.pages);
        for page in pages.clone() {
            self.fill_page(PageIndex(page), source)?;
        }
        self.count(pages.len() as u64);
        for page in pages {
            self.loaded.insert(page);
        }
        Ok(())
    }

    fn fill_page(&self, page: PageIndex, source: &dyn PageSource) -> Result<(), MemoryError> {
        let Some(bytes) = source.page(page)? else {
            return Ok(());
        };
        let filled = self.image.fill(page.address(), &bytes[..]);
        filled.map_err(|source| MemoryError::System {
            size_bytes: self.image.len_bytes(),
            source,
        })
    }

    fn count(&self, pages: u64) {
        let bytes = pages * PAGE_BYTES as u64;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.total.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.total.pages.fetch_add(pages, Ordering::Relaxed);
    }
}

impl Drop for SharedImage {
    fn drop(&mut self) {
        let bytes = self.loaded_bytes();
        self.total.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for CommittedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommittedImage")
            .field("size_bytes", &self.size_bytes())
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SharedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedImage")
            .field("size_bytes", &self.image.len_bytes())
            .field("loaded_bytes", &self.loaded_bytes())
            .finish_non_exhaustive()
    }
}

//! The memory of one contract in one session.

use std::io;
use std::sync::Arc;

use crostata_abi::{PAGE_BYTES, PageIndex, WASM_PAGE_BYTES};

use super::loaded::LoadedPages;
use super::pages::PageStates;
use super::parked::Parked;
use super::scopes::{Kept, Scope};
use super::{CommittedImage, Page, PageSourceError};
use crate::region::Region;

/// Why a memory could not be made or restored. Always the host's fault, never the contract's.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The system refused address space, memory or a mapping.
    #[error("the system gives no memory for a contract of {size_bytes} bytes")]
    System {
        /// Size of the memory concerned, in bytes.
        size_bytes: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A committed page could not be had.
    #[error(transparent)]
    Source(#[from] PageSourceError),
}

impl MemoryError {
    /// Whether address space or mappings ran out, so that parking other memories may help.
    pub fn is_exhausted(&self) -> bool {
        matches!(self, Self::System { source, .. } if source.kind() == io::ErrorKind::OutOfMemory)
    }
}

/// A contract's linear memory in a session: its committed pages, seen copy-on-write.
///
/// It outlives the calls that run over it, and is dropped with the session.
#[derive(Debug)]
pub struct ContractMemory {
    /// What is mapped below; zeros where there is no image.
    pub(super) base: Option<Arc<CommittedImage>>,
    /// The pages of a base that is not shared which were put into the region.
    pub(super) put: LoadedPages,
    /// `None` while the memory is parked.
    pub(super) region: Option<Arc<Region>>,
    pub(super) parked: Parked,
    pub(super) states: PageStates,
    /// The pages touched in this top-level call.
    pub(super) touched: Vec<u32>,
    /// Among them those with the mark for written, and maybe others.
    pub(super) hot: Vec<u32>,
    /// Pages that touches made ready since somebody asked.
    pub(super) warmed: Vec<u32>,
    /// The pages that may differ from the last commit, and maybe others.
    pub(super) dirty: Vec<u32>,
    pub(super) scopes: Vec<Scope>,
    pub(super) log: Vec<Kept>,
}

impl ContractMemory {
    /// A memory of `wasm_pages` pages of zeros.
    ///
    /// # Errors
    /// [`MemoryError::System`] when no machine can hold it. Address space is taken at first use.
    pub fn zeroed(wasm_pages: u64) -> Result<Self, MemoryError> {
        Self::make(None, wasm_pages.saturating_mul(WASM_PAGE_BYTES))
    }

    /// The memory whose committed pages `image` holds.
    ///
    /// # Errors
    /// [`MemoryError::System`] when no machine can hold it. Address space is taken at first use.
    pub fn over(image: Arc<CommittedImage>) -> Result<Self, MemoryError> {
        let size_bytes = image.size_bytes();
        Self::make(Some(image), size_bytes)
    }

    fn make(base: Option<Arc<CommittedImage>>, size_bytes: u64) -> Result<Self, MemoryError> {
        let size = usize::try_from(size_bytes).map_err(io::Error::other);
        let size = size.map_err(|source| MemoryError::System { size_bytes, source })?;
        let parked = Parked {
            size_bytes: size,
            ..Parked::default()
        };
        Ok(Self {
            put: LoadedPages::new(base.as_ref().map_or(0, |base| base.pages_alone())),
            base,
            region: None,
            parked,
            states: PageStates::default(),
            touched: Vec::new(),
            hot: Vec::new(),
            warmed: Vec::new(),
            dirty: Vec::new(),
            scopes: Vec::new(),
            log: Vec::new(),
        })
    }

    /// The region behind the memory, for an instance to run over.
    ///
    /// # Errors
    /// [`MemoryError::System`] when the memory has none at the moment and can get none.
    pub fn region(&mut self) -> Result<Arc<Region>, MemoryError> {
        self.mapped()?;
        match &self.region {
            Some(region) => Ok(region.clone()),
            None => Err(self.system(io::ErrorKind::OutOfMemory.into())),
        }
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> usize {
        match &self.region {
            Some(region) => region.size_bytes(),
            None => self.parked.size_bytes,
        }
    }

    /// Size in WebAssembly pages.
    pub fn wasm_pages(&self) -> u64 {
        self.size_bytes() as u64 / WASM_PAGE_BYTES
    }

    /// Copies touched bytes out; `false` if they do not lie inside the memory.
    #[must_use]
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let region = self.region.as_ref().zip(usize::try_from(address).ok());
        region.is_some_and(|(region, address)| region.read(address, bytes))
    }

    /// Copies bytes to where the memory was touched for writing; `false` if they do not fit inside it.
    #[must_use]
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> bool {
        let region = self.region.as_ref().zip(usize::try_from(address).ok());
        region.is_some_and(|(region, address)| region.write(address, bytes))
    }

    /// The bytes of a page, touched or not; zeros for one beyond the size.
    ///
    /// # Errors
    /// [`MemoryError`] when the page can not be had.
    pub fn page(&self, page: PageIndex) -> Result<Box<Page>, MemoryError> {
        let mut bytes = Box::new([0; PAGE_BYTES]);
        self.copy_page(page, &mut bytes)?;
        Ok(bytes)
    }

    /// Copies a page, touched or not; zeros for one beyond the size.
    ///
    /// # Errors
    /// [`MemoryError`] when the page can not be had.
    pub fn copy_page(&self, page: PageIndex, bytes: &mut Page) -> Result<(), MemoryError> {
        self.load(page.0)?;
        if !self.peek(page.0, bytes) {
            bytes.fill(0);
        }
        Ok(())
    }

    /// Makes sure that a page holds its committed content.
    pub(super) fn load(&self, page: u32) -> Result<(), MemoryError> {
        let Some(base) = &self.base else {
            return Ok(());
        };
        base.load(page)?;
        if let Some(region) = &self.region
            && page < base.pages_alone()
            && !self.put.contains(page)
        {
            base.put(page, region)?;
            self.put.insert(page);
        }
        Ok(())
    }

    /// Reads the beginning of a loaded page, parked or not; `false` if it does not lie inside the memory.
    pub(super) fn peek(&self, page: u32, bytes: &mut [u8]) -> bool {
        let start = page as usize * PAGE_BYTES;
        match &self.region {
            Some(region) => region.read(start, bytes),
            None if start + bytes.len() > self.parked.size_bytes => false,
            None => {
                let known = self.read_base(page, bytes).is_ok();
                self.parked.overlay(page, bytes);
                known
            }
        }
    }

    /// Reads the beginning of a loaded page as it is mapped below.
    pub(super) fn read_base(&self, page: u32, bytes: &mut [u8]) -> io::Result<()> {
        match &self.base {
            Some(base) => base.read_base(page, 0, bytes),
            None => {
                bytes.fill(0);
                Ok(())
            }
        }
    }

    /// Makes sure that there is a region.
    pub(super) fn mapped(&mut self) -> Result<(), MemoryError> {
        if self.region.is_some() {
            return Ok(());
        }
        let size_bytes = self.parked.size_bytes;
        let region = match self.base.as_ref().map(|base| base.image()) {
            Some(Some(image)) => Region::over(image.clone(), size_bytes),
            Some(None) => Region::renewed(size_bytes),
            None => Region::zeroed(size_bytes),
        };
        let region = Arc::new(region.map_err(|source| self.system(source))?);
        self.region = Some(region.clone());
        self.unpark(&region)
    }

    pub(super) fn system(&self, source: io::Error) -> MemoryError {
        MemoryError::System {
            size_bytes: self.size_bytes() as u64,
            source,
        }
    }
}

impl Drop for ContractMemory {
    fn drop(&mut self) {
        // A region without marks can be used again at once.
        self.end_call();
    }
}

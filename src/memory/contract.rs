//! The memory of one contract in one session.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use crostata_abi::{PAGE_BYTES, PageIndex, WASM_PAGE_BYTES};

use super::savepoint::{Copies, Savepoint, candidates};
use super::{Page, PageSourceError};
use crate::region::{Image, Region};

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

/// A contract's linear memory in a session: its committed pages, seen copy-on-write.
///
/// It outlives the calls that run over it, and is dropped with the session.
#[derive(Debug)]
pub struct ContractMemory {
    region: Arc<Region>,
    /// The copies of the latest savepoint, for the next one to share.
    copies: Copies,
}

impl ContractMemory {
    /// A memory of `wasm_pages` pages of zeros that can grow to `wasm_pages_max`.
    ///
    /// # Errors
    /// [`MemoryError::System`].
    pub fn zeroed(wasm_pages: u64, wasm_pages_max: u64) -> Result<Self, MemoryError> {
        let size_bytes = wasm_pages.saturating_mul(WASM_PAGE_BYTES);
        let make = || {
            let region = Region::new(wasm_pages_max.saturating_mul(WASM_PAGE_BYTES))?;
            region.resize(usize::try_from(size_bytes).map_err(io::Error::other)?)?;
            Ok(region)
        };
        Self::of(make(), size_bytes)
    }

    /// The memory whose committed pages `image` holds, able to grow to `wasm_pages_max`.
    ///
    /// # Errors
    /// [`MemoryError::System`].
    pub fn over(image: Arc<Image>, wasm_pages_max: u64) -> Result<Self, MemoryError> {
        let size_bytes = image.len_bytes();
        let region = Region::over(image, wasm_pages_max.saturating_mul(WASM_PAGE_BYTES));
        Self::of(region, size_bytes)
    }

    fn of(region: io::Result<Region>, size_bytes: u64) -> Result<Self, MemoryError> {
        let region = Arc::new(region.map_err(|source| MemoryError::System { size_bytes, source })?);
        Ok(Self {
            region,
            copies: Copies::new(),
        })
    }

    /// The region behind the memory, for an instance to run over.
    pub fn region(&self) -> Arc<Region> {
        self.region.clone()
    }

    /// Size in bytes.
    pub fn size_bytes(&self) -> usize {
        self.region.size_bytes()
    }

    /// Size in WebAssembly pages.
    pub fn wasm_pages(&self) -> u64 {
        self.size_bytes() as u64 / WASM_PAGE_BYTES
    }

    /// Copies bytes out; `false` if they do not lie inside the memory.
    #[must_use]
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        usize::try_from(address).is_ok_and(|address| self.region.read(address, bytes))
    }

    /// Copies bytes in; `false` if they do not fit inside the memory.
    #[must_use]
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> bool {
        usize::try_from(address).is_ok_and(|address| self.region.write(address, bytes))
    }

    /// Remembers the present content and size.
    ///
    /// Costs a scan and a look at the pages written so far, whatever the size. Pages that are as they were at the
    /// savepoint before are not copied again.
    pub fn savepoint(&mut self) -> Savepoint {
        Savepoint::take(&self.region, &mut self.copies)
    }

    /// Makes content and size what they were at `savepoint`.
    ///
    /// # Errors
    /// [`MemoryError::System`]: the content is then unknown, and the session must not go on.
    pub fn revert(&mut self, savepoint: &Savepoint) -> Result<(), MemoryError> {
        savepoint
            .restore(&self.region)
            .map_err(|source| MemoryError::System {
                size_bytes: savepoint.size_bytes() as u64,
                source,
            })
    }

    /// The pages that may differ from the committed ones, with their bytes, in rising order.
    pub fn written_pages(&self) -> impl Iterator<Item = (PageIndex, Box<Page>)> {
        candidates(&self.region).map(|page| {
            let mut bytes = Box::new([0; PAGE_BYTES]);
            // A candidate lies inside the size, so that the copy is always made.
            let _ = self.region.read(page as usize * PAGE_BYTES, &mut bytes[..]);
            (PageIndex(page), bytes)
        })
    }

    /// Zeroes the bytes of `range` that lie in written pages.
    ///
    /// For ranges that hold zeros in the committed state, this makes all of them zero.
    pub fn clear_written(&mut self, range: &Range<u64>) {
        const ZEROS: Page = [0; PAGE_BYTES];
        let pages: Vec<u32> = candidates(&self.region).collect();
        for page in pages {
            let page_start = PageIndex(page).address();
            let start = range.start.max(page_start);
            let end = range.end.min(page_start + PAGE_BYTES as u64);
            if start < end {
                let _ = self.write(start, &ZEROS[..(end - start) as usize]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::ImageFile;

    fn region() -> Region {
        let file = Arc::new(ImageFile::new().unwrap());
        let image = file.build(2 * WASM_PAGE_BYTES).unwrap();
        image.write(4096, &[5; 4096]).unwrap();
        Region::over(Arc::new(image.finish()), 0).unwrap()
    }

    fn memory() -> ContractMemory {
        ContractMemory::of(Ok(region()), 2 * WASM_PAGE_BYTES).unwrap()
    }

    fn byte(memory: &ContractMemory, address: u64) -> u8 {
        let mut byte = [0];
        assert!(memory.read(address, &mut byte));
        byte[0]
    }

    /// P2: a revert restores content and size at every depth, over image, growth and earlier writes.
    #[test]
    fn nested_savepoints() {
        revert_twice(memory());
    }

    /// The same on a system that can not tell which pages were written.
    #[test]
    fn nested_savepoints_over_every_page() {
        let region = Ok(region().blinded());
        revert_twice(ContractMemory::of(region, 2 * WASM_PAGE_BYTES).unwrap());
    }

    fn revert_twice(mut memory: ContractMemory) {
        assert!(memory.write(4096, &[1]));
        let outer = memory.savepoint();
        assert!(memory.write(4096, &[2]) && memory.write(9000, &[2]));
        memory.region().resize(3 * 65_536).unwrap();
        assert!(memory.write(2 * 65_536 + 7, &[2]));
        let inner = memory.savepoint();
        assert!(memory.write(4096, &[3]) && memory.write(50_000, &[3]));
        memory.region().resize(4 * 65_536).unwrap();
        assert!(memory.write(3 * 65_536, &[3]));
        memory.revert(&inner).unwrap();
        assert_eq!((byte(&memory, 4096), byte(&memory, 9000)), (2, 2));
        assert_eq!((byte(&memory, 50_000), memory.wasm_pages()), (0, 3));
        assert_eq!(byte(&memory, 2 * 65_536 + 7), 2);
        memory.revert(&outer).unwrap();
        assert_eq!((byte(&memory, 4096), byte(&memory, 4097)), (1, 5));
        assert_eq!((byte(&memory, 9000), memory.wasm_pages()), (0, 2));
    }

    #[test]
    fn clearing_touches_written_pages_of_the_range_only() {
        let mut memory = memory();
        assert!(memory.write(4000, &[9; 200]) && memory.write(20_000, &[9; 10]));
        memory.clear_written(&(4096..20_005));
        assert_eq!((byte(&memory, 4095), byte(&memory, 4096)), (9, 0));
        assert_eq!((byte(&memory, 20_004), byte(&memory, 20_005)), (0, 9));
        // Bytes after the cleared range's first page that came from the image are zeroed with their page.
        assert_eq!(byte(&memory, 8191), 0);
    }

    #[test]
    fn accesses_out_of_bounds_are_refused() {
        let mut memory = memory();
        assert!(!memory.write(u64::MAX, &[1]));
        assert!(!memory.write(2 * 65_536 - 1, &[1, 2]));
        assert!(!memory.read(2 * 65_536, &mut [0]));
    }
}

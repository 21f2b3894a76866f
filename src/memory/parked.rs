//! Parking: giving the address space of an idle memory back, keeping what was written as copies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crostata_abi::PAGE_BYTES;

use super::Page;
use super::contract::{ContractMemory, MemoryError};
use super::copies::Head;
use super::loaded::LoadedPages;
use super::pages::{HEAD_WRITTEN, REST_WRITTEN};
use super::touch::SPILL_BYTES;
use crate::region::Region;

/// What a memory without a region consists of, besides its base.
#[derive(Debug, Default)]
pub(super) struct Parked {
    pub size_bytes: usize,
    pub pages: BTreeMap<u32, Box<Page>>,
    pub heads: BTreeMap<u32, Box<Head>>,
    /// What the region was told of: its successor must know too.
    pub written: Vec<u32>,
    /// What the copies count for, while they are there.
    pub counted: ParkedBytes,
}

/// Bytes of copies, counted in those of the process.
#[derive(Debug, Default)]
pub(super) struct ParkedBytes(u64);

static PARKED_BYTES: AtomicU64 = AtomicU64::new(0);

/// Bytes of pages that memories without a region keep as copies, in the whole process.
pub fn parked_bytes() -> u64 {
    PARKED_BYTES.load(Ordering::Relaxed)
}

impl ParkedBytes {
    fn of(pages: usize, heads: usize) -> Self {
        let bytes = (pages * PAGE_BYTES + heads * SPILL_BYTES) as u64;
        PARKED_BYTES.fetch_add(bytes, Ordering::Relaxed);
        Self(bytes)
    }
}

impl Drop for ParkedBytes {
    fn drop(&mut self) {
        PARKED_BYTES.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl ContractMemory {
    /// Gives the region back and keeps the written pages as copies, unless an instance still uses the region or a
    /// top-level call has touched the memory and not ended. Any later use that needs a region maps again.
    ///
    /// # Errors
    /// None at present: copies are ordinary memory.
    pub fn park(&mut self) -> Result<(), MemoryError> {
        if !self.touched.is_empty() {
            return Ok(());
        }
        if let Some(region) = self.region.take_if(|region| Arc::strong_count(region) == 1) {
            self.parked = self.copies_of(&region);
            // The next memory over the image may get this address space: the region's end undoes what it knows of.
            for page in &self.parked.written {
                region.note_written(*page);
            }
        }
        Ok(())
    }

    /// Whether the memory has no region at the moment.
    #[cfg(test)]
    pub fn is_parked(&self) -> bool {
        self.region.is_none()
    }

    fn copies_of(&self, region: &Region) -> Parked {
        let mut parked = Parked {
            size_bytes: region.size_bytes(),
            written: region.take_written(),
            ..Parked::default()
        };
        for page in parked.written.iter().copied() {
            let state = self.states.get(page);
            let start = page as usize * PAGE_BYTES;
            if state.has(REST_WRITTEN) {
                let mut bytes = Box::new([0; PAGE_BYTES]);
                if region.read(start, &mut bytes[..]) {
                    parked.pages.insert(page, bytes);
                }
            } else if state.has(HEAD_WRITTEN) {
                self.park_head(region, page, &mut parked.heads);
            }
        }
        parked.counted = ParkedBytes::of(parked.pages.len(), parked.heads.len());
        parked
    }

    /// Most heads were only reachable and never written: those need no copy.
    fn park_head(&self, region: &Region, page: u32, heads: &mut BTreeMap<u32, Box<Head>>) {
        let mut head: Box<Head> = Box::new([0; SPILL_BYTES]);
        let mut base: Head = [0; SPILL_BYTES];
        let present = region.read(page as usize * PAGE_BYTES, &mut head[..]);
        let same = self.read_base(page, &mut base).is_ok() && *head == base;
        if present && !same {
            heads.insert(page, head);
        }
    }

    /// Brings the copies into a region that holds the base.
    ///
    /// # Errors
    /// [`MemoryError::Source`] when a page of the base can not be had.
    pub(super) fn unpark(&mut self, region: &Region) -> Result<(), MemoryError> {
        let parked = std::mem::take(&mut self.parked);
        let pages = self.base.as_ref().map_or(0, |base| base.pages_alone());
        self.put = LoadedPages::new(pages);
        // Nothing may be put over the copies later, and what is said to be written is looked at without a touch.
        for page in &parked.written {
            self.load(*page)?;
        }
        for page in parked.written {
            region.note_written(page);
        }
        // Copies lie inside the size that the memory was parked with.
        for (page, bytes) in parked.pages {
            let _ = region.write(page as usize * PAGE_BYTES, &bytes[..]);
        }
        for (page, head) in parked.heads {
            let _ = region.write(page as usize * PAGE_BYTES, &head[..]);
        }
        Ok(())
    }
}

impl Parked {
    /// Puts what is kept of a page over its base bytes.
    pub fn overlay(&self, page: u32, bytes: &mut [u8]) {
        if let Some(copy) = self.pages.get(&page) {
            let len = bytes.len().min(PAGE_BYTES);
            bytes[..len].copy_from_slice(&copy[..len]);
        } else if let Some(head) = self.heads.get(&page) {
            let len = bytes.len().min(SPILL_BYTES);
            bytes[..len].copy_from_slice(&head[..len]);
        }
    }
}

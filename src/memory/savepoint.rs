//! A savepoint: what a memory held at one moment, as far as it differs from its image.

use std::io;
use std::sync::Arc;

use crostata_abi::PAGE_BYTES;

use super::source::Page;
use crate::region::{Region, Written};

/// The content of a memory at the moment it was taken.
///
/// It holds copies of the pages written until then; all others are those of the image.
#[derive(Debug)]
pub struct Savepoint {
    size_bytes: usize,
    pages: Copies,
}

/// Copies of written pages, in rising order. Savepoints of one memory share copies of equal content.
pub(super) type Copies = Vec<(u32, Arc<Page>)>;

/// The pages that may differ from the image, in rising order.
pub(super) fn candidates(region: &Region) -> Box<dyn Iterator<Item = u32>> {
    match region.written() {
        Written::Runs(runs) => Box::new(runs.into_iter().flat_map(|(first, end)| first..end)),
        Written::Unknown => Box::new(0..(region.size_bytes() / PAGE_BYTES) as u32),
    }
}

impl Savepoint {
    /// Copies what was written so far, sharing with `last`, the savepoint taken before, what is the same.
    pub(super) fn take(region: &Region, last: &mut Copies) -> Self {
        let mut page = Box::new([0; PAGE_BYTES]);
        let mut pages = Copies::new();
        let mut known = last.iter().peekable();
        for index in candidates(region) {
            // A candidate lies inside the size, so that the copy is always made.
            let _ = region.read(index as usize * PAGE_BYTES, &mut page[..]);
            while known.next_if(|(other, _)| *other < index).is_some() {}
            let same = known.next_if(|(other, copy)| *other == index && **copy == *page);
            let copy = same.map_or_else(|| Arc::new(*page), |(_, copy)| copy.clone());
            pages.push((index, copy));
        }
        last.clone_from(&pages);
        Self {
            size_bytes: region.size_bytes(),
            pages,
        }
    }

    /// Size of the memory at that moment, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub(super) fn restore(&self, region: &Region) -> io::Result<()> {
        region.resize(self.size_bytes)?;
        for page in candidates(region) {
            let start = page as usize * PAGE_BYTES;
            match self.pages.binary_search_by_key(&page, |(index, _)| *index) {
                Ok(at) => {
                    if !region.write(start, &self.pages[at].1[..]) {
                        return Err(io::Error::from(io::ErrorKind::InvalidInput));
                    }
                }
                Err(_) => region.discard(start, start + PAGE_BYTES)?,
            }
        }
        Ok(())
    }
}

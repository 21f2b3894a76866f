//! A savepoint: what a memory held at one moment, as far as it differs from its image.

use std::io;

use crostata_abi::PAGE_BYTES;

use crate::region::{Region, Written};

/// The content of a memory at the moment it was taken.
///
/// It holds copies of the pages written until then; all others are those of the image.
#[derive(Debug)]
pub struct Savepoint {
    size_bytes: usize,
    pages: Vec<u32>,
    bytes: Vec<u8>,
}

/// The pages that may differ from the image, in rising order.
pub(super) fn candidates(region: &Region) -> Box<dyn Iterator<Item = u32>> {
    match region.written() {
        Written::Runs(runs) => Box::new(runs.into_iter().flat_map(|(first, end)| first..end)),
        Written::Unknown => Box::new(0..(region.size_bytes() / PAGE_BYTES) as u32),
    }
}

impl Savepoint {
    pub(super) fn take(region: &Region) -> Self {
        let pages: Vec<u32> = candidates(region).collect();
        let mut bytes = vec![0; pages.len() * PAGE_BYTES];
        for (page, copy) in pages.iter().zip(bytes.chunks_exact_mut(PAGE_BYTES)) {
            // A candidate lies inside the size, so that the copy is always made.
            let _ = region.read(*page as usize * PAGE_BYTES, copy);
        }
        Self {
            size_bytes: region.size_bytes(),
            pages,
            bytes,
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
            match self.pages.binary_search(&page) {
                Ok(at) => {
                    let copy = &self.bytes[at * PAGE_BYTES..][..PAGE_BYTES];
                    if !region.write(start, copy) {
                        return Err(io::Error::from(io::ErrorKind::InvalidInput));
                    }
                }
                Err(_) => region.discard(start, start + PAGE_BYTES)?,
            }
        }
        Ok(())
    }
}

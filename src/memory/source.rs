//! Where committed pages come from: a trait that higher ranks implement over a store or a witness.

use std::error::Error;

use crostata_abi::{PAGE_BYTES, PageIndex};

/// The bytes of one page.
pub type Page = [u8; PAGE_BYTES];

/// The committed pages of one contract.
pub trait PageSource: Send + Sync {
    /// Size of the memory in bytes, a multiple of the WebAssembly page size.
    fn size_bytes(&self) -> u64;

    /// The bytes of a page, already checked against the state tree; `None` for a page of zeros.
    ///
    /// # Errors
    /// When the page can not be had, or is not the page that the tree holds.
    fn page(&self, index: PageIndex) -> Result<Option<Box<Page>>, PageSourceError>;

    /// Hands the bytes of a page over, without a copy where it can, unless it is zeros. Where only the beginning of a page is known, the
    /// rest is taken for zeros.
    ///
    /// # Errors
    /// As [`page`](Self::page).
    fn read(&self, index: PageIndex, read: &mut dyn FnMut(&[u8])) -> Result<(), PageSourceError> {
        if let Some(page) = self.page(index)? {
            read(&page[..]);
        }
        Ok(())
    }
}

/// Why a committed page could not be had. The reason is that of the rank that keeps the pages.
#[derive(Debug, thiserror::Error)]
#[error("page {page} of the committed memory can not be had")]
pub struct PageSourceError {
    /// The page that was wanted.
    pub page: PageIndex,
    /// What went wrong below.
    #[source]
    pub reason: Box<dyn Error + Send + Sync>,
}

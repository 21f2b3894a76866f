//! The committed pages of a contract, read from the store by the hash that the tree holds.

use std::sync::Arc;

use crostata_abi::{PAGE_BYTES, PageIndex, WASM_PAGE_BYTES};

use super::snapshot::ContractState;
use super::tree::NodeError;
use crate::memory::{Page, PageSource, PageSourceError};
use crate::store::{ReadError, Store};

/// Why a committed page can not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadPageError {
    /// The store can not give it.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// The tree above it can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// The pages of one contract at one moment, as a source for its memory.
#[derive(Clone)]
pub struct CommittedPages {
    store: Arc<Store>,
    contract: Arc<ContractState>,
}

impl CommittedPages {
    /// The committed pages of this contract.
    pub fn new(store: Arc<Store>, contract: Arc<ContractState>) -> Self {
        Self { store, contract }
    }

    /// One page; zeros if it was never written.
    ///
    /// # Errors
    /// [`ReadPageError`] when the page that the tree holds can not be had.
    pub fn read(&self, page: PageIndex) -> Result<Box<Page>, ReadPageError> {
        let page = self.find(page)?;
        Ok(page.unwrap_or_else(|| Box::new([0; PAGE_BYTES])))
    }

    /// One page; none if it was never written.
    fn find(&self, page: PageIndex) -> Result<Option<Box<Page>>, ReadPageError> {
        match self.contract.pages.get(u64::from(page.0))? {
            None => Ok(None),
            Some((leaf, ())) => Ok(Some(self.store.page(&leaf)?)),
        }
    }
}

impl PageSource for CommittedPages {
    fn size_bytes(&self) -> u64 {
        self.contract.record.memory_wasm_pages * WASM_PAGE_BYTES
    }

    fn page(&self, page: PageIndex) -> Result<Option<Box<Page>>, PageSourceError> {
        self.find(page).map_err(|reason| PageSourceError {
            page,
            reason: Box::new(reason),
        })
    }
}

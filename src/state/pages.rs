//! The committed pages of a contract, read from the store by the hash that the tree holds.

use std::sync::Arc;

use crostata_abi::{PAGE_BYTES, PageIndex, WASM_PAGE_BYTES};

use super::snapshot::ContractState;
use crate::memory::{Page, PageSource, PageSourceError};
use crate::store::{ReadError, Store};

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
    /// [`ReadError`] when the store can not give the page that the tree holds.
    pub fn read(&self, page: PageIndex) -> Result<Box<Page>, ReadError> {
        match self.contract.pages.get(u64::from(page.0)) {
            None => Ok(Box::new([0; PAGE_BYTES])),
            Some(leaf) => self.store.page(leaf),
        }
    }
}

impl PageSource for CommittedPages {
    fn size_bytes(&self) -> u64 {
        self.contract.record.memory_wasm_pages * WASM_PAGE_BYTES
    }

    fn page(&self, page: PageIndex) -> Result<Option<Box<Page>>, PageSourceError> {
        if self.contract.pages.get(u64::from(page.0)).is_none() {
            return Ok(None);
        }
        self.read(page).map(Some).map_err(|reason| PageSourceError {
            page,
            reason: Box::new(reason),
        })
    }
}

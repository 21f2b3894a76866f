//! The committed pages of a contract, read from where the tree says and checked against the hash that it holds.

use std::sync::Arc;

use crostata_abi::{PAGE_BYTES, PageIndex, WASM_PAGE_BYTES};
use crostata_proof::{CodeHash, Hash, hash};

use super::batch::Spot;
use super::code::StoredCode;
use super::snapshot::ContractState;
use super::tree::NodeError;
use crate::memory::{Page, PageSource, PageSourceError};
use crate::store::{ReadError, Store};

/// The pages of one contract at one moment, as a source for its memory.
///
/// It does not keep what it reads from being reclaimed: who reads holds the snapshot, or an older one.
#[derive(Clone)]
pub struct CommittedPages {
    store: Arc<Store>,
    contract: Arc<ContractState>,
}

/// Why a committed page, or code, can not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadPageError {
    /// The store can not give it.
    #[error(transparent)]
    Store(#[from] ReadError),
    /// The tree above it can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// What is stored is another page.
    #[error(
        "{file} is damaged at byte {offset}: the page there does not have the leaf {}",
        hex(leaf)
    )]
    DamagedPage {
        /// The file.
        file: String,
        /// Where the page begins.
        offset: u64,
        /// The leaf it should have.
        leaf: Hash,
    },
    /// What is stored is another code.
    #[error("{file} is damaged at byte {offset}: the code there is not {code}")]
    DamagedCode {
        /// The file.
        file: String,
        /// Where the code begins.
        offset: u64,
        /// The hash it should have.
        code: CodeHash,
    },
    /// The state has no such code.
    #[error("the state has no code {code}")]
    MissingCode {
        /// The code's hash.
        code: CodeHash,
    },
    /// It is part of a state that was only hashed, never sealed.
    #[error("the state that it is part of was not sealed")]
    NotWritten,
}

fn hex(bytes: &Hash) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ReadPageError {
    fn of(self, page: PageIndex) -> PageSourceError {
        let reason = Box::new(self);
        PageSourceError { page, reason }
    }
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
            Some((leaf, spot)) => Ok(Some(read_page(&self.store, leaf, &spot)?)),
        }
    }
}

/// The page with this leaf.
///
/// # Errors
/// [`ReadPageError`] when the store can not give it, or gives another.
pub fn read_page(store: &Store, leaf: Hash, spot: &Spot) -> Result<Box<Page>, ReadPageError> {
    if let Some(bytes) = spot.witnessed() {
        let mut page = Box::new([0; PAGE_BYTES]);
        page[..bytes.len()].copy_from_slice(bytes);
        return Ok(page);
    }
    let page = spot.read_page(store)?;
    if hash::page_leaf(&page) == leaf {
        return Ok(page);
    }
    let place = spot.place().ok_or(ReadPageError::NotWritten)?;
    let (file, offset) = store.file_of(place);
    Err(ReadPageError::DamagedPage { file, offset, leaf })
}

/// The bytes of a code.
///
/// # Errors
/// [`ReadPageError`] when the store can not give them, or gives others.
pub fn read_code(store: &Store, code: &StoredCode) -> Result<Vec<u8>, ReadPageError> {
    let bytes = code.spot.read_code(store, code.len_bytes)?;
    if hash::code_hash(&bytes) == code.hash {
        return Ok(bytes);
    }
    let place = code.spot.place().ok_or(ReadPageError::NotWritten)?;
    let (file, offset) = store.file_of(place);
    let code = code.hash;
    Err(ReadPageError::DamagedCode { file, offset, code })
}

impl PageSource for CommittedPages {
    fn size_bytes(&self) -> u64 {
        self.contract.record.memory_wasm_pages * WASM_PAGE_BYTES
    }

    fn page(&self, page: PageIndex) -> Result<Option<Box<Page>>, PageSourceError> {
        self.find(page).map_err(|reason| reason.of(page))
    }

    fn read(&self, page: PageIndex, read: &mut dyn FnMut(&[u8])) -> Result<(), PageSourceError> {
        let found = self.contract.pages.get(u64::from(page.0));
        let found = found.map_err(|reason| ReadPageError::from(reason).of(page))?;
        let Some((leaf, spot)) = found else {
            return Ok(());
        };
        match spot.witnessed() {
            Some(bytes) => read(bytes),
            None => {
                let bytes = read_page(&self.store, leaf, &spot);
                read(&bytes.map_err(|reason| reason.of(page))?[..]);
            }
        }
        Ok(())
    }
}

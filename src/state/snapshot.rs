//! The whole state at one moment.

use std::sync::Arc;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::tree::{CONTRACT_TREE_HEIGHT, has_position, page_tree_height};
use crostata_proof::{ContractRecord, Hash, PageOpening, RecordOpening, Root, hash};

use super::tree::{Change, NoSource, NodeError, Tree};

/// One contract at one moment: its record, and the tree of its pages.
#[derive(Debug, Clone)]
pub struct ContractState {
    /// What the contract tree commits to.
    pub record: ContractRecord,
    /// The leaves of the pages that are not zeros.
    pub pages: Tree<()>,
    record_hash: Hash,
}

impl ContractState {
    /// The state of a contract whose record names the root of `pages`.
    pub fn new(record: ContractRecord, pages: Tree<()>) -> Self {
        let record_hash = record.hash();
        Self {
            record,
            pages,
            record_hash,
        }
    }
}

/// The contracts at one position of the contract tree, sorted by id. Nearly always one.
#[derive(Debug, Clone)]
struct Bucket(Vec<Arc<ContractState>>);

impl Bucket {
    fn find(&self, contract: &ContractId) -> Option<Arc<ContractState>> {
        let mut states = self.0.iter();
        states
            .find(|state| state.record.contract == *contract)
            .cloned()
    }

    fn hash(&self) -> Hash {
        let entries: Vec<(ContractId, Hash)> = self
            .0
            .iter()
            .map(|state| (state.record.contract, state.record_hash))
            .collect();
        hash::bucket(&entries)
    }

    fn with(&self, contract: Arc<ContractState>) -> Self {
        let mut entries = self.0.clone();
        let id = contract.record.contract;
        match entries.binary_search_by(|entry| entry.record.contract.cmp(&id)) {
            Ok(at) => entries[at] = contract,
            Err(at) => entries.insert(at, contract),
        }
        Self(entries)
    }
}

/// The whole state: immutable, shared, cheap to clone whatever its size.
#[derive(Debug, Clone)]
pub struct Snapshot {
    contracts: Tree<Bucket>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self {
            contracts: Tree::new(CONTRACT_TREE_HEIGHT, Arc::new(NoSource)),
        }
    }
}

/// Why there is no opening.
#[derive(Debug, thiserror::Error)]
pub enum OpenPageError {
    /// There is nothing to open.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The state can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// What there is no opening of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// No contract has this id.
    #[error("there is no contract {contract} at this root")]
    NoContract {
        /// The id.
        contract: ContractId,
    },
    /// The memory has no such page.
    #[error(
        "page {page} lies outside of the memory of {contract}, which has {pages} pages of 4 KiB"
    )]
    NoPage {
        /// The contract.
        contract: ContractId,
        /// The page asked for.
        page: PageIndex,
        /// Pages of 4 KiB in the memory.
        pages: u64,
    },
}

impl Snapshot {
    /// The state root.
    pub fn root(&self) -> Root {
        Root::from_bytes(self.contracts.root())
    }

    /// The contract with this id.
    ///
    /// # Errors
    /// [`NodeError`] when the state can not be read.
    pub fn get(&self, contract: &ContractId) -> Result<Option<Arc<ContractState>>, NodeError> {
        let bucket = self.contracts.get(hash::position(contract))?;
        Ok(bucket.and_then(|(_, bucket)| bucket.find(contract)))
    }

    /// This state with these contracts added or replaced. Costs O(changed x depth).
    ///
    /// # Errors
    /// [`NodeError`] when the state can not be read.
    pub fn with(
        &self,
        contracts: impl IntoIterator<Item = Arc<ContractState>>,
    ) -> Result<Self, NodeError> {
        let mut changed: Vec<(u64, Arc<ContractState>)> = contracts
            .into_iter()
            .map(|state| (hash::position(&state.record.contract), state))
            .collect();
        changed.sort_by_key(|(position, _)| *position);
        let changes: Result<Vec<Change<Bucket>>, NodeError> = changed
            .chunk_by(|one, other| one.0 == other.0)
            .map(|group| self.change(group))
            .collect();
        Ok(Self {
            contracts: self.contracts.with(&changes?)?,
        })
    }

    /// The change at the position that all of the group have.
    fn change(&self, group: &[(u64, Arc<ContractState>)]) -> Result<Change<Bucket>, NodeError> {
        let position = group[0].0;
        let old = self.contracts.get(position)?;
        let old = old.map_or_else(|| Bucket(Vec::new()), |(_, bucket)| bucket);
        let new = group
            .iter()
            .fold(old, |bucket, (_, state)| bucket.with(state.clone()));
        Ok((position, Some((new.hash(), new))))
    }

    /// A proof of the contract's record at this root.
    ///
    /// # Errors
    /// [`OpenPageError`].
    pub fn record_opening(&self, contract: &ContractId) -> Result<RecordOpening, OpenPageError> {
        let contract = *contract;
        let position = hash::position(&contract);
        let bucket = self.contracts.get(position)?;
        let bucket = bucket.map_or_else(|| Bucket(Vec::new()), |(_, bucket)| bucket);
        let Some(state) = bucket.find(&contract) else {
            return Err(OpeningError::NoContract { contract }.into());
        };
        let others = bucket
            .0
            .iter()
            .filter(|other| other.record.contract != contract)
            .map(|other| (other.record.contract, other.record_hash))
            .collect();
        let path = self.contracts.path(position)?;
        Ok(RecordOpening::new(state.record.clone(), others, path))
    }

    /// A proof of one page of the contract's memory at this root; `bytes` is its content.
    ///
    /// # Errors
    /// [`OpenPageError`].
    pub fn page_opening(
        &self,
        contract: &ContractId,
        page: PageIndex,
        bytes: Box<[u8; PAGE_BYTES]>,
    ) -> Result<PageOpening, OpenPageError> {
        let record = self.record_opening(contract)?;
        let state = self.checked_page(contract, page)?;
        let path = state.pages.path(u64::from(page.0))?;
        Ok(PageOpening::new(record, path, bytes))
    }

    /// The contract, if its memory has this page.
    ///
    /// # Errors
    /// [`OpenPageError`].
    pub fn checked_page(
        &self,
        contract: &ContractId,
        page: PageIndex,
    ) -> Result<Arc<ContractState>, OpenPageError> {
        let contract = *contract;
        let Some(state) = self.get(&contract)? else {
            return Err(OpeningError::NoContract { contract }.into());
        };
        let pages = state.record.memory_wasm_pages * 16;
        let height = page_tree_height(state.record.word_size);
        if u64::from(page.0) >= pages || !has_position(height, u64::from(page.0)) {
            let none = OpeningError::NoPage {
                contract,
                page,
                pages,
            };
            return Err(none.into());
        }
        Ok(state)
    }
}

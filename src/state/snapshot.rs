//! The whole state at one moment.

use std::sync::Arc;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::tree::{CONTRACT_TREE_HEIGHT, has_position, page_tree_height};
use crostata_proof::{ContractRecord, Hash, PageOpening, RecordOpening, Root, hash};

use super::tree::{Leaf, Tree};

/// One contract at one moment: its record, and the tree of its pages.
#[derive(Debug, Clone)]
pub struct ContractState {
    /// What the contract tree commits to.
    pub record: ContractRecord,
    /// The leaves of the pages that are not zeros.
    pub pages: Tree<Hash>,
    record_hash: Hash,
}

impl ContractState {
    /// The state of a contract whose record names the root of `pages`.
    pub fn new(record: ContractRecord, pages: Tree<Hash>) -> Self {
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

impl Leaf for Bucket {
    fn hash(&self) -> Hash {
        let entries: Vec<(ContractId, Hash)> = self
            .0
            .iter()
            .map(|state| (state.record.contract, state.record_hash))
            .collect();
        hash::bucket(&entries)
    }
}

impl Bucket {
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
            contracts: Tree::new(CONTRACT_TREE_HEIGHT),
        }
    }
}

/// Why there is no opening.
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
    pub fn get(&self, contract: &ContractId) -> Option<&Arc<ContractState>> {
        let bucket = self.contracts.get(hash::position(contract))?;
        bucket
            .0
            .iter()
            .find(|state| state.record.contract == *contract)
    }

    /// This state with these contracts added or replaced. Costs O(changed x depth).
    pub fn with(&self, contracts: impl IntoIterator<Item = Arc<ContractState>>) -> Self {
        let mut changed: Vec<(u64, Arc<ContractState>)> = contracts
            .into_iter()
            .map(|state| (hash::position(&state.record.contract), state))
            .collect();
        changed.sort_by_key(|(position, _)| *position);
        let changes: Vec<(u64, Option<Bucket>)> = changed
            .chunk_by(|one, other| one.0 == other.0)
            .map(|group| (group[0].0, Some(self.bucket(group))))
            .collect();
        Self {
            contracts: self.contracts.with(&changes),
        }
    }

    fn bucket(&self, group: &[(u64, Arc<ContractState>)]) -> Bucket {
        let empty = Bucket(Vec::new());
        let old = self.contracts.get(group[0].0).unwrap_or(&empty);
        group
            .iter()
            .fold(old.clone(), |bucket, (_, state)| bucket.with(state.clone()))
    }

    /// A proof of the contract's record at this root.
    ///
    /// # Errors
    /// [`OpeningError::NoContract`].
    pub fn record_opening(&self, contract: &ContractId) -> Result<RecordOpening, OpeningError> {
        let position = hash::position(contract);
        let no_contract = OpeningError::NoContract {
            contract: *contract,
        };
        let state = self.get(contract).ok_or(no_contract.clone())?;
        let bucket = self.contracts.get(position).ok_or(no_contract)?;
        let others = bucket
            .0
            .iter()
            .filter(|other| other.record.contract != *contract)
            .map(|other| (other.record.contract, other.record_hash))
            .collect();
        let path = self.contracts.path(position);
        Ok(RecordOpening::new(state.record.clone(), others, path))
    }

    /// A proof of one page of the contract's memory at this root; `bytes` is its content.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn page_opening(
        &self,
        contract: &ContractId,
        page: PageIndex,
        bytes: Box<[u8; PAGE_BYTES]>,
    ) -> Result<PageOpening, OpeningError> {
        let record = self.record_opening(contract)?;
        let state = self.checked_page(contract, page)?;
        let path = state.pages.path(u64::from(page.0));
        Ok(PageOpening::new(record, path, bytes))
    }

    /// The contract, if its memory has this page.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn checked_page(
        &self,
        contract: &ContractId,
        page: PageIndex,
    ) -> Result<&Arc<ContractState>, OpeningError> {
        let contract = *contract;
        let state = self
            .get(&contract)
            .ok_or(OpeningError::NoContract { contract })?;
        let pages = state.record.memory_wasm_pages * 16;
        let height = page_tree_height(state.record.word_size);
        if u64::from(page.0) >= pages || !has_position(height, u64::from(page.0)) {
            return Err(OpeningError::NoPage {
                contract,
                page,
                pages,
            });
        }
        Ok(state)
    }
}

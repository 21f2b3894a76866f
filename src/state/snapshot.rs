//! The whole state at one moment.

use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::tree::CONTRACT_TREE_HEIGHT;
use crostata_proof::{CodeHash, ContractRecord, Hash, Root, hash};

use super::batch::Spot;
use super::code::{self, CODE_TREE_HEIGHT, CodeBucket, CodeSource, StoredCode};
use super::nodes::Nodes;
use super::pages::{ReadPageError, read_code};
use super::tree::{Change, NodeError, Tree};
use crate::store::Lease;

/// One contract at one moment: its record, and the tree of its pages.
#[derive(Debug, Clone)]
pub struct ContractState {
    /// What the contract tree commits to.
    pub record: ContractRecord,
    /// The leaves of the pages that are not zeros.
    pub pages: Tree<Spot>,
    record_hash: Hash,
}

impl ContractState {
    /// The state of a contract whose record names the root of `pages`.
    pub fn new(record: ContractRecord, pages: Tree<Spot>) -> Self {
        let record_hash = record.hash();
        Self {
            record,
            pages,
            record_hash,
        }
    }

    /// The same for who knows the record's hash.
    pub fn hashed(record: ContractRecord, pages: Tree<Spot>, record_hash: Hash) -> Self {
        debug_assert_eq!(record.hash(), record_hash);
        Self {
            record,
            pages,
            record_hash,
        }
    }

    /// The same contract with the same pages, kept elsewhere.
    pub fn with_pages(&self, pages: Tree<Spot>) -> Self {
        debug_assert_eq!(pages.root(), self.pages.root());
        Self {
            record: self.record.clone(),
            pages,
            record_hash: self.record_hash,
        }
    }
}

/// The contracts at one position of the contract tree, sorted by id. Nearly always one.
#[derive(Debug, Clone)]
pub struct Bucket(Vec<Arc<ContractState>>);

impl Bucket {
    /// The contracts, which are sorted by id.
    pub fn of(contracts: Vec<Arc<ContractState>>) -> Self {
        Self(contracts)
    }

    /// The contracts.
    pub fn contracts(&self) -> &[Arc<ContractState>] {
        &self.0
    }

    /// The contract with this id.
    pub fn find(&self, contract: &ContractId) -> Option<Arc<ContractState>> {
        let mut states = self.0.iter();
        states
            .find(|state| state.record.contract == *contract)
            .cloned()
    }

    /// The leaf of the contract tree.
    pub fn hash(&self) -> Hash {
        hash::bucket(&self.entries())
    }

    /// Id and record hash of each contract.
    pub fn entries(&self) -> Vec<(ContractId, Hash)> {
        let states = self.0.iter();
        let entries = states.map(|state| (state.record.contract, state.record_hash));
        entries.collect()
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
#[derive(Clone)]
pub struct Snapshot {
    contracts: Tree<Bucket>,
    code: Tree<CodeBucket>,
    nodes: Arc<Nodes>,
    /// What the snapshot names in the log stays readable while it lives.
    _lease: Lease,
    origin: Origin,
    /// Who may have the code, if this is a part of a state, whose tree of code is empty.
    supplied: Option<Arc<dyn CodeSource>>,
}

/// What a snapshot was made from by commits in the log: a checkpoint's state, or one that was sealed and then written.
/// Whatever has the origin of a retained state names nothing but what is in the log, and nothing that is given up.
#[derive(Clone, Default)]
pub struct Origin(Arc<()>);

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum OpenPageError {
    /// There is nothing to open.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The state can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// What there is no proof of.
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
    /// The memory, or the code, has no such bytes.
    #[error(
        "{len_bytes} bytes from byte {offset} on are more than {contract} has there: {there_bytes} bytes in all"
    )]
    NoBytes {
        /// The contract.
        contract: ContractId,
        /// The first byte asked for.
        offset: u64,
        /// How many were asked for.
        len_bytes: u64,
        /// How many bytes the memory, or the code, has.
        there_bytes: u64,
    },
    /// Nothing was asked for.
    #[error("a proof shows something: name an item at least")]
    Nothing,
}

impl Snapshot {
    /// The state without contracts.
    pub fn empty(nodes: Arc<Nodes>) -> Self {
        Self {
            contracts: Tree::new(CONTRACT_TREE_HEIGHT, nodes.source()),
            code: Tree::new(CODE_TREE_HEIGHT, nodes.source()),
            _lease: nodes.store().lease(),
            origin: Origin::default(),
            nodes,
            supplied: None,
        }
    }

    /// The state with these trees, whose nodes are in the log now.
    pub fn of(contracts: Tree<Bucket>, code: Tree<CodeBucket>, nodes: Arc<Nodes>) -> Self {
        Self {
            contracts,
            code,
            _lease: nodes.store().lease(),
            origin: Origin::default(),
            nodes,
            supplied: None,
        }
    }

    /// What it was made from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The same state as its own origin: what it names need not be in the log.
    #[must_use]
    pub fn sealed(&self) -> Self {
        Self {
            origin: Origin::default(),
            ..self.clone()
        }
    }

    /// The contract tree.
    pub fn contracts(&self) -> &Tree<Bucket> {
        &self.contracts
    }

    /// The tree of code.
    pub fn code_tree(&self) -> &Tree<CodeBucket> {
        &self.code
    }

    /// The same state with the same trees, of which other nodes are in memory.
    pub fn with_trees(&self, contracts: Tree<Bucket>, code: Tree<CodeBucket>) -> Self {
        Self {
            contracts,
            code,
            ..self.clone()
        }
    }

    /// The same state with its code from elsewhere.
    pub(super) fn supplied_by(self, codes: Arc<dyn CodeSource>) -> Self {
        Self {
            supplied: Some(codes),
            ..self
        }
    }

    /// The nodes of the trees.
    pub fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }

    /// Whether the state has this code.
    ///
    /// # Errors
    /// [`NodeError`] when the state can not be read.
    pub fn has_code(&self, hash: &CodeHash) -> Result<bool, NodeError> {
        Ok(self.find_code(hash)?.is_some())
    }

    /// The bytes of a code of the state, read and checked.
    ///
    /// # Errors
    /// [`ReadPageError`] when it can not be had.
    pub fn code(&self, hash: &CodeHash) -> Result<Vec<u8>, ReadPageError> {
        match self.find_code(hash)? {
            Some(code) => read_code(self.nodes.store(), &code),
            None => self.supplied(hash),
        }
    }

    fn supplied(&self, code: &CodeHash) -> Result<Vec<u8>, ReadPageError> {
        let bytes = self.supplied.as_ref().and_then(|source| source.code(code));
        let bytes = bytes.filter(|bytes| hash::code_hash(bytes) == *code);
        bytes.ok_or(ReadPageError::MissingCode { code: *code })
    }

    /// Where a code of the state is.
    ///
    /// # Errors
    /// [`NodeError`] when the state can not be read.
    pub fn find_code(&self, hash: &CodeHash) -> Result<Option<StoredCode>, NodeError> {
        let bucket = self.code.get(code::position(hash))?;
        Ok(bucket.and_then(|(_, bucket)| bucket.find(hash).cloned()))
    }

    /// This state with code that it does not have.
    ///
    /// # Errors
    /// [`NodeError`] when the state can not be read.
    pub fn with_code(
        &self,
        codes: impl IntoIterator<Item = StoredCode>,
    ) -> Result<Self, NodeError> {
        let mut next = self.clone();
        for new in codes {
            let position = code::position(&new.hash);
            let bucket = next.code.get(position)?;
            let bucket = bucket.map_or_else(CodeBucket::default, |(_, bucket)| bucket);
            let bucket = bucket.with(new);
            next.code = next
                .code
                .with(&[(position, Some((bucket.hash(), bucket)))])?;
        }
        Ok(next)
    }

    /// The state root.
    pub fn root(&self) -> Root {
        Root::from_bytes(self.contracts.root())
    }

    /// The contract with this id.
    ///
    /// # Errors
    /// [`NodeError`] when the state can not be read.
    pub fn get(&self, contract: &ContractId) -> Result<Option<Arc<ContractState>>, NodeError> {
        Ok(self.bucket(hash::position(contract))?.find(contract))
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
            ..self.clone()
        })
    }

    /// The change at the position that all of the group have.
    fn change(&self, group: &[(u64, Arc<ContractState>)]) -> Result<Change<Bucket>, NodeError> {
        let position = group[0].0;
        let old = self.bucket(position)?;
        let new = group
            .iter()
            .fold(old, |bucket, (_, state)| bucket.with(state.clone()));
        Ok((position, Some((new.hash(), new))))
    }

    /// The contracts at a position of the contract tree.
    ///
    /// # Errors
    /// [`NodeError`] when the state can not be read.
    pub fn bucket(&self, position: u64) -> Result<Bucket, NodeError> {
        let bucket = self.contracts.get(position)?;
        Ok(bucket.map_or_else(|| Bucket(Vec::new()), |(_, bucket)| bucket))
    }
}

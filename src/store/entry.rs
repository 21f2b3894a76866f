//! What the log records: commits, finalisations and deletions.
//!
//! Plain data. Nothing here checks that a commit makes sense.

use crostata_abi::PageIndex;
use crostata_proof::{CommitId, Hash, Root};

/// A commit: what changed against its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitEntry {
    /// The commit's id.
    pub id: CommitId,
    /// The commit it changes; zeros for the genesis.
    pub parent: CommitId,
    /// The state root after the change.
    pub root: Root,
    /// The embedder's tag.
    pub tag: [u8; 32],
    /// The protocol it was made under, encoded.
    pub protocol: Vec<u8>,
    /// The contracts that changed.
    pub contracts: Vec<ContractChange>,
}

/// A contract's change in one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractChange {
    /// The contract's record after the change, encoded.
    pub record: Vec<u8>,
    /// The pages replace all earlier ones, as at deploy and migration, instead of changing them.
    pub fresh: bool,
    /// The pages that changed, with their leaf hashes; [`EMPTY`](crostata_proof::EMPTY) for a page
    /// that became zeros.
    pub pages: Vec<(PageIndex, Hash)>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A commit was made.
    Commit(CommitEntry),
    /// A commit became final.
    Finalize(CommitId),
    /// A commit, and with it the branch above it, was deleted.
    Delete(CommitId),
}

//! What names a commit, and why a name may not do.

use std::fmt;

use crostata_proof::{CommitId, Root};

/// The parent of the first commits: the empty state, which has no commit.
pub(super) const GENESIS: CommitId = CommitId::from_bytes([0; 32]);

/// A retained commit: what names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit {
    /// Its id: keyed hash of parent id, root and tag.
    pub id: CommitId,
    /// The id of the commit it was built on, zeros for the empty state.
    pub parent: CommitId,
    /// The state root.
    pub root: Root,
    /// What the embedder tagged it with, zeros by default.
    pub tag: [u8; 32],
}

/// How a caller names a commit: by its id, or by its root where that is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitRef {
    /// The one commit with this id.
    Id(CommitId),
    /// Any commit, or the only commit, that holds this root.
    Root(Root),
}

impl From<CommitId> for CommitRef {
    fn from(id: CommitId) -> Self {
        Self::Id(id)
    }
}

impl From<Root> for CommitRef {
    fn from(root: Root) -> Self {
        Self::Root(root)
    }
}

impl From<[u8; 32]> for CommitRef {
    fn from(root: [u8; 32]) -> Self {
        Self::Root(Root::from_bytes(root))
    }
}

impl From<Commit> for CommitRef {
    fn from(commit: Commit) -> Self {
        Self::Id(commit.id)
    }
}

impl fmt::Display for CommitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "commit {id}"),
            Self::Root(root) => write!(f, "root {root}"),
        }
    }
}

/// Why a commit was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No retained commit is named so.
    #[error("no retained commit is {0}; `VM::commits` lists those that are")]
    Unknown(CommitRef),
    /// Several commits hold the root, and it matters which is meant.
    #[error("several commits hold root {root}; name one of {}", list(ids))]
    Ambiguous {
        /// The root.
        root: Root,
        /// The commits that hold it.
        ids: Vec<CommitId>,
    },
}

fn list(ids: &[CommitId]) -> String {
    let texts: Vec<String> = ids.iter().map(CommitId::to_string).collect();
    texts.join(", ")
}

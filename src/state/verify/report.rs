//! What verifying a store found.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::{CodeHash, CommitId};

use crate::state::chain::StateError;
use crate::state::pages::ReadPageError;
use crate::state::recovery::OpenStateError;
use crate::state::tree::NodeError;
use crate::store::{Damage, OpenError, Place, ReadError, Store};

/// Findings that a report tells in full; more are only counted.
pub const FINDINGS_MAX: usize = 1_000;

/// How far verifying came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes of pages, code and tree nodes that were read and hashed.
    pub bytes: u64,
    /// How many there are.
    pub bytes_total: u64,
}

/// What verifying a store found.
#[derive(Debug, Default)]
#[must_use]
pub struct VerifyReport {
    /// Retained commits whose root was derived again.
    pub commits: u64,
    /// Contracts of the finalised state, as of the last checkpoint.
    pub contracts: u64,
    /// Pages that were read and hashed: once for each contract and commit that brought them.
    pub pages: u64,
    /// Codes that were read and hashed.
    pub codes: u64,
    /// Tree nodes that were read and hashed.
    pub nodes: u64,
    /// Segments whose frames were read.
    pub segments: u64,
    /// Bytes of pages, codes and nodes.
    pub bytes: u64,
    /// How much is damaged.
    pub findings_total: u64,
    /// What is damaged, ordered by file and offset: the first 1,000.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.findings_total == 0
    }
}

/// Something that is not what the store says it is.
#[derive(Debug)]
pub struct Finding {
    /// The file it is in, and where in it, if it can be told.
    pub place: Option<(String, u64)>,
    /// The commit whose state needs it, if it is one that was made since the last checkpoint.
    pub commit: Option<CommitId>,
    /// The contract it belongs to, if it is one's.
    pub contract: Option<ContractId>,
    /// The page, if it is one.
    pub page: Option<PageIndex>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The log can not be read from its last checkpoint on.
    #[error("the log can not be read from its last checkpoint on")]
    Log(#[from] OpenStateError),
    /// A frame or a segment's header.
    #[error(transparent)]
    Frame(#[from] ReadError),
    /// A node of a tree.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A page or a code.
    #[error(transparent)]
    Content(#[from] ReadPageError),
    /// A retained commit's state can not be derived.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state does not have the code that one of its contracts runs.
    #[error("the code {code} is not there")]
    MissingCode {
        /// The code's hash.
        code: CodeHash,
    },
    /// The log retains other commits than the open store does.
    #[error("the log does not retain the commits that this store retains")]
    OtherCommits,
}

impl Problem {
    /// Where it is, as far as it can be told.
    pub(super) fn place(&self, store: &Store) -> Option<(String, u64)> {
        match self {
            Self::Log(error) => of_open(error),
            Self::Frame(error) => of_read(error),
            Self::Node(error) => of_node(error, store),
            Self::Content(error) => of_content(error, store),
            Self::State(error) => of_state(error, store),
            Self::MissingCode { .. } | Self::OtherCommits => None,
        }
    }
}

fn of_open(error: &OpenStateError) -> Option<(String, u64)> {
    match error {
        OpenStateError::Read(error) => of_read(error),
        OpenStateError::Frame { file, offset, .. }
        | OpenStateError::Store(OpenError::Damaged { file, offset, .. }) => {
            Some((file.clone(), *offset))
        }
        _ => None,
    }
}

fn of_read(error: &ReadError) -> Option<(String, u64)> {
    match error {
        ReadError::Damaged { file, offset, .. } | ReadError::Io { file, offset, .. } => {
            Some((file.clone(), *offset))
        }
        ReadError::Gone { .. } => None,
    }
}

fn of_node(error: &NodeError, store: &Store) -> Option<(String, u64)> {
    match error {
        NodeError::Unreadable { place, .. } | NodeError::Mismatch { place } => {
            Some(store.file_of(Place::from_u64(place.at)))
        }
        NodeError::NotWitnessed(_) => None,
    }
}

fn of_content(error: &ReadPageError, store: &Store) -> Option<(String, u64)> {
    match error {
        ReadPageError::Store(error) => of_read(error),
        ReadPageError::Node(error) => of_node(error, store),
        ReadPageError::DamagedPage { file, offset, .. }
        | ReadPageError::DamagedCode { file, offset, .. } => Some((file.clone(), *offset)),
        ReadPageError::MissingCode { .. } | ReadPageError::NotWritten => None,
    }
}

fn of_state(error: &StateError, store: &Store) -> Option<(String, u64)> {
    match error {
        StateError::Read(error) => of_read(error),
        StateError::Node(error) => of_node(error, store),
        StateError::Entry { file, offset } => Some((file.clone(), *offset)),
        _ => None,
    }
}

impl Finding {
    /// By file and offset; what has no place comes last.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let key = |finding: &Self| (finding.place.is_none(), finding.place.clone(), finding.page);
        key(self).cmp(&key(other))
    }

    /// Whether the file itself is missing, for who restores files from another copy.
    pub fn is_missing_file(&self) -> bool {
        let missing = |error: &ReadError| matches!(error, ReadError::Damaged { what, .. } if *what == Damage::Missing);
        match &self.problem {
            Problem::Frame(error) | Problem::Content(ReadPageError::Store(error)) => missing(error),
            _ => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It names file and offset.
        write!(f, "{}", self.problem)?;
        let mut source = self.problem.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        if let Some(page) = self.page {
            write!(f, "; page {page}")?;
        }
        if let Some(contract) = self.contract {
            write!(f, "; contract {contract}")?;
        }
        if let Some(commit) = self.commit {
            write!(f, "; commit {commit}")?;
        }
        Ok(())
    }
}

//! What can go wrong on the facade: an enum per operation.

use std::io;

use crostata_abi::ContractId;

use crostata_proof::ValueLookupError;

use super::binaries::BinaryError;
use crate::engine::{EngineError, ErrorKind, Fault, Fingerprint};
use crate::state::{
    LookupError, NodeError, OpenPageError, OpenStateError, OpeningError, ReadPageError, StateError,
};

/// Why a VM did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenVmError {
    /// The directory could not be made.
    #[error("the directory {} could not be made", path.display())]
    Directory {
        /// The directory.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is in the directory can not be opened.
    #[error(transparent)]
    State(#[from] OpenStateError),
    /// The system gives no memory file to keep committed pages in.
    #[error("the system gives no memory file for committed pages")]
    Memory(#[source] io::Error),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Binaries of code that the protocols' lists allow are not what they must be.
    #[error("binaries of allowed code are not in order: {}", listed(problems))]
    Binaries {
        /// What is wrong with each, in the order of protocols and lists; never empty.
        problems: Vec<BinaryError>,
    },
}

fn listed(problems: &[BinaryError]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl OpenVmError {
    /// What the error is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::Memory(_) => ErrorKind::Memory,
            Self::Binaries { .. } => ErrorKind::Compile,
            Self::Directory { .. } | Self::State(_) => ErrorKind::Other,
        }
    }
}

/// Why a session did not start.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The base's state can not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The base is not retained.
    #[error(transparent)]
    Base(#[from] LookupError),
    /// The engine for sessions with deadlines does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// This node does not know the protocol that the base was made under.
    #[error(
        "the base was made under protocol {wanted}, which this VM was not configured with; against its own: {}",
        differences.join("; ")
    )]
    UnknownProtocol {
        /// The base's protocol.
        wanted: Fingerprint,
        /// The rules that differ from those of the VM's first protocol.
        differences: Vec<String>,
    },
}

impl SessionError {
    /// What the error is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::State(_) | Self::Base(_) | Self::UnknownProtocol { .. } => ErrorKind::Other,
        }
    }
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The commit is not retained.
    #[error(transparent)]
    Commit(#[from] LookupError),
    /// There is no such contract or page.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The page can not be had.
    #[error(transparent)]
    Read(ReadPageError),
    /// The state tree can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The commit's state can not be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why there is no proof of a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveValueError {
    /// The commit or contract does not exist, or its state can not be read.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The contract declares no values.
    #[error(
        "contract {contract} declares no storage: its values have no names; prove bytes of its memory, or write `#[contract(storage)]`"
    )]
    NoLayout {
        /// The contract.
        contract: ContractId,
    },
    /// The contract's code declares something else than its record says. No state that was committed has that.
    #[error("the code of contract {contract} does not declare what the contract's record says")]
    OtherLayout {
        /// The contract.
        contract: ContractId,
    },
    /// There is no such value.
    #[error(transparent)]
    Lookup(Box<ValueLookupError<ProofError>>),
}

/// Why code was not compiled anew.
#[derive(Debug, thiserror::Error)]
pub enum RecompileError {
    /// The commit is not retained.
    #[error(transparent)]
    Commit(#[from] LookupError),
    /// The commit's state can not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The state tree can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// There is no such contract.
    #[error("there is no contract {contract}")]
    NoContract {
        /// The id.
        contract: ContractId,
    },
    /// The code can not be had or compiled.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl RecompileError {
    /// What the error is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Fault(fault) => fault.kind(),
            Self::Commit(_) | Self::State(_) | Self::Node(_) | Self::NoContract { .. } => {
                ErrorKind::Other
            }
        }
    }
}

impl From<OpenPageError> for ProofError {
    fn from(error: OpenPageError) -> Self {
        match error {
            OpenPageError::Opening(error) => Self::Opening(error),
            OpenPageError::Node(error) => Self::Node(error),
        }
    }
}

impl From<ReadPageError> for ProofError {
    fn from(error: ReadPageError) -> Self {
        match error {
            ReadPageError::Node(error) => Self::Node(error),
            error => Self::Read(error),
        }
    }
}

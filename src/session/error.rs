//! The ways an operation of a session fails, in three classes.

use std::error::Error as StdError;
use std::fmt;

use crostata_abi::ContractId;
use crostata_abi::typed::CodecError;
use crostata_proof::CodeHash;
use crostata_proof::receipt::ReceiptDigest;

use super::data::DatumError;
use super::receipt::CallReceipt;
use crate::engine::code::Rejection;
use crate::engine::{ErrorKind, Failure, Fault, InstantiateError, Refusal};
use crate::memory::MemoryError;
use crate::state::{DraftError, NodeError, OpenPageError, OpeningError, ReadPageError};

/// Why an operation of a session failed. The class decides what a node does; no text ever does.
#[derive(Debug)]
pub enum Error {
    /// The contract's doing: deterministic, part of the block, paid for. All effects are undone.
    Reverted(Box<Reverted>),
    /// The operation can not be in a block. Nothing ran, nothing changed, nothing was paid.
    Rejected(Rejected),
    /// The host or disk failed: the result is unknown. Stop and find out why.
    Fatal(Fatal),
    /// The session's deadline passed. Where the call was then depends on a clock: there is no receipt, and the session can do nothing
    /// more. Only sessions that were asked for with a deadline end like that.
    Timeout,
    /// The call succeeded, and its result is not of the type asked for. Its effects stand.
    Undecodable(Box<Undecodable>),
}

/// A call that ran and failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverted {
    /// What happened, in which contract and function.
    pub failure: Failure,
    /// Gas, reverted events and call tree.
    pub receipt: CallReceipt<()>,
}

/// A result that is not of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// The contract called.
    pub contract: ContractId,
    /// The function called.
    pub function: String,
    /// What is wrong with the bytes.
    pub error: CodecError,
    /// The receipt with the result's bytes.
    pub receipt: CallReceipt<Vec<u8>>,
}

/// Why an operation can not be in a block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// The call could not start.
    #[error(transparent)]
    Call(#[from] Refusal),
    /// The code breaks a rule.
    #[error("the code of {code_bytes} bytes is rejected: {rejection}")]
    Code {
        /// Length of the code.
        code_bytes: usize,
        /// The rule and the place.
        #[source]
        rejection: Rejection,
    },
    /// The code is not on the protocol's list of allowed code.
    #[error("the code {code_hash} is not on the list of code that may be deployed")]
    CodeNotAllowed {
        /// Hash of the code.
        code_hash: CodeHash,
    },
    /// An argument does not fit the argument buffer.
    #[error("the argument of `{function}`: {error}")]
    Argument {
        /// The function it was meant for.
        function: String,
        /// Why.
        #[source]
        error: CodecError,
    },
    /// The id is taken. Deploy under another id, owner, argument or nonce.
    #[error("contract {contract} exists already; give another id, owner, init argument or nonce")]
    ContractExists {
        /// The id.
        contract: ContractId,
    },
    /// An init argument for a contract without `init`.
    #[error("an init argument was given, and the code exports no `init`")]
    NoInit,
    /// There is nothing there to prove.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// A savepoint that is gone: rolled back to, released, or taken by another session; or one that a running migration
    /// stands on.
    #[error("the savepoint is gone, of another session, or older than the running migration")]
    UnknownSavepoint,
    /// A block has not enough gas left. The transaction may fit the next one.
    #[error("the transaction may need {needed_gas} gas, and the block has {left_gas} left")]
    BlockFull {
        /// The transaction's gas limit, with the price of the code that it deploys.
        needed_gas: u64,
        /// What the block has left.
        left_gas: u64,
    },
    /// A transaction's datum that no session can have.
    #[error(transparent)]
    Datum(#[from] DatumError),
    /// An owner longer than a record can hold.
    #[error("an owner of {len_bytes} bytes; at most 255 fit a contract record")]
    OwnerTooLong {
        /// Its length.
        len_bytes: usize,
    },
}

/// Why the host can not know or keep the result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// The host failed during a call.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The host has no memory, or the committed pages can not be had.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The store could not give what was committed.
    #[error(transparent)]
    Read(#[from] ReadPageError),
    /// The state tree could not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A contract was called whose code is not on the protocol's list of allowed code.
    #[error(transparent)]
    CodeNotAllowed(#[from] CodeNotAllowed),
    /// An earlier fatal error left this session unusable; the store is not affected.
    #[error("this session is unusable since an earlier fatal error; open another one")]
    Poisoned,
}

/// A contract of the state that the protocol does not let run: it was deployed under other rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "contract {contract} was called, and its code {code_hash} is not on the list of code that may run"
)]
pub struct CodeNotAllowed {
    /// The contract.
    pub contract: ContractId,
    /// Hash of its code.
    pub code_hash: CodeHash,
}

impl Error {
    /// The failure and receipt of a call that ran and failed.
    pub fn reverted(&self) -> Option<&Reverted> {
        match self {
            Self::Reverted(reverted) => Some(reverted),
            _ => None,
        }
    }

    /// The digest of the receipt of a call that ran and failed.
    pub fn receipt_digest(&self) -> Option<ReceiptDigest> {
        self.reverted().map(|reverted| reverted.receipt.digest)
    }

    /// What the error is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Reverted(reverted) => reverted.failure.kind(),
            Self::Rejected(rejected) => rejected.kind(),
            Self::Fatal(fatal) => fatal.kind(),
            Self::Timeout => ErrorKind::Timeout,
            Self::Undecodable(_) => ErrorKind::Other,
        }
    }
}

impl Rejected {
    /// What the rejection is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Call(refusal) => refusal.kind(),
            Self::Code { .. } | Self::CodeNotAllowed { .. } => ErrorKind::Compile,
            Self::NoInit => ErrorKind::Export,
            Self::ContractExists { .. } => ErrorKind::Instantiation,
            Self::Argument { .. }
            | Self::Opening(_)
            | Self::UnknownSavepoint
            | Self::BlockFull { .. }
            | Self::Datum(_)
            | Self::OwnerTooLong { .. } => ErrorKind::Other,
        }
    }
}

impl Fatal {
    /// What the host failed at.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Fault(fault) => fault.kind(),
            Self::Memory(error) => error.kind(),
            Self::CodeNotAllowed(_) => ErrorKind::Compile,
            Self::Read(_) | Self::Node(_) | Self::Poisoned => ErrorKind::Other,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reverted(reverted) => write!(f, "reverted: {}", reverted.failure),
            Self::Rejected(rejected) => write!(f, "rejected: {rejected}"),
            Self::Fatal(fatal) => write!(f, "fatal: {fatal}"),
            Self::Timeout => f.write_str("timeout: the session's deadline passed"),
            Self::Undecodable(result) => write!(
                f,
                "the result of `{}` of {}: {}",
                result.function, result.contract, result.error
            ),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Reverted(reverted) => Some(&reverted.failure),
            Self::Rejected(rejected) => rejected.source(),
            Self::Fatal(fatal) => fatal.source(),
            Self::Timeout => None,
            Self::Undecodable(result) => Some(&result.error),
        }
    }
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Rejected(Rejected::Call(refusal))
    }
}

impl From<OpeningError> for Error {
    fn from(error: OpeningError) -> Self {
        Self::Rejected(Rejected::Opening(error))
    }
}

impl From<OpenPageError> for Error {
    fn from(error: OpenPageError) -> Self {
        match error {
            OpenPageError::Opening(error) => error.into(),
            OpenPageError::Node(error) => Self::Fatal(Fatal::Node(error)),
        }
    }
}

impl From<DraftError> for Error {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Memory(error) => error.into(),
            DraftError::Node(error) => Self::Fatal(Fatal::Node(error)),
        }
    }
}

impl From<ReadPageError> for Error {
    fn from(error: ReadPageError) -> Self {
        match error {
            ReadPageError::Node(error) => Self::Fatal(Fatal::Node(error)),
            error => Self::Fatal(Fatal::Read(error)),
        }
    }
}

impl From<Fatal> for Error {
    fn from(fatal: Fatal) -> Self {
        Self::Fatal(fatal)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let Fault { kind, what, source } = fault;
        let source = match source.map(|source| source.downcast::<CodeNotAllowed>()) {
            Some(Ok(refused)) => return Self::Fatal(Fatal::CodeNotAllowed(*refused)),
            Some(Err(source)) => Some(source),
            None => None,
        };
        match kind {
            ErrorKind::Timeout => Self::Timeout,
            kind => Self::Fatal(Fatal::Fault(Fault { kind, what, source })),
        }
    }
}

impl From<InstantiateError> for Error {
    fn from(error: InstantiateError) -> Self {
        let kind = error.kind();
        let fault = Fault::from("a contract's first memory can not be had", error);
        Self::Fatal(Fatal::Fault(fault.of_kind(kind)))
    }
}

impl From<MemoryError> for Error {
    fn from(error: MemoryError) -> Self {
        Self::Fatal(Fatal::Memory(error))
    }
}

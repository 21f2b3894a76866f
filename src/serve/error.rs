//! Why a query has no result.

use std::io;
use std::time::Duration;

use super::bounds::SettingError;
use crate::engine::{Fault, Refusal};
use crate::memory::MemoryError;
use crate::session::{DatumError, Error, Fatal, Rejected, Reverted};
use crate::state::LookupError;
use crate::vm::{ProofError, ProveValueError, SessionError};

/// Why a query has no result. The variants decide, never a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The service has more to do than it can: the query did not run. Ask again later, or elsewhere.
    #[error("overloaded: {0}")]
    Overloaded(#[from] Overload),
    /// The query ran, and not to its end in time.
    #[error("the query ran longer than {after:?}")]
    Timeout {
        /// How long it could have.
        after: Duration,
    },
    /// Somebody cancelled it.
    #[error("the query was cancelled")]
    Cancelled,
    /// The service ended before the query did.
    #[error("the service is shut down")]
    ShutDown,
    /// No commit is final yet.
    #[error("no commit is final yet; name one that is retained")]
    NothingFinalised,
    /// The commit is not retained.
    #[error(transparent)]
    Commit(#[from] LookupError),
    /// The commit can not be opened.
    #[error(transparent)]
    Session(SessionError),
    /// More gas than queries get here.
    #[error("a gas limit of {limit_gas}; queries have at most {max_gas} here")]
    LimitGas {
        /// What was asked for.
        limit_gas: u64,
        /// The setting.
        max_gas: u64,
    },
    /// More things to prove than one query may ask for.
    #[error("a proof of {items} things; one shows at most {max} here")]
    ProofItems {
        /// What was asked for.
        items: usize,
        /// The setting.
        max: usize,
    },
    /// A datum that no contract could read.
    #[error(transparent)]
    Datum(#[from] DatumError),
    /// It touched more memory than queries may.
    #[error("the query touched more than {max} pages of memory, which is what queries may here")]
    Pages {
        /// The setting.
        max: u64,
    },
    /// Its result is larger than results may be.
    #[error(
        "the query's result and events, or what it feeds, have more than {max_bytes} bytes, which is what results may have here"
    )]
    ResultBytes {
        /// The setting.
        max_bytes: usize,
    },
    /// The contract failed: its answer is that it has none.
    #[error("reverted: {}", .0.failure)]
    Reverted(Box<Reverted>),
    /// The call could not start.
    #[error("rejected: {0}")]
    Rejected(#[source] Rejected),
    /// There is no such proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// There is no such value, or no proof of it.
    #[error(transparent)]
    ProveValue(#[from] ProveValueError),
    /// The host failed.
    #[error("fatal: {0}")]
    Fatal(#[source] Fatal),
    /// The host panicked, which is a defect.
    #[error("the host panicked while it ran the query")]
    Panicked,
}

/// Why the service could not take a query up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Overload {
    /// As many queries wait as may.
    #[error("{max} queries wait already")]
    Queue {
        /// The setting.
        max: usize,
    },
    /// As many queries of this client wait as may.
    #[error("{max} queries of this client wait already")]
    ClientQueue {
        /// The setting.
        max: usize,
    },
    /// No worker was free in time.
    #[error("no worker was free within {max:?}")]
    WaitedTooLong {
        /// The setting.
        max: Duration,
    },
    /// The process has no address space for another memory now.
    #[error("no address space is free for a contract's memory")]
    AddressSpace,
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting makes no sense.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The system has no room for a thread.
    #[error("a thread of the service does not start")]
    Thread(#[source] io::Error),
}

impl From<SessionError> for QueryError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Base(error) => Self::Commit(error),
            error => Self::Session(error),
        }
    }
}

impl From<Error> for QueryError {
    fn from(error: Error) -> Self {
        match error {
            Error::Reverted(reverted) => Self::Reverted(reverted),
            Error::Rejected(rejected) => Self::Rejected(rejected),
            Error::Fatal(fatal) if is_exhausted(&fatal) => Overload::AddressSpace.into(),
            Error::Fatal(fatal) => Self::Fatal(fatal),
            // Whoever ended the query knows why, and has said so. Queries ask for bytes.
            Error::Timeout | Error::Undecodable(_) => Self::Panicked,
        }
    }
}

impl From<Refusal> for QueryError {
    fn from(refusal: Refusal) -> Self {
        Self::Rejected(refusal.into())
    }
}

/// Whether address space or mappings ran out.
fn is_exhausted(fatal: &Fatal) -> bool {
    match fatal {
        Fatal::Memory(error) => error.is_exhausted(),
        Fatal::Fault(Fault {
            source: Some(source),
            ..
        }) => source.downcast_ref().is_some_and(MemoryError::is_exhausted),
        _ => false,
    }
}

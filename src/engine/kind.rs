//! One list of kinds for everything that can go wrong between code and result, whatever backend runs it.
//!
//! Kinds are for an embedder's counters and log lines. What a node does about an error follows from its class and code; no kind and
//! no text ever decides that.

use std::fmt;

use super::backend::EngineError;
use super::code::Rejection;
use super::outcome::{Failure, Fault, Refusal};
use crate::memory::MemoryError;
use crostata_proof::receipt::Outcome;

/// What an error is about. Every variant of every error that has a `kind()` has one kind, always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Code that breaks a rule or can not be compiled.
    Compile,
    /// A function that does not exist, or may not be called.
    Export,
    /// A contract that could not be brought into a call.
    Instantiation,
    /// Memory: an access outside of it, or memory that the host does not have.
    Memory,
    /// A function that ended in another way than by returning: a trap, a panic, no stack.
    Runtime,
    /// The gas limit was reached.
    OutOfGas,
    /// The session's deadline passed.
    Timeout,
    /// Anything else: policy, data of the embedder, the disk, a broken invariant of the host.
    Other,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Compile => "compile",
            Self::Export => "export",
            Self::Instantiation => "instantiation",
            Self::Memory => "memory",
            Self::Runtime => "runtime",
            Self::OutOfGas => "out of gas",
            Self::Timeout => "timeout",
            Self::Other => "other",
        })
    }
}

impl Failure {
    /// What the failure is about.
    pub fn kind(&self) -> ErrorKind {
        match self.code {
            Outcome::OutOfGas => ErrorKind::OutOfGas,
            Outcome::MemoryOutOfBounds | Outcome::ResultOutOfBounds => ErrorKind::Memory,
            Outcome::Panic
            | Outcome::Unreachable
            | Outcome::DivideByZero
            | Outcome::IntegerOverflow
            | Outcome::BadConversionToInteger
            | Outcome::TableOutOfBounds
            | Outcome::IndirectCallToNull
            | Outcome::BadSignature
            | Outcome::StackExhausted
            | Outcome::HostFunctionMisuse
            | Outcome::FeedOutsideFeeder
            | Outcome::OtherTrap
            | Outcome::LimitExceeded => ErrorKind::Runtime,
            // No failure has it.
            Outcome::Success => ErrorKind::Other,
        }
    }
}

impl Refusal {
    /// What the refusal is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoFunction { .. } | Self::Init { .. } | Self::QueriesOnly { .. } => {
                ErrorKind::Export
            }
            Self::NoContract { .. } | Self::Instances { .. } => ErrorKind::Instantiation,
            Self::ArgumentTooLong { .. } | Self::Memory { .. } => ErrorKind::Memory,
            Self::Depth { .. } | Self::Reentry { .. } => ErrorKind::Runtime,
            Self::Hook { .. } => ErrorKind::Other,
        }
    }
}

impl Fault {
    /// What the host failed at.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl Rejection {
    /// What the rejection is about: always [`ErrorKind::Compile`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Compile
    }
}

impl EngineError {
    /// What the engine can not do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotBuilt { .. } | Self::LibrariesNotBuilt { .. } | Self::Start(_) => {
                ErrorKind::Compile
            }
            Self::Price(_) | Self::Limit { .. } => ErrorKind::Other,
        }
    }
}

impl MemoryError {
    /// What the memory lacks: always [`ErrorKind::Memory`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Memory
    }
}

//! Why a host function ends the frame that called it.

use std::fmt;

use super::outcome::Fault;
use crostata_proof::receipt::Outcome;

/// The error that host functions raise inside WebAssembly.
#[derive(Debug)]
pub enum Abort {
    /// The contract panicked with these bytes.
    Panic(Vec<u8>),
    /// The contract can not pay for what it asked.
    OutOfGas,
    /// A bad pointer, length or name: what was wrong.
    Misuse(String),
    /// `feed` in a call that is not a feeder call.
    FeedRefused,
    /// A limit on the call tree: which.
    Limit(&'static str),
    /// The host failed.
    Fault(Fault),
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Abort {}

impl From<Fault> for Abort {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Abort {
    /// Misuse of an import.
    pub fn misuse(what: impl Into<String>) -> Self {
        Self::Misuse(what.into())
    }

    /// The failure this is for the contract, unless it is the host's.
    pub fn into_failure(self) -> Result<(Outcome, Vec<u8>), Fault> {
        match self {
            Self::Panic(message) => Ok((Outcome::Panic, message)),
            Self::OutOfGas => Ok((Outcome::OutOfGas, Vec::new())),
            Self::Misuse(what) => Ok((Outcome::HostFunctionMisuse, what.into_bytes())),
            Self::FeedRefused => Ok((Outcome::FeedOutsideFeeder, Vec::new())),
            Self::Limit(name) => Ok((Outcome::LimitExceeded, name.into())),
            Self::Fault(fault) => Err(fault),
        }
    }
}

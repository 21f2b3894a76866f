//! The engine: everything that knows wasmtime. Validation and rewriting of code, the protocol, the backends,
//! frames with their gas, and the host functions.
//!
//! Higher ranks see modules, calls, outcomes and the [`Host`] trait, and no wasmtime type.
//! What this module never does: decide which contracts exist, keep state between calls, or touch a file but those of the
//! [`artifact`] cache.

mod abort;
mod allow;
mod artifact;
mod backend;
pub mod code;
mod contracts;
mod costs;
mod enter;
mod failure;
mod frame;
mod host;
mod imports;
mod inspect;
mod instantiate;
mod kind;
mod outcome;
mod protocol;
mod runner;
mod stack;
mod state;
#[cfg(test)]
mod tests;
mod touch;

pub use allow::{AllowList, AllowListError};
pub use artifact::{
    ArtifactConfig, ArtifactCounters, ArtifactDirectory, Artifacts, CompileError, ModuleError,
    Modules,
};
pub use backend::{Backend, Engine, EngineError, Module};
pub use contracts::Place;
pub use costs::PriceTooHigh;
pub use host::{FrameEnd, FrameStart, Host, HostQuery, Loaded};
pub use inspect::Inspection;
pub use instantiate::InstantiateError;
pub use kind::ErrorKind;
pub use outcome::{Failure, Fault, Refusal};
pub use protocol::{CallLimits, Fingerprint, OperatorPrices, Protocol, Schedule};
pub use runner::{Call, Completed, Runner};

/// Why a host query has no answer to an argument; shown to the embedder, never part of consensus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QueryError(pub String);

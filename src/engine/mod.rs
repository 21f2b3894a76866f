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
mod book;
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
mod ledger;
mod library;
#[cfg(feature = "measure")]
mod measure;
mod outcome;
mod position;
mod probe;
mod profile;
mod protocol;
mod protocol_text;
mod query;
mod runner;
mod schedule;
mod split;
mod stack;
mod state;
mod supervise;
mod tally;
#[cfg(test)]
mod tests;
mod touch;
mod warm;
mod wave;

pub use allow::{AllowList, AllowListError};
pub use artifact::{
    ArtifactConfig, ArtifactCounters, ArtifactDirectory, Artifacts, CompileError, ModuleError,
    Modules,
};
pub use backend::{Aids, Backend, Engine, EngineError, Module};
pub use contracts::Place;
pub use costs::PriceTooHigh;
pub use host::{Answered, FrameEnd, FrameStart, Host, Loaded};
pub use inspect::Inspection;
pub use instantiate::InstantiateError;
pub use kind::ErrorKind;
pub use library::Libraries;
#[cfg(feature = "libraries")]
pub use library::LibraryError;
#[cfg(feature = "measure")]
#[doc(hidden)]
pub use measure::Compiler;
pub use outcome::{Failure, Fault, Refusal};
pub use position::CodePosition;
pub use profile::{
    PROFILE_PIECES_MAX, PROFILE_STACKS_MAX, Profile, ProfileGas, ProfilePiece, ProfileSite,
    ProfileStack, ReachedPiece,
};
pub use protocol::{
    CallLimits, CompileWork, Fingerprint, LibraryRules, OperatorPrices, Protocol, Schedule,
};
pub use protocol_text::ProtocolTextError;
pub(crate) use query::too_long;
pub use query::{BlockContext, BlockContextError, Heights, HostQuery, QueryContext, QueryError};
pub use runner::{Call, CallOutcome, Completed, Runner};
pub use split::GasSplit;
pub use supervise::Supervisor;
#[cfg(feature = "serve")]
pub use supervise::{AnswerFuture, AsyncHostQuery};
pub use wave::Accesses;

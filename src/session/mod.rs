//! Sessions: calls over a state, their receipts, and what the embedder may observe and decide.
//!
//! A [`Session`] starts from a commit (or from nothing), runs deployments and calls, and can be committed.
//! What this module never does: schedule, retry, or decide about commits of others.

mod activity;
mod answers;
mod context;
mod contract;
mod data;
mod deploy;
mod error;
mod estimate;
mod hooks;
pub(crate) mod lanes;
mod migrate;
mod observe;
mod queries;
mod receipt;
mod record;
mod recording;
mod run;
mod runtime;
mod savepoint;
mod seal;
mod trace;
mod transport;
mod watch;

pub use activity::{Activity, SessionCounters};
pub use answers::{Answer, Asked, Replay, Reply};
pub use contract::{ContractData, ContractDataBuilder, ContractMetadata};
pub use data::{DatumError, SessionData, SessionDataBuilder};
pub use error::{CodeNotAllowed, Error, Fatal, Rejected, Reverted, Undecodable};
pub use estimate::Estimate;
pub use hooks::{CallHook, DebugSink, Feeder};
pub use observe::PageAccesses;
pub use queries::{HeightsTaken, HostQueries, PricedQuery, Query};
pub use receipt::{CallReceipt, CallTree, CallTreeElem, DeployReceipt};
pub use recording::{CallStep, DeployStep, Recorded, Recording, Step, Unrecordable};
pub use run::Session;
pub use runtime::{CompiledCode, Runtime, Shared};
pub use savepoint::Savepoint;
pub use seal::{Base, Sealed};
pub use trace::{
    CallTrace, TRACE_BYTES_MAX, TRACE_PAGES_MAX, TRACE_STEPS_MAX, TraceStep, TracedBytes,
    TracedFrame, TracedPages,
};
pub use transport::Calls;

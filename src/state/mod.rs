//! The state: contracts and their pages at every retained commit, as Merkle trees that share structure.
//!
//! A [`Snapshot`] is the whole state at one moment, immutable and cheap to clone. A [`Draft`] is a snapshot with a
//! session's changes applied. [`Commits`] is the tree of commits, made durable by the store.
//! What this module never does: execute anything, or map memory.

mod batch;
mod chain;
mod checkpoint;
mod code;
mod commits;
mod config;
mod counters;
mod draft;
mod entry;
mod hashing;
mod held;
mod naming;
mod nodes;
mod pages;
mod prove;
mod reader;
mod reclaim;
mod recovery;
mod seal;
mod snapshot;
mod spread;
#[cfg(test)]
mod tests;
mod transfer;
mod tree;
mod verify;
mod witness;

pub use chain::StateError;
pub use checkpoint::CheckpointError;
pub use code::CodeSource;
pub use commits::{CommitError, Commits};
pub use config::LogConfig;
pub use counters::CommitCounters;
pub use draft::{ContractDraft, Draft, DraftError};
pub use naming::{Commit, CommitRef, LookupError};
pub use pages::{CommittedPages, ReadPageError};
pub use prove::{Contents, ProofItem};
pub use recovery::OpenStateError;
pub use seal::SealedState;
pub use snapshot::{ContractState, OpenPageError, OpeningError, Snapshot};
pub use transfer::{
    ACCEPTED_BYTES_MAX, ChunkError, Cursor, ExportError, ExportedChunk, HeaderError, ImportError,
    ImportHandle, TransferHeader, Walk,
};
pub use tree::{NodeError, NotWitnessed};
pub use verify::{Finding, Problem, VerifyProgress, VerifyReport};
pub use witness::Parts;

//! The state: contracts and their pages at every retained commit, as Merkle trees that share structure.
//!
//! A [`Snapshot`] is the whole state at one moment, immutable and cheap to clone. A [`Draft`] is a snapshot with a
//! session's changes applied. [`Commits`] is the tree of commits, made durable by the store.
//! What this module never does: execute anything, or map memory.

mod commits;
mod draft;
mod hashing;
mod pages;
mod snapshot;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the store does not keep nodes yet")
)]
mod tree;

pub use commits::{Commit, CommitError, CommitRef, Commits, LookupError, OpenStateError, Retained};
pub use draft::{ContractDraft, Draft, DraftError};
pub use pages::{CommittedPages, ReadPageError};
pub use snapshot::{ContractState, OpenPageError, OpeningError, Snapshot};
pub use tree::NodeError;

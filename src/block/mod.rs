//! Blocks: executing them over a VM, and doing them again without a database.
//!
//! A [`Block`] executes [`Transaction`]s in order, each wholly or not at all, until its gas is full; sealed, it has a root and a root of
//! receipts to vote for, and is committed later or dropped. What transactions and queries know of the block is a
//! [`BlockContext`](crate::BlockContext), the same on every node.
//!
//! Without a database: what a session did as a [`Witness`], and a [`Verifier`] that does it again from nothing else.
//!
//! A witness is recorded where the state is ([`recording`](crate::SessionDataBuilder::recording),
//! [`Session::witness`](crate::Session::witness)) and holds the part of the state that was used, as a proof, with the
//! context: protocol, session data, calls, and answers of host queries. Whoever knows the root before runs the same session over that
//! part alone and learns the root after and every receipt, on the condition that the context is the one he means.
//!
//! What holds: what a verifier returns is what the session recorded came to, or would have come to over the whole state; everything else is a
//! [`WitnessError`]. Of one session there is one witness: what it lacks and what it has too much are errors.
//! What this module never does: open a directory, ask a host query, or trust what it did not check.

mod bytes;
mod capsule;
mod context;
mod error;
mod execute;
mod executed;
mod parallel;
mod sealed;
mod serial;
mod sink;
mod transaction;
mod verify;
mod witness;

pub use bytes::WitnessDecodeError;
pub use capsule::{CAPSULE_VERSION, Capsule, CapsuleDecodeError, ReplayError};
pub use context::WitnessContext;
pub use error::{Missing, NoWitness, OpenBlockError, UndoError, WitnessError};
pub use execute::{Block, BlockSettings, Execution, Filled};
pub use executed::{Executed, Included, TransactionOutcome, TransactionReceipt};
pub use sealed::SealedBlock;
pub use serial::Undo;
pub use sink::{NothingHeard, Publisher, Sink, Subscription, WhenFull, subscription};
pub use transaction::{Action, Transaction};
pub use verify::{StepReceipt, VerifiedCalls, Verifier};
pub use witness::{WITNESS_VERSION, Witness};

//! Blocks without a database: what a session did as a [`Witness`], and a [`Verifier`] that does it again from nothing else.
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
mod verify;
mod witness;

pub use bytes::WitnessDecodeError;
pub use capsule::{CAPSULE_VERSION, Capsule, CapsuleDecodeError, ReplayError};
pub use context::WitnessContext;
pub use error::{Missing, NoWitness, WitnessError};
pub use verify::{StepReceipt, VerifiedCalls, Verifier};
pub use witness::{WITNESS_VERSION, Witness};

//! A chain of crostata blocks, ordered by commonware's simplex consensus.
//!
//! A [`Machine`](crostata_machine::Machine) executes; simplex decides; marshal puts what is decided in order, keeps it and brings what is missing.
//! What is between them is here:
//!
//! * [`ChainBlock`]: blocks as the engine's codec knows them, with the chain's limits as rules of decoding;
//! * [`Application`]: proposes and verifies, and never says no where it only does not know;
//! * [`Finaliser`]: makes what is decided final, in order, and acknowledges what is durable;
//! * [`FinalityProof`]: that a block is final, for clients that trust only the chain's id and its validators' keys;
//! * [`Alarms`]: what a node must tell its operator, or stop for;
//! * [`Validator`]: all of it, put together, over any runtime and network of commonware's.
//!
//! What this crate never does: read a clock or a source of randomness but the engine's, so that a whole network runs in one process, the same
//! way for the same seed.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod alarm;
mod ancestry;
mod application;
mod block;
mod finaliser;
mod finality;
mod gossip;
mod offload;
mod own;
mod pace;
mod shared;
mod sync;
mod validator;

pub use alarm::{Alarm, Alarms};
pub use application::Application;
pub use block::{ChainBlock, Digest};
pub use finaliser::{FinalBlock, Finaliser, Finalising, Listener};
pub use finality::{FinalityError, FinalityProof, NotProven, ProvenFinal, Trusted, prove_final};
pub use gossip::{Inbox, transactions};
pub use offload::Worker;
pub use pace::Pace;
pub use shared::{SharedPool, SubmitError};
pub use sync::{
    Arrived, Explanation, JoinError, NotExplained, Offer, OfferError, Snapshots, StateSync, SyncKey,
};
pub use validator::{
    Channels, CommitteeError, Keys, MAX_PENDING, Marshal, Scheme, Settings, StartError, Stores,
    Validator, message_bytes_max, scheme,
};

//! Tests of contracts: a [`Chain`] that deploys and calls them, accounts with names, time, savepoints, mocks, and assertions whose
//! messages show what happened.
//!
//! What runs the contracts is a [`Machine`](machine::Machine). [`Remote`] is one in the process of an installed command, so that what
//! depends on this crate compiles fast; `crostata::testing::Chain` is a [`Chain`] over a VM in the test's own process.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

pub mod build;
pub mod chain;
pub mod machine;
pub mod properties;
pub mod remote;

pub use chain::{
    Account, Asked, Block, CAPSULES, Called, Calls, Chain, Code, CodecError, Decode, Deploy,
    Deployed, Encode, Event, Failed, LazyTrace, MockContract, Mocked, Savepoint, capsules,
};
pub use crostata_abi::ContractId;
pub use crostata_proof::receipt::Outcome;
pub use machine::Price;
pub use properties::{accounts, amounts, nothing, properties};
pub use remote::Remote;

//! A validator as a process: crostata replicated by commonware consensus, with HTTP for clients.
//!
//! * [`config`]: all that a validator is told, in one file;
//! * [`node`]: a validator, from its file to its end;
//! * [`http`]: transactions, queries, proofs and blocks for clients;
//! * [`client`]: the other side of that;
//! * [`light`]: a client that trusts the validators' keys, and no node;
//! * [`local`]: a whole network on one machine;
//! * [`load`]: how many transfers a network makes final.
//!
//! What this crate never does: decide. What is valid the machine says, what is final the chain does; nothing here is part of consensus. The VM runs on threads
//! that poll nobody.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

pub mod client;
pub mod config;
pub mod hex;
pub mod http;
pub mod light;
pub mod load;
pub mod local;
mod network;
pub mod node;
mod receipts;
mod recent;

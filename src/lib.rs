//! A deterministic WebAssembly contract VM with Merkle state.
#![deny(unsafe_code)]

pub mod engine;
mod memory;
mod region;
pub mod session;
pub mod state;
pub mod store;
pub mod vm;

pub use crostata_abi::{
    ARGBUF_LEN, CONTRACT_ID_BYTES, ContractError, ContractId, Event, PageIndex, SCRATCH_BUF_BYTES,
    StandardBufSerializer,
};
pub use engine::{Backend, HostQuery, Protocol, QueryError};
pub use session::*;
pub use vm::*;

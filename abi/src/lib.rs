//! The interface between crostata and the contracts it runs.
//!
//! This crate holds what a contract, the VM and a proof verifier must agree on and nothing else:
//! [`ContractId`], [`Event`], [`ContractError`], the table of [`imports`], and, under the feature
//! `typed` (on by default), the `rkyv` layer that turns values into argument bytes.
//! It is the only crate of the workspace that names `rkyv`: every other crate uses the re-export
//! [`rkyv`], so that the archive format (0.8, little-endian, 32-bit relative pointers, unaligned)
//! is chosen in one place.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
mod error;
mod event;
mod gas;
mod id;
pub mod imports;
mod page;
pub mod raised;
#[cfg(feature = "typed")]
pub mod typed;

pub use error::{ContractError, ErrorCode, panic_parts};
pub use event::Event;
pub use gas::Gas;
pub use id::{CONTRACT_ID_BYTES, ContractId, ParseIdError};
pub use page::{PAGE_BYTES, PageIndex, WASM_PAGE_BYTES};

#[cfg(feature = "typed")]
pub use error::{ArchivedContractError, ContractErrorResolver};
#[cfg(feature = "typed")]
pub use event::{ArchivedEvent, EventResolver};
#[cfg(feature = "typed")]
pub use id::{ArchivedContractId, ContractIdResolver};
#[cfg(feature = "typed")]
pub use rkyv;
#[cfg(feature = "typed")]
pub use typed::StandardBufSerializer;

/// Length in bytes of a contract's argument buffer, the memory behind its global `A`.
pub const ARGBUF_LEN: usize = 65_536;

/// Bytes of scratch space that Piecrust's serialisers asked for; the `rkyv` 0.8 layer here needs none.
///
/// Kept so that code written for `piecrust-uplink` compiles.
pub const SCRATCH_BUF_BYTES: usize = 1024;

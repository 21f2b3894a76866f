//! What a crostata contract compiles.
//!
//! A contract is an ordinary struct with an ordinary `impl` block under [`#[contract]`](contract).
//! Every `pub fn` of the block becomes a function that the world can call; arguments and results
//! are `rkyv` archives, validated before they are read. The struct lives in the contract's memory,
//! which is the state: nothing is loaded or saved.
//!
//! ```
//! struct Counter {
//!     value: i64,
//! }
//!
//! #[crostata_sdk::event]
//! struct Incremented(i64);
//!
//! #[crostata_sdk::contract(events(Incremented))]
//! impl Counter {
//!     /// The state of a contract that was just deployed.
//!     pub const fn new() -> Self {
//!         Self { value: 0xfc }
//!     }
//!
//!     pub fn read_value(&self) -> i64 {
//!         self.value
//!     }
//!
//!     pub fn increment(&mut self) {
//!         self.value += 1;
//!         Incremented(self.value).emit();
//!     }
//! }
//!
//! let mut counter = Counter::new();
//! counter.increment();
//! assert_eq!(counter.read_value(), 0xfd);
//! ```
//!
//! Values of its own, events and errors are types under an attribute, and the contract gets a client:
//!
//! ```
//! use crostata_sdk::ContractId;
//!
//! #[crostata_sdk::event]
//! struct Paid {
//!     to: [u8; 32],
//!     amount: u64,
//! }
//!
//! #[crostata_sdk::error]
//! enum PayError {
//!     /// The purse holds too little.
//!     TooLittle { held: u64 },
//! }
//!
//! struct Purse {
//!     held: u64,
//! }
//!
//! #[crostata_sdk::contract(events(Paid))]
//! impl Purse {
//!     pub const fn new() -> Self {
//!         Self { held: 10 }
//!     }
//!
//!     /// Pays somebody. An error undoes the call, and the caller gets it as it is here.
//!     pub fn pay(&mut self, to: [u8; 32], amount: u64) -> Result<u64, PayError> {
//!         let held = self.held;
//!         self.held = held.checked_sub(amount).ok_or(PayError::TooLittle { held })?;
//!         Paid { to, amount }.emit();
//!         Ok(self.held)
//!     }
//! }
//!
//! // In another contract, whose own error is made of the purse's by `?`.
//! #[crostata_sdk::error]
//! enum ShopError {
//!     #[from]
//!     Pay(PayError),
//! }
//!
//! fn buy(purse: ContractId, price: u64) -> Result<u64, ShopError> {
//!     Ok(PurseClient::at(purse).pay([7; 32], price)?)
//! }
//!
//! let mut purse = Purse::new();
//! assert_eq!(purse.pay([7; 32], 4), Ok(6));
//! assert_eq!(purse.pay([7; 32], 7), Err(PayError::TooLittle { held: 6 }));
//! # let _ = (buy, ShopError::Pay(PayError::TooLittle { held: 0 }));
//! ```
//!
//! [`data`](macro@data), [`event`](macro@event) and [`error`](macro@error) say the rest; [`client`] and [`mod@error`] what is behind it. All of it is told by
//! the custom section `crostata.schema` of the code, so that tools show calls, results, events and errors as they were written: [`schema`].
//!
//! Fields can be declared, so that the world can have their values, and entries of [`Map`]s, proven by name: [`storage`].
//!
//! Built for a Wasm target, the exports are there; built natively, as above, the contract is a plain
//! struct for unit tests. Natively [`emit`], [`feed`] and [`debug!`] do nothing, and every function
//! that asks the VM for something panics.
//!
//! A panic aborts the call, undoes what it did, and sends its message and place to the caller.
//!
//! This crate never allocates for values of fixed size, so a getter that takes and returns such
//! values leaves the contract's memory as it found it.
//!
//! Implementations of `rkyv`'s traits that are written by hand must not call functions of this crate: an
//! archive is read where it lies, in the argument buffer, which those functions overwrite.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![no_std]

extern crate alloc;
#[cfg(not(target_family = "wasm"))]
extern crate std;
// What the derives generate names the crate.
#[cfg(test)]
extern crate self as crostata_sdk;

mod boundary;
mod call;
pub mod client;
mod codec;
mod context;
pub mod error;
mod event;
mod output;
#[cfg(target_family = "wasm")]
mod panic;
pub mod schema;
pub mod storage;

pub use call::{
    call, call_raw, call_with_limit, host_query, host_query_raw, query_async, query_async_raw,
};
pub use codec::{ContractSerializer, Encode};
pub use context::{
    caller, callstack, limit, owner, owner_array, owner_of, self_id, session_data,
    session_data_raw, spent,
};
pub use crostata_abi::client::{CallError, Transport};
pub use crostata_abi::typed::Decode;
pub use crostata_abi::{ContractError, ContractId, rkyv};
pub use crostata_sdk_macros::{Storage, Stored, contract, data, error, event};
pub use event::Event;
pub use output::{emit, emit_raw, feed, feed_raw};
pub use storage::{Map, Queue, Set, Stored, Vector};

/// What the code made by [`macro@contract`] and [`debug!`] needs. Not for use by hand.
#[doc(hidden)]
pub mod generated {
    pub use crate::boundary::State;
    pub use crate::client::{Channel, Contracts, Outside};
    pub use crate::codec::{argument, result};
    pub use crate::error::{Raise, settled};
    pub use crate::event::{Event, Listed, emit};
    pub use crate::output::debug;
    pub use crate::schema;
    pub use crate::schema::described::{Outcome, Probe, Unknown, copied, or_opaque};
    pub use crate::storage::{Declared, Field, Type, refuse_large, section, section_bytes};

    /// Says of every type that it declares no storage; a derived constant of the same name hides this one.
    pub trait Undeclared {
        const DECLARES_STORAGE: bool = false;
    }

    impl<T> Undeclared for T {}
}

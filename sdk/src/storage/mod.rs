//! The state that a contract declares, so that the world can have its values proven.
//!
//! ```
//! use crostata_sdk::{Map, Storage};
//!
//! #[derive(Storage)]
//! struct Token {
//!     total_supply: u64,
//!     balances: Map<[u8; 32], u64>,
//!     #[storage(skip)]
//!     names: Vec<String>,
//! }
//!
//! #[crostata_sdk::contract(storage)]
//! impl Token {
//!     pub const fn new() -> Self {
//!         Self { total_supply: 0, balances: Map::new(), names: Vec::new() }
//!     }
//!
//!     pub fn mint(&mut self, to: [u8; 32], amount: u64) {
//!         self.total_supply += amount;
//!         let balance = self.balances.get(&to).unwrap_or(0);
//!         self.balances.insert(to, balance + amount);
//!     }
//! }
//!
//! let mut token = Token::new();
//! token.mint([7; 32], 40);
//! token.mint([7; 32], 2);
//! assert_eq!(token.balances.get(&[7; 32]), Some(42));
//! ```
//!
//! Who knows only the root of the state verifies what `total_supply` is, or what `balances` has for a key, absence included:
//! no code runs for that, neither to make the proof nor to check it. Fields of structs are found as `terms.fee`.
//!
//! What can be declared has a fixed size, [`Stored`], or is a collection of such values:
//!
//! | type | like | proven | pages of an operation, beside that of the state |
//! |---|---|---|---|
//! | [`Map`] | `BTreeMap` | the value of a key, or that there is none | 1 for each level of nodes: 1 to 4 |
//! | [`Set`] | `BTreeSet` | that something is a member, or is not | as for a map |
//! | [`Vector`] | `Vec` | its `len`, and of its `elements` that of a number | 1 |
//! | [`Queue`] | `VecDeque` at two ends | `first` and `end`, and of its `elements` that of a number | 1 |
//!
//! Their elements lie in nodes of 1 KiB and never move when a collection grows. Anything else is refused when the contract is built:
//!
//! ```compile_fail
//! # use crostata_sdk::Storage;
//! #[derive(Storage)]
//! struct Token {
//!     names: Vec<String>, // `Vec<String>` can not be declared
//! }
//! ```
//!
//! So is a key too large for the nodes of a map, and a state that is declared without the attribute saying so:
//!
//! ```compile_fail
//! let map = crostata_sdk::Map::<[u8; 326], u8>::new();
//! ```
//!
//! ```compile_fail
//! # use crostata_sdk::Storage;
//! #[derive(Storage)]
//! struct Token {
//!     supply: u64,
//! }
//!
//! #[crostata_sdk::contract] // wants `storage`
//! impl Token {
//!     pub const fn new() -> Self {
//!         Self { supply: 0 }
//!     }
//! }
//! ```

mod layout;
pub mod map;
mod nodes;
mod places;
pub mod queue;
#[cfg(test)]
mod sequence_tests;
pub mod set;
mod spine;
#[cfg(test)]
mod tests;
mod tree;
mod values;
pub mod vector;

pub use layout::{Declared, Field, Type};
#[doc(hidden)]
pub use layout::{refuse_large, section, section_bytes};
pub use map::Map;
pub use queue::Queue;
pub use set::Set;
pub use values::{KEY_BYTES_MAX, Stored};
pub use vector::Vector;

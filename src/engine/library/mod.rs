//! Libraries: components without state that a protocol lists, and that contracts call through `hq`.
//!
//! A library is a binary of the WebAssembly component model. It is called by name, `library:<hash>:<function>`, with bytes, and answers bytes. Each call
//! runs on a fresh instance, with the gas of who calls it, and can see nothing but its argument and the block ([`wasi`]).
//!
//! | file | what it does |
//! |---|---|
//! | `rules` | the list, prices and limits in the protocol; names of functions |
//! | `rewrite` | validates a component, and counts the stack in its modules |
//! | `shelf` | the engine of libraries, and what is compiled for it |
//! | `call` | a call: gas, memory, stack, deadline, outcome |
//! | `chance` | what randomness a call gets |
//! | `wasi` | what a library may import |
//!
//! What this folder never does: look for files, or decide who may call. Without the feature `libraries` only the rules are there, so that every
//! build can say which protocols it can not run.

#[cfg(feature = "libraries")]
mod call;
#[cfg(feature = "libraries")]
mod chance;
#[cfg(feature = "libraries")]
mod error;
#[cfg(feature = "libraries")]
mod rewrite;
mod rules;
#[cfg(feature = "libraries")]
mod shelf;
#[cfg(feature = "libraries")]
mod wasi;

#[cfg(feature = "libraries")]
pub use call::{Call, Failed};
#[cfg(feature = "libraries")]
pub use error::LibraryError;
#[cfg(feature = "libraries")]
pub use rewrite::rewrite;
#[cfg(feature = "libraries")]
pub use rules::FunctionName;
pub use rules::Libraries;
#[cfg(feature = "libraries")]
pub use shelf::{Compiled, Shelf};

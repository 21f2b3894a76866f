//! The boundary to the VM: the only `unsafe` code of the SDK.
//!
//! It holds the argument buffer, the imports, the heap that serialisation borrows from, the nodes of maps and the leaves of vectors, and the
//! cell of the contract's state. Everything it offers to the rest of the crate is safe, except the two
//! accessors of [`State`], whose conditions the `#[contract]` attribute keeps.
//!
//! What all of it rests on: a contract has one thread, and the VM touches the argument buffer only inside
//! an import.
#![allow(unsafe_code)]

pub mod buffer;
#[cfg_attr(not(target_family = "wasm"), path = "absent.rs")]
pub mod imports;
pub mod nodes;
mod scratch;
#[cfg(target_family = "wasm")]
mod sections;
pub mod segments;
mod state;

pub use scratch::HeapScratch;
pub use state::State;

#[cfg(all(target_family = "wasm", feature = "allocator"))]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

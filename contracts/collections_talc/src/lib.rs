//! The contract `collections` with another allocator, talc: what `cargo bench --bench storage` compares.
//!
//! When `collections` changes, this is built anew as well.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

#[path = "../../collections/src/collections.rs"]
pub mod collections;

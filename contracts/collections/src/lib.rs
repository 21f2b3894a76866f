//! The SDK's storage types beside those of `alloc` that do the same: one operation a call, for `cargo bench --bench storage`
//! to count its pages and its gas, and for `tests/storage.rs` to compare with what it should do.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

pub mod collections;

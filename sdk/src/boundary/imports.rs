//! The functions that the VM gives to contracts, as `crostata_abi::imports` lists them, made safe.
//!
//! Lengths of results are those that the VM reports, which never exceed the argument buffer.

use crostata_abi::ContractId;

mod env {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub fn c(
            contract: *const u8,
            name: *const u8,
            name_len: u32,
            arg_len: u32,
            gas_limit: u64,
        ) -> i32;
        pub fn hq(name: *const u8, name_len: u32, arg_len: u32) -> i32;
        pub fn hqa(name: *const u8, name_len: u32, arg_len: u32) -> i32;
        pub fn hd(name: *const u8, name_len: u32) -> i32;
        pub fn emit(topic: *const u8, topic_len: u32, arg_len: u32);
        pub fn owner(contract: *const u8) -> i32;
        pub safe fn feed(arg_len: u32);
        pub safe fn caller() -> i32;
        pub safe fn callstack() -> i32;
        pub safe fn limit() -> u64;
        pub safe fn spent() -> u64;
        pub safe fn self_id();
        pub safe fn panic(len: u32) -> !;
        pub safe fn hdebug(len: u32);
    }
}

pub use env::{caller, callstack, feed, hdebug, limit, panic, self_id, spent};

pub fn c(contract: &ContractId, name: &str, arg_len: u32, gas_limit: u64) -> i32 {
    let id = contract.as_bytes().as_ptr();
    // SAFETY: `id` points to 32 bytes, the name to `name.len()`; the VM only reads them.
    unsafe { env::c(id, name.as_ptr(), name.len() as u32, arg_len, gas_limit) }
}

pub fn hq(name: &str, arg_len: u32) -> i32 {
    // SAFETY: the VM reads `name.len()` bytes at the pointer.
    unsafe { env::hq(name.as_ptr(), name.len() as u32, arg_len) }
}

pub fn hqa(name: &str, arg_len: u32) -> i32 {
    // SAFETY: the VM reads `name.len()` bytes at the pointer.
    unsafe { env::hqa(name.as_ptr(), name.len() as u32, arg_len) }
}

pub fn hd(name: &str) -> i32 {
    // SAFETY: the VM reads `name.len()` bytes at the pointer.
    unsafe { env::hd(name.as_ptr(), name.len() as u32) }
}

pub fn emit(topic: &str, arg_len: u32) {
    // SAFETY: the VM reads `topic.len()` bytes at the pointer.
    unsafe { env::emit(topic.as_ptr(), topic.len() as u32, arg_len) }
}

/// The owner of `contract`, or of this contract for `None`.
pub fn owner(contract: Option<&ContractId>) -> i32 {
    let id = contract.map_or(core::ptr::null(), |id| id.as_bytes().as_ptr());
    // SAFETY: `id` is null, which the VM takes as "self", or points to 32 bytes that it reads.
    unsafe { env::owner(id) }
}

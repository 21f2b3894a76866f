//! Asks the host.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

/// No state.
pub struct HostQuery;

#[crostata_sdk::contract]
impl HostQuery {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self
    }

    /// The answer of the query `hash` to bytes.
    pub fn hash(bytes: Vec<u8>) -> [u8; 32] {
        crostata_sdk::host_query("hash", &bytes)
    }

    /// The answer of any query to plain bytes.
    pub fn ask(name: String, argument: Vec<u8>) -> Vec<u8> {
        crostata_sdk::host_query_raw(&name, &argument)
    }
}

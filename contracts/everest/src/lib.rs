//! Reads what the chain gives to a session: the height of the block, and anything else by name.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

/// No state.
pub struct Everest;

#[crostata_sdk::contract]
impl Everest {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self
    }

    /// The session's `height`, if it has one.
    pub fn height() -> Option<u64> {
        crostata_sdk::session_data("height")
    }

    /// Any session value, as the bytes it is.
    pub fn session_value(name: String) -> Option<Vec<u8>> {
        crostata_sdk::session_data_raw(&name)
    }
}

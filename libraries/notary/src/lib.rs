//! A contract that holds what is signed: verified by a library of the chain, or, at a price, by itself.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

/// How many messages it saw that were signed.
pub struct Notary {
    seen: u64,
}

#[crostata_sdk::contract]
impl Notary {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self { seen: 0 }
    }

    /// Messages that were signed so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Has the library with this name verify what is signed: a key, a signature, a message.
    pub fn see(&mut self, library: String, signed: Vec<u8>) -> bool {
        let name = alloc::format!("library:{library}:crostata:signatures/ed25519@1.0.0/verify");
        let is_signed = crostata_sdk::host_query_raw(&name, &signed) == [1];
        self.seen += u64::from(is_signed);
        is_signed
    }

    /// Verifies it itself.
    pub fn see_alone(&mut self, signed: Vec<u8>) -> bool {
        let is_signed = verify_ed25519::verify(&signed);
        self.seen += u64::from(is_signed);
        is_signed
    }
}

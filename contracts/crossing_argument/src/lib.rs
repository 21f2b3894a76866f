//! Arguments and results of all sizes and shapes, given back as they came.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crostata_sdk::{ContractError, ContractId, call, call_raw};

/// A value with a bit of everything.
#[crostata_sdk::data]
#[derive(Eq)]
pub struct Crossing {
    /// Text.
    pub name: String,
    /// A number.
    pub number: i64,
    /// A value that may be absent.
    pub contract: Option<ContractId>,
    /// Named lists.
    pub lists: BTreeMap<String, Vec<u32>>,
}

/// Remembers how many bytes it was sent last.
pub struct CrossingArgument {
    last_len: u64,
}

#[crostata_sdk::contract]
impl CrossingArgument {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self { last_len: 0 }
    }

    /// Gives a number back.
    pub fn echo_number(number: u64) -> u64 {
        number
    }

    /// Gives a text back.
    pub fn echo_string(text: String) -> String {
        text
    }

    /// Gives bytes back.
    pub fn echo_bytes(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    /// Gives a structure back.
    pub fn echo_struct(value: Crossing) -> Crossing {
        value
    }

    /// Takes bytes, and gives how many they are.
    pub fn take_bytes(&mut self, bytes: Vec<u8>) -> u64 {
        self.last_len = bytes.len() as u64;
        self.last_len
    }

    /// How many bytes `take_bytes` took last.
    pub fn last_len(&self) -> u64 {
        self.last_len
    }

    /// Makes this many bytes.
    pub fn make_bytes(len: u32) -> Vec<u8> {
        alloc::vec![0xab; len as usize]
    }

    /// Sends bytes through another such contract.
    #[returned]
    pub fn echo_through(contract: ContractId, bytes: Vec<u8>) -> Result<Vec<u8>, ContractError> {
        call(contract, "echo_bytes", &bytes)
    }

    /// Sends this many plain bytes to a function of another contract; gives the length of its result.
    #[returned]
    pub fn send_bytes(
        contract: ContractId,
        function: String,
        len: u32,
    ) -> Result<u32, ContractError> {
        let bytes = alloc::vec![0xab; len as usize];
        call_raw(contract, &function, &bytes, 0).map(|result| result.len() as u32)
    }
}

//! Says who it is, whose it is, and who called it. Its exports have the names of imports, which must not clash.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::vec::Vec;

use crostata_sdk::{ContractError, ContractId, call};

/// No state.
pub struct Metadata;

#[crostata_sdk::contract(reentry = "allowed")]
impl Metadata {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self
    }

    /// The contract's own id.
    pub fn self_id() -> ContractId {
        crostata_sdk::self_id()
    }

    /// The contract's own owner.
    pub fn owner() -> Vec<u8> {
        crostata_sdk::owner()
    }

    /// The contract's own owner, if it is of 33 bytes.
    pub fn owner_33() -> Option<[u8; 33]> {
        crostata_sdk::owner_array()
    }

    /// The owner of another contract.
    pub fn owner_of(contract: ContractId) -> Option<Vec<u8>> {
        crostata_sdk::owner_of(contract)
    }

    /// Who called.
    pub fn caller() -> Option<ContractId> {
        crostata_sdk::caller()
    }

    /// Whose calls led here.
    pub fn callstack() -> Vec<ContractId> {
        crostata_sdk::callstack()
    }

    /// Whom another such contract sees as its caller when this one calls it.
    #[returned]
    pub fn caller_seen_by(contract: ContractId) -> Result<Option<ContractId>, ContractError> {
        call(contract, "caller", &())
    }

    /// The call stack at the end of calls through all these contracts.
    #[returned]
    pub fn callstack_through(mut path: Vec<ContractId>) -> Result<Vec<ContractId>, ContractError> {
        if path.is_empty() {
            return Ok(crostata_sdk::callstack());
        }
        let next = path.remove(0);
        match call(next, "callstack_through", &path) {
            Ok(outcome) => outcome,
            Err(error) => Err(error),
        }
    }
}

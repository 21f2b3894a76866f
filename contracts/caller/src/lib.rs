//! Calls other contracts, itself, and whoever calls it; catches failures and says what it saw.
//!
//! It may be re-entered, so its state is in cells.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

use crostata_sdk::{
    CallError, ContractError, ContractId, call, call_raw, call_with_limit, self_id,
};
use ledger::{Account, LedgerClient, LedgerError};

/// Why a payment was not made.
#[crostata_sdk::error]
pub enum PaymentError {
    /// the ledger refused
    #[from]
    Refused(LedgerError),
    /// the ledger could not be called
    #[from]
    Failed(ContractError),
}

/// A number, and how often `bounce` entered the contract.
pub struct Caller {
    value: Cell<i64>,
    entries: Cell<u32>,
}

#[crostata_sdk::contract(reentry = "allowed")]
impl Caller {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self {
            value: Cell::new(0),
            entries: Cell::new(0),
        }
    }

    /// The number.
    pub fn value(&self) -> i64 {
        self.value.get()
    }

    /// Changes the number.
    pub fn set_value(&self, value: i64) {
        self.value.set(value);
    }

    /// How often `bounce` entered this contract in calls that succeeded.
    pub fn entries(&self) -> u32 {
        self.entries.get()
    }

    /// Calls a function of no argument that gives an `i64`; panics if it fails.
    pub fn call_and_return(&self, contract: ContractId, function: String) -> i64 {
        returned(call(contract, &function, &()))
    }

    /// Calls a function of no argument; gives its result's bytes, or why it failed.
    #[returned]
    pub fn call_catching(
        &self,
        contract: ContractId,
        function: String,
    ) -> Result<Vec<u8>, ContractError> {
        call_raw(contract, &function, &[], 0)
    }

    /// Calls any function, with any argument bytes and any limit.
    #[returned]
    pub fn forward(
        &self,
        contract: ContractId,
        function: String,
        argument: Vec<u8>,
        limit_gas: u64,
    ) -> Result<Vec<u8>, ContractError> {
        call_raw(contract, &function, &argument, limit_gas)
    }

    /// Calls a function of no argument `times` times in a loop, and drops the results.
    pub fn call_repeatedly(&self, contract: ContractId, function: String, times: u32) {
        for _ in 0..times {
            returned(call_raw(contract, &function, &[], 0));
        }
    }

    /// Calls `set_value` of this contract, as a stranger would.
    pub fn call_self(&self, value: i64) -> i64 {
        returned(call::<_, ()>(self_id(), "set_value", &value));
        self.value.get()
    }

    /// Calls itself to this depth, and gives the depth.
    pub fn chain(&self, depth: u32) -> u32 {
        match depth {
            0 => 0,
            _ => 1 + returned(call::<_, u32>(self_id(), "chain", &(depth - 1))),
        }
    }

    /// As `chain`, each call with at most this much gas; stops at the first call that fails, and gives the depth.
    pub fn chain_limited(&self, depth: u32, limit_gas: u64) -> u32 {
        if depth == 0 {
            return 0;
        }
        let argument = (depth - 1, limit_gas);
        match call_with_limit::<_, u32>(self_id(), "chain_limited", &argument, limit_gas) {
            Ok(below) => below + 1,
            Err(_) => 0,
        }
    }

    /// Calls `chain_through` of the first contract with the others; gives how many were called.
    pub fn chain_through(&self, mut path: Vec<ContractId>) -> u32 {
        self.value.set(self.value.get() + 1);
        if path.is_empty() {
            return 0;
        }
        let next = path.remove(0);
        1 + returned(call::<_, u32>(next, "chain_through", &path))
    }

    /// Calls `bounce` of the other contract, which calls back, until `times` calls were made.
    pub fn bounce(&self, other: ContractId, times: u32) -> u32 {
        self.entries.set(self.entries.get() + 1);
        match times {
            0 => 0,
            _ => 1 + returned(call::<_, u32>(other, "bounce", &(self_id(), times - 1))),
        }
    }

    /// As `bounce`, but the last call fails, and the one before it catches that; gives the calls that succeeded.
    pub fn bounce_failing(&self, other: ContractId, times: u32) -> u32 {
        self.entries.set(self.entries.get() + 1);
        if times == 0 {
            panic!("the last bounce fails");
        }
        match call::<_, u32>(other, "bounce_failing", &(self_id(), times - 1)) {
            Ok(below) => below + 1,
            Err(_) => 0,
        }
    }

    /// Increments a counter, then panics.
    pub fn increment_then_fail(&self, counter: ContractId) {
        returned(call::<_, ()>(counter, "increment", &()));
        self.value.set(self.value.get() + 1);
        panic!("failed after the increment");
    }

    /// Calls `fallible`'s `dirties_then_panics` between changes of its own; gives its own number and the other's.
    pub fn outer_survives(&self, fallible: ContractId) -> (i64, i64) {
        self.value.set(self.value.get() + 1);
        let failed = call::<_, ()>(fallible, "dirties_then_panics", &1000i64);
        if failed.is_ok() {
            panic!("the callee should have failed");
        }
        self.value.set(self.value.get() + 1);
        let theirs = returned(call(fallible, "value", &()));
        (self.value.get(), theirs)
    }

    /// Moves tokens of this contract in a ledger.
    pub fn pay(&self, ledger: ContractId, to: Account, amount: u64) -> Result<(), PaymentError> {
        self.value.set(self.value.get() + 1);
        let from = self_id().to_bytes();
        LedgerClient::at(ledger).transfer(from, to, amount)?;
        Ok(())
    }

    /// As `pay`, but where there are not enough tokens, all that there are; gives how many.
    pub fn pay_at_most(
        &self,
        ledger: ContractId,
        to: Account,
        amount: u64,
    ) -> Result<u64, PaymentError> {
        let (from, mut ledger) = (self_id().to_bytes(), LedgerClient::at(ledger));
        match ledger.transfer(from, to, amount) {
            Ok(()) => Ok(amount),
            Err(CallError::Contract(LedgerError::BalanceTooSmall(balance))) => {
                ledger.transfer(from, to, balance)?;
                Ok(balance)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Has itself increment a counter and fail, catches that, and gives the counter's number.
    pub fn nested_failure_undoes_both(&self, counter: ContractId) -> i64 {
        let failed = call::<_, ()>(self_id(), "increment_then_fail", &counter);
        if failed.is_ok() {
            panic!("the call should have failed");
        }
        returned(call(counter, "read_value", &()))
    }
}

/// The result of a call that must succeed; hands the callee's failure on otherwise.
fn returned<T>(outcome: Result<T, ContractError>) -> T {
    match outcome {
        Ok(result) => result,
        Err(error) => panic!("{error}"),
    }
}

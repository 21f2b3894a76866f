//! Looks at its gas, and spends it.
#![cfg_attr(target_family = "wasm", no_std)]

use core::hint::black_box;

use crostata_sdk::{ContractError, ContractId, call_with_limit};

/// No state.
pub struct Spender;

#[crostata_sdk::contract(reentry = "allowed")]
impl Spender {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self
    }

    /// The gas limit of this call, and what it has spent so far.
    pub fn limit_and_spent() -> (u64, u64) {
        (crostata_sdk::limit(), crostata_sdk::spent())
    }

    /// What was spent before and after so many rounds of work.
    pub fn spent_around(rounds: u64) -> (u64, u64) {
        let before = crostata_sdk::spent();
        Self::work(rounds);
        (before, crostata_sdk::spent())
    }

    /// Does so many rounds of work.
    pub fn work(rounds: u64) {
        (0..rounds).for_each(|round| _ = black_box(round));
    }

    /// Does so many rounds of work, then panics: what is left comes back.
    pub fn work_then_panic(rounds: u64) {
        Self::work(rounds);
        panic!("worked, then panicked");
    }

    /// Works until the gas is spent.
    pub fn spend_all() {
        Self::work(u64::MAX);
    }

    /// Has another such contract work with a limit; gives what this call had spent before and after, and the outcome.
    pub fn delegate(
        contract: ContractId,
        rounds: u64,
        limit_gas: u64,
    ) -> (u64, u64, Result<(), ContractError>) {
        let before = crostata_sdk::spent();
        let outcome = call_with_limit(contract, "work", &rounds, limit_gas);
        (before, crostata_sdk::spent(), outcome)
    }

    /// What another such contract sees as its limit and as spent, when it is given `limit_gas`.
    #[returned]
    pub fn limit_seen_by(
        contract: ContractId,
        limit_gas: u64,
    ) -> Result<(u64, u64), ContractError> {
        call_with_limit(contract, "limit_and_spent", &(), limit_gas)
    }
}

//! Values what others hold at prices that a node asks for elsewhere: for queries only.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

use crostata_sdk::{ContractError, ContractId};

/// No state: blocks can not enter a contract that asks what `query_async` asks.
pub struct Valuer;

#[crostata_sdk::contract]
impl Valuer {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self
    }

    /// The price of an asset, from the query `price`.
    pub fn price(asset: String) -> u64 {
        crostata_sdk::query_async("price", &asset)
    }

    /// What an account of a ledger holds, at the asset's price; none where the ledger does not answer.
    pub fn value(ledger: ContractId, account: [u8; 32], asset: String) -> Option<u64> {
        let balance: Result<u64, ContractError> =
            crostata_sdk::call(ledger, "balance_of", &account);
        balance.ok()?.checked_mul(Self::price(asset))
    }

    /// The answer of any query to plain bytes.
    pub fn ask(name: String, argument: Vec<u8>) -> Vec<u8> {
        crostata_sdk::query_async_raw(&name, &argument)
    }
}

//! What the benchmarks call: a counter, pages to write, calls to others, a ledger, and plain programs.
//!
//! Every argument and result is numbers and ids of fixed size: their archives are just their bytes, little-endian and
//! one after the other, so that a caller writes them by hand. Piecrust runs the same bytecode: nothing that it
//! lacks is imported. Everything is a pure function of the arguments and of the calls before.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod area;
mod ledger;
mod programs;
mod random;

use crostata_sdk::{ContractError, ContractId, call};

use area::Area;
use ledger::{Account, Ledger};

/// A number, an area of bytes, and a ledger.
pub struct Bench {
    value: u64,
    area: Area,
    ledger: Ledger,
}

#[crostata_sdk::contract]
impl Bench {
    /// The contract as it is deployed: everything zero or empty.
    pub const fn new() -> Self {
        Self {
            value: 0,
            area: Area::new(),
            ledger: Ledger::new(),
        }
    }

    /// Adds one to the number.
    pub fn increment(&mut self) {
        self.value += 1;
    }

    /// The number.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// Makes the area `bytes` long, a multiple of 4, if it is another, and writes all of it.
    pub fn fill(&mut self, bytes: u32, seed: u32) {
        self.area.fill(bytes, seed);
    }

    /// Writes a byte in each of `pages` places of the area, `stride` bytes apart.
    pub fn dirty(&mut self, pages: u32, stride: u32, value: u8) {
        self.area.write(pages, stride, value);
    }

    /// As `dirty`, and then panics.
    pub fn dirty_then_panic(&mut self, pages: u32, stride: u32, value: u8) {
        self.area.write(pages, stride, value);
        panic!("failed after the writes");
    }

    /// The sum of the area's bytes at `pages` places, `stride` bytes apart.
    pub fn area_sum(&self, pages: u32, stride: u32) -> u64 {
        self.area.sum(pages, stride)
    }

    /// Calls `increment` of another contract `times` times.
    pub fn repeat(&mut self, contract: ContractId, times: u32) {
        for _ in 0..times {
            succeeded(call(contract, "increment", &()));
        }
    }

    /// Has another contract dirty pages and fail, and goes on.
    pub fn survive(&mut self, contract: ContractId, pages: u32, stride: u32, value: u8) {
        self.value += 1;
        let argument = (pages, stride, value);
        if call::<_, ()>(contract, "dirty_then_panic", &argument).is_ok() {
            panic!("the callee should have failed");
        }
        self.value += 1;
    }

    /// Has another contract dirty `pages`, then calls it `times` times to write 4 of its pages.
    pub fn nested_hot(&mut self, contract: ContractId, pages: u32, stride: u32, times: u32) {
        succeeded(call(contract, "dirty", &(pages, stride, 1u8)));
        for time in 0..times {
            succeeded(call(contract, "dirty", &(4u32, stride, time as u8)));
        }
    }

    /// Opens `count` accounts, numbered from `first`, each with a million tokens.
    pub fn open_accounts(&mut self, first: u32, count: u32) {
        self.ledger.open(first, count);
    }

    /// Moves tokens from one account to another.
    pub fn transfer(&mut self, from: Account, to: Account, amount: u64) {
        self.ledger.transfer(&from, &to, amount);
    }

    /// Makes `times` transfers between any two of the first `accounts` accounts.
    pub fn transfers(&mut self, times: u32, accounts: u32, seed: u32) {
        self.ledger.transfer_many(times, accounts, seed);
    }

    /// What an account holds.
    pub fn balance_of(&self, account: Account) -> u64 {
        self.ledger.balance_of(&account)
    }

    /// A Fibonacci number, by recursion.
    pub fn fib(n: u32) -> u32 {
        programs::fib(n)
    }

    /// The first bytes of SHA-256 over `blocks` blocks of 64 bytes.
    pub fn sha256(blocks: u32, seed: u32) -> u32 {
        programs::sha256(blocks, seed)
    }

    /// Inserts, finds and removes `keys` keys in a B-tree.
    pub fn btree(keys: u32, seed: u32) -> u32 {
        programs::btree(keys, seed)
    }

    /// Sorts `len` numbers by quicksort.
    pub fn sort(len: u32, seed: u32) -> u32 {
        programs::sort(len, seed)
    }

    /// Follows a cycle of 65,536 numbers for `steps` steps.
    pub fn chase(steps: u32, seed: u32) -> u32 {
        programs::chase(steps, seed)
    }

    /// Finds `times` numbers in 65,536 sorted ones.
    pub fn binary_search(times: u32, seed: u32) -> u32 {
        programs::binary_search(times, seed)
    }

    /// Moves the first `bytes` of the area to what lies behind them, a byte at a time, `times` times.
    pub fn copy_bytes(&mut self, bytes: u32, times: u32) -> u32 {
        self.area.copy_bytes(bytes, times)
    }

    /// As `copy_bytes`, by `memory.copy`.
    pub fn copy_bulk(&mut self, bytes: u32, times: u32) -> u32 {
        self.area.copy_bulk(bytes, times)
    }

    /// Writes `times` words at random places of the first `bytes` of the area, a power of two.
    pub fn scatter(&mut self, bytes: u32, times: u32, seed: u32) {
        self.area.scatter(bytes, times, seed);
    }
}

/// Ends this call too if the callee failed.
fn succeeded(outcome: Result<(), ContractError>) {
    if outcome.is_err() {
        panic!("the callee failed");
    }
}

//! Token accounts whose balances, totals and terms can be proven by name: what `#[contract(storage)]` and `Map` are for.
//!
//! Calls from outside may do everything: the chain checks signatures before it makes them.
//! The balances always add up to the total supply, and no account has a balance of nothing.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::string::String;

use crostata_sdk::{ContractId, Map, Storage, Stored};

/// Who owns tokens: a contract's id, or the hash of a key.
pub type Account = [u8; 32];

/// What a transfer costs, and who gets it.
#[derive(Clone, Copy, Stored)]
pub struct Terms {
    /// Whether transfers are possible.
    open: bool,
    /// Hundredths of a percent.
    fee: u16,
    /// Who the fees go to.
    collector: ContractId,
}

/// An allowance: who may move tokens, and whose.
#[derive(Clone, Copy, Stored)]
pub struct Allowance {
    owner: Account,
    spender: ContractId,
}

/// Counters that are fields of the state, too.
#[derive(Storage)]
pub struct Counters {
    transfers: u32,
    /// The last four amounts.
    amounts: [u64; 4],
    /// How often each hour of the day saw a transfer.
    hours: Map<u8, u32>,
}

/// All accounts.
#[derive(Storage)]
pub struct Accounts {
    total_supply: u64,
    balances: Map<Account, u64>,
    allowances: Map<Allowance, u128>,
    terms: Terms,
    counters: Counters,
    delta: i64,
    symbol: [u8; 4],
    #[storage(skip)]
    names: BTreeMap<Account, String>,
    /// The same balances, for who compares.
    #[storage(skip)]
    plain: BTreeMap<Account, u64>,
}

#[crostata_sdk::contract(storage)]
impl Accounts {
    /// The accounts as they are deployed.
    pub const fn new() -> Self {
        Self {
            total_supply: 0,
            balances: Map::new(),
            allowances: Map::new(),
            terms: Terms {
                open: true,
                fee: 25,
                collector: ContractId::from_bytes([0xcc; 32]),
            },
            counters: Counters {
                transfers: 0,
                amounts: [0; 4],
                hours: Map::new(),
            },
            delta: 0,
            symbol: *b"CRST",
            names: BTreeMap::new(),
            plain: BTreeMap::new(),
        }
    }

    /// Makes new tokens.
    pub fn mint(&mut self, to: Account, amount: u64) {
        match self.total_supply.checked_add(amount) {
            Some(supply) => self.total_supply = supply,
            None => panic!("the supply is too large"),
        }
        self.delta = self.delta.wrapping_add_unsigned(amount);
        self.add(to, amount);
    }

    /// Makes `amount` new tokens for each of `count` accounts: those of the numbers from `first` on.
    pub fn mint_many(&mut self, first: u64, count: u64, amount: u64) {
        for number in first..first + count {
            self.mint(account(number), amount);
        }
    }

    /// Gives a `BTreeMap` the same entries as [`mint_many`](Self::mint_many) gives the balances.
    pub fn insert_plain(&mut self, first: u64, count: u64, amount: u64) {
        for number in first..first + count {
            self.plain.insert(account(number), amount);
        }
    }

    /// Gives the balances entries, without the totals.
    pub fn insert_many(&mut self, first: u64, count: u64, amount: u64) {
        for number in first..first + count {
            self.balances.insert(account(number), amount);
        }
    }

    /// What the accounts of the numbers from `first` on hold together, from the `BTreeMap`.
    pub fn sum_plain(&self, first: u64, count: u64) -> u64 {
        let accounts = (first..first + count).map(account);
        let balances = accounts.map(|account| self.plain.get(&account).copied());
        balances.map(|balance| balance.unwrap_or(0)).sum()
    }

    /// What the accounts of the numbers from `first` on hold together.
    pub fn sum(&self, first: u64, count: u64) -> u64 {
        let accounts = (first..first + count).map(account);
        accounts.map(|account| self.balance_of(account)).sum()
    }

    /// Moves tokens, in an hour of the day; an account that does not hold enough panics.
    pub fn transfer(&mut self, from: Account, to: Account, amount: u64, hour: u8) {
        if !self.terms.open {
            panic!("transfers are closed");
        }
        self.take(&from, amount);
        self.add(to, amount);
        let counters = &mut self.counters;
        counters.amounts[counters.transfers as usize % 4] = amount;
        counters.transfers += 1;
        let seen = counters.hours.get(&hour).unwrap_or(0);
        counters.hours.insert(hour, seen + 1);
    }

    /// Takes tokens out of the world.
    pub fn burn(&mut self, from: Account, amount: u64) {
        self.take(&from, amount);
        self.total_supply -= amount;
        self.delta = self.delta.wrapping_sub_unsigned(amount);
    }

    /// Removes the accounts of the numbers from `first` on, with what they hold.
    pub fn remove_many(&mut self, first: u64, count: u64) {
        for number in first..first + count {
            if let Some(balance) = self.balances.remove(&account(number)) {
                self.total_supply -= balance;
            }
        }
    }

    /// Lets `spender` move that many tokens of `owner`.
    pub fn allow(&mut self, owner: Account, spender: ContractId, amount: u128) {
        self.allowances.insert(Allowance { owner, spender }, amount);
    }

    /// Opens or closes transfers, and sets the fee.
    pub fn set_terms(&mut self, open: bool, fee: u16) {
        self.terms.open = open;
        self.terms.fee = fee;
    }

    /// Gives an account a name, which nobody can prove.
    pub fn name(&mut self, account: Account, name: String) {
        self.names.insert(account, name);
    }

    /// What an account holds.
    pub fn balance_of(&self, account: Account) -> u64 {
        self.balances.get(&account).unwrap_or(0)
    }

    /// How many accounts hold something.
    pub fn accounts(&self) -> u64 {
        self.balances.len()
    }

    fn take(&mut self, from: &Account, amount: u64) {
        let rest = match self.balances.get(from) {
            Some(balance) => balance.checked_sub(amount),
            None => panic!("there is no such account"),
        };
        match rest {
            None => panic!("the balance is too small"),
            Some(0) => _ = self.balances.remove(from),
            Some(rest) => _ = self.balances.insert(*from, rest),
        }
    }

    fn add(&mut self, to: Account, amount: u64) {
        if amount > 0
            && self
                .balances
                .update(&to, |balance| *balance += amount)
                .is_none()
        {
            self.balances.insert(to, amount);
        }
    }
}

/// The account of a number: bytes that look like those of a hash.
fn account(number: u64) -> Account {
    let mut account = [0; 32];
    let mut state = number;
    for part in account.chunks_exact_mut(8) {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_keep_the_supply() {
        let mut accounts = Accounts::new();
        accounts.mint_many(0, 50, 2);
        accounts.mint([1; 32], 60);
        accounts.transfer([1; 32], [2; 32], 60, 7);
        accounts.transfer([2; 32], [2; 32], 40, 7);
        accounts.burn(account(3), 1);
        accounts.remove_many(4, 6);
        let held: u64 = accounts.balances.iter().map(|(_, balance)| balance).sum();
        assert_eq!(held, accounts.total_supply);
        assert_eq!(accounts.sum(0, 4), 7);
        assert_eq!(accounts.accounts(), 45);
        assert_eq!(accounts.counters.hours.get(&7), Some(2));
        accounts.insert_plain(0, 4, 2);
        assert_eq!(accounts.sum_plain(0, 5), 8);
        accounts.allow([1; 32], accounts.terms.collector, 5);
        accounts.set_terms(false, 3);
        accounts.name([1; 32], "one".into());
        assert_eq!(accounts.names.len() as u64, accounts.allowances.len());
    }

    #[test]
    #[should_panic(expected = "too small")]
    fn nobody_spends_more_than_they_have() {
        let mut accounts = Accounts::new();
        accounts.mint([1; 32], 100);
        accounts.transfer([1; 32], [2; 32], 101, 0);
    }
}

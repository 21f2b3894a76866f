//! Balances by account.

use alloc::collections::BTreeMap;

use crate::random::Random;

/// Who owns tokens.
pub type Account = [u8; 32];

/// All balances.
pub struct Ledger(BTreeMap<Account, u64>);

impl Ledger {
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub fn open(&mut self, first: u32, count: u32) {
        for number in first..first + count {
            self.0.insert(account(number), 1_000_000);
        }
    }

    pub fn transfer(&mut self, from: &Account, to: &Account, amount: u64) {
        let Some(balance) = self.0.get_mut(from) else {
            panic!("there is no such account");
        };
        match balance.checked_sub(amount) {
            Some(rest) => *balance = rest,
            None => panic!("the balance is too small"),
        }
        // The supply is far below what a balance can hold.
        *self.0.entry(*to).or_insert(0) += amount;
    }

    pub fn transfer_many(&mut self, times: u32, accounts: u32, seed: u32) {
        let mut random = Random::new(seed);
        for _ in 0..times {
            let from = account(random.below(accounts));
            let to = account(random.below(accounts));
            self.transfer(&from, &to, 1);
        }
    }

    pub fn balance_of(&self, account: &Account) -> u64 {
        self.0.get(account).copied().unwrap_or(0)
    }
}

/// The account of a number: the numbers of one step of splitmix64 each, so that neighbours lie far apart.
fn account(number: u32) -> Account {
    let mut account = [0; 32];
    for (lane, bytes) in account.chunks_exact_mut(8).enumerate() {
        let lane = (lane as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes.copy_from_slice(&mixed(u64::from(number).wrapping_add(lane)).to_le_bytes());
    }
    account
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

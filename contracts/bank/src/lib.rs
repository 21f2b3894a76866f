//! The accounts of a replicated chain: balances, nonces and fees of those who sign transactions.
//!
//! The chain itself calls this contract around every transaction: [`begin`](Bank::begin) once per block, [`charge`](Bank::charge) before a
//! transaction and [`settle`](Bank::settle) behind it. In such calls the session has no `sender`; in those of a transaction it has, so
//! that nobody can make them by signing. What holds after every call:
//!
//! * the balances and what is held back for the running transaction add up to the supply;
//! * only the holder of an account makes its balance smaller: who signed the transaction, if it calls from outside, or the calling contract;
//! * a nonce is used once, in order.
#![cfg_attr(target_family = "wasm", no_std)]
#![allow(
    missing_docs,
    reason = "the archives of the fields, which rkyv makes, have no docs"
)]

extern crate alloc;

use alloc::vec::Vec;

use crostata_sdk::{Map, Storage, Stored};

/// Who owns tokens: the id of a contract, or what the chain makes of a public key.
pub type Account = [u8; 32];

/// Why a call was refused.
#[crostata_sdk::error]
#[derive(Clone, Copy)]
pub enum BankError {
    /// The balance is too small.
    Balance {
        /// What the account has.
        has: u64,
        /// What was to be moved, or held back for the fee.
        needs: u64,
    },
    /// The transaction is not the account's next.
    Nonce {
        /// The next one's nonce.
        next: u64,
        /// That of the transaction.
        given: u64,
    },
    /// Only the chain does this.
    NotChain,
    /// There can not be more tokens than fit into 64 bits.
    Supply,
    /// The call comes from no account.
    Nobody,
}

/// Tokens were moved from one account to another.
#[crostata_sdk::event]
pub struct Transfer {
    /// Where the tokens were.
    pub from: Account,
    /// Where they are.
    pub to: Account,
    /// How many.
    pub amount: u64,
}

/// What an account has.
#[derive(Clone, Copy, Default, Stored)]
pub struct Holding {
    /// Its tokens.
    balance: u64,
    /// The nonce of its next transaction.
    nonce: u64,
}

/// All accounts, and the block that was begun last.
#[derive(Storage)]
pub struct Bank {
    /// What the chain is told from others by.
    chain: [u8; 32],
    height: u64,
    time_ms: u64,
    supply: u64,
    /// Held back for the running transaction.
    held: u64,
    accounts: Map<Account, Holding>,
}

#[crostata_sdk::contract(storage, events(Transfer))]
impl Bank {
    /// The bank as it is deployed, before `init`.
    pub const fn new() -> Self {
        Self {
            chain: [0; 32],
            height: 0,
            time_ms: 0,
            supply: 0,
            held: 0,
            accounts: Map::new(),
        }
    }

    /// Says which chain this is, and gives accounts their first tokens.
    pub fn init(
        &mut self,
        chain: [u8; 32],
        balances: Vec<(Account, u64)>,
    ) -> Result<(), BankError> {
        self.chain = chain;
        for (account, amount) in balances {
            self.supply = self.supply.checked_add(amount).ok_or(BankError::Supply)?;
            self.add(account, amount);
        }
        Ok(())
    }

    /// Begins a block. Only the chain does.
    pub fn begin(&mut self, height: u64, time_ms: u64) -> Result<(), BankError> {
        require_chain()?;
        self.height = height;
        self.time_ms = time_ms;
        Ok(())
    }

    /// Uses up a nonce, and holds the most that the transaction's fee can be. Only the chain does.
    pub fn charge(&mut self, account: Account, nonce: u64, hold: u64) -> Result<(), BankError> {
        require_chain()?;
        let charged = self.accounts.update(&account, |holding| {
            if holding.nonce != nonce {
                return Err(BankError::Nonce {
                    next: holding.nonce,
                    given: nonce,
                });
            }
            holding.balance = lower(holding.balance, hold)?;
            holding.nonce += 1; // one per transaction
            Ok(())
        });
        match charged {
            Some(charged) => charged?,
            None => return Err(absent(nonce, hold)),
        }
        self.held = hold;
        Ok(())
    }

    /// Gives back what of the held tokens is not the fee, and the fee to whoever collects it. Only the chain does.
    pub fn settle(
        &mut self,
        account: Account,
        collector: Account,
        fee: u64,
    ) -> Result<(), BankError> {
        require_chain()?;
        let back = lower(self.held, fee)?;
        self.held = 0;
        self.add(account, back);
        self.add(collector, fee);
        Ok(())
    }

    /// Moves tokens of whoever calls: who signed the transaction, or a contract.
    pub fn transfer(&mut self, to: Account, amount: u64) -> Result<(), BankError> {
        let from = who_calls()?;
        self.take(from, amount)?;
        self.add(to, amount);
        Transfer { from, to, amount }.emit();
        Ok(())
    }

    /// What an account has.
    pub fn balance_of(&self, account: Account) -> u64 {
        self.accounts.get(&account).unwrap_or_default().balance
    }

    /// The nonce of an account's next transaction.
    pub fn nonce_of(&self, account: Account) -> u64 {
        self.accounts.get(&account).unwrap_or_default().nonce
    }

    /// Both of these: balance and nonce.
    pub fn account(&self, account: Account) -> (u64, u64) {
        let holding = self.accounts.get(&account).unwrap_or_default();
        (holding.balance, holding.nonce)
    }

    /// What all accounts have together.
    pub fn supply(&self) -> u64 {
        self.supply
    }

    /// Which chain this is.
    pub fn chain(&self) -> [u8; 32] {
        self.chain
    }

    /// The height of the block that was begun last, and its time in milliseconds.
    pub fn block(&self) -> (u64, u64) {
        (self.height, self.time_ms)
    }

    fn take(&mut self, from: Account, needs: u64) -> Result<(), BankError> {
        let taken = self.accounts.update(&from, |holding| {
            holding.balance = lower(holding.balance, needs)?;
            Ok(())
        });
        taken.unwrap_or_else(|| lower(0, needs).map(drop))
    }

    /// The balances do not exceed the supply, so that this can not overflow.
    fn add(&mut self, to: Account, amount: u64) {
        let added = |holding: &mut Holding| holding.balance += amount;
        if amount > 0 && self.accounts.update(&to, added).is_none() {
            let holding = Holding {
                balance: amount,
                nonce: 0,
            };
            self.accounts.insert(to, holding);
        }
    }
}

/// Why an account that never had anything can not be charged.
fn absent(nonce: u64, hold: u64) -> BankError {
    match nonce {
        0 => BankError::Balance {
            has: 0,
            needs: hold,
        },
        given => BankError::Nonce { next: 0, given },
    }
}

fn lower(has: u64, needs: u64) -> Result<u64, BankError> {
    has.checked_sub(needs)
        .ok_or(BankError::Balance { has, needs })
}

/// Transactions have a sender, what the chain does itself has none; contracts call for transactions.
fn require_chain() -> Result<(), BankError> {
    match (crostata_sdk::caller(), sender()) {
        (None, None) => Ok(()),
        _ => Err(BankError::NotChain),
    }
}

fn who_calls() -> Result<Account, BankError> {
    match crostata_sdk::caller() {
        Some(contract) => Ok(contract.to_bytes()),
        None => sender().ok_or(BankError::Nobody),
    }
}

fn sender() -> Option<Account> {
    crostata_sdk::session_data("sender")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Account = [1; 32];
    const BOB: Account = [2; 32];

    fn bank() -> Bank {
        let mut bank = Bank::new();
        bank.init([9; 32], alloc::vec![(ALICE, 60), (BOB, 40)])
            .unwrap();
        bank
    }

    #[test]
    fn nobody_spends_more_than_they_have() {
        let mut bank = bank();
        assert_eq!(
            bank.take(ALICE, 61),
            Err(BankError::Balance { has: 60, needs: 61 })
        );
        bank.take(ALICE, 60).unwrap();
        bank.add(BOB, 60);
        assert_eq!((bank.balance_of(ALICE), bank.balance_of(BOB)), (0, 100));
        assert_eq!(
            bank.take([3; 32], 1),
            Err(BankError::Balance { has: 0, needs: 1 })
        );
    }

    #[test]
    fn the_supply_has_an_end() {
        let refused = Bank::new().init([9; 32], alloc::vec![(ALICE, u64::MAX), (BOB, 1)]);
        assert_eq!(refused, Err(BankError::Supply));
    }
}

//! A token ledger: accounts of 32 bytes, balances, an event, and errors that reach callers with their values.
//!
//! A contract moves only what is in the account of its own id. Calls from outside may move from any account: the chain
//! checks signatures before it makes them.
//! The balances always add up to the total supply.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

use alloc::collections::BTreeMap;

/// Who owns tokens: a contract's id, or the hash of a key.
pub type Account = [u8; 32];

/// New tokens come from the account of zeros.
#[crostata_sdk::event(topic = "transfer")]
#[derive(Eq)]
pub struct Transfer {
    /// Where the tokens were.
    pub from: Account,
    /// Where they are.
    pub to: Account,
    /// How many.
    pub amount: u64,
}

/// Why tokens were not made or moved.
#[crostata_sdk::error]
#[derive(Eq)]
pub enum LedgerError {
    /// the supply is too large
    SupplyTooLarge,
    /// there is no such account
    NoSuchAccount,
    /// the balance is too small
    BalanceTooSmall(u64),
    /// contracts can not make tokens
    OnlyFromOutside,
    /// this account belongs to somebody else
    NotTheirs,
}

/// All balances.
pub struct Ledger {
    balances: BTreeMap<Account, u64>,
    total_supply: u64,
}

#[crostata_sdk::contract(events(Transfer), library)]
impl Ledger {
    /// The ledger as it is deployed, before `init`.
    pub const fn new() -> Self {
        Self {
            balances: BTreeMap::new(),
            total_supply: 0,
        }
    }

    /// Gives the whole first supply to one account.
    pub fn init(&mut self, holder: Account, supply: u64) -> Result<(), LedgerError> {
        self.create(holder, supply)
    }

    /// Makes new tokens. Only from outside.
    pub fn mint(&mut self, to: Account, amount: u64) -> Result<(), LedgerError> {
        refuse_contracts()?;
        self.create(to, amount)
    }

    /// Makes `amount` new tokens for each of `count` accounts, whose bytes begin with the numbers from `first` on,
    /// little-endian. Only from outside.
    pub fn mint_many(&mut self, first: u64, count: u64, amount: u64) -> Result<(), LedgerError> {
        refuse_contracts()?;
        for number in first..first + count {
            let mut account = [0; 32];
            account[..8].copy_from_slice(&number.to_le_bytes());
            self.enlarge_supply(amount)?;
            self.add(account, amount);
        }
        Ok(())
    }

    /// Moves tokens from an account that holds enough.
    pub fn transfer(&mut self, from: Account, to: Account, amount: u64) -> Result<(), LedgerError> {
        refuse_strangers(&from)?;
        self.take(&from, amount)?;
        self.add(to, amount);
        Transfer { from, to, amount }.emit();
        Ok(())
    }

    /// What an account holds.
    pub fn balance_of(&self, account: Account) -> u64 {
        self.balances.get(&account).copied().unwrap_or(0)
    }

    /// What all accounts hold together.
    pub fn total_supply(&self) -> u64 {
        self.total_supply
    }

    /// How many accounts hold something.
    pub fn accounts(&self) -> u64 {
        self.balances.len() as u64
    }

    fn create(&mut self, to: Account, amount: u64) -> Result<(), LedgerError> {
        self.enlarge_supply(amount)?;
        self.add(to, amount);
        let from = [0; 32];
        Transfer { from, to, amount }.emit();
        Ok(())
    }

    fn enlarge_supply(&mut self, amount: u64) -> Result<(), LedgerError> {
        let supply = self.total_supply.checked_add(amount);
        self.total_supply = supply.ok_or(LedgerError::SupplyTooLarge)?;
        Ok(())
    }

    fn take(&mut self, from: &Account, amount: u64) -> Result<(), LedgerError> {
        let held = self.balances.get_mut(from);
        let balance = held.ok_or(LedgerError::NoSuchAccount)?;
        match balance.checked_sub(amount) {
            None => return Err(LedgerError::BalanceTooSmall(*balance)),
            Some(0) => _ = self.balances.remove(from),
            Some(rest) => *balance = rest,
        }
        Ok(())
    }

    fn add(&mut self, to: Account, amount: u64) {
        if amount > 0 {
            // No balance exceeds the supply, so this can not overflow.
            *self.balances.entry(to).or_insert(0) += amount;
        }
    }
}

fn refuse_contracts() -> Result<(), LedgerError> {
    match is_called_by() {
        None => Ok(()),
        Some(_) => Err(LedgerError::OnlyFromOutside),
    }
}

fn refuse_strangers(from: &Account) -> Result<(), LedgerError> {
    match is_called_by() {
        Some(caller) if caller != *from => Err(LedgerError::NotTheirs),
        _ => Ok(()),
    }
}

/// The calling contract's account; unit tests call from outside.
fn is_called_by() -> Option<Account> {
    if cfg!(test) {
        return None;
    }
    crostata_sdk::caller().map(|id| id.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::new();
        assert_eq!(ledger.init([1; 32], 100), Ok(()));
        ledger
    }

    #[test]
    fn transfers_keep_the_supply() -> Result<(), LedgerError> {
        let mut ledger = ledger();
        ledger.transfer([1; 32], [2; 32], 40)?;
        ledger.transfer([2; 32], [2; 32], 40)?;
        ledger.mint([3; 32], 5)?;
        ledger.mint_many(0, 10, 2)?;
        assert_eq!(ledger.balance_of([1; 32]), 60);
        assert_eq!(ledger.balance_of([2; 32]), 40);
        assert_eq!(ledger.balances.values().sum::<u64>(), ledger.total_supply());
        ledger.transfer([1; 32], [2; 32], 60)?;
        assert_eq!(ledger.accounts(), 12);
        Ok(())
    }

    #[test]
    fn nobody_spends_more_than_they_have() {
        let moved = ledger().transfer([1; 32], [2; 32], 101);
        assert_eq!(moved, Err(LedgerError::BalanceTooSmall(100)));
        let moved = ledger().transfer([2; 32], [1; 32], 1);
        assert_eq!(moved, Err(LedgerError::NoSuchAccount));
    }
}

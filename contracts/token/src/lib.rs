//! A fungible token: its owner makes new ones, holders move theirs, or let others move so many of them.
//!
//! An account is a contract's id, and acts by calling; whoever signs transactions does it through an account contract. What holds after
//! every call:
//!
//! * the balances add up to the supply, and no account has a balance of nothing;
//! * only its holder, or whom the holder has allowed it, makes a balance smaller;
//! * a call that fails changes nothing.
//!
//! Balances, allowances, supply and owner are declared: everybody can have them proven.
#![cfg_attr(target_family = "wasm", no_std)]

mod errors;

use crostata_sdk::{ContractId, Map, Storage, Stored};

pub use errors::TokenError;

/// An allowance: who may move tokens, and whose.
#[derive(Clone, Copy, Stored)]
pub struct Allowance {
    owner: ContractId,
    spender: ContractId,
}

/// Tokens were moved. New ones come from the account of zeros, destroyed ones go there.
#[crostata_sdk::event]
pub struct Transfer {
    /// Where the tokens were.
    pub from: ContractId,
    /// Where they are.
    pub to: ContractId,
    /// How many.
    pub amount: u64,
}

/// A holder lets somebody move tokens: so many from now on, whatever it was before.
#[crostata_sdk::event]
pub struct Approval {
    /// Whose tokens.
    pub owner: ContractId,
    /// Who may move them.
    pub spender: ContractId,
    /// How many.
    pub amount: u64,
}

/// All balances.
#[derive(Storage)]
pub struct Token {
    supply: u64,
    owner: ContractId,
    balances: Map<ContractId, u64>,
    allowances: Map<Allowance, u64>,
}

const NOBODY: ContractId = ContractId::from_bytes([0; 32]);

#[crostata_sdk::contract(storage, library, events(Transfer, Approval))]
impl Token {
    /// The token as it is deployed, before `init`.
    pub const fn new() -> Self {
        Self {
            supply: 0,
            owner: NOBODY,
            balances: Map::new(),
            allowances: Map::new(),
        }
    }

    /// Says who makes new tokens, and gives them the first.
    pub fn init(&mut self, owner: ContractId, supply: u64) -> Result<(), TokenError> {
        self.owner = owner;
        self.create(owner, supply)
    }

    /// Makes new tokens. Only the owner of the token does.
    pub fn mint(&mut self, to: ContractId, amount: u64) -> Result<(), TokenError> {
        match caller()? == self.owner {
            true => self.create(to, amount),
            false => Err(TokenError::NotOwner),
        }
    }

    /// Destroys tokens of the caller.
    pub fn burn(&mut self, amount: u64) -> Result<(), TokenError> {
        self.destroy(caller()?, amount)
    }

    /// Moves tokens of the caller.
    pub fn transfer(&mut self, to: ContractId, amount: u64) -> Result<(), TokenError> {
        self.shift(caller()?, to, amount)
    }

    /// Lets `spender` move so many of the caller's tokens, whatever it was before.
    pub fn approve(&mut self, spender: ContractId, amount: u64) -> Result<(), TokenError> {
        self.allow(caller()?, spender, amount);
        Ok(())
    }

    /// Moves tokens of somebody who has allowed it to the caller.
    pub fn transfer_from(
        &mut self,
        from: ContractId,
        to: ContractId,
        amount: u64,
    ) -> Result<(), TokenError> {
        let spender = caller()?;
        self.use_allowance(from, spender, amount)?;
        self.shift(from, to, amount)
    }

    /// What an account has.
    pub fn balance_of(&self, account: ContractId) -> u64 {
        self.balances.get(&account).unwrap_or(0)
    }

    /// How many of the owner's tokens the spender may move.
    pub fn allowance(&self, owner: ContractId, spender: ContractId) -> u64 {
        let allowance = Allowance { owner, spender };
        self.allowances.get(&allowance).unwrap_or(0)
    }

    /// What all accounts have together.
    pub fn supply(&self) -> u64 {
        self.supply
    }

    /// Who makes new tokens.
    pub fn owner(&self) -> ContractId {
        self.owner
    }

    fn create(&mut self, to: ContractId, amount: u64) -> Result<(), TokenError> {
        self.supply = self.supply.checked_add(amount).ok_or(TokenError::Supply)?;
        self.add(to, amount);
        announce(NOBODY, to, amount);
        Ok(())
    }

    fn destroy(&mut self, from: ContractId, amount: u64) -> Result<(), TokenError> {
        self.take(from, amount)?;
        self.supply -= amount; // no balance exceeds the supply
        announce(from, NOBODY, amount);
        Ok(())
    }

    fn shift(&mut self, from: ContractId, to: ContractId, amount: u64) -> Result<(), TokenError> {
        self.take(from, amount)?;
        self.add(to, amount);
        announce(from, to, amount);
        Ok(())
    }

    fn allow(&mut self, owner: ContractId, spender: ContractId, amount: u64) {
        let allowance = Allowance { owner, spender };
        match amount {
            0 => _ = self.allowances.remove(&allowance),
            _ => _ = self.allowances.insert(allowance, amount),
        }
        Approval {
            owner,
            spender,
            amount,
        }
        .emit();
    }

    fn use_allowance(
        &mut self,
        owner: ContractId,
        spender: ContractId,
        needs: u64,
    ) -> Result<(), TokenError> {
        let allowance = Allowance { owner, spender };
        let left = self.allowances.update(&allowance, |has| lower(has, needs));
        match left.unwrap_or_else(|| lower(&mut 0, needs)) {
            Err(has) => return Err(TokenError::Allowance { has, needs }),
            Ok(0) => _ = self.allowances.remove(&allowance),
            Ok(_) => {}
        }
        Ok(())
    }

    fn take(&mut self, from: ContractId, needs: u64) -> Result<(), TokenError> {
        // Written where it is found: `get` and `insert` would pay for reading the page, too.
        let left = self.balances.update(&from, |has| lower(has, needs));
        match left.unwrap_or_else(|| lower(&mut 0, needs)) {
            Err(has) => return Err(TokenError::Balance { has, needs }),
            Ok(0) => _ = self.balances.remove(&from),
            Ok(_) => {}
        }
        Ok(())
    }

    fn add(&mut self, to: ContractId, amount: u64) {
        // No balance exceeds the supply, so that this can not overflow.
        let added = |balance: &mut u64| *balance += amount;
        if amount > 0 && self.balances.update(&to, added).is_none() {
            self.balances.insert(to, amount);
        }
    }
}

/// Takes so much away, and gives what is left; or what there is, if that is too little.
fn lower(has: &mut u64, needs: u64) -> Result<u64, u64> {
    *has = has.checked_sub(needs).ok_or(*has)?;
    Ok(*has)
}

fn caller() -> Result<ContractId, TokenError> {
    crostata_sdk::caller().ok_or(TokenError::Nobody)
}

fn announce(from: ContractId, to: ContractId, amount: u64) {
    Transfer { from, to, amount }.emit();
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: ContractId = ContractId::from_bytes([1; 32]);
    const BOB: ContractId = ContractId::from_bytes([2; 32]);

    fn token() -> Token {
        let mut token = Token::new();
        token.init(ALICE, 100).unwrap();
        token
    }

    fn assert_whole(token: &Token) {
        let balances = token.balances.iter().map(|(_, balance)| balance);
        assert_eq!(balances.sum::<u64>(), token.supply);
        assert!(token.balances.iter().all(|(_, balance)| balance > 0));
    }

    #[test]
    fn balances_add_up_to_the_supply() {
        let mut token = token();
        token.shift(ALICE, BOB, 40).unwrap();
        token.shift(BOB, BOB, 40).unwrap();
        token.shift(BOB, ALICE, 0).unwrap();
        assert_whole(&token);
        token.create(BOB, 5).unwrap();
        token.destroy(ALICE, 60).unwrap();
        assert_whole(&token);
        assert_eq!(
            (token.supply(), token.balance_of(BOB), token.balances.len()),
            (45, 45, 1)
        );
    }

    #[test]
    fn nobody_spends_more_than_they_have() {
        let refused = TokenError::Balance {
            has: 100,
            needs: 101,
        };
        assert_eq!(token().shift(ALICE, BOB, 101), Err(refused));
        assert_eq!(token().destroy(ALICE, 101), Err(refused));
    }

    #[test]
    fn allowances_are_used_up() {
        let mut token = token();
        token.allow(ALICE, BOB, 7);
        token.use_allowance(ALICE, BOB, 3).unwrap();
        let refused = TokenError::Allowance { has: 4, needs: 5 };
        assert_eq!(token.use_allowance(ALICE, BOB, 5), Err(refused));
        token.use_allowance(ALICE, BOB, 4).unwrap();
        assert!(token.allowances.is_empty());
        assert_eq!(token.allowance(ALICE, BOB), 0);
    }

    #[test]
    fn the_supply_has_an_end() {
        assert_eq!(token().create(BOB, u64::MAX), Err(TokenError::Supply));
    }
}

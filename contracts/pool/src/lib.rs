//! A pool of two tokens, which anybody can swap for each other and anybody can add to: a constant product market maker.
//!
//! What holds after every call, with the reserves `x` and `y` and all shares `s`:
//!
//! * `x y` is never smaller but by removal: the fee, 0.3 % of the input, stays in the pool, and everything is rounded in its favour;
//! * `x y / s^2` is never smaller: no addition, removal or swap makes a share worth less;
//! * the pool has at least `x` and `y` of its tokens;
//! * a call that fails, at whatever depth, changes nothing anywhere.
//!
//! Reserves are what the pool has accounted for, not its balance: who sends it tokens without swapping them gives them to whoever calls
//! [`swap_received`](Pool::swap_received) next. Nobody can enter the pool while it runs, a token neither. A token that moves something else than it says harms those
//! who put it into a pool, and nobody else.
#![cfg_attr(target_family = "wasm", no_std)]

mod errors;
mod math;

use crostata_sdk::{ContractId, Map, Storage, Stored};
use token::TokenClient;

pub use errors::PoolError;

/// A token of the pool, and how many of it the pool accounts for.
#[derive(Clone, Copy, Stored)]
pub struct Side {
    token: ContractId,
    reserve: u64,
}

/// What a swap paid.
#[crostata_sdk::data]
#[derive(Clone, Copy)]
pub struct Paid {
    /// The token.
    pub token: ContractId,
    /// How many.
    pub amount: u64,
}

/// What shares cost or gave.
#[crostata_sdk::data]
#[derive(Clone, Copy)]
pub struct Liquidity {
    /// Of the pool's first token.
    pub first: u64,
    /// Of its second.
    pub second: u64,
    /// The shares.
    pub shares: u64,
}

/// Tokens were swapped.
#[crostata_sdk::event]
pub struct Swapped {
    /// The token that was put in.
    pub token: ContractId,
    /// How many, the fee included.
    pub amount: u64,
    /// How many of the other were given out.
    pub output: u64,
    /// Who got them.
    pub to: ContractId,
}

/// Liquidity was added.
#[crostata_sdk::event]
pub struct Added {
    /// Who has the new shares.
    pub owner: ContractId,
    /// What they cost.
    pub liquidity: Liquidity,
}

/// Liquidity was removed.
#[crostata_sdk::event]
pub struct Removed {
    /// Who had the shares.
    pub owner: ContractId,
    /// What they gave.
    pub liquidity: Liquidity,
}

/// The pool.
#[derive(Storage)]
pub struct Pool {
    first: Side,
    second: Side,
    all_shares: u64,
    shares: Map<ContractId, u64>,
}

const NONE: Side = Side {
    token: NOBODY,
    reserve: 0,
};
const NOBODY: ContractId = ContractId::from_bytes([0; 32]);

#[crostata_sdk::contract(storage, library, events(Swapped, Added, Removed))]
impl Pool {
    /// The pool as it is deployed, before `init`.
    pub const fn new() -> Self {
        Self {
            first: NONE,
            second: NONE,
            all_shares: 0,
            shares: Map::new(),
        }
    }

    /// Says which tokens it is for.
    pub fn init(&mut self, first: ContractId, second: ContractId) -> Result<(), PoolError> {
        if first == second {
            return Err(PoolError::SameToken);
        }
        self.first.token = first;
        self.second.token = second;
        Ok(())
    }

    /// Adds liquidity of the caller, who has allowed the pool to move both tokens: no more than so many of each, in the ratio of the reserves, and
    /// gives shares for it, no less than `shares_min`.
    pub fn add(
        &mut self,
        first_max: u64,
        second_max: u64,
        shares_min: u64,
    ) -> Result<Liquidity, PoolError> {
        let owner = caller()?;
        let added = self.account_addition(owner, [first_max, second_max], shares_min)?;
        self.pull(owner, self.first.token, added.first)?;
        self.pull(owner, self.second.token, added.second)?;
        let liquidity = added;
        Added { owner, liquidity }.emit();
        Ok(added)
    }

    /// Takes the caller's shares back and gives what they are worth, no less than the minimum of each.
    pub fn remove(
        &mut self,
        shares: u64,
        first_min: u64,
        second_min: u64,
    ) -> Result<Liquidity, PoolError> {
        let owner = caller()?;
        let removed = self.account_removal(owner, shares, [first_min, second_min])?;
        pay(self.first.token, owner, removed.first)?;
        pay(self.second.token, owner, removed.second)?;
        let liquidity = removed;
        Removed { owner, liquidity }.emit();
        Ok(removed)
    }

    /// Swaps tokens of the caller, who has allowed the pool to move them, and gives what comes out to `to`: no less than `output_min`.
    pub fn swap(
        &mut self,
        token: ContractId,
        amount: u64,
        output_min: u64,
        to: ContractId,
    ) -> Result<Paid, PoolError> {
        let payer = caller()?;
        let paid = self.account_swap(token, amount, output_min)?;
        self.pull(payer, token, amount)?;
        settle(token, amount, paid, to)
    }

    /// Swaps what the pool has of a token and has not accounted for: what was sent to it before, in the same transaction. For contracts, which
    /// save an allowance by it.
    pub fn swap_received(
        &mut self,
        token: ContractId,
        output_min: u64,
        to: ContractId,
    ) -> Result<Paid, PoolError> {
        let reserve = self.sides(token)?.0.reserve;
        let balance = balance(token)?;
        let amount = balance.checked_sub(reserve).ok_or(PoolError::Missing)?;
        let paid = self.account_swap(token, amount, output_min)?;
        settle(token, amount, paid, to)
    }

    /// What a swap would give now.
    pub fn quote(&self, token: ContractId, amount: u64) -> Result<u64, PoolError> {
        let (input, output) = match token {
            token if token == self.first.token => (self.first, self.second),
            token if token == self.second.token => (self.second, self.first),
            _ => return Err(PoolError::NotInPool),
        };
        Ok(math::output(amount, input.reserve, output.reserve))
    }

    /// The tokens of the pool.
    pub fn tokens(&self) -> (ContractId, ContractId) {
        (self.first.token, self.second.token)
    }

    /// The reserves, and all shares, the locked ones included.
    pub fn reserves(&self) -> Liquidity {
        Liquidity {
            first: self.first.reserve,
            second: self.second.reserve,
            shares: self.all_shares,
        }
    }

    /// The shares that somebody has.
    pub fn shares_of(&self, owner: ContractId) -> u64 {
        self.shares.get(&owner).unwrap_or(0)
    }

    /// The side of a token, and the other.
    fn sides(&mut self, token: ContractId) -> Result<(&mut Side, &mut Side), PoolError> {
        match token {
            token if token == self.first.token => Ok((&mut self.first, &mut self.second)),
            token if token == self.second.token => Ok((&mut self.second, &mut self.first)),
            _ => Err(PoolError::NotInPool),
        }
    }

    /// Accounts for a swap: everything is as it will be before anybody is called.
    fn account_swap(
        &mut self,
        token: ContractId,
        amount: u64,
        wants: u64,
    ) -> Result<Paid, PoolError> {
        let (input, output) = self.sides(token)?;
        let reserve = input
            .reserve
            .checked_add(amount)
            .ok_or(PoolError::TooMuch)?;
        let gives = math::output(amount, input.reserve, output.reserve);
        if gives < wants {
            return Err(PoolError::Output { gives, wants });
        }
        if gives == 0 {
            return Err(PoolError::Nothing);
        }
        input.reserve = reserve;
        output.reserve -= gives; // it is below the reserve
        Ok(Paid {
            token: output.token,
            amount: gives,
        })
    }

    fn account_addition(
        &mut self,
        owner: ContractId,
        most: [u64; 2],
        wants: u64,
    ) -> Result<Liquidity, PoolError> {
        let added = match self.all_shares {
            0 => self.first_addition(most)?,
            _ => self.next_addition(most)?,
        };
        if added.shares < wants {
            let gives = added.shares;
            return Err(PoolError::Shares { gives, wants });
        }
        let grown = |reserve: u64, amount| reserve.checked_add(amount).ok_or(PoolError::TooMuch);
        self.first.reserve = grown(self.first.reserve, added.first)?;
        self.second.reserve = grown(self.second.reserve, added.second)?;
        self.all_shares = grown(self.all_shares, added.shares)?;
        let give = |shares: &mut u64| *shares += added.shares; // not above all
        if self.shares.update(&owner, give).is_none() {
            self.shares.insert(owner, added.shares);
        }
        Ok(added)
    }

    /// The first liquidity sets the price. Of its shares some stay nobody's.
    fn first_addition(&mut self, [first, second]: [u64; 2]) -> Result<Liquidity, PoolError> {
        let all = math::first_shares([first, second]);
        let shares = all
            .checked_sub(math::LOCKED_SHARES)
            .filter(|shares| *shares > 0)
            .ok_or(PoolError::Nothing)?;
        self.all_shares = math::LOCKED_SHARES;
        Ok(Liquidity {
            first,
            second,
            shares,
        })
    }

    fn next_addition(&self, most: [u64; 2]) -> Result<Liquidity, PoolError> {
        let reserves = [self.first.reserve, self.second.reserve];
        let shares = math::shares(most, reserves, self.all_shares).ok_or(PoolError::TooMuch)?;
        if shares == 0 {
            return Err(PoolError::Nothing);
        }
        let cost = |reserve| math::cost(shares, reserve, self.all_shares);
        Ok(Liquidity {
            first: cost(self.first.reserve),
            second: cost(self.second.reserve),
            shares,
        })
    }

    fn account_removal(
        &mut self,
        owner: ContractId,
        shares: u64,
        wants: [u64; 2],
    ) -> Result<Liquidity, PoolError> {
        let has = self.shares_of(owner);
        let Some(rest) = has.checked_sub(shares).filter(|_| shares > 0) else {
            let (gives, wants) = (has, shares);
            return Err(PoolError::Shares { gives, wants });
        };
        let worth = |reserve| math::worth(shares, reserve, self.all_shares);
        let gives = [worth(self.first.reserve), worth(self.second.reserve)];
        if gives[0] < wants[0] || gives[1] < wants[1] {
            return Err(PoolError::Removal { gives, wants });
        }
        match rest {
            0 => _ = self.shares.remove(&owner),
            rest => _ = self.shares.insert(owner, rest),
        }
        // Nobody has more than all shares, which are worth the reserves.
        self.first.reserve -= gives[0];
        self.second.reserve -= gives[1];
        self.all_shares -= shares;
        let [first, second] = gives;
        Ok(Liquidity {
            first,
            second,
            shares,
        })
    }

    /// Moves tokens to the pool that it has accounted for.
    fn pull(&self, from: ContractId, token: ContractId, amount: u64) -> Result<(), PoolError> {
        let pool = crostata_sdk::self_id();
        Ok(TokenClient::at(token).transfer_from(from, pool, amount)?)
    }
}

fn balance(token: ContractId) -> Result<u64, PoolError> {
    match TokenClient::at(token).balance_of(crostata_sdk::self_id()) {
        Ok(balance) => Ok(balance),
        Err(error) => panic!("{error}"),
    }
}

fn pay(token: ContractId, to: ContractId, amount: u64) -> Result<(), PoolError> {
    match amount {
        0 => Ok(()),
        _ => Ok(TokenClient::at(token).transfer(to, amount)?),
    }
}

/// Pays what a swap gives and says so.
fn settle(token: ContractId, amount: u64, paid: Paid, to: ContractId) -> Result<Paid, PoolError> {
    pay(paid.token, to, paid.amount)?;
    let output = paid.amount;
    Swapped {
        token,
        amount,
        output,
        to,
    }
    .emit();
    Ok(paid)
}

fn caller() -> Result<ContractId, PoolError> {
    crostata_sdk::caller().ok_or(PoolError::Nobody)
}

#[cfg(test)]
mod tests;

//! Swaps through several pools in one transaction: everything of it, or nothing.
//!
//! The caller allows the router to move the first token. The router sends it to the first pool, each pool sends what it gives to the next, and the last to whom
//! it is for: the router never has tokens, and nothing is left in it for anybody to take.
//!
//! A pool is whatever contract the caller names. One that does not pay what it says harms who named it.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod errors;

use alloc::vec::Vec;

use crostata_sdk::ContractId;
use pool::{Paid, PoolClient};
use token::TokenClient;

pub use errors::RouterError;

/// The router, which has no state.
pub struct Router;

#[crostata_sdk::contract]
impl Router {
    /// The router as it is deployed.
    pub const fn new() -> Self {
        Self
    }

    /// Swaps `amount` of `token`, which the caller has allowed the router to move, through the pools of a route, and gives what comes out
    /// to `to`: no less than `output_min`, and in no block above `deadline`.
    #[changes]
    pub fn swap(
        route: Vec<ContractId>,
        token: ContractId,
        amount: u64,
        output_min: u64,
        to: ContractId,
        deadline: u64,
    ) -> Result<Paid, RouterError> {
        refuse_late(deadline)?;
        let payer = crostata_sdk::caller().ok_or(RouterError::Nobody)?;
        let first = *route.first().ok_or(RouterError::NoRoute)?;
        TokenClient::at(token).transfer_from(payer, first, amount)?;
        let paid = follow(&route, token, amount, to)?;
        if paid.amount < output_min {
            let (gives, wants) = (paid.amount, output_min);
            return Err(RouterError::Output { gives, wants });
        }
        Ok(paid)
    }
}

/// Has each pool swap what it was sent, and send it on.
fn follow(
    route: &[ContractId],
    token: ContractId,
    amount: u64,
    to: ContractId,
) -> Result<Paid, RouterError> {
    let mut paid = Paid { token, amount };
    let next = route.iter().skip(1).copied().chain([to]);
    for (pool, receiver) in route.iter().zip(next) {
        // Only what comes out at the end counts.
        paid = PoolClient::at(*pool).swap_received(paid.token, 0, receiver)?;
    }
    Ok(paid)
}

fn refuse_late(deadline: u64) -> Result<(), RouterError> {
    let height: u64 = crostata_sdk::session_data("block_height").ok_or(RouterError::NoHeight)?;
    match height > deadline {
        true => Err(RouterError::Late { height, deadline }),
        false => Ok(()),
    }
}

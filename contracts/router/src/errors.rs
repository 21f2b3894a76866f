//! Why the router refuses a call.
#![allow(
    missing_docs,
    reason = "the archives of the fields, which rkyv makes, have no docs"
)]

use pool::PoolError;
use token::TokenError;

/// Why a call was refused.
#[crostata_sdk::error]
#[derive(Clone, Copy)]
pub enum RouterError {
    /// A token refused to move.
    #[from]
    Token(TokenError),
    /// A pool refused to swap.
    #[from]
    Pool(PoolError),
    /// The block is later than the caller wanted.
    Late {
        /// The height of the block.
        height: u64,
        /// The last that the caller wanted.
        deadline: u64,
    },
    /// The chain does not say how high the block is.
    NoHeight,
    /// A route has one pool at least.
    NoRoute,
    /// The route gives less than the minimum.
    Output {
        /// What it gives.
        gives: u64,
        /// The minimum.
        wants: u64,
    },
    /// The call comes from no account.
    Nobody,
}

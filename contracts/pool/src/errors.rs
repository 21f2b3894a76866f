//! Why the pool refuses a call.
#![allow(
    missing_docs,
    reason = "the archives of the fields, which rkyv makes, have no docs"
)]

use token::TokenError;

/// Why a call was refused.
#[crostata_sdk::error]
#[derive(Clone, Copy)]
pub enum PoolError {
    /// A token refused to move.
    #[from]
    Token(TokenError),
    /// A pool has two different tokens.
    SameToken,
    /// The token is not one of the pool's.
    NotInPool,
    /// The swap gives less than the minimum.
    Output {
        /// What it gives.
        gives: u64,
        /// The minimum.
        wants: u64,
    },
    /// The shares are less than the minimum.
    Shares {
        /// How many there are.
        gives: u64,
        /// The minimum.
        wants: u64,
    },
    /// The removal gives less than the minimum.
    Removal {
        /// What it gives, of both tokens.
        gives: [u64; 2],
        /// The minimum.
        wants: [u64; 2],
    },
    /// So small an amount gives nothing.
    Nothing,
    /// More than 64 bits of a token do not fit into the pool.
    TooMuch,
    /// The pool has less than it has accounted for.
    Missing,
    /// The call comes from no account.
    Nobody,
}

//! Why the token refuses a call.
#![allow(
    missing_docs,
    reason = "the archives of the fields, which rkyv makes, have no docs"
)]

/// Why a call was refused.
#[crostata_sdk::error]
#[derive(Clone, Copy)]
pub enum TokenError {
    /// The balance is too small.
    Balance {
        /// What the account has.
        has: u64,
        /// What was to be moved.
        needs: u64,
    },
    /// The allowance is too small.
    Allowance {
        /// What the caller may move.
        has: u64,
        /// What was to be moved.
        needs: u64,
    },
    /// Only the owner of the token makes new ones.
    NotOwner,
    /// There can not be more tokens than fit into 64 bits.
    Supply,
    /// The call comes from no account.
    Nobody,
}

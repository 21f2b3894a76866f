//! Who owns tokens.

use std::fmt;

use crostata::ContractId;

use crate::digest::write_hex;

const CONTEXT: &str = "crostata-node 2026-11 account";

/// Who owns tokens and signs transactions: what the chain makes of a public key, or the id of a contract.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Account([u8; 32]);

impl Account {
    /// The account of whoever has the key. It is hashed, so that nobody has a contract's account.
    pub fn of_key(public_key: &[u8; 32]) -> Self {
        Self(blake3::derive_key(CONTEXT, public_key))
    }

    /// The account of a contract.
    pub const fn of_contract(contract: ContractId) -> Self {
        Self(contract.to_bytes())
    }

    /// An account that is known by its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as contracts see them.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a state says of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountState {
    /// Its tokens.
    pub balance: u64,
    /// The nonce of its next transaction.
    pub nonce: u64,
}

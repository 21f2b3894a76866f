//! Names that everybody of this chain knows from the start: its contracts and a few accounts.
//!
//! A light client brings them itself. Were it to ask the node which contract the token is, the node could name one of its own.

use crostata_abi::ContractId;

/// An account of the token.
pub type Account = [u8; 32];

/// The token.
pub const TOKEN: ContractId = ContractId::from_bytes(named("light demo: token"));

/// Another contract with the token's code and other balances, to try to pass for the token.
pub const OTHER_TOKEN: ContractId = ContractId::from_bytes(named("light demo: other token"));

/// A counter, whose code is upgraded.
pub const COUNTER: ContractId = ContractId::from_bytes(named("light demo: counter"));

/// A contract that nobody deploys.
pub const NO_CONTRACT: ContractId = ContractId::from_bytes(named("light demo: nothing"));

/// Accounts that hold something.
pub const ALICE: Account = named("alice");
/// The other one.
pub const BOB: Account = named("bob");
/// An account that never held anything.
pub const NOBODY: Account = named("nobody");

/// The block with which the counter has other code.
pub const UPGRADE_HEIGHT: u64 = 5;

/// What the token calls the balances of its accounts: a map from [`Account`] to a number.
pub const BALANCES: &str = "balances";

/// What the token calls the sum of all balances.
pub const TOTAL_SUPPLY: &str = "total_supply";

/// The bytes of a name, and zeros behind it.
const fn named(name: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    let (head, _) = bytes.split_at_mut(name.len());
    head.copy_from_slice(name.as_bytes());
    bytes
}

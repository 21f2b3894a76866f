//! The digest of a receipt: what nodes must agree on about a call, in 32 bytes.
//!
//! It covers class, code, gas spent and limit, the result and the surviving events in order; never
//! message texts, the call tree or reverted events. The preimage, little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | class: 0 success, 1 reverted |
//! | 4 | code, [`Outcome`] |
//! | 8 | gas spent |
//! | 8 | gas limit |
//! | 32 | keyed hash of the result bytes (of no bytes after a failure) |
//!
//! then, per event:
//!
//! | bytes | field |
//! |---|---|
//! | 32 | the contract that emitted it |
//! | 8 | topic length `t` |
//! | t | topic |
//! | 8 | data length `d` |
//! | d | data |

use crostata_abi::{ContractId, Gas};

use crate::bytes::bytes32;
use crate::hash::{self, KeyedHasher, Kind};

bytes32! {
    /// The digest of a receipt.
    ReceiptDigest
}

/// How a call ended, as far as it is part of a receipt.
///
/// A rejected call and a fatal failure have no receipt, hence no code here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Outcome {
    /// The call succeeded: class 0. All others are class 1, reverted.
    Success = 0,
    /// The contract panicked.
    Panic = 1,
    /// Out of gas.
    OutOfGas = 2,
    /// Trap: `unreachable`.
    Unreachable = 3,
    /// Trap: memory access out of bounds.
    MemoryOutOfBounds = 4,
    /// Trap: integer division by zero.
    DivideByZero = 5,
    /// Trap: integer overflow.
    IntegerOverflow = 6,
    /// Trap: bad conversion to integer.
    BadConversionToInteger = 7,
    /// Trap: table access out of bounds.
    TableOutOfBounds = 8,
    /// Trap: indirect call to null.
    IndirectCallToNull = 9,
    /// Trap: indirect call of a function of another type.
    BadSignature = 10,
    /// The stack is exhausted.
    StackExhausted = 11,
    /// An import was given a bad pointer or length.
    HostFunctionMisuse = 12,
    /// `feed` outside a feeder call.
    FeedOutsideFeeder = 13,
    /// The result is longer than the argument buffer, or its length negative.
    ResultOutOfBounds = 14,
    /// Any other trap.
    OtherTrap = 15,
    /// A limit on a call tree: bytes of its events or feeds, or pages touched.
    LimitExceeded = 16,
}

impl Outcome {
    /// Every outcome, in the order of their codes.
    pub const ALL: [Self; 17] = [
        Self::Success,
        Self::Panic,
        Self::OutOfGas,
        Self::Unreachable,
        Self::MemoryOutOfBounds,
        Self::DivideByZero,
        Self::IntegerOverflow,
        Self::BadConversionToInteger,
        Self::TableOutOfBounds,
        Self::IndirectCallToNull,
        Self::BadSignature,
        Self::StackExhausted,
        Self::HostFunctionMisuse,
        Self::FeedOutsideFeeder,
        Self::ResultOutOfBounds,
        Self::OtherTrap,
        Self::LimitExceeded,
    ];

    /// 0 for success, 1 for a reverted call.
    pub const fn class(self) -> u8 {
        match self {
            Self::Success => 0,
            _ => 1,
        }
    }

    /// The code of the outcome, 0 for success.
    pub const fn code(self) -> u32 {
        self as u32
    }
}

/// A receipt digest in the making: the events are added in order, then it is finished.
///
/// ```
/// use crostata_abi::{ContractId, Gas};
/// use crostata_proof::receipt::{Outcome, ReceiptDigestBuilder};
///
/// let token = ContractId::from_bytes([7; 32]);
/// let digest = ReceiptDigestBuilder::new(Outcome::Success, Gas(41), Gas(100), b"result")
///     .event(&token, b"moved", b"data")
///     .finish();
/// assert_eq!(digest.to_string().len(), 64);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct ReceiptDigestBuilder(KeyedHasher);

impl ReceiptDigestBuilder {
    /// Starts the digest of a call that ended so and returned `result` (no bytes if it failed).
    pub fn new(outcome: Outcome, gas_spent: Gas, gas_limit: Gas, result: &[u8]) -> Self {
        let mut hasher = hash::hasher(Kind::ReceiptDigest);
        hasher
            .update(&[outcome.class()])
            .update(&outcome.code().to_le_bytes())
            .update(&gas_spent.0.to_le_bytes())
            .update(&gas_limit.0.to_le_bytes())
            .update(&hash::keyed(Kind::ResultData, result));
        Self(hasher)
    }

    /// Adds an event that survived. Reverted events are left out.
    pub fn event(mut self, source: &ContractId, topic: &[u8], data: &[u8]) -> Self {
        self.0.update(source.as_bytes());
        for bytes in [topic, data] {
            self.0.update(&(bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
        self
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> ReceiptDigest {
        ReceiptDigest::from_bytes(self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    /// P1: receipts that differ in anything agreed on have different digests.
    #[test]
    fn every_part_counts() {
        let one = ContractId::from_bytes([1; 32]);
        let two = ContractId::from_bytes([2; 32]);
        let new = |gas, result| {
            ReceiptDigestBuilder::new(Outcome::Success, Gas(gas), Gas(9), result)
                .event(&one, b"ab", b"c")
        };
        let digests: BTreeSet<_> = [
            new(1, b"r").finish(),
            new(2, b"r").finish(),
            new(1, b"s").finish(),
            new(1, b"r").event(&two, b"", b"").finish(),
            new(1, b"r").event(&one, b"", b"").finish(),
            ReceiptDigestBuilder::new(Outcome::Panic, Gas(1), Gas(9), b"r").finish(),
            ReceiptDigestBuilder::new(Outcome::OutOfGas, Gas(1), Gas(9), b"r").finish(),
            ReceiptDigestBuilder::new(Outcome::Success, Gas(1), Gas(9), b"r")
                .event(&one, b"a", b"bc")
                .finish(),
        ]
        .into();
        assert_eq!(digests.len(), 8);
    }

    #[test]
    fn codes_are_their_places() {
        for (code, outcome) in (0..).zip(Outcome::ALL) {
            assert_eq!(outcome.code(), code);
            assert_eq!(outcome.class(), u8::from(code != 0));
        }
    }
}

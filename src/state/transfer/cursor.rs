//! A place in the walk over a state.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | 0 the start; 1 inside a contract; 2 behind a contract |
//! | 32 | the contract's id; zeros for the start |
//! | 8 | inside a contract: the page that the next one is not before; else zeros |

use std::fmt;

use crostata_abi::ContractId;
use crostata_proof::hash;

use crate::state::reader::Reader;

/// A place in the walk over a state: what a chunk begins behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cursor {
    /// Before everything.
    Start,
    /// Inside a contract: behind its record, its code, and its pages before one.
    Inside {
        /// The contract.
        contract: ContractId,
        /// The number of the first page that is still to come, or of one before it.
        page: u64,
    },
    /// Behind all of a contract.
    Behind {
        /// The contract.
        contract: ContractId,
    },
}

impl Cursor {
    /// The length of its encoding in bytes.
    pub const BYTES: usize = 1 + 32 + 8;

    /// The encoding.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let (kind, contract, page) = match self {
            Self::Start => (0, [0; 32], 0),
            Self::Inside { contract, page } => (1, *contract.as_bytes(), *page),
            Self::Behind { contract } => (2, *contract.as_bytes(), 0),
        };
        let mut bytes = [0; Self::BYTES];
        bytes[0] = kind;
        bytes[1..33].copy_from_slice(&contract);
        bytes[33..].copy_from_slice(&page.to_le_bytes());
        bytes
    }

    /// The cursor with this encoding, if there is one.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let kind = reader.u8()?;
        let contract = ContractId::from_bytes(reader.array()?);
        let page = reader.u64()?;
        let cursor = match kind {
            0 => Self::Start,
            1 => Self::Inside { contract, page },
            2 => Self::Behind { contract },
            _ => return None,
        };
        (cursor.to_bytes() == *bytes).then_some(cursor)
    }

    /// The contract that it is in or behind.
    pub(super) fn contract(&self) -> Option<ContractId> {
        match self {
            Self::Start => None,
            Self::Inside { contract, .. } | Self::Behind { contract } => Some(*contract),
        }
    }

    /// The position of the contract tree from which on a chunk shows everything.
    pub(super) fn position(&self) -> u64 {
        self.contract()
            .map_or(0, |contract| hash::position(&contract))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => write!(f, "the start"),
            Self::Inside { contract, page } => write!(f, "page {page} of contract {contract}"),
            Self::Behind { contract } => write!(f, "the end of contract {contract}"),
        }
    }
}

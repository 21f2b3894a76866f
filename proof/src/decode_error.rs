//! Why bytes are not an encoded proof.

use crostata_abi::{ContractId, PageIndex};
use thiserror::Error;

use crate::paths::ReadPathsError;
use crate::read::Cut;
use crate::record::RecordError;
use crate::{CodeHash, PROOF_VERSION};

/// Why bytes are not an encoded proof. Whoever sent them must send others: none of these mends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside the proof.
    #[error("the proof ends early")]
    Cut,
    /// There are bytes after the proof.
    #[error("{extra_bytes} bytes follow the proof")]
    Trailing {
        /// How many.
        extra_bytes: usize,
    },
    /// A version that this build does not know.
    #[error("proof version {found} is unknown; this build reads version {PROOF_VERSION}")]
    Version {
        /// The version in the proof.
        found: u8,
    },
    /// A proof of another kind.
    #[error("these bytes are {}, not {}", named(*found), named(*expected))]
    Kind {
        /// The kind in the proof.
        found: u8,
        /// The kind to be decoded: 1 state proof, 2 value proof, 3 witness, 4 receipt opening.
        expected: u8,
    },
    /// There are no positions.
    #[error("the proof shows nothing")]
    ShowsNothing,
    /// The contract tree has no such position.
    #[error("the contract tree has no position {position}")]
    Position {
        /// The position.
        position: u64,
    },
    /// Positions do not ascend.
    #[error("position {position} is out of order")]
    PositionOrder {
        /// The second of the two.
        position: u64,
    },
    /// The byte before a contract is neither 0 nor 1.
    #[error("a contract is marked {found}, neither by hash (0) nor shown (1)")]
    MemberMark {
        /// The byte.
        found: u8,
    },
    /// The contracts at a position do not ascend by id.
    #[error("contract {contract} is out of order at its position")]
    ContractOrder {
        /// The second of the two.
        contract: ContractId,
    },
    /// A contract record is not one.
    #[error("a record in the proof is invalid: {0}")]
    Record(#[from] RecordError),
    /// The pages of a contract do not ascend.
    #[error("page {page} of {contract} is out of order")]
    PageOrder {
        /// The contract.
        contract: ContractId,
        /// The second of the two.
        page: PageIndex,
    },
    /// The memory has no such page.
    #[error("page {page} lies outside of the memory of {contract}")]
    PageOutOfRange {
        /// The contract.
        contract: ContractId,
        /// The page.
        page: PageIndex,
    },
    /// The byte that says which chunks of a page are shown has more than four bits.
    #[error("a page is marked {found}: it has chunks 0 to 3 only")]
    PageMark {
        /// The byte.
        found: u8,
    },
    /// A page of zeros was written out.
    #[error("page {page} of {contract} is given byte by byte, and all are zeros")]
    PageOfZeros {
        /// The contract.
        contract: ContractId,
        /// The page.
        page: PageIndex,
    },
    /// The bits beyond the last parent of paths are not zero.
    #[error("the padding of paths is not zero")]
    Padding,
    /// Paths list an EMPTY sibling, which is written by leaving it out.
    #[error("paths list an empty sibling")]
    EmptySibling,
    /// Paths list a sibling where they themselves run.
    #[error("at level {level} paths list a sibling in their own place")]
    OwnPlace {
        /// The level, 0 for the leaves' parents.
        level: u32,
    },
    /// No record in the proof has this code.
    #[error("no contract of the proof has code {code}")]
    CodeOfNobody {
        /// The code.
        code: CodeHash,
    },
    /// The codes do not ascend by hash.
    #[error("code {code} is out of order")]
    CodeOrder {
        /// The second of the two.
        code: CodeHash,
    },
    /// A run of chunks is empty, beyond the end of the code, or not behind the one before it.
    #[error(
        "run {at} of the chunks of code {code} is empty, out of order, or beyond the code's end"
    )]
    CodeChunks {
        /// The code.
        code: CodeHash,
        /// Which run, from 0.
        at: usize,
    },
    /// An opening of a receipt that the block would not have.
    #[error("receipt {index} of a block that has {count}")]
    ReceiptIndex {
        /// The index, from 0.
        index: u64,
        /// How many there are.
        count: u64,
    },
}

impl From<Cut> for DecodeError {
    fn from(Cut: Cut) -> Self {
        Self::Cut
    }
}

impl From<ReadPathsError> for DecodeError {
    fn from(error: ReadPathsError) -> Self {
        match error {
            ReadPathsError::Cut => Self::Cut,
            ReadPathsError::Padding => Self::Padding,
            ReadPathsError::EmptySibling => Self::EmptySibling,
            ReadPathsError::OwnPlace { level } => Self::OwnPlace { level },
        }
    }
}

/// What a kind of proof is called.
const fn named(kind: u8) -> &'static str {
    match kind {
        1 => "a proof of contracts and bytes",
        2 => "a proof of a named value",
        3 => "a witness",
        _ => "a proof of an unknown kind",
    }
}

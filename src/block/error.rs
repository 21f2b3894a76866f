//! Why there is no witness, and why a witness shows nothing.

use std::error::Error as StdError;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::{CodeHash, VerifyError};

use crate::engine::Fingerprint;
use crate::session::{DatumError, Error, Fatal, Unrecordable};
use crate::state::{NotWitnessed, ReadPageError};
use crate::vm::SessionError;

/// Why a session has no witness.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoWitness {
    /// The session was not opened for it.
    #[error("the session is not recorded: open it with SessionData::builder().recording()")]
    NotRecorded,
    /// The session used nothing of its base: there is nothing to show.
    #[error("the session called and deployed nothing since its base")]
    Nothing,
    /// The session did what no witness can say.
    #[error(transparent)]
    Unrecordable(#[from] Unrecordable),
    /// The session is unusable, or can not read its state.
    #[error(transparent)]
    Session(#[from] Error),
    /// The base of the session can not be read.
    #[error(transparent)]
    Read(#[from] ReadPageError),
}

/// Something of the state, or a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Missing {
    /// What is at a position of the contract tree.
    #[error("what is at position {position} of the contract tree")]
    Position {
        /// The position.
        position: u64,
    },
    /// A page, or the chunks of it that are needed.
    #[error("page {page} of contract {contract}")]
    Page {
        /// The contract.
        contract: ContractId,
        /// The page.
        page: PageIndex,
    },
    /// A code.
    #[error("the code {code}")]
    Code {
        /// Its hash.
        code: CodeHash,
    },
}

/// Why a witness shows nothing. Only [`Fatal`](Self::Fatal) says nothing about the witness.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// It holds under rules that the verifier was not opened with.
    #[error(
        "the witness holds under protocol {protocol}, which the verifier's configuration lacks"
    )]
    UnknownProtocol {
        /// The protocol of the witness.
        protocol: Fingerprint,
    },
    /// Its steps may spend more than the verifier was limited to.
    #[error(
        "the steps of the witness may spend {gas} gas, and the verifier is limited to {gas_max}"
    )]
    TooMuchGas {
        /// The sum of their limits.
        gas: u64,
        /// The verifier's limit.
        gas_max: u64,
    },
    /// What it has of the state is not part of the state with the root given.
    #[error("the witness is of another state: {0}")]
    State(#[from] VerifyError),
    /// It has a contract's record by hash only.
    #[error("the witness has contract {contract} without its record")]
    NoRecord {
        /// The contract.
        contract: ContractId,
    },
    /// It lacks something that the calls use.
    #[error("the witness lacks {0}")]
    Incomplete(Missing),
    /// It has something that the calls do not use.
    #[error("the witness has {0}, which the calls do not use")]
    Superfluous(Missing),
    /// An answer of a host query is not to what was asked then, or nobody asked, or there is none.
    #[error("answer {at} of host queries is not the one to what the calls ask there")]
    Answer {
        /// Which, counted from 0.
        at: usize,
    },
    /// It has session data that no session has.
    #[error(transparent)]
    Datum(#[from] DatumError),
    /// A step ends a savepoint that is not open.
    #[error("step {at} ends a savepoint that is not open")]
    Step {
        /// Which, counted from 0.
        at: usize,
    },
    /// The verifier's host failed: nothing is known of the witness.
    #[error("the verifier failed: {0}")]
    Fatal(#[source] Error),
}

impl WitnessError {
    /// What an error of a session over a witness says of the witness: something that it lacks is found as deep as the session was.
    pub(super) fn of(error: Error) -> Self {
        let missing = match &error {
            Error::Fatal(fatal) => missing(fatal),
            _ => None,
        };
        missing.map_or(Self::Fatal(error), Self::Incomplete)
    }
}

fn missing(fatal: &Fatal) -> Option<Missing> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(fatal);
    while let Some(error) = next {
        if let Some(lacking) = error.downcast_ref::<NotWitnessed>() {
            return Some(lacking.into());
        }
        if let Some(ReadPageError::MissingCode { code }) = error.downcast_ref() {
            return Some(Missing::Code { code: *code });
        }
        next = error.source();
    }
    None
}

impl From<&NotWitnessed> for Missing {
    fn from(lacking: &NotWitnessed) -> Self {
        match *lacking {
            NotWitnessed::Position { position } => Self::Position { position },
            NotWitnessed::Page { contract, page } => Self::Page { contract, page },
        }
    }
}

/// Why a block was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenBlockError {
    /// The base is not retained, or its protocol is not configured.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Contracts can not read what the context says.
    #[error(transparent)]
    Datum(#[from] DatumError),
}

/// Why transactions of a block were not undone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// There is no transaction in the block.
    #[error("the block has no transaction to undo")]
    Nothing,
    /// The block has fewer transactions.
    #[error("the block has {included} transactions, fewer than the {len} to go back to")]
    NotReached {
        /// How many were to stay.
        len: usize,
        /// How many there are.
        included: usize,
    },
    /// What it takes was not kept: the block's settings say which transactions can be undone.
    #[error(
        "transaction {index} can not be undone: another was tried after it, and the block's settings keep no more; open the block with `Undo::All`"
    )]
    Forgotten {
        /// The transaction.
        index: usize,
    },
    /// The host failed: the result is unknown.
    #[error(transparent)]
    Fatal(Fatal),
}

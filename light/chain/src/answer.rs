//! Answers: what a proof shows of a contract, once it is verified.

use alloc::vec::Vec;

use crostata_abi::ContractId;
use crostata_proof::{ContractRecord, DecodeError, NotShown, Root, StateProof, VerifyError};
use thiserror::Error;

use crate::question::Question;

/// What was asked for, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is no such contract.
    NoContract,
    /// The contract's record.
    Record(ContractRecord),
    /// Bytes of its memory.
    Bytes(Vec<u8>),
    /// Bytes of its code.
    Code(Vec<u8>),
}

/// Why a proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// The bytes are no proof of any state.
    #[error("the bytes are not a proof: {0}")]
    Decode(#[from] DecodeError),
    /// It is a proof of another state.
    #[error("it does not belong to the state with this root: {0}")]
    Verify(#[from] VerifyError),
    /// It proves something else.
    #[error("it does not show what is asked: {0}")]
    NotShown(#[from] NotShown),
}

impl Question {
    /// The answer that `proof` gives at `root`, if it gives one. Of the proof nothing is believed that does not lead to the root.
    ///
    /// # Errors
    /// [`Refused`] if it gives none.
    pub fn verify(
        &self,
        proof: &[u8],
        root: &Root,
        contract: &ContractId,
    ) -> Result<Answer, Refused> {
        let state = StateProof::decode(proof)?.verify(root)?;
        Ok(match *self {
            Self::Record => match *state.contract(contract)? {
                None => Answer::NoContract,
                Some(record) => Answer::Record(record.clone()),
            },
            Self::Bytes { offset, len } => {
                Answer::Bytes(state.bytes(contract, offset, length(len))?.to_vec())
            }
            Self::Code { offset, len } => {
                Answer::Code(state.code(contract, offset, length(len))?.to_vec())
            }
        })
    }
}

/// Longer than any memory or code if it does not fit.
fn length(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

//! Answers: what a proof shows of a contract, once it is verified.

use alloc::vec::Vec;

use crostata_abi::ContractId;
use crostata_proof::{
    ContractRecord, DecodeError, NotShown, Root, StateProof, Value, ValueProof, ValueProofError,
    VerifyError,
};
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
    /// A value that it declares; none, if its map has no such key.
    Value(Option<Value>),
}

/// Why a proof is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// The bytes are no proof of any state.
    #[error("the bytes are not a proof: {0}")]
    Decode(#[from] DecodeError),
    /// It is a proof of another state.
    #[error("the proof does not belong to the state with this root: {0}")]
    Verify(#[from] VerifyError),
    /// It proves something else.
    #[error("the proof does not show what is asked: {0}")]
    NotShown(#[from] NotShown),
    /// What it shows is not the value that is asked for.
    #[error("the proof does not show the value that is asked for: {0}")]
    Value(ValueProofError),
}

impl From<ValueProofError> for Refused {
    fn from(error: ValueProofError) -> Self {
        match error {
            ValueProofError::State(error) => Self::Verify(error),
            ValueProofError::NotShown(error) => Self::NotShown(error),
            error => Self::Value(error),
        }
    }
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
        let state = |proof| Ok::<_, Refused>(StateProof::decode(proof)?.verify(root)?);
        Ok(match self {
            Self::Record => match *state(proof)?.contract(contract)? {
                None => Answer::NoContract,
                Some(record) => Answer::Record(record.clone()),
            },
            Self::Bytes { offset, len } => {
                let state = state(proof)?;
                Answer::Bytes(state.bytes(contract, *offset, length(*len))?.to_vec())
            }
            Self::Code { offset, len } => {
                let state = state(proof)?;
                Answer::Code(state.code(contract, *offset, length(*len))?.to_vec())
            }
            Self::Value { name, key: None } => {
                let value = ValueProof::decode(proof)?.verify(root, contract, name)?;
                Answer::Value(Some(value.into_inner()))
            }
            Self::Value {
                name,
                key: Some(key),
            } => {
                let key = Value::Bytes(key.clone());
                let value = ValueProof::decode(proof)?.verify_key(root, contract, name, &key)?;
                Answer::Value(value.into_inner())
            }
        })
    }
}

/// Longer than any memory or code if it does not fit.
fn length(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

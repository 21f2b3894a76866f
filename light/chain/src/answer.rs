//! Answers: what a proof shows of a contract, once it is verified.

use alloc::vec::Vec;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::{ContractRecord, DecodeError, PageOpening, RecordOpening, Root, VerifyError};
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
    /// It is not a proof.
    #[error("this is not a proof: {0}")]
    Decode(#[from] DecodeError),
    /// It proves nothing at this root.
    #[error("this proves nothing at this root: {0}")]
    Verify(#[from] VerifyError),
    /// Not yet.
    #[error("no")]
    NotYet,
}

impl Question {
    /// The answer that `proof` gives at `root`, if it is one. Nothing but the root is believed.
    ///
    /// # Errors
    /// [`Refused`] if it is none.
    pub fn verify(
        &self,
        proof: &[u8],
        root: &Root,
        contract: &ContractId,
    ) -> Result<Answer, Refused> {
        match *self {
            Self::Record => {
                let record = RecordOpening::decode(proof)?.verify(root, contract)?;
                Ok(Answer::Record((*record).clone()))
            }
            Self::Bytes { offset, len } => {
                let page = PageIndex::containing(offset).ok_or(Refused::NotYet)?;
                let page = PageOpening::decode(proof)?.verify(root, contract, page)?;
                let begin = (offset % PAGE_BYTES as u64) as usize;
                let bytes = page.get(begin..begin + len as usize);
                Ok(Answer::Bytes(bytes.ok_or(Refused::NotYet)?.to_vec()))
            }
            Self::Code { .. } => Err(Refused::NotYet),
        }
    }
}

//! Forgeries, made on purpose, so that a client can be seen to refuse them.

use std::str::FromStr;

use crostata::{ContractId, ProveValueError, Value};
use crostata_proof::Root;
use light_chain::{Answer, Header, Question, names};
use thiserror::Error;

use crate::chain::Chain;

/// How a header is forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgedHeader {
    /// It has another root and the id that it had.
    ChangedRoot,
    /// It has another root, and the id that follows from that.
    Renamed,
}

/// How a proof is forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgedProof {
    /// A proof of what was so a block earlier.
    OlderBlock,
    /// A proof of another contract with the same code.
    OtherContract,
    /// The bytes that are proven are others.
    ChangedBytes,
    /// The end is missing.
    Cut,
}

/// The forger does not know this way.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the forger knows these ways: {known}")]
pub struct UnknownWay {
    /// Those that are known.
    known: &'static str,
}

impl FromStr for ForgedHeader {
    type Err = UnknownWay;

    fn from_str(way: &str) -> Result<Self, UnknownWay> {
        match way {
            "changed-root" => Ok(Self::ChangedRoot),
            "renamed" => Ok(Self::Renamed),
            _ => Err(UnknownWay {
                known: "changed-root, renamed",
            }),
        }
    }
}

impl FromStr for ForgedProof {
    type Err = UnknownWay;

    fn from_str(way: &str) -> Result<Self, UnknownWay> {
        match way {
            "older-block" => Ok(Self::OlderBlock),
            "other-contract" => Ok(Self::OtherContract),
            "changed-bytes" => Ok(Self::ChangedBytes),
            "cut" => Ok(Self::Cut),
            _ => Err(UnknownWay {
                known: "older-block, other-contract, changed-bytes, cut",
            }),
        }
    }
}

impl ForgedHeader {
    /// The header with the root of some other state.
    pub fn forge(self, header: &Header) -> Header {
        let mut root = header.root.to_bytes();
        root[0] ^= 1;
        let root = Root::from_bytes(root);
        match self {
            Self::ChangedRoot => Header { root, ..*header },
            Self::Renamed => Header::new(header.height, header.parent, root, header.tag),
        }
    }
}

/// A proof that does not prove what is asked.
pub fn proof(
    chain: &Chain,
    block: &Header,
    contract: ContractId,
    question: &Question,
    way: ForgedProof,
) -> Result<Vec<u8>, ProveValueError> {
    let older = || chain.header(block.height.saturating_sub(1));
    match way {
        ForgedProof::OlderBlock => chain.prove(&older().unwrap_or(*block), contract, question),
        ForgedProof::OtherContract => chain.prove(block, names::OTHER_TOKEN, question),
        ForgedProof::ChangedBytes => {
            let mut proof = chain.prove(block, contract, question)?;
            change(&mut proof, block, contract, question);
            Ok(proof)
        }
        ForgedProof::Cut => {
            let mut proof = chain.prove(block, contract, question)?;
            proof.truncate(proof.len() - proof.len().min(32));
            Ok(proof)
        }
    }
}

/// Adds one to the second byte of what is shown: 256 to a number.
fn change(proof: &mut [u8], block: &Header, contract: ContractId, question: &Question) {
    let shown = match question.verify(proof, &block.root, &contract) {
        Ok(Answer::Bytes(bytes) | Answer::Code(bytes)) => bytes,
        Ok(Answer::Record(record)) => record.code_hash.to_bytes().into(),
        Ok(Answer::Value(Some(Value::Uint(number)))) => (number as u64).to_le_bytes().into(),
        Ok(Answer::Value(_) | Answer::NoContract) | Err(_) => Vec::new(),
    };
    let places = proof
        .windows(shown.len().max(1))
        .rposition(|bytes| bytes == shown);
    let place = places.unwrap_or(proof.len().saturating_sub(2));
    if let Some(byte) = proof.get_mut(place + 1) {
        *byte = byte.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: the forgeries are what they are called: proofs elsewhere, or changed ones, and none is accepted.
    #[test]
    fn forged_proofs_are_refused() {
        let chain = Chain::with_blocks(3).unwrap();
        let block = chain.header(2).unwrap();
        let question = Question::Value {
            name: names::BALANCES.into(),
            key: Some(names::ALICE.into()),
        };
        let contract = names::TOKEN;
        let good = chain.prove(&block, contract, &question).unwrap();
        assert!(question.verify(&good, &block.root, &contract).is_ok());
        for way in ["older-block", "other-contract", "changed-bytes", "cut"] {
            let forged = proof(&chain, &block, contract, &question, way.parse().unwrap()).unwrap();
            assert_ne!(forged, good, "{way}");
            let refused = question.verify(&forged, &block.root, &contract);
            assert!(refused.is_err(), "{way}: {refused:?}");
        }
    }

    /// P4: one forged header contradicts its id, the other has an id of its own.
    #[test]
    fn forged_headers_have_another_root() {
        let good = Header::new(3, [1; 32].into(), [2; 32].into(), [3; 32]);
        let changed = ForgedHeader::ChangedRoot.forge(&good);
        assert_ne!(changed.derived_id(), good.id);
        assert_eq!(changed.id, good.id);
        let renamed = ForgedHeader::Renamed.forge(&good);
        assert_eq!(renamed.derived_id(), renamed.id);
        assert_ne!(renamed.id, good.id);
    }
}

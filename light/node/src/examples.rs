//! Examples for the page: proofs of this chain, one of them forged, as JSON.

use crostata::{ContractId, ProofError};
use light_chain::{Header, Question, hex, names};

use crate::chain::Chain;
use crate::forge::{self, ForgedProof};

/// An array of objects: title, root, contract, what is asked, proof in hex.
///
/// No text in it needs escaping.
pub fn json(chain: &Chain) -> Result<String, ProofError> {
    let Some(newest) = chain.header(chain.len().saturating_sub(1)) else {
        return Ok("[]".into());
    };
    let balance = Question::Bytes {
        offset: 65_592,
        len: 8,
    };
    let forged = forge::proof(
        chain,
        &newest,
        names::COUNTER,
        &balance,
        ForgedProof::ChangedBytes,
    )?;
    let examples = [
        example(chain, "A number", &newest, names::COUNTER, &balance)?,
        object(
            "A forged number",
            &newest,
            names::COUNTER,
            &balance,
            &forged,
        ),
        example(
            chain,
            "A contract",
            &newest,
            names::TOKEN,
            &Question::Record,
        )?,
    ];
    Ok(format!("[{}]", examples.join(",\n ")))
}

fn example(
    chain: &Chain,
    title: &str,
    block: &Header,
    contract: ContractId,
    question: &Question,
) -> Result<String, ProofError> {
    let proof = chain.prove(block, contract, question)?;
    Ok(object(title, block, contract, question, &proof))
}

fn object(
    title: &str,
    block: &Header,
    contract: ContractId,
    question: &Question,
    proof: &[u8],
) -> String {
    let (root, proof) = (block.root, hex::encode(proof));
    format!(
        r#"{{"title":"{title}","root":"{root}","contract":"{contract}","ask":"{question}","proof":"{proof}"}}"#
    )
}

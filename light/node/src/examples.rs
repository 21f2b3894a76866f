//! Examples for the page: proofs of this chain, one of them forged, as JSON.

use crostata::{ContractId, ProveValueError};
use light_chain::names::{
    ALICE, Account, BALANCES, COUNTER, NO_CONTRACT, NOBODY, TOKEN, TOTAL_SUPPLY,
};
use light_chain::{Header, Question, hex};

use crate::chain::Chain;
use crate::forge::{self, ForgedProof};

/// An array of objects: title, root, contract, what is asked, proof in hex.
///
/// No text in it needs escaping.
pub fn json(chain: &Chain) -> Result<String, ProveValueError> {
    let Some(newest) = chain.header(chain.len().saturating_sub(1)) else {
        return Ok("[]".into());
    };
    let balance = balance_of(&ALICE);
    let forged = forge::proof(chain, &newest, TOKEN, &balance, ForgedProof::ChangedBytes)?;
    let head = Question::Code { offset: 0, len: 8 };
    let examples = [
        example(chain, "Alice’s balance", &newest, TOKEN, &balance)?,
        object("Her balance, forged", &newest, TOKEN, &balance, &forged),
        example(
            chain,
            "An account with nothing",
            &newest,
            TOKEN,
            &balance_of(&NOBODY),
        )?,
        example(
            chain,
            "The total supply",
            &newest,
            TOKEN,
            &named(TOTAL_SUPPLY, None),
        )?,
        example(chain, "A contract", &newest, COUNTER, &Question::Record)?,
        example(
            chain,
            "No contract",
            &newest,
            NO_CONTRACT,
            &Question::Record,
        )?,
        example(chain, "Some code", &newest, COUNTER, &head)?,
    ];
    Ok(format!("[{}]", examples.join(",\n ")))
}

fn balance_of(account: &Account) -> Question {
    named(BALANCES, Some(account))
}

fn named(name: &str, key: Option<&Account>) -> Question {
    Question::Value {
        name: name.into(),
        key: key.map(|key| key.to_vec()),
    }
}

fn example(
    chain: &Chain,
    title: &str,
    block: &Header,
    contract: ContractId,
    question: &Question,
) -> Result<String, ProveValueError> {
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

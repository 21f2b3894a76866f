//! What the client does, in order: follow the chain; balances, absences, an upgrade; and forgeries, which it must refuse.

use std::fmt::Display;

use crostata_abi::ContractId;
use crostata_proof::ContractRecord;
use light_chain::names::{
    ALICE, Account, BALANCES, BOB, COUNTER, NO_CONTRACT, NOBODY, TOKEN, TOTAL_SUPPLY,
    UPGRADE_HEIGHT,
};
use light_chain::{Answer, Header, Question, Refused};
use thiserror::Error;

use crate::follow::{Checkpoint, FollowError, Followed, Follower};
use crate::forgeries;
use crate::node::{Node, NodeError};
use crate::report::Report;

/// Every Wasm module begins with these bytes.
const WASM_HEAD: [u8; 8] = *b"\0asm\x01\0\0\0";

/// Why something is not proven.
#[derive(Debug, Error)]
enum Unproven {
    /// The node gave nothing.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node gave something else than a proof of that.
    #[error("refused: {0}")]
    Refused(#[from] Refused),
    /// What is proven is not what should be so.
    #[error("it is proven that {0}")]
    Otherwise(String),
}

/// Why the chain is not followed.
#[derive(Debug, Error)]
enum NotFollowed {
    /// The node gave no headers.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The node's headers are not those of the chain.
    #[error("the node's headers are refused: {0}")]
    Refused(#[from] FollowError),
}

/// All steps. What is wrong is in the report, and does not end the rest.
pub fn run(node: &Node, trusted: Checkpoint, agreed: Checkpoint, report: &mut Report) {
    report.about("Following the chain");
    let Some(chain) = follow(node, trusted, agreed, report) else {
        return;
    };
    report.about("Balances of the token");
    balances(node, &chain, report);
    report.about("What does not exist");
    absences(node, chain.newest(), report);
    report.about("A code upgrade");
    upgrade(node, &chain, report);
    report.about("Forgeries, which the node makes when it is told to");
    forgeries::headers(node, &chain, agreed, report);
    forgeries::proofs(node, &chain, report);
}

fn follow(
    node: &Node,
    trusted: Checkpoint,
    agreed: Checkpoint,
    report: &mut Report,
) -> Option<Followed> {
    match headers(node, trusted, agreed) {
        Ok(chain) => {
            tell_followed(&chain, report);
            Some(chain)
        }
        Err(error) => {
            report.bad(error);
            None
        }
    }
}

/// The node gives some headers at a time.
fn headers(node: &Node, trusted: Checkpoint, agreed: Checkpoint) -> Result<Followed, NotFollowed> {
    let mut follower = Follower::new(trusted, agreed);
    while let Some(height) = follower.next_height() {
        follower.take(&node.headers(height)?)?;
    }
    Ok(follower.finish()?)
}

fn tell_followed(chain: &Followed, report: &mut Report) {
    let (first, newest) = (chain.first(), chain.newest());
    report.good(format_args!(
        "{} headers lead from the trusted block {} to block {}, which consensus agreed on",
        chain.len(),
        first.height,
        newest.height
    ));
    report.remark("each id is the hash of parent, root and tag; each parent is the block before");
    report.remark(format_args!("the newest state root is {}", newest.root));
}

/// The question what an account of the token holds.
pub fn balance_of(account: &Account) -> Question {
    Question::Value {
        name: BALANCES.into(),
        key: Some(account.to_vec()),
    }
}

/// What a verified proof answered, and how long the proof was.
struct Proven {
    answer: Answer,
    bytes: usize,
}

fn ask(
    node: &Node,
    block: &Header,
    contract: &ContractId,
    question: &Question,
) -> Result<Proven, Unproven> {
    let proof = node.proof(block.height, contract, question)?;
    let answer = question.verify(&proof, &block.root, contract)?;
    let bytes = proof.len();
    Ok(Proven { answer, bytes })
}

/// Reports a sentence, or why there is none.
fn tell(report: &mut Report, what: &str, told: Result<String, Unproven>) {
    match told {
        Ok(sentence) => report.good(sentence),
        Err(error) => report.bad(format_args!("{what}: {error}")),
    }
}

fn balances(node: &Node, chain: &Followed, report: &mut Report) {
    for block in [chain.first(), chain.newest()] {
        let told = value(node, block, &balance_of(&ALICE), "alice has");
        tell(report, "alice's balance", told);
    }
    let newest = chain.newest();
    let told = value(node, newest, &balance_of(&BOB), "bob has");
    tell(report, "bob's balance", told);
    let supply = Question::Value {
        name: TOTAL_SUPPLY.into(),
        key: None,
    };
    let told = value(node, newest, &supply, "all accounts have");
    tell(report, "the total supply", told);
}

fn value(node: &Node, block: &Header, question: &Question, who: &str) -> Result<String, Unproven> {
    let proven = ask(node, block, &TOKEN, question)?;
    let (height, bytes) = (block.height, proven.bytes);
    match &proven.answer {
        Answer::Value(Some(value)) => Ok(format!(
            "{who} {value} tokens after block {height} (a proof of {bytes} bytes)"
        )),
        answer => Err(otherwise(answer)),
    }
}

fn absences(node: &Node, block: &Header, report: &mut Report) {
    let told = no_account(node, block);
    tell(report, "an account that does not exist", told);
    let told = no_contract(node, block);
    tell(report, "a contract that does not exist", told);
}

fn no_account(node: &Node, block: &Header) -> Result<String, Unproven> {
    let proven = ask(node, block, &TOKEN, &balance_of(&NOBODY))?;
    match &proven.answer {
        Answer::Value(None) => Ok(format!(
            "the token has no account called `nobody` (a proof of {} bytes)",
            proven.bytes
        )),
        answer => Err(otherwise(answer)),
    }
}

fn no_contract(node: &Node, block: &Header) -> Result<String, Unproven> {
    let proven = ask(node, block, &NO_CONTRACT, &Question::Record)?;
    match &proven.answer {
        Answer::NoContract => Ok(format!(
            "there is no contract {} (a proof of {} bytes)",
            short(&NO_CONTRACT),
            proven.bytes
        )),
        answer => Err(otherwise(answer)),
    }
}

fn upgrade(node: &Node, chain: &Followed, report: &mut Report) {
    let before = UPGRADE_HEIGHT
        .checked_sub(1)
        .and_then(|height| chain.at(height));
    let (Some(before), Some(after)) = (before, chain.at(UPGRADE_HEIGHT)) else {
        report.remark(format_args!(
            "not looked at: it came with block {UPGRADE_HEIGHT}, and not all of what it needs was followed"
        ));
        return;
    };
    let told = records(node, before, after);
    tell(report, "the upgrade", told);
    let told = code_head(node, after);
    tell(report, "the new code", told);
}

fn records(node: &Node, before: &Header, after: &Header) -> Result<String, Unproven> {
    let (old, new) = (record(node, before)?, record(node, after)?);
    if old.owner != new.owner {
        return Err(Unproven::Otherwise("the contract has another owner".into()));
    }
    if old.code_hash == new.code_hash {
        return Err(Unproven::Otherwise("the code is the same".into()));
    }
    Ok(format!(
        "block {} replaced the counter's code {} ({} bytes) by {} ({} bytes); its id and owner stayed",
        after.height,
        short(&old.code_hash),
        old.code_len_bytes,
        short(&new.code_hash),
        new.code_len_bytes
    ))
}

fn record(node: &Node, block: &Header) -> Result<ContractRecord, Unproven> {
    match ask(node, block, &COUNTER, &Question::Record)?.answer {
        Answer::Record(record) => Ok(record),
        answer => Err(otherwise(&answer)),
    }
}

fn code_head(node: &Node, block: &Header) -> Result<String, Unproven> {
    let question = Question::Code {
        offset: 0,
        len: WASM_HEAD.len() as u64,
    };
    let proven = ask(node, block, &COUNTER, &question)?;
    match &proven.answer {
        Answer::Code(bytes) if *bytes == WASM_HEAD => Ok(format!(
            "the new code begins as WebAssembly does; the rest of it was not sent (a proof of {} bytes)",
            proven.bytes
        )),
        answer => Err(otherwise(answer)),
    }
}

fn otherwise(answer: &Answer) -> Unproven {
    Unproven::Otherwise(match answer {
        Answer::NoContract => "there is no such contract".into(),
        Answer::Record(record) => format!("there is a contract {}", record.contract),
        Answer::Bytes(bytes) | Answer::Code(bytes) => {
            format!("the bytes are {}", light_chain::hex::encode(bytes))
        }
        Answer::Value(Some(value)) => format!("the value is {value}"),
        Answer::Value(None) => "there is nothing under this key".into(),
    })
}

/// Enough of an id for people.
fn short(id: &impl Display) -> String {
    id.to_string().chars().take(12).collect::<String>() + "…"
}

//! What the client does, in order: follow the chain; a number, absences, an upgrade; and forgeries, which it must refuse.

use std::fmt::Display;

use crostata_abi::ContractId;
use crostata_proof::ContractRecord;
use light_chain::names::{COUNTER, NO_CONTRACT, UPGRADE_HEIGHT};
use light_chain::{Answer, Header, Question, Refused};
use thiserror::Error;

use crate::follow::{Checkpoint, FollowError, Followed};
use crate::node::{Node, NodeError};
use crate::report::Report;

/// Where the counter before its upgrade has its number: behind 64 KiB of shadow stack and what the compiler put there.
const COUNTER_NUMBER: Question = Question::Bytes {
    offset: 65_592,
    len: 8,
};

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
    /// The proof proves something else than what was expected.
    #[error("it is proven that {0}")]
    Otherwise(String),
}

/// All steps. What is wrong is in the report, and does not end the rest.
pub fn run(node: &Node, trusted: Checkpoint, agreed: Checkpoint, report: &mut Report) {
    report.about("Following the chain");
    let Some(chain) = follow(node, trusted, agreed, report) else {
        return;
    };
    report.about("A number in a contract's memory");
    numbers(node, &chain, report);
    report.about("What does not exist");
    absences(node, &chain, report);
    report.about("A code upgrade");
    upgrade(node, &chain, report);
    report.about("Forgeries, which the node makes on purpose");
    forged_headers(node, trusted, agreed, report);
    forged_proofs(node, &chain, report);
}

fn follow(
    node: &Node,
    trusted: Checkpoint,
    agreed: Checkpoint,
    report: &mut Report,
) -> Option<Followed> {
    let lines = match node.headers(&format!("/headers?from={}", trusted.height)) {
        Ok(lines) => lines,
        Err(error) => {
            report.bad(error);
            return None;
        }
    };
    match Followed::follow(&lines, trusted, agreed) {
        Ok(chain) => {
            let (first, newest) = (chain.first().height, chain.newest());
            report.good(format_args!(
                "{} headers from the trusted block {first} to block {}, the one that was agreed on",
                chain.len(),
                newest.height
            ));
            report.remark(
                "each id is the hash of parent, root and tag, and each parent is the block before",
            );
            report.remark(format_args!("the state root is now {}", newest.root));
            Some(chain)
        }
        Err(error) => {
            report.bad(format_args!("the node's headers are refused: {error}"));
            None
        }
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
fn tell<S: Display>(report: &mut Report, what: &str, told: Result<S, Unproven>) {
    match told {
        Ok(sentence) => report.good(sentence),
        Err(error) => report.bad(format_args!("{what}: {error}")),
    }
}

fn numbers(node: &Node, chain: &Followed, report: &mut Report) {
    for block in [chain.first(), chain.newest()] {
        if block.height < UPGRADE_HEIGHT {
            let told = number(node, block);
            tell(report, "the counter's number", told);
        }
    }
}

fn number(node: &Node, block: &Header) -> Result<String, Unproven> {
    let proven = ask(node, block, &COUNTER, &COUNTER_NUMBER)?;
    let height = block.height;
    match &proven.answer {
        Answer::Bytes(bytes) => {
            let number = bytes
                .iter()
                .rev()
                .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            Ok(format!(
                "the counter is at {number} at block {height} (proof of {} bytes)",
                proven.bytes
            ))
        }
        answer => Err(otherwise(answer)),
    }
}

fn absences(node: &Node, chain: &Followed, report: &mut Report) {
    let told = no_contract(node, chain.newest());
    tell(report, "a contract that does not exist", told);
}

fn no_contract(node: &Node, block: &Header) -> Result<String, Unproven> {
    let proven = ask(node, block, &NO_CONTRACT, &Question::Record)?;
    match &proven.answer {
        Answer::NoContract => Ok(format!(
            "there is no contract {} at block {} (proof of {} bytes)",
            short(&NO_CONTRACT),
            block.height,
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
            "not looked at: it came with block {UPGRADE_HEIGHT}, which is not among those followed"
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
    if old.owner != new.owner || old.contract != new.contract {
        return Err(Unproven::Otherwise("the contract changed hands".into()));
    }
    if old.code_hash == new.code_hash {
        return Err(Unproven::Otherwise("the code is the same".into()));
    }
    Ok(format!(
        "with block {} the counter's code {} ({} bytes) became {} ({} bytes), its owner stayed",
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
            "the new code begins as Wasm does, without the rest of it being sent (proof of {} bytes)",
            proven.bytes
        )),
        answer => Err(otherwise(answer)),
    }
}

fn forged_headers(node: &Node, trusted: Checkpoint, agreed: Checkpoint, report: &mut Report) {
    for way in ["changed-root", "renamed"] {
        let path = format!("/forged-headers?from={}&how={way}", trusted.height);
        let lines = match node.headers(&path) {
            Ok(lines) => lines,
            Err(error) => {
                report.bad(error);
                continue;
            }
        };
        match Followed::follow(&lines, trusted, agreed) {
            Err(FollowError::Id { .. } | FollowError::NotAgreed { .. })
                if way == "renamed" || way == "changed-root" =>
            {
                report.good(format_args!("a header ({way}) is refused"))
            }
            Err(error) => report.bad(format_args!(
                "a forged header ({way}) is refused for another reason: {error}"
            )),
            Ok(_) => report.bad(format_args!("a FORGED header ({way}) was accepted")),
        }
    }
}

/// The ways that the node knows.
const WAYS: [&str; 4] = ["older-block", "other-contract", "changed-bytes", "cut"];

fn forged_proofs(node: &Node, chain: &Followed, report: &mut Report) {
    for way in WAYS {
        forged_proof(node, chain.newest(), way, report);
    }
}

fn forged_proof(node: &Node, block: &Header, way: &str, report: &mut Report) {
    let proof = match node.forged_proof(block.height, &COUNTER, &COUNTER_NUMBER, way) {
        Ok(proof) => proof,
        Err(error) => return report.bad(error),
    };
    match COUNTER_NUMBER.verify(&proof, &block.root, &COUNTER) {
        Ok(_) => report.bad(format_args!("a FORGED proof ({way}) was accepted")),
        Err(refused) if is_expected(way, &refused) => {
            report.good(format_args!("a proof ({way}) is refused: {refused}"));
        }
        Err(refused) => report.bad(format_args!(
            "a forged proof ({way}) is refused for another reason than expected: {refused}"
        )),
    }
}

/// A forgery that is not even a proof would say nothing of the verifier.
fn is_expected(way: &str, refused: &Refused) -> bool {
    match refused {
        Refused::Decode(_) => way == "cut",
        Refused::NotShown(_) => way == "other-contract",
        Refused::Verify(_) => way == "older-block" || way == "changed-bytes",
    }
}

fn otherwise(answer: &Answer) -> Unproven {
    Unproven::Otherwise(match answer {
        Answer::NoContract => "there is no such contract".into(),
        Answer::Record(record) => format!("there is a contract {}", record.contract),
        Answer::Bytes(bytes) | Answer::Code(bytes) => {
            format!("the bytes are {}", light_chain::hex::encode(bytes))
        }
    })
}

/// Enough of an id for people.
fn short(id: &impl Display) -> String {
    id.to_string().chars().take(12).collect::<String>() + "…"
}

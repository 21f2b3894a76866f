//! Forgeries that the node makes on purpose. Each must be refused, and for the reason that its kind should have: what is refused for being
//! no proof at all would say nothing of the verifier.

use light_chain::names::{ALICE, BOB, TOKEN};
use light_chain::{Header, Question, Refused};

use crate::follow::{Checkpoint, FollowError, Followed};
use crate::node::Node;
use crate::report::Report;
use crate::steps::balance_of;

/// A forged header, as the node calls it.
struct HeaderForgery {
    way: &'static str,
    what: &'static str,
    is_refusal: fn(&FollowError) -> bool,
}

const HEADERS: [HeaderForgery; 2] = [
    HeaderForgery {
        way: "changed-root",
        what: "a header with another root and its old id",
        is_refusal: |error| matches!(error, FollowError::Id { .. }),
    },
    HeaderForgery {
        way: "renamed",
        what: "a header with another root and the id that goes with it",
        is_refusal: |error| matches!(error, FollowError::NotAgreed { .. }),
    },
];

/// A forged proof, as the node calls it.
struct ProofForgery {
    way: &'static str,
    what: &'static str,
    is_refusal: fn(&Refused) -> bool,
}

const PROOFS: [ProofForgery; 4] = [
    ProofForgery {
        way: "changed-bytes",
        what: "alice's balance, changed in a good proof",
        is_refusal: |refused| matches!(refused, Refused::Verify(_)),
    },
    ProofForgery {
        way: "older-block",
        what: "alice's balance of the block before",
        is_refusal: |refused| matches!(refused, Refused::Verify(_)),
    },
    ProofForgery {
        way: "other-contract",
        what: "alice's balance in a contract with the same code",
        is_refusal: |refused| matches!(refused, Refused::NotShown(_)),
    },
    ProofForgery {
        way: "cut",
        what: "a proof without its end",
        is_refusal: |refused| matches!(refused, Refused::Decode(_)),
    },
];

/// What bob, who got his first tokens with the second block, had before.
const BOB_BEFORE: ProofForgery = ProofForgery {
    way: "older-block",
    what: "that bob has no account, when he has one since this block",
    is_refusal: |refused| matches!(refused, Refused::Verify(_)),
};

/// Headers of which the newest is forged.
pub fn headers(node: &Node, trusted: Checkpoint, agreed: Checkpoint, report: &mut Report) {
    for forgery in &HEADERS {
        let lines = match node.forged_headers(trusted.height, forgery.way) {
            Ok(lines) => lines,
            Err(error) => {
                report.bad(error);
                continue;
            }
        };
        let what = forgery.what;
        match Followed::follow(&lines, trusted, agreed) {
            Err(error) if (forgery.is_refusal)(&error) => {
                report.good(format_args!("refused: {what}"));
                report.remark(error);
            }
            Err(error) => report.bad(format_args!("refused, but not as forged: {what}: {error}")),
            Ok(_) => report.bad(format_args!("ACCEPTED: {what}")),
        }
    }
}

/// Forged proofs of balances.
pub fn proofs(node: &Node, chain: &Followed, report: &mut Report) {
    for forgery in &PROOFS {
        proof(node, chain.newest(), &balance_of(&ALICE), forgery, report);
    }
    if let Some(block) = chain.at(1) {
        proof(node, block, &balance_of(&BOB), &BOB_BEFORE, report);
    }
}

fn proof(
    node: &Node,
    block: &Header,
    question: &Question,
    forgery: &ProofForgery,
    report: &mut Report,
) {
    let proof = match node.forged_proof(block.height, &TOKEN, question, forgery.way) {
        Ok(proof) => proof,
        Err(error) => return report.bad(error),
    };
    let what = forgery.what;
    match question.verify(&proof, &block.root, &TOKEN) {
        Err(refused) if (forgery.is_refusal)(&refused) => {
            report.good(format_args!("refused: {what}"));
            report.remark(refused);
        }
        Err(refused) => report.bad(format_args!(
            "refused, but not as forged: {what}: {refused}"
        )),
        Ok(_) => report.bad(format_args!("ACCEPTED: {what}")),
    }
}

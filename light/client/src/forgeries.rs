//! Forgeries that the node makes on purpose. Each must be refused, and for the reason that its kind should have: what is refused for being
//! no proof at all would say nothing of the verifier.

use light_chain::names::{ALICE, BOB, TOKEN};
use light_chain::{Header, Question, Refused};

use crate::follow::{Checkpoint, FollowError, Followed, Follower};
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

/// Headers of which the agreed one is forged, from the one before it on.
pub fn headers(node: &Node, chain: &Followed, agreed: Checkpoint, report: &mut Report) {
    let before = agreed
        .height
        .checked_sub(1)
        .and_then(|height| chain.at(height));
    let Some(before) = before else {
        report.remark("no forged headers: nothing is followed that is not trusted already");
        return;
    };
    let trusted = Checkpoint {
        height: before.height,
        id: before.id,
    };
    for forgery in &HEADERS {
        header(node, trusted, agreed, forgery, report);
    }
}

fn header(
    node: &Node,
    trusted: Checkpoint,
    agreed: Checkpoint,
    forgery: &HeaderForgery,
    report: &mut Report,
) {
    let lines = match node.forged_headers(trusted.height, agreed.height, forgery.way) {
        Ok(lines) => lines,
        Err(error) => return report.bad(error),
    };
    let what = forgery.what;
    let mut follower = Follower::new(trusted, agreed);
    match follower.take(&lines).and_then(|()| follower.finish()) {
        Err(error) if (forgery.is_refusal)(&error) => {
            report.good(format_args!("refused: {what}"));
            report.remark(error);
        }
        Err(error) => report.bad(format_args!("refused, but not as forged: {what}: {error}")),
        Ok(_) => report.bad(format_args!("ACCEPTED: {what}")),
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

//! The same chain without anything around it: a session and a commit per block, one after the other, and the rules of blocks written down once more.

use crostata::{Action, Error, ReceiptDigest, Session, SessionData, Transaction, VM};
use crostata_proof::receipts::{ReceiptLeaf, ReceiptsTree, deployment_digest};

use crate::node::Roots;
use crate::world::{BLOCK_GAS, context, genesis, register, tag, transactions};

/// That a plain run has these roots.
pub fn assert_same(seed: u64, expected: &[Roots]) {
    let mut vm = VM::ephemeral().unwrap();
    register(&mut vm);
    let mut base = None;
    for (height, expected) in (0..).zip(expected) {
        let (given, gas) = match height {
            0 => (genesis(), u64::MAX),
            height => (transactions(seed, height, 0), BLOCK_GAS),
        };
        let mut data = SessionData::builder().block(context(height, 0)).unwrap();
        if let Some(base) = base {
            data = data.base(base);
        }
        let mut session = vm.session(data).unwrap();
        let leaves = block(&mut session, &given, gas);
        let commit = session.commit_with_tag(tag(height, 0)).unwrap();
        let found = (commit.root, ReceiptsTree::new(leaves).root());
        assert_eq!(found, *expected, "at height {height}");
        vm.finalize_commit(commit.id).unwrap();
        base = Some(commit);
    }
}

fn block(session: &mut Session, given: &[Transaction], mut gas: u64) -> Vec<ReceiptLeaf> {
    let mut leaves = Vec::new();
    for transaction in given {
        let code_gas = match &transaction.action {
            Action::Deploy { code, .. } => session.deploy_price(code),
            Action::Call { .. } => 0,
        };
        if transaction.limit_gas + code_gas > gas {
            break;
        }
        for (name, bytes) in &transaction.data {
            session.set_meta_raw(name, bytes.clone()).unwrap();
        }
        if let Some((digest, spent)) = run(session, transaction, code_gas) {
            gas -= spent;
            let tag = transaction.tag;
            leaves.push(ReceiptLeaf { tag, digest });
        }
        for name in transaction.data.keys() {
            session.remove_meta(name);
        }
    }
    leaves
}

/// The digest of a transaction's receipt and the gas that it took, if it is in the block.
fn run(
    session: &mut Session,
    transaction: &Transaction,
    code_gas: u64,
) -> Option<(ReceiptDigest, u64)> {
    let limit = transaction.limit_gas;
    let result = match &transaction.action {
        Action::Call {
            contract,
            function,
            argument,
            may_feed,
        } => {
            let receipt = match may_feed {
                true => {
                    let (feeder, _fed) = std::sync::mpsc::channel();
                    session.feeder_call_raw(*contract, function, argument, limit, feeder)
                }
                false => session.call_raw(*contract, function, argument, limit),
            };
            receipt.map(|receipt| (receipt.digest, receipt.gas_spent))
        }
        Action::Deploy { code, data } => session
            .deploy_with_receipt(code, data.clone(), limit)
            .map(|receipt| {
                let init = receipt.init.map(|init| (init.digest, init.gas_spent));
                let digest = init.map(|init| init.0);
                let digest = deployment_digest(&receipt.contract_id, code_gas, digest.as_ref());
                (digest, code_gas + init.map_or(0, |init| init.1))
            }),
    };
    match result {
        Ok(ran) => Some(ran),
        Err(Error::Rejected(_)) => None,
        Err(Error::Reverted(reverted)) => {
            let is_call = matches!(transaction.action, Action::Call { .. });
            assert!(is_call, "no deployment of this chain fails");
            Some((reverted.receipt.digest, reverted.receipt.gas_spent))
        }
        Err(error) => panic!("{error}"),
    }
}

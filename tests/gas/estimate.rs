//! The least limit that is enough, found by running: one less does something else, and nothing of the search stays.

use crostata::{CallReceipt, ContractId, Error, Estimate, Rejected, Session, VM};

use crate::fixtures::{
    BACKENDS, LIMIT, WIDTHS, Width, call_gas, deploy, ephemeral, fresh, id, module, reverted, runs,
    schedule, start_gas,
};

use super::exact::work;

/// Calls `run` of contract 2 with the default share of gas and gives its code.
const CALLING: &str = r#"
  (data (PTR.const 0) "\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00run")
  (func (export "run") (param i32) (result i32)
    (i32.store (PTR.const 65536)
      (call $c (PTR.const 0) (PTR.const 32) (i32.const 3) (i32.const 0) (i64.const 0)))
    (i32.const 4))"#;

/// Long work, so that a sixty-fourth of it is more than all else.
const LONG: &str = "(local $left i32) (local.set $left (i32.const 500000))
    (loop $next
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $next (local.get $left)))
    (i32.const 0)";

/// A calling contract, 1, and its callee, 2.
fn pair(vm: &VM, width: Width, callee: &[u8]) -> Session {
    let mut session = fresh(vm);
    deploy(&mut session, 1, &module(width, CALLING));
    deploy(&mut session, 2, callee);
    session
}

/// Holds an estimate against calls with it, with one less, and with more.
fn hold(session: &mut Session, contract: ContractId, argument: &[u8]) -> Estimate {
    let root = session.root().unwrap();
    let estimate = session.estimate(contract, "run", argument, LIMIT).unwrap();
    assert_eq!(session.root().unwrap(), root);
    let before = session.savepoint().unwrap();
    let mut call = |limit| session.call_raw(contract, "run", argument, limit);
    let enough = call(estimate.gas_limit).unwrap();
    assert_eq!(enough.data, estimate.receipt.data);
    assert_eq!(ends(&enough), ends(&estimate.receipt));
    let short = call(estimate.gas_limit - 1);
    let does_less =
        |short: CallReceipt<Vec<u8>>| short.data != enough.data || ends(&short) != ends(&enough);
    assert!(short.map_or(true, does_less));
    session.rollback(before).unwrap();
    estimate
}

fn ends(receipt: &CallReceipt<Vec<u8>>) -> Vec<bool> {
    let frames = receipt.call_tree.iter();
    frames.map(|frame| frame.failure.is_none()).collect()
}

#[test]
fn a_lone_frame_needs_one_more_than_it_spends() {
    for backend in BACKENDS {
        for width in WIDTHS {
            let vm = ephemeral(backend);
            let mut session = fresh(&vm);
            let contract = deploy(&mut session, 1, &work(width, "(i32.const 0)"));
            let estimate = hold(&mut session, contract, &[]);
            assert_eq!(estimate.gas_limit, estimate.receipt.gas_spent + 1);
        }
    }
}

/// What a callee does not get of its caller's gas must be there, and is not spent.
#[test]
fn a_caller_needs_what_its_callee_may_not_have() {
    for width in WIDTHS {
        let vm = ephemeral(BACKENDS[0]);
        let mut session = pair(&vm, width, &runs(width, LONG));
        let estimate = hold(&mut session, id(1), &[]);
        let spent = estimate.receipt.gas_spent;
        assert!(estimate.gas_limit > spent + spent / 200, "{estimate:?}");
        // The deposit for a failure comes back when there is none.
        let most = spent + spent / 16 + schedule().failure_base;
        assert!(estimate.gas_limit < most, "{estimate:?}");
        assert!(estimate.runs < 60, "{} runs", estimate.runs);
    }
}

/// A callee that traps takes its whole share, of whatever limit; that it fails is what must stay the same.
#[test]
fn a_caught_trap_stays_a_trap() {
    for width in WIDTHS {
        let vm = ephemeral(BACKENDS[0]);
        let callee = runs(width, "(unreachable)");
        let mut session = pair(&vm, width, &callee);
        let estimate = hold(&mut session, id(1), &[]);
        let least = start_gas(&module(width, CALLING)) + call_gas(&callee) + schedule().page_read;
        // The caller keeps a sixty-fourth for what it does then: it writes the page of its result.
        let most = least + 65 * (schedule().page_write + 1_000);
        assert!(estimate.receipt.gas_spent > LIMIT / 2);
        assert!(
            (least..most).contains(&estimate.gas_limit),
            "{}",
            estimate.gas_limit
        );
    }
}

#[test]
fn what_fails_has_no_estimate() {
    let vm = ephemeral(BACKENDS[0]);
    let mut session = fresh(&vm);
    let contract = deploy(&mut session, 1, &runs(WIDTHS[0], "(unreachable)"));
    let root = session.root().unwrap();
    reverted(session.estimate(contract, "run", [], LIMIT));
    let missing = session.estimate(contract, "walk", [], LIMIT);
    assert!(matches!(missing, Err(Error::Rejected(Rejected::Call(_)))));
    let nobody = session.estimate(id(9), "run", [], LIMIT);
    assert!(matches!(nobody, Err(Error::Rejected(Rejected::Call(_)))));
    assert_eq!(session.root().unwrap(), root);
    // No savepoint is left open.
    let savepoint = session.savepoint().unwrap();
    session.release(savepoint).unwrap();
    session.commit().unwrap();
}

#[test]
fn too_little_at_most_is_out_of_gas() {
    let vm = ephemeral(BACKENDS[0]);
    let mut session = fresh(&vm);
    let contract = deploy(&mut session, 1, &work(WIDTHS[0], "(i32.const 0)"));
    let enough = session.estimate(contract, "run", [], LIMIT).unwrap();
    let at_most = session
        .estimate(contract, "run", [], enough.gas_limit)
        .unwrap();
    assert_eq!(at_most.gas_limit, enough.gas_limit);
    reverted(session.estimate(contract, "run", [], enough.gas_limit - 1));
    reverted(session.estimate(contract, "run", [], 0));
}

//! Deployments whose `init` fails.

use crostata::{ContractData, Outcome, Session};

use super::scene::everywhere;
use crate::fixtures::{Narrow, Wide, Width, id, module, reverted};

/// A contract whose `init` has actor 1 write, emits, grows and then ends as `end` says.
fn failing(width: Width, end: &str) -> Vec<u8> {
    let writes =
        crate::fixtures::actor::script(&[crate::fixtures::actor::Write(crate::fixtures::CELLS, 9)]);
    let hex =
        |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\{byte:02x}")).collect() };
    let (target, script) = (hex(id(1).as_bytes()), hex(&writes));
    let len = writes.len();
    let body = format!(
        r#"(data (PTR.const 0) "{target}run")
        (data (PTR.const 64) "{script}")
        (func (export "init") (param i32) (result i32)
          (memory.copy (PTR.const 65536) (PTR.const 64) (PTR.const {len}))
          (if (i32.lt_s (call $c (PTR.const 0) (PTR.const 32) (i32.const 3) (i32.const {len}) (i64.const 0))
                        (i32.const 0)) (then (call $panic (i32.const 3))))
          (call $emit (PTR.const 32) (i32.const 3) (i32.const 0))
          (drop (memory.grow (PTR.const 1)))
          {end})
        (func (export "here") (param i32) (result i32) (i32.const 0))"#
    );
    module(width, &body)
}

fn deploy(session: &mut Session, code: &[u8]) -> Result<crostata::ContractId, crostata::Error> {
    let data = ContractData::builder().contract_id(id(5));
    session.deploy(code, data, 20_000_000)
}

/// A failing `init` leaves no contract and nothing of what it did to others; the id can be used afterwards.
#[test]
fn a_failing_init_leaves_no_contract() {
    let ends = [
        ("(unreachable)", Outcome::Unreachable),
        ("(call $panic (i32.const 0)) (i32.const 0)", Outcome::Panic),
        ("(loop (br 0)) (i32.const 0)", Outcome::OutOfGas),
        ("(i32.const -1)", Outcome::ResultOutOfBounds),
    ];
    everywhere(|mut session| {
        for width in [Narrow, Wide] {
            for (end, outcome) in ends {
                let before = session.root().unwrap();
                let reverted = reverted(deploy(&mut session, &failing(width, end)));
                assert_eq!(reverted.failure.code, outcome);
                assert_eq!(reverted.failure.function, "init");
                assert_eq!(reverted.receipt.reverted_events.len(), 1);
                assert_eq!(session.root().unwrap(), before);
                assert_eq!(session.contract_metadata(&id(5)).unwrap(), None);
                assert!(session.call_raw(id(5), "here", [], 1_000_000).is_err());
            }
        }
        let before = session.root().unwrap();
        deploy(&mut session, &failing(Narrow, "(i32.const 0)")).unwrap();
        assert_ne!(session.root().unwrap(), before);
        session.call_raw(id(5), "here", [], 1_000_000).unwrap();
    });
}

/// What a failed deployment left out does not turn up in the commit either.
#[test]
fn a_failed_deployment_is_not_committed() {
    everywhere(|mut session| {
        reverted(deploy(&mut session, &failing(Narrow, "(unreachable)")));
        let root = session.root().unwrap();
        assert_eq!(session.commit().unwrap().root, root);
        assert_eq!(session.contract_metadata(&id(5)).unwrap(), None);
    });
}

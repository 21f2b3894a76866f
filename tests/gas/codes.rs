//! The code of each failure, and the digest of each receipt.

use crostata::{CallReceipt, Failure, Outcome, ReceiptDigest, Session};
use crostata_abi::Gas;
use crostata_proof::receipt::ReceiptDigestBuilder;

use crate::fixtures::{
    BACKENDS, LIMIT, WIDTHS, Width, deploy, ephemeral, fresh, id, module, reverted,
};

/// What a function body does, and how it ends then.
const ENDS: &[(&str, Outcome)] = &[
    ("(i32.const 3)", Outcome::Success),
    ("(call $panic (i32.const 3)) (i32.const 0)", Outcome::Panic),
    ("(loop (br 0)) (i32.const 0)", Outcome::OutOfGas),
    ("(unreachable)", Outcome::Unreachable),
    ("(i32.load (PTR.const -4))", Outcome::MemoryOutOfBounds),
    (
        "(i32.load8_u (PTR.const 262144))",
        Outcome::MemoryOutOfBounds,
    ),
    ("(i32.load (PTR.const 262141))", Outcome::MemoryOutOfBounds),
    (
        "(i32.load offset=4294967295 (PTR.const 1))",
        Outcome::MemoryOutOfBounds,
    ),
    (
        "(memory.fill (PTR.const 262143) (i32.const 0) (PTR.const 2)) (i32.const 0)",
        Outcome::MemoryOutOfBounds,
    ),
    (
        "(memory.copy (PTR.const 0) (PTR.const 262143) (PTR.const 2)) (i32.const 0)",
        Outcome::MemoryOutOfBounds,
    ),
    (
        "(i32.div_s (i32.const 1) (local.get $zero))",
        Outcome::DivideByZero,
    ),
    (
        "(i32.wrap_i64 (i64.rem_u (i64.const 1) (i64.extend_i32_u (local.get $zero))))",
        Outcome::DivideByZero,
    ),
    (
        "(i32.div_s (i32.const -2147483648) (i32.sub (local.get $zero) (i32.const 1)))",
        Outcome::IntegerOverflow,
    ),
    (
        "(i32.trunc_f64_s (f64.const 1e300))",
        Outcome::IntegerOverflow,
    ),
    (
        "(i32.trunc_f32_u (f32.const nan))",
        Outcome::BadConversionToInteger,
    ),
    (
        "(call_indirect (type $end) (i32.const 0) (i32.const 5))",
        Outcome::TableOutOfBounds,
    ),
    (
        "(call_indirect (type $end) (i32.const 0) (i32.const 2))",
        Outcome::IndirectCallToNull,
    ),
    (
        "(call_indirect (type $end) (i32.const 0) (i32.const 1))",
        Outcome::BadSignature,
    ),
    ("(call $deep (i32.const 0))", Outcome::StackExhausted),
    (
        "(call $hdebug (i32.const -1)) (i32.const 0)",
        Outcome::HostFunctionMisuse,
    ),
    (
        "(call $feed (i32.const 1)) (i32.const 0)",
        Outcome::FeedOutsideFeeder,
    ),
    ("(i32.const 65537)", Outcome::ResultOutOfBounds),
    ("(i32.const -1)", Outcome::ResultOutOfBounds),
];

/// A contract with a function per end, `end0` and so on; each emits an event first.
fn ending(width: Width) -> Vec<u8> {
    let functions: String = (0..)
        .zip(ENDS)
        .map(|(number, (end, _))| {
            format!(
                "(func (export \"end{number}\") (param i32) (result i32) (local $zero i32)
                   (call $emit (PTR.const 0) (i32.const 5) (i32.const 2))
                   {end})\n"
            )
        })
        .collect();
    let body = format!(
        r#"(type $end (func (param i32) (result i32)))
        (data (PTR.const 0) "ended")
        (table 3 3 funcref)
        (elem (i32.const 0) $fine $other)
        (func $fine (param i32) (result i32) (local.get 0))
        (func $other)
        (func $deep (param i32) (result i32)
          (i32.add (call $deep (local.get 0)) (i32.const 1)))
        {functions}"#
    );
    module(width, &body)
}

/// Runs a test on each backend and width, in a session with an ending contract, once per end.
fn each_end(test: impl Fn(&mut Session, &str, Outcome)) {
    for backend in BACKENDS {
        for width in WIDTHS {
            let mut session = fresh(&ephemeral(backend));
            deploy(&mut session, 1, &ending(width));
            for (number, (end, outcome)) in (0..).zip(ENDS) {
                println!("{backend:?} {width:?} {end}");
                test(&mut session, &format!("end{number}"), *outcome);
            }
        }
    }
}

/// The digest that a light client computes from what it was told.
fn recomputed<T>(receipt: &CallReceipt<T>, outcome: Outcome, data: &[u8]) -> ReceiptDigest {
    let (spent, limit) = (Gas(receipt.gas_spent), Gas(receipt.gas_limit));
    let digest = ReceiptDigestBuilder::new(outcome, spent, limit, data);
    let events = receipt.events.iter();
    events
        .fold(digest, |digest, event| {
            digest.event(&event.source, event.topic.as_bytes(), &event.data)
        })
        .finish()
}

/// Every failure has its code on both backends and in both widths, names its place, and all but a panic's spends the limit.
#[test]
fn every_end_has_its_code() {
    each_end(|session, function, outcome| {
        let called = session.call_raw(id(1), function, [], 1_000_000);
        if outcome == Outcome::Success {
            called.unwrap();
            return;
        }
        let failed = reverted(called);
        let Failure {
            code,
            contract,
            function: place,
            ..
        } = &failed.failure;
        assert_eq!(
            (*code, *contract, place.as_str()),
            (outcome, id(1), function)
        );
        let whole = failed.receipt.gas_spent == 1_000_000;
        assert_eq!(whole, outcome != Outcome::Panic);
    });
}

/// The digest of each receipt is the one that `crostata-proof` makes from class, code, gas, result and surviving events.
#[test]
fn every_digest_can_be_recomputed() {
    each_end(|session, function, outcome| {
        match session.call_raw(id(1), function, [1, 2, 3], 1_000_000) {
            Ok(receipt) => {
                assert_eq!(receipt.events.len(), 1);
                let expected = recomputed(&receipt, outcome, &receipt.data);
                assert_eq!(receipt.digest, expected);
                assert_ne!(receipt.digest, recomputed(&receipt, outcome, b"other"));
            }
            Err(error) => {
                let receipt = reverted::<()>(Err(error)).receipt;
                assert_eq!(
                    (receipt.events.len(), receipt.reverted_events.len()),
                    (0, 1)
                );
                assert_eq!(receipt.digest, recomputed(&receipt, outcome, b""));
            }
        }
    });
}

/// What `c` tells of each end: the length, -1, -2, or the least `i32`.
#[test]
fn every_end_as_a_contract_sees_it() {
    let calls = r#"(data (PTR.const 0) "\01")
      (func (export "call") (param $len i32) (result i32)
        (memory.copy (PTR.const 32) (PTR.const 65536) (call $at (local.get $len)))
        (i32.store (PTR.const 65536)
          (call $c (PTR.const 0) (PTR.const 32) (local.get $len) (i32.const 0) (i64.const 1000000)))
        (i32.const 4))"#;
    each_end(|session, function, outcome| {
        if session.contract_metadata(&id(2)).unwrap().is_none() {
            deploy(session, 2, &module(Width::Narrow, calls));
        }
        let receipt = session.call_raw(id(2), "call", function, LIMIT).unwrap();
        let code = i32::from_le_bytes(receipt.data.try_into().unwrap());
        let expected = match outcome {
            Outcome::Success => 3,
            Outcome::Panic => -1,
            Outcome::OutOfGas => -2,
            _ => i32::MIN,
        };
        assert_eq!(code, expected);
    });
}

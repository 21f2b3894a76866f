//! P6: no path through a body is long without a look at the gas.

use wasmparser::{Operator, Parser, Payload};

use super::{contract, prepared};

/// Empty loops in the rewritten form of a body, which has none of its own.
fn looks(body: &str) -> usize {
    let code = contract(&format!(
        r#"(func (export "f") (param i32) (result i32) {body} (i32.const 0))"#
    ));
    let wasm = prepared(&code).wasm;
    let bodies = Parser::new(0).parse_all(&wasm);
    let bodies = bodies.filter_map(|payload| match payload.unwrap() {
        Payload::CodeSectionEntry(body) => Some(body),
        _ => None,
    });
    let operators = bodies.flat_map(|body| body.get_operators_reader().unwrap());
    operators
        .filter(|operator| matches!(operator, Ok(Operator::Loop { .. })))
        .count()
}

/// Two operators.
const PAIR: &str = "(drop (local.get 0))";

#[test]
fn straight_code_is_looked_at_every_256_operators() {
    assert_eq!(looks(&PAIR.repeat(100)), 0);
    assert_eq!(looks(&PAIR.repeat(1_280)), 10);
}

/// Looking inside of an arm that a path goes around is not looking on that path.
#[test]
fn the_longest_path_counts() {
    let around = format!("(block (br_if 0 (local.get 0)) {})", PAIR.repeat(120));
    assert_eq!(looks(&around.repeat(10)), 10);
    let arm = format!(
        "{} (if (local.get 0) (then {}))",
        PAIR.repeat(20),
        PAIR.repeat(120)
    );
    assert_eq!(looks(&arm.repeat(10)), 11);
    let either = format!(
        "(if (local.get 0) (then {}) (else {}))",
        PAIR.repeat(100),
        PAIR.repeat(50)
    );
    assert_eq!(looks(&either.repeat(10)), 15);
}

/// A hostile way around: each time the count is full, the look is in an arm that is never taken.
#[test]
fn looks_can_not_be_gone_around() {
    let body = format!(
        "{} (if (i32.const 0) (then {}))",
        PAIR.repeat(126),
        PAIR.repeat(10)
    );
    // One in the arm, and one on the path around it, each time.
    assert!(looks(&body.repeat(20)) >= 30);
}

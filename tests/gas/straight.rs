//! Code without loops: without gas it does not get far, whatever it is made of.

use crostata::{Outcome, VM};

use super::exact::{alone, everywhere, least, run};
use crate::fixtures::{LIMIT, Width, module, reverted, start_gas};

/// Divides by zero: a trap that is seen whether or not there is gas, and tells that code got so far.
const TRAP: &str = "(drop (i32.div_u (i32.const 1) (local.get $zero)))";

/// How much further than its gas a straight line may get.
const FURTHER_MAX: u64 = 1_100;

/// Statements that lines are made of, the number of which gives the address.
const STATEMENTS: &[&str] = &[
    "(local.set $x (i32.add (local.get $x) (i32.const 1)))",
    "(local.set $x (i32.mul (local.get $x) (local.get $x)))",
    "(local.set $l (i64.div_u (local.get $l) (i64.const 3)))",
    "(local.set $f (f64.add (local.get $f) (f64.const 1.5)))",
    "(local.set $f (f64.sqrt (f64.div (local.get $f) (f64.const 1.5))))",
    "(local.set $p (PTR.add (local.get $p) (PTR.const 4))) (local.set $x (i32.load (local.get $p)))",
    "(local.set $p (PTR.add (local.get $p) (PTR.const 4))) (i64.store (local.get $p) (i64.const 9))",
    "(local.set $x (i32.load (call $at (i32.const 131072))))",
    "(i32.store (PTR.const 131072) (i32.const 1))",
    "(local.set $x (i32.load (PTR.const 131072)))",
    "(if (local.get $zero) (then (local.set $x (i32.const 1))) (else (local.set $x (i32.const 2))))",
    "(block (br_if 0 (local.get $zero)) (local.set $x (i32.mul (local.get $x) (i32.const 5))))",
    "(block (br_if 0 (i32.eqz (local.get $zero))) MANY)",
    "(memory.fill (PTR.const 131072) (i32.const 1) (PTR.const 8))",
    "(call $nothing)",
    "(drop (call_indirect (type $leaf) (i32.const 0)))",
    "(drop (call $leaf))",
];

/// So many times a statement, and then what it ends with.
fn line(width: Width, statement: &str, times: usize, end: &str) -> Vec<u8> {
    let many = "(local.set $x (i32.mul (local.get $x) (i32.const 3)))".repeat(200);
    module(
        width,
        &format!(
            "(type $leaf (func (result i32))) (table 1 1 funcref) (elem (i32.const 0) $leaf)
             (func $nothing) (func $leaf (result i32) (i32.const 1))
             (func (export \"run\") (param i32) (result i32)
               (local $zero i32) (local $x i32) (local $l i64) (local $f f64) (local $p PTR)
               (local.set $p (PTR.const 131072))
               (i32.store (PTR.const 131072) (i32.const 1))
               {} {end} (i32.const 0))",
            statement.replace("MANY", &many).repeat(times)
        ),
    )
}

/// What the code spends.
fn cost(vm: &VM, code: &[u8]) -> u64 {
    let mut session = alone(vm, code);
    run(&mut session, LIMIT).unwrap().gas_spent - start_gas(code)
}

/// Whether code with so much gas to begin with gets to its trap.
fn reaches_trap(vm: &VM, code: &[u8], gas: u64) -> bool {
    let failed = reverted(run(&mut alone(vm, code), start_gas(code) + gas));
    match failed.failure.code {
        Outcome::DivideByZero => true,
        Outcome::OutOfGas => false,
        other => panic!("{other:?}"),
    }
}

/// A straight line gets at most about a thousand gas further than its gas: a trap behind that is not reached.
#[test]
fn a_line_without_gas_ends_soon() {
    everywhere(|vm, width| {
        for statement in STATEMENTS {
            // What comes first is paid, then there is one gas more.
            let first = cost(vm, &line(width, statement, 0, ""));
            assert!(reaches_trap(
                vm,
                &line(width, statement, 0, TRAP),
                first + 1
            ));
            let most = if statement.contains("MANY") {
                40
            } else {
                1_000
            };
            let far = least(most, |times| {
                let code = line(width, statement, times as usize, TRAP);
                !reaches_trap(vm, &code, first + 1)
            });
            let further = cost(vm, &line(width, statement, far as usize, "")) - first;
            println!("{further:6} {far:4} {statement}");
            assert!(further <= FURTHER_MAX, "{further} {statement}");
        }
    });
}

/// A body nearly as long as bodies may be, with a trap behind its first thousand gas, at its middle, and at its end.
#[test]
fn a_long_body_without_gas_ends_soon() {
    everywhere(|vm, width| {
        let statement = STATEMENTS[0];
        for before in [275, 4_200, 8_400] {
            let end = format!("{TRAP} {}", statement.repeat(8_400 - before));
            let code = line(width, statement, before, &end);
            assert!(code.len() > 58_000, "{}", code.len());
            let first = cost(vm, &line(width, statement, 0, ""));
            assert!(!reaches_trap(vm, &code, first + 1), "{before}");
            assert!(reaches_trap(vm, &code, LIMIT), "{before}");
        }
    });
}

/// Recurses `depth` deep; does `bottom` there, and in each frame `tail` on the way back, and divides by zero in the frame called
/// with `trap_at`.
fn recursion(width: Width, depth: u32, bottom: &str, tail: &str, trap_at: u32) -> Vec<u8> {
    module(
        width,
        &format!(
            "(func $down (param $left i32) (result i32) (local $zero i32) (local $x i32)
               (if (i32.eqz (local.get $left)) (then {bottom} (return (i32.const 1))))
               (local.set $x (call $down (i32.sub (local.get $left) (i32.const 1))))
               {tail}
               (if (i32.eq (local.get $left) (i32.const {trap_at})) (then {TRAP}))
               (local.get $x))
             (func (export \"run\") (param i32) (result i32)
               (drop (call $down (i32.const {depth}))) (i32.const 0))"
        ),
    )
}

/// Gas that is just enough to get to the bottom.
fn descent(vm: &VM, width: Width, depth: u32, tail: &str) -> u64 {
    let code = recursion(width, depth, "(unreachable)", tail, depth + 1);
    least(LIMIT, |gas| {
        let failed = reverted(run(&mut alone(vm, &code), start_gas(&code) + gas));
        failed.failure.code == Outcome::Unreachable
    })
}

/// A recursion that has spent all gas at its bottom ends behind the innermost call when there is something to do, and otherwise
/// does less on its way back than it did on its way down.
#[test]
fn a_recursion_without_gas_does_little_on_its_way_back() {
    let depth = 200;
    everywhere(|vm, width| {
        let more = STATEMENTS[0].repeat(20);
        let gas = descent(vm, width, depth, &more);
        let first = recursion(width, depth, "", &more, 1);
        assert!(reaches_trap(vm, &first, LIMIT));
        assert!(!reaches_trap(vm, &first, gas));
        let gas = descent(vm, width, depth, "");
        let all = cost(vm, &recursion(width, depth, "", "", depth + 1));
        assert!(all < 2 * gas, "{all} {gas}");
    });
}

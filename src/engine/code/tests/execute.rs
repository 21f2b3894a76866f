//! P1, P6, P8: a rewritten contract does what the deployed one says, and its stack is bounded.

use super::super::CodeLimits;
use super::{Running, contract, contract_64, prepared};
use wasmtime::Trap;

/// Every way out of a function that WebAssembly has; `f` takes those that its argument names.
const WAYS_OUT: &str = r#"
    (global $trace (mut i32) (i32.const 0))
    (func $early (param i32) (result i32)
      (block (loop (if (local.get 0) (then (return (i32.const 11)))))) (i32.const 12))
    (func $branch (param i32) (result i32)
      (block (br_if 1 (i32.const 21) (local.get 0)) drop) (i32.const 22))
    (func $switch (param i32) (result i32)
      (block $one (result i32) (br_table $one 1 (i32.const 40) (local.get 0))) (i32.const 1) i32.add)
    (func $return_many (param i32) (result i32 i64)
      (if (local.get 0) (then (return (i32.const 1) (i64.const 50)))) (i32.const 2) (i64.const 60))
    (func $branch_many (param i32) (result i32 i64)
      (block (br_if 0 (local.get 0)) (br 1 (i32.const 3) (i64.const 70))) (i32.const 4) (i64.const 80))
    (func $nothing (param i32) (if (local.get 0) (then (return))) (global.set $trace (i32.const 5)))
    (func $never (param i32) (result i32) (return (local.get 0)) unreachable)
    (func $dead (param i32) (result i32) (local.get 0) (return) (block (br 1 (i32.const 1))) (return))
    (func $empty)
    (func $loop (param i32) (result i32) (local i32)
      (loop $again (local.set 1 (i32.add (local.get 1) (local.get 0)))
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))
    (func $sum (param i32 i64) (result i32) (i32.add (local.get 0) (i32.wrap_i64 (local.get 1))))
    (table 4 funcref) (elem (i32.const 1) $early $branch)
    (func (export "f") (param i32) (result i32) (local $low i32) (local $bit i32)
      (local.set $low (i32.and (local.get 0) (i32.const 1)))
      (local.set $bit (i32.and (local.get 0) (i32.const 2)))
      (call $empty) (call $nothing (local.get $low))
      (call $early (local.get $low))
      (i32.add (call $branch (local.get $bit)))
      (i32.add (call $switch (local.get $low)))
      (i32.add (call $sum (call $return_many (local.get $bit))))
      (i32.add (call $sum (call $branch_many (local.get $low))))
      (i32.add (call $never (local.get 0))) (i32.add (call $dead (local.get 0)))
      (i32.add (call $loop (i32.add (local.get 0) (i32.const 1))))
      (i32.add (call_indirect (param i32) (result i32)
        (local.get $bit) (i32.add (i32.const 1) (local.get $low))))
      (i32.add (global.get $trace)))"#;

#[test]
fn results_are_those_of_the_deployed_code() {
    for make in [contract, contract_64] {
        let code = make(WAYS_OUT);
        let (mut deployed, mut rewritten) = (Running::new(&code), Running::prepared(&code));
        for argument in 0..16 {
            let expected = deployed.call("f", argument).unwrap();
            assert_eq!(
                rewritten.call("f", argument).unwrap(),
                expected,
                "f({argument})"
            );
            assert_eq!(rewritten.memory(), deployed.memory());
        }
    }
}

#[test]
fn the_counter_is_restored_on_every_way_out() {
    let limit = CodeLimits::default().stack_height_limit.cast_signed();
    let mut running = Running::prepared(&contract(WAYS_OUT));
    assert_eq!(running.height(), limit);
    for argument in 0..16 {
        running.call("f", argument).unwrap();
        assert_eq!(running.height(), limit, "after f({argument})");
    }
}

#[test]
fn branches_to_the_function_itself_return_values() {
    let limit = CodeLimits::default().stack_height_limit.cast_signed();
    let code = contract(
        r#"(func $through (param i32) (result i32)
          (block (result i32) (i32.const 5) (br_table 0 1 (local.get 0))) (i32.const 100) i32.add)
        (func (export "f") (param i32) (result i32) (call $through (local.get 0)))"#,
    );
    let mut running = Running::prepared(&code);
    assert_eq!(running.call("f", 0).unwrap(), 105);
    assert_eq!(running.call("f", 1).unwrap(), 5);
    assert_eq!(running.height(), limit);
}

#[test]
fn recursion_ends_at_the_counter_and_leaves_it_negative() {
    let code = contract(
        r#"(global $depth (mut i32) (i32.const 0))
        (func $f (export "f") (param i32) (result i32)
          (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
          (call $f (local.get 0)))"#,
    );
    let mut running = Running::prepared(&code);
    let error = running.call("f", 0).unwrap_err();
    assert_eq!(
        error.downcast_ref::<Trap>(),
        Some(&Trap::UnreachableCodeReached)
    );
    assert!(running.height() < 0);
    // One parameter, at most two operands, and three computed values: 64 + 8 x 6 bytes a frame.
    let depth = running.global("crostata.global.1");
    let depth = depth.get(&mut running.store).i32().unwrap();
    assert_eq!(depth, 524_288 / 112);
}

#[test]
fn a_trap_elsewhere_leaves_the_counter_positive() {
    let code = contract(r#"(func (export "f") (param i32) (result i32) (unreachable))"#);
    let mut running = Running::prepared(&code);
    running.call("f", 0).unwrap_err();
    assert!(running.height() > 0);
}

#[test]
fn mutable_globals_are_within_reach_of_the_host() {
    let code = contract(
        r#"(global $g (mut i64) (i64.const 40))
        (func (export "f") (param i32) (result i32)
          (global.set $g (i64.add (global.get $g) (i64.const 2))) (i32.wrap_i64 (global.get $g)))"#,
    );
    let mut running = Running::prepared(&code);
    assert_eq!(running.call("f", 0).unwrap(), 42);
    let name = prepared(&code).facts.globals.remove(0);
    let global = running.global(&name);
    global
        .set(&mut running.store, wasmtime::Val::I64(-2))
        .unwrap();
    assert_eq!(running.call("f", 0).unwrap(), 0);
}

#[test]
fn globals_begin_with_every_bit_of_the_deployed_code() {
    let code = contract(
        r#"(global $a f32 (f32.const nan:0x200001)) (global $b (mut f32) (f32.const 0x1.fffffep-1))
        (global $c f64 (f64.const -nan:0x4000000000001)) (global $d (mut f64) (f64.const -0x0.0000000000001p-1022))
        (global $e i64 (i64.const 0x7fff_ffff_0000_0001)) (global $f (mut i32) (i32.const 0x8000_0001))
        (func $fold (param i64) (result i32)
          (i32.xor (i32.wrap_i64 (local.get 0)) (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32)))))
        (func (export "f") (param i32) (result i32)
          (block (block (block (block (block (br_table 0 1 2 3 4 (local.get 0)))
            (return (i32.reinterpret_f32 (global.get $a)))) (return (i32.reinterpret_f32 (global.get $b))))
            (return (call $fold (i64.reinterpret_f64 (global.get $c)))))
            (return (call $fold (i64.reinterpret_f64 (global.get $d)))))
          (i32.add (call $fold (global.get $e)) (global.get $f)))"#,
    );
    let (mut deployed, mut rewritten) = (Running::new(&code), Running::prepared(&code));
    for argument in 0..5 {
        let expected = deployed.call("f", argument).unwrap();
        assert_eq!(
            rewritten.call("f", argument).unwrap(),
            expected,
            "{argument}"
        );
    }
}

#[test]
fn nops_before_accesses_change_no_result() {
    let code = contract_64(
        r#"(data (i64.const 16) "\2a\00\00\00")
        (func (export "f") (param i32) (result i32)
          (i64.store (i64.const 32) (i64.load32_s (i64.extend_i32_u (local.get 0)))) (i32.load (i64.const 32)))"#,
    );
    assert_eq!(Running::prepared(&code).call("f", 16).unwrap(), 42);
}

#[test]
fn a_64_bit_table_is_filled_and_called() {
    let code = contract_64(
        r#"(table i64 4 funcref) (elem (i64.const 2) $forty_two)
        (func $forty_two (result i32) (i32.const 42))
        (func (export "f") (param i32) (result i32) (call_indirect (result i32) (i64.extend_i32_u (local.get 0))))"#,
    );
    let mut running = Running::prepared(&code);
    assert_eq!(running.call("f", 2).unwrap(), 42);
    running.call("f", 0).unwrap_err();
}

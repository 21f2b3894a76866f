//! WebAssembly text, put together.

use super::id;

/// Imports that call attacks use.
pub const CALLS: &str = r#"(import "env" "c" (func $c (param i32 i32 i32 i32 i64) (result i32)))"#;

/// Where the names of functions are in contracts that call others.
pub const NAMES: u32 = 512;
/// Where the ids of contracts are: that of number `n` at `IDS + 32 n`.
pub const IDS: u32 = 1_024;

/// A contract with a memory of `pages` pages of 64 KiB, the argument buffer in the second.
pub fn contract(pages: u32, imports: &str, body: &str) -> Vec<u8> {
    code(&format!(
        r#"(module {imports}
          (memory (export "memory") {pages} 65536)
          (global (export "A") i32 (i32.const 65536))
          {body})"#
    ))
}

/// The same with a 64-bit memory.
pub fn wide_contract(pages: u32, imports: &str, body: &str) -> Vec<u8> {
    code(&format!(
        r#"(module {imports}
          (memory (export "memory") i64 {pages})
          (global (export "A") i64 (i64.const 65536))
          {body})"#
    ))
}

/// The module of a text.
pub fn code(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text of an attack is WebAssembly")
}

/// `run`, which gives no result. Locals `i`, `j`, `k` are i32, `x`, `y` i64, `f` f64.
pub fn run(body: &str) -> String {
    function("run", body)
}

/// An exported function as [`run`].
pub fn function(name: &str, body: &str) -> String {
    format!(
        r#"(func (export "{name}") (param $argument i32) (result i32)
          (local $i i32) (local $j i32) (local $k i32) (local $x i64) (local $y i64) (local $f f64)
          {body} (i32.const 0))"#
    )
}

/// Until the gas is used up.
pub fn forever(body: &str) -> String {
    format!("(loop $forever {body} (br $forever))")
}

/// `count` times; the local of the name counts from 0.
pub fn times(local: &str, count: u32, body: &str) -> String {
    stepping(local, count, 1, body)
}

/// With the local going from 0 below `end` in steps.
pub fn stepping(local: &str, end: u32, step: u32, body: &str) -> String {
    format!(
        "(local.set ${local} (i32.const 0))
         (loop ${local}
           {body}
           (local.set ${local} (i32.add (local.get ${local}) (i32.const {step})))
           (br_if ${local} (i32.lt_u (local.get ${local}) (i32.const {end}))))"
    )
}

/// The next of the numbers that look random, in `i`.
pub const RANDOM: &str =
    "(local.set $i (i32.add (i32.mul (local.get $i) (i32.const 1664525)) (i32.const 1013904223)))";

/// Data: a function's name at [`NAMES`], the ids of contracts 0 to `ids`.
pub fn names(name: &str, ids: u32) -> String {
    let ids: String = (0..=ids)
        .flat_map(|number| id(number).to_bytes())
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    format!(r#"(data (i32.const {NAMES}) "{name}") (data (i32.const {IDS}) "{ids}")"#)
}

/// A call of the function at [`NAMES`] of contract `number`, its result dropped.
pub fn call(number: u32, name: &str, argument_bytes: u32, limit_gas: u64) -> String {
    let id = IDS + 32 * number;
    let name_bytes = name.len();
    format!(
        "(drop (call $c (i32.const {id}) (i32.const {NAMES}) (i32.const {name_bytes}) (i32.const {argument_bytes}) (i64.const {limit_gas})))"
    )
}

/// A contract that calls `go` of contract 2 forever.
pub fn calling_go(argument_bytes: u32, limit_gas: u64) -> Vec<u8> {
    let calls = forever(&call(2, "go", argument_bytes, limit_gas));
    contract(2, CALLS, &(names("go", 2) + &run(&calls)))
}

/// The same as often as said, so that it may succeed.
pub fn calling_go_times(count: u32, argument_bytes: u32, limit_gas: u64) -> Vec<u8> {
    let calls = times("i", count, &call(2, "go", argument_bytes, limit_gas));
    contract(2, CALLS, &(names("go", 2) + &run(&calls)))
}

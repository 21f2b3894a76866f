//! P2, P6: where checks are put, where they are left out, and that neither can be fooled.

use super::super::analysis::{self, Checking};
use super::super::{CodeLimits, WordSize, rewrite, scan};
use super::generated::run;
use super::marked::{self, Seen};
use super::{contract, wasm};
use wasmparser::{MemArg, Operator, Parser, Payload};
use wasmtime::{Engine, Trap};

/// The operators of the rewritten function with this index.
fn checks_in(code: &[u8]) -> usize {
    let prepared = super::prepared(code);
    let bodies = Parser::new(0)
        .parse_all(&prepared.wasm)
        .filter_map(|payload| match payload.unwrap() {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        });
    let operators = bodies.flat_map(|body| body.get_operators_reader().unwrap());
    let looks = |operator: &Operator<'_>| match operator {
        Operator::I32Load8U {
            memarg: MemArg { memory, .. },
        } => *memory == 1,
        _ => false,
    };
    operators
        .filter(|operator| looks(operator.as_ref().unwrap()))
        .count()
}

/// Checks in a function with a pointer `$p`, an `i32` `$n`, and these operators.
fn checks(operators: &str) -> usize {
    checks_in(&contract(&format!(
        "(func (export \"f\") (param $p i32) (result i32) (local $n i32) (local $q i32) {operators} (i32.const 0))
         (func $callee)"
    )))
}

#[test]
fn one_check_covers_what_is_near() {
    let load = |offset: u32| format!("(drop (i64.load offset={offset} (local.get $p)))");
    assert_eq!(checks(&load(0)), 1);
    assert_eq!(checks(&(load(0) + &load(256))), 1);
    assert_eq!(checks(&(load(0) + &load(257))), 2);
    // The lowest address is checked first.
    assert_eq!(checks(&(load(300) + &load(100) + &load(356))), 1);
    assert_eq!(checks(&(load(257) + &load(0))), 2);
    // A small offset is checked at the operand.
    assert_eq!(checks(&(load(8) + &load(264))), 2);
}

#[test]
fn a_write_is_checked_with_the_first_access() {
    let (load, store) = (
        "(drop (i32.load (local.get $p)))",
        "(i32.store offset=4 (local.get $p) (local.get $n))",
    );
    assert_eq!(checks(&format!("{load} {store}")), 1);
    assert_eq!(checks(&format!("{load} call $callee {store}")), 2);
    assert_eq!(checks(&format!("{store} call $callee {load} {store}")), 1);
}

#[test]
fn arithmetic_is_seen_through() {
    let near = [
        "(local.set $q (i32.add (local.get $p) (i32.const 16)))",
        "(local.set $q (i32.sub (local.get $p) (i32.const -16)))",
        "(local.set $q (i32.add (i32.const 16) (local.tee $q (local.get $p))))",
    ];
    for setting in near {
        let loads = "(drop (i32.load (local.get $p))) (drop (i32.load (local.get $q)))";
        assert_eq!(checks(&format!("{setting} {loads}")), 1, "{setting}");
    }
    let element = |index: &str| {
        format!("(drop (i32.load (i32.add (local.get $p) (i32.shl {index} (i32.const 2)))))")
    };
    let next = element("(i32.add (local.get $n) (i32.const 1))");
    assert_eq!(checks(&(element("(local.get $n)") + &next)), 1);
}

#[test]
fn facts_last_as_far_as_every_way_leads_through_them() {
    let load = "(drop (i32.load (local.get $p)))";
    let leave = "(br_if 0 (local.get $n))";
    let counts = [
        (format!("(block {load} {leave}) {load}"), 1),
        (format!("(block {leave} {load}) {load}"), 2),
        (format!("(block (block {leave} {load}) {load}) {load}"), 2),
        (format!("(loop {load} {leave}) {load}"), 1),
        (format!("(loop {leave} {load}) {load}"), 1),
        (format!("(if (local.get $n) (then {load})) {load}"), 2),
        (
            format!("(if (local.get $n) (then {load}) (else {load})) {load}"),
            3,
        ),
        (
            format!("{load} (if (local.get $n) (then {load}) (else {load})) {load}"),
            1,
        ),
        (format!("(block (br_table 0 0 (local.get $n))) {load}"), 1),
        (
            format!("(block {load} (block (br_table 0 1 (local.get $n))) {load}) {load}"),
            1,
        ),
        (
            format!("{load} (local.set $p (i32.load (local.get $p))) {load}"),
            2,
        ),
        (
            format!("{load} (loop (local.set $p (local.get $n)) {leave}) {load}"),
            2,
        ),
        (
            format!(
                "(loop {load} (local.set $p (i32.add (local.get $p) (i32.const 4))) {leave}) {load}"
            ),
            1,
        ),
        // Code that is not reached is left as it is.
        (format!("(block (br 0) {load})"), 0),
    ];
    for (operators, expected) in counts {
        assert_eq!(checks(&operators), expected, "{operators}");
    }
}

/// Results or traps, and what the host saw.
type Run = (Vec<Result<i32, Option<Trap>>>, Seen);

/// Runs `f0` to `f2`, all the same, before and after rewriting.
fn run_both(memory: &str, body: &str) -> [Run; 3] {
    let function = |name| format!(r#"(func (export "{name}") (param $x i32) (result i32) {body})"#);
    let functions = ["f0", "f1", "f2"].map(function).concat();
    let text = format!(r#"(module (memory (export "memory") {memory}) {functions})"#);
    let code = wasm(&text);
    let limits = CodeLimits::default();
    let outline = scan::scan(&code, &limits).unwrap();
    let word_size = match memory.starts_with("i64") {
        true => WordSize::W64,
        false => WordSize::W32,
    };
    let rewritten = rewrite::rewrite(&outline, word_size, &limits, Checking::default())
        .unwrap()
        .0;
    let audited = marked::audited(&rewritten);
    let engine = Engine::default();
    [
        run(&engine, &code, false),
        run(&engine, &audited, false),
        run(&engine, &audited, true),
    ]
}

fn assert_same(memory: &str, body: &str) {
    let [(expected, _), marked, strict] = run_both(memory, body);
    for (results, seen) in [marked, strict] {
        assert_eq!(results, expected, "{memory} {body}");
        assert_eq!(seen.misses, [""; 0], "{memory} {body}");
    }
}

#[test]
fn pointers_around_the_end_of_the_address_space() {
    for memory in ["65536", "1"] {
        for start in ["0xfffffff0", "0xffffff00", "0xfffff000", "0xfffffff8"] {
            for step in [8, 16, 100, 248, 256, 260] {
                let pointer = format!("(local $p i32) (local.set $p (i32.const {start}))");
                let next = format!("(i32.add (local.get $p) (i32.const {step}))");
                let dynamic = "(local.set $p (i32.add (local.get $p) (local.get $x)))";
                let store = format!("(i64.store {next} (i64.const -1))");
                let low = "(drop (i64.load (local.get $p)))";
                let result = format!("(i32.load8_u {next})");
                assert_same(memory, &format!("{pointer} {low} {store} {result}"));
                assert_same(
                    memory,
                    &format!("{pointer} {dynamic} {low} {store} {result}"),
                );
                // The store around the end comes first; what is checked with it traps in a small memory.
                assert_same(memory, &format!("{pointer} {store} {low} {result}"));
                assert_same(
                    memory,
                    &format!("{pointer} {dynamic} {store} {low} {result}"),
                );
            }
        }
    }
}

#[test]
fn offsets_beyond_the_address_space_trap() {
    for offset in ["0xffffffff", "0xfffffff0", "0x80000000"] {
        let load = format!("(i32.load8_u offset={offset} (local.get $x))");
        assert_same("65536", &load);
        assert_same("1", &load);
    }
}

#[test]
fn accesses_across_pages() {
    for address in [4_089, 4_095, 8_191, 65_528, 65_529, 65_535] {
        let body = format!(
            "(i64.store (i32.const {address}) (i64.extend_i32_u (local.get $x)))
             (i32.store16 offset=7 (i32.add (local.get $x) (i32.const {address})) (i32.const 77))
             (i32.load offset=3 (i32.const {address}))"
        );
        assert_same("2", &body);
        assert_same("1", &body);
    }
}

#[test]
fn addresses_of_64_bits() {
    let addresses = [
        "-1",
        "-8",
        "-300",
        "-4096",
        "0x100000000000",
        "0x100000000ff8",
        "0xfffff",
        "0xfffffffff000",
        "65532",
        "0x100000000",
        "0x40000000000",
    ];
    for address in addresses {
        for distance in [8, 256, 4_096] {
            let pointer = format!(
                "(local $p i64) (local.set $p (i64.add (i64.const {address}) (i64.extend_i32_u (local.get $x))))"
            );
            let near = format!("(i64.add (local.get $p) (i64.const {distance}))");
            let store = format!("(i32.store8 {near} (local.get $x))");
            let load = "(i32.load (local.get $p))";
            assert_same("i64 16", &format!("{pointer} {store} {load}"));
            assert_same("i64 16", &format!("{pointer} (drop {load}) {store} {load}"));
            assert_same(
                "i64 16",
                &format!("{pointer} {store} (i32.load offset=40 (local.get $p))"),
            );
            let constant = format!("(i32.load offset={distance} (i64.const {address}))");
            assert_same("i64 16", &constant);
        }
    }
}

#[test]
fn bulk_operations_of_every_length() {
    for (memory, pointer) in [("2", "i32"), ("i64 2", "i64")] {
        for length in [0, 1, 8, 263, 264, 265, 5_000] {
            for place in [0, 4_090, 65_536, 131_072 - length, 131_073 - length] {
                let copy = format!(
                    "(memory.copy ({pointer}.const {place}) ({pointer}.const 100) ({pointer}.const {length}))"
                );
                let fill = format!(
                    "(memory.fill ({pointer}.const {place}) (i32.const 7) ({pointer}.const {length}))"
                );
                let back = format!(
                    "(memory.copy ({pointer}.const 9) ({pointer}.const {place}) ({pointer}.const {length}))"
                );
                let result = format!("(i32.load8_u ({pointer}.const 9))");
                assert_same(
                    memory,
                    &format!("{fill} {fill} {back} {copy} {copy} {result}"),
                );
            }
        }
    }
}

#[test]
fn names_follow_their_functions() {
    let code = wasm(
        r#"(module (import "env" "hd" (func $host (param i32 i32) (result i32)))
        (memory (export "memory") 3) (global (export "A") i32 (i32.const 65536))
        (func $first (param $argument i32)) (func $second))"#,
    );
    let prepared = super::prepare(&code, &CodeLimits::default());
    let Ok(prepared) = prepared else {
        panic!("{prepared:?}")
    };
    assert_eq!(prepared.facts.added_imports, 5);
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(&prepared.wasm) {
        let Payload::CustomSection(section) = payload.unwrap() else {
            continue;
        };
        let wasmparser::KnownCustom::Name(reader) = section.as_known() else {
            continue;
        };
        for subsection in reader {
            match subsection.unwrap() {
                wasmparser::Name::Function(functions) => names.extend(
                    functions
                        .into_iter()
                        .map(Result::unwrap)
                        .map(|name| (name.index, name.name)),
                ),
                wasmparser::Name::Local(locals) => {
                    let functions: Vec<u32> = locals
                        .into_iter()
                        .map(|local| local.unwrap().index)
                        .collect();
                    assert!(functions.contains(&6));
                }
                _ => {}
            }
        }
    }
    assert_eq!(names, [(0, "host"), (6, "first"), (7, "second")]);
}

/// A body of that many bytes at most, filled with `unit`.
fn filled(unit: &str, count: usize, locals: usize) -> Vec<u8> {
    let locals = "i32 ".repeat(locals);
    wasm(&format!(
        r#"(module (memory (export "memory") 3) (global (export "A") i32 (i32.const 65536))
        (func (param i32) (local {locals}) {}))"#,
        unit.repeat(count)
    ))
}

#[test]
fn hostile_bodies_take_bounded_steps() {
    let scattered = |step: u32| -> String {
        let load = |place: u32| format!("(drop (i32.load offset={} (local.get 0)))", place * step);
        (0..6_000).map(load).collect()
    };
    let writes: String = (1..1_024)
        .map(|local| format!("(local.set {local} (local.get 0))"))
        .collect();
    let leave = "(br_if 0 (local.get 0))";
    let nested = format!(
        "{}{writes}{}",
        "block ".repeat(85),
        format!("{leave} end ").repeat(85)
    );
    let load = "(drop (i32.load (local.get 0)))";
    let inside = format!(
        "{}{writes}{}",
        "block ".repeat(85),
        format!("{leave} end {load}").repeat(85)
    );
    let tables = format!("(block (br_table {} (local.get 0)))", "0 ".repeat(1_000));
    let bodies = [
        filled("local.get 0 i32.load drop ", 10_000, 0),
        filled(
            "local.get 0 local.get 0 i32.store local.get 0 i32.load local.set 0 ",
            4_500,
            0,
        ),
        filled(&scattered(300), 1, 0),
        filled(&scattered(1), 1, 0),
        filled(&format!("{load} {nested}"), 1, 1_023),
        filled(&inside, 1, 1_023),
        filled(&format!("{load} {tables}"), 4, 0),
        filled(
            &format!("(loop {load} (local.set 1 (local.get 0)) {leave})"),
            500,
            30,
        ),
        filled(&format!("(block {leave} {load})"), 4_000, 0),
    ];
    for (place, code) in bodies.iter().enumerate() {
        let outline = match scan::scan(code, &CodeLimits::default()) {
            Ok(outline) => outline,
            Err(rejection) => panic!("body {place}: {rejection}"),
        };
        let steps = analysis::steps(&outline, &outline.bodies[0], WordSize::W32);
        println!("body {place}: {steps} steps for {} bytes", code.len());
        assert!(steps < 20 * code.len(), "body {place}: {steps} steps");
    }
}

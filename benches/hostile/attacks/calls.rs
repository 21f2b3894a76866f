//! Attacks by calls: small, failing, deep, many contracts, large arguments, large modules.

use super::text::{
    CALLS, call, calling_go, calling_go_times, contract, forever, function, names, run,
};
use super::{Call, Listed, Step, World, entry_gas};
use crostata::Protocol;

const PANIC: &str = r#"(import "env" "panic" (func $panic (param i32)))"#;

pub const ATTACKS: &[Listed] = &[
    ("calls_from_outside", || {
        World::of(contract(2, "", &run("")))
    }),
    ("calls_from_outside_failing", || {
        World::of(contract(2, "", &run("(unreachable)"))).with_little("run", 100)
    }),
    ("calls_from_outside_without_gas", || {
        World::of(contract(2, "", &run(""))).with_little("run", 0)
    }),
    ("calls_rejected", || {
        World::of(contract(2, "", &run(""))).calling(Call::of(1, "nothing"))
    }),
    ("calls_rejected_nowhere", || {
        World::of(contract(2, "", &run("")))
            .stepping(|step| Step::Call(Call::of(7 + step as u32, "run")))
    }),
    ("calls_to_256_from_outside", || {
        many(256, "").stepping(|step| Step::Call(Call::of(1 + step as u32 % 256, "go")))
    }),
    ("calls_small", || pair(0, 0, "", "")),
    ("calls_small_succeeding", calls_small_succeeding),
    ("calls_trapping", || pair(0, 1, "", "(unreachable)")),
    ("calls_trapping_at_1000", || {
        pair(0, 1_000, "", "(unreachable)")
    }),
    ("calls_dividing_by_zero", || {
        pair(
            0,
            1_000,
            "",
            "(drop (i32.div_u (i32.const 1) (local.get $i)))",
        )
    }),
    ("calls_out_of_bounds", || {
        pair(0, 1_000, "", "(drop (i32.load (i32.const -1)))")
    }),
    ("calls_panicking", || {
        pair(0, 0, PANIC, "(call $panic (i32.const 0))")
    }),
    ("calls_panicking_64k", || {
        pair(0, 0, PANIC, "(call $panic (i32.const 65536))")
    }),
    ("calls_out_of_gas", || pair(0, 1, "", "(loop (br 0))")),
    ("calls_misusing", || {
        pair(0, 1_000, PANIC, "(call $panic (i32.const -1))")
    }),
    ("calls_with_bad_result", || {
        pair(0, 1, "", "(return (i32.const -1))")
    }),
    ("calls_nowhere", || {
        World::of(contract(
            2,
            CALLS,
            &(names("go", 9) + &run(&forever(&call(9, "go", 0, 0)))),
        ))
    }),
    ("calls_nowhere_ever_new", calls_nowhere_ever_new),
    ("calls_nowhere_ever_new_cold", || {
        calls_nowhere_ever_new().cold()
    }),
    ("calls_of_nothing", || named("no", "go")),
    ("calls_of_init", || named("init", "init")),
    ("calls_of_long_names", calls_of_long_names),
    ("calls_with_bad_pointers", || {
        World::of(contract(
            2,
            CALLS,
            &run(&forever(
                "(drop (call $c (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0)))",
            )),
        ))
    }),
    ("calls_back", calls_back),
    ("calls_refused_reentry", calls_refused_reentry),
    ("calls_deep", || deep("", 0)),
    ("calls_deep_with_64k", || deep("", 65_536)),
    ("calls_deep_failing", || deep("(unreachable)", 0)),
    ("calls_too_deep", calls_too_deep),
    ("calls_with_64k", || pair(65_536, 0, "", "")),
    ("calls_with_64k_answers", || {
        pair(0, 0, "", "(return (i32.const 65536))")
    }),
    ("calls_with_64k_to_failing", || {
        pair(65_536, 1, "", "(unreachable)")
    }),
    ("arguments_from_outside", || {
        World::of(contract(2, "", &run(""))).calling(Call::of(1, "run").with(vec![7; 65_536]))
    }),
    ("arguments_from_outside_without_gas", || {
        World::of(contract(2, "", &run("")))
            .calling(Call::of(1, "run").with(vec![7; 65_536]).limited(300_000))
    }),
    ("globals_64", globals_64),
    ("globals_64_failing", globals_64_failing),
    ("contracts_256", || fan("", "")),
    ("contracts_256_with_tables", || fan(&table(8_192), "")),
    ("contracts_256_with_globals", || fan(&globals(), "")),
    ("contracts_256_with_1000_exports", || {
        fan(&exports(1_000), "")
    }),
    ("contracts_256_writing", || {
        fan("", "(i32.store (i32.const 8) (i32.const 1))")
    }),
    ("contracts_768_in_turn", || {
        in_turn(768, &table(8_192), false)
    }),
    ("contracts_768_in_turn_cold", || {
        in_turn(768, "", true).at_most(768)
    }),
    ("contracts_2000_in_turn_failing", contracts_in_turn_failing),
    ("large_modules_in_turn", || {
        in_turn(600, &functions(1_000), false)
    }),
    ("large_code_cold", large_code_cold),
    ("backtraces", || backtraces("")),
    ("backtraces_with_long_names", || {
        backtraces(&"n".repeat(400))
    }),
    ("traps_out_of_deep_recursion", traps_out_of_deep_recursion),
    ("stack_exhausted", stack_exhausted),
    ("stack_exhausted_outside", stack_exhausted_outside),
    ("frames_in_a_full_log", frames_in_a_full_log),
];

/// Contract 1 calls `go` of contract 2 forever.
fn pair(argument_bytes: u32, limit_gas: u64, imports: &str, body: &str) -> World {
    World::of_all([
        calling_go(argument_bytes, limit_gas),
        contract(2, imports, &function("go", body)),
    ])
}

fn calls_small_succeeding() -> World {
    World::of_all([
        calling_go_times(8_000, 0, 0),
        contract(2, "", &function("go", "")),
    ])
}

fn named(name: &str, exported: &str) -> World {
    let driver = names(name, 2) + &run(&forever(&call(2, name, 0, 0)));
    World::of_all([
        contract(2, CALLS, &driver),
        contract(2, "", &function(exported, "")),
    ])
}

/// The state's tree is searched for ids that nobody asked for before, each once.
fn calls_nowhere_ever_new() -> World {
    let next = "(i32.store (i32.const 1056) (i32.add (i32.mul (i32.load (i32.const 1056)) (i32.const 1664525)) (i32.const 1013904223)))";
    let body = forever(&(next.to_owned() + &call(1, "go", 0, 0)));
    let driver = contract(2, CALLS, &(names("go", 1) + &run(&body)));
    let nothing = contract(2, "", &function("go", ""));
    World::of_all(std::iter::once(driver).chain(std::iter::repeat_n(nothing, 10_000)))
        .calling(Call::of(1, "run").limited(super::AMPLE_GAS))
        .at_most(1)
}

fn calls_of_long_names() -> World {
    let name = "x".repeat(255);
    let driver = names(&name, 2) + &run(&forever(&call(2, &name, 0, 0)));
    World::of_all([
        contract(2, CALLS, &driver),
        contract(2, "", &exports(1_000)),
    ])
}

fn calls_back() -> World {
    let back = names("at", 2) + &function("go", &call(1, "at", 0, 0));
    let driver = names("go", 2) + &function("at", "") + &run(&forever(&call(2, "go", 0, 0)));
    World::of_all([contract(2, CALLS, &driver), contract(2, CALLS, &back)])
}

fn calls_refused_reentry() -> World {
    let driver = names("run", 1)
        + r#"(@custom "crostata.reentry" "\02")"#
        + &run(&forever(&call(1, "run", 0, 0)));
    World::of(contract(2, CALLS, &driver))
}

/// A contract that calls itself to the greatest depth, again and again.
fn deep(end: &str, argument_bytes: u32) -> World {
    let body = call(1, "go", argument_bytes, 0) + end;
    let code =
        names("go", 1) + &function("go", &body) + &run(&forever(&call(1, "go", 0, 8_000_000)));
    World::of(contract(2, CALLS, &code)).calling(Call::of(1, "run"))
}

/// Calls beyond the depth are refused, at the deepest frame.
fn calls_too_deep() -> World {
    let body = call(1, "go", 0, 0) + &forever(&call(1, "go", 0, 0));
    let code = names("go", 1) + &function("go", &body);
    World::of(contract(2, CALLS, &code)).calling(Call::of(1, "go"))
}

fn globals() -> String {
    "(global (mut i64) (i64.const 1))".repeat(64)
}

fn globals_64() -> World {
    World::of_all([
        calling_go(0, 0),
        contract(2, "", &(globals() + &function("go", ""))),
    ])
}

fn globals_64_failing() -> World {
    World::of_all([
        calling_go(0, 1),
        contract(2, "", &(globals() + &function("go", "(unreachable)"))),
    ])
}

fn table(elements: u32) -> String {
    let indices = " 0".repeat(elements as usize);
    format!("(table {elements} funcref) (elem (i32.const 0) func{indices})")
}

fn exports(count: u32) -> String {
    (0..count)
        .map(|number| function(&format!("{number:0>255}"), ""))
        .collect()
}

fn functions(count: u32) -> String {
    let body =
        "(local.set $x (i64.mul (i64.add (local.get $x) (i64.const 7)) (local.get $y)))".repeat(60);
    format!("(func (param $x i64) (param $y i64) {body})").repeat(count as usize)
}

fn many(count: u32, more: &str) -> World {
    let code = contract(2, "", &(function("go", "") + more));
    World::of_all(std::iter::repeat_n(code, count as usize))
}

/// One call enters 255 other contracts.
fn fan(more: &str, body: &str) -> World {
    let calls: String = (2..=256).map(|number| call(number, "go", 0, 0)).collect();
    let driver = contract(2, CALLS, &(names("go", 256) + &run(&calls)));
    let callee = contract(2, "", &(function("go", body) + more));
    World::of_all(std::iter::once(driver).chain(std::iter::repeat_n(callee, 255)))
}

/// Calls from outside of more contracts than keep their instances.
fn in_turn(count: u32, more: &str, cold: bool) -> World {
    let world = many(count, more);
    let world = if cold { world.cold() } else { world };
    world.stepping(move |step| Step::Call(Call::of(1 + step as u32 % count, "go")))
}

/// Each writes a page that is then undone, and keeps a memory in the session.
fn contracts_in_turn_failing() -> World {
    let code = contract(
        2,
        "",
        &function(
            "go",
            "(i32.store (i32.const 8) (i32.const 1)) (unreachable)",
        ),
    );
    let limit_gas = entry_gas(&code) + Protocol::default().schedule.page_write + 200;
    World::of_all(std::iter::repeat_n(code, 2_000)).stepping(move |step| {
        Step::Call(Call::of(1 + step as u32 % 2_000, "go").limited(limit_gas))
    })
}

/// A node that has just started is made to load, if not to compile, what was deployed long ago.
fn large_code_cold() -> World {
    let code = |number: u32| {
        let one = function("go", &format!("(drop (i32.const {number}))"));
        contract(2, "", &(one + &functions(1_000)))
    };
    World::of_all((0..3).map(code))
        .cold()
        .at_most(3)
        .stepping(|step| Step::Call(Call::of(1 + step as u32 % 3, "go")))
}

/// A callee fails with 24 frames to tell of.
fn backtraces(name: &str) -> World {
    let body = format!(
        r#"(func $deep{name} (param i32)
             (if (i32.eqz (local.get 0)) (then (unreachable)))
             (call $deep{name} (i32.sub (local.get 0) (i32.const 1))))
           {}"#,
        function("go", &format!("(call $deep{name} (i32.const 30))"))
    );
    World::of_all([calling_go(0, 2_000), contract(2, "", &body)])
}

/// The unwinder walks thousands of frames; the backtrace shows few.
fn traps_out_of_deep_recursion() -> World {
    let body = format!(
        r#"(func $deep (param i32) (result i32)
             (if (i32.eqz (local.get 0)) (then (unreachable)))
             (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
           {}"#,
        function("go", "(drop (call $deep (i32.const 4000)))")
    );
    World::of_all([calling_go(0, 150_000), contract(2, "", &body)])
}

fn recursion() -> String {
    format!(
        "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0)))) {}",
        function("go", "(drop (call $deep (i32.const 0)))")
    )
}

fn stack_exhausted() -> World {
    World::of_all([calling_go(0, 200_000), contract(2, "", &recursion())])
}

fn stack_exhausted_outside() -> World {
    World::of(contract(2, "", &recursion())).with_little("go", 200_000)
}

/// Frames that write a page under as many scopes as there can be.
fn frames_in_a_full_log() -> World {
    let write = "(i32.store (i32.const 8) (i32.const 1))";
    let body = format!("{write} {}", call(1, "go", 0, 0));
    let code = names("go", 1) + &function("go", &body) + &run(&forever(&call(1, "go", 0, 0)));
    World::of(contract(2, CALLS, &code))
}

//! Attacks by computing: slow operators, branches, indirect calls, code too long for caches, code that is never checked.

use super::text::{RANDOM, calling_go, contract, forever, function, run};
use super::{Call, Listed, World};

pub const ATTACKS: &[Listed] = &[
    ("divide_i64", || {
        x_loop("(i64.div_s (i64.const 0x7fffffffffffffff) (i64.or (local.get $x) (i64.const 1)))")
    }),
    ("divide_i64_unsigned", || {
        x_loop("(i64.div_u (i64.const -1) (i64.or (local.get $x) (i64.const 1)))")
    }),
    ("remainder_i64", || {
        x_loop("(i64.rem_s (i64.const 0x7fffffffffffffff) (i64.or (local.get $x) (i64.const 3)))")
    }),
    ("divide_i32", || {
        i_loop("(i32.div_s (i32.const 0x7fffffff) (i32.or (local.get $i) (i32.const 1)))")
    }),
    ("remainder_i32", || {
        i_loop("(i32.rem_u (i32.const -1) (i32.or (local.get $i) (i32.const 1)))")
    }),
    ("multiply_i64", || {
        x_loop("(i64.mul (local.get $x) (local.get $x))")
    }),
    ("count_bits", || {
        x_loop("(i64.popcnt (i64.xor (i64.clz (local.get $x)) (i64.ctz (local.get $x))))")
    }),
    ("rotate", || {
        x_loop("(i64.rotl (i64.shr_u (local.get $x) (local.get $x)) (local.get $x))")
    }),
    ("select", || {
        x_loop("(select (local.get $x) (local.get $y) (i64.lt_s (local.get $x) (local.get $y)))")
    }),
    ("extend", || {
        x_loop("(i64.extend32_s (i64.extend16_s (i64.extend8_s (local.get $x))))")
    }),
    ("divide_f64", || {
        f_loop("(f64.div (f64.const 1.1) (f64.add (local.get $f) (f64.const 1e-300)))")
    }),
    ("square_root", || {
        f_loop("(f64.sqrt (f64.add (local.get $f) (f64.const 1e300)))")
    }),
    ("float_min_max", || {
        f_loop(
            "(f64.min (f64.max (local.get $f) (f64.const 1.5)) (f64.add (local.get $f) (f64.const 2)))",
        )
    }),
    ("float_nearest", || {
        f_loop(
            "(f64.nearest (f64.ceil (f64.floor (f64.trunc (f64.add (local.get $f) (f64.const 0.7))))))",
        )
    }),
    ("float_add", || {
        f_loop("(f64.add (f64.mul (local.get $f) (f64.const 0.5)) (f64.const 1))")
    }),
    ("float_subnormal", || {
        f_loop("(f64.add (f64.mul (local.get $f) (f64.const 0.5)) (f64.const 1e-310))")
    }),
    ("float_nan", || {
        f_loop("(f64.add (f64.mul (local.get $f) (f64.const nan)) (f64.const 1))")
    }),
    ("float_compare", || {
        x_loop(
            "(i64.extend_i32_u (f64.lt (f64.convert_i64_s (local.get $x)) (f64.reinterpret_i64 (local.get $x))))",
        )
    }),
    ("float_copysign", || {
        f_loop("(f64.copysign (f64.abs (local.get $f)) (f64.neg (local.get $f)))")
    }),
    ("float_convert", || {
        x_loop("(i64.trunc_sat_f64_u (f64.convert_i64_u (local.get $x)))")
    }),
    ("float_truncate", || {
        x_loop("(i64.trunc_f64_s (f64.convert_i32_s (i32.wrap_i64 (local.get $x))))")
    }),
    ("float_promote", || {
        f_loop("(f64.promote_f32 (f32.demote_f64 (local.get $f)))")
    }),
    ("branch_mispredicted", branch_mispredicted),
    ("br_table", br_table),
    ("call_direct", || called("(call $f0 (local.get $i))", 1, 1)),
    ("call_indirect", || {
        called(
            "(call_indirect (type $t) (local.get $i) (i32.and (i32.shr_u (local.get $i) (i32.const 9)) (i32.const 4095)))",
            64,
            4_096,
        )
    }),
    ("call_indirect_one", || {
        called(
            "(call_indirect (type $t) (local.get $i) (i32.const 3))",
            64,
            4_096,
        )
    }),
    ("call_indirect_fresh", call_indirect_fresh),
    ("code_everywhere", code_everywhere),
    ("globals", || {
        World::of(contract(
            2,
            "",
            &("(global $g (mut i64) (i64.const 1))".to_owned()
                + &run(&forever(
                    &"(global.set $g (i64.add (global.get $g) (i64.const 1)))".repeat(32),
                ))),
        ))
    }),
    ("many_parameters", many_parameters),
    ("many_locals", many_locals),
    ("straight_line", || {
        straight("(i64.xor (i64.const 3))", 10_000)
    }),
    ("straight_line_of_divisions", || {
        straight("(i64.div_u (local.get 0))", 16_000)
    }),
    ("straight_line_of_roots", || {
        straight_float("(f64.sqrt)", 60_000)
    }),
    ("straight_line_of_loads", straight_line_of_loads),
    ("straight_line_of_calls", straight_line_of_calls),
    ("straight_line_of_branches", straight_line_of_branches),
    ("straight_line_outside", straight_line_outside),
];

const NEXT: &str = "(local.set $x (i64.add (local.get $x) (i64.const 0x9e3779b97f4a7c15)))";

fn looping(local: &str, operation: &str) -> World {
    let body = format!("(local.set ${local} {operation})").repeat(16);
    World::of(contract(2, "", &run(&forever(&format!("{NEXT} {body}")))))
}

fn x_loop(operation: &str) -> World {
    looping("x", operation)
}

fn i_loop(operation: &str) -> World {
    looping("i", operation)
}

fn f_loop(operation: &str) -> World {
    looping("f", operation)
}

/// Half of all branches go the other way, at random.
fn branch_mispredicted() -> World {
    let one = format!(
        "{RANDOM} (if (i32.and (i32.shr_u (local.get $i) (i32.const 17)) (i32.const 1)) (then (local.set $j (i32.xor (local.get $j) (i32.mul (local.get $j) (i32.const 7))))) (else (local.set $k (i32.add (local.get $j) (i32.const 1)))))"
    );
    World::of(contract(2, "", &run(&forever(&one.repeat(16)))))
}

/// Jumps to one of 1,000 places, at random.
fn br_table() -> World {
    let targets: String = (0..1_000).map(|target| format!(" {target}")).collect();
    let open = "(block ".repeat(1_001);
    let close =
        "(local.set $j (i32.add (local.get $j) (i32.const 1))) (br $forever))".repeat(1_000);
    let jump = format!(
        "(br_table{targets} 1000 (i32.and (i32.shr_u (local.get $i) (i32.const 11)) (i32.const 1023)))"
    );
    let body = forever(&format!("{RANDOM} {open} {jump} ) {close}"));
    World::of(contract(2, "", &run(&body)))
}

fn called(call: &str, functions: u32, elements: u32) -> World {
    let defined: String = (0..functions)
        .map(|number| {
            format!(
                "(func $f{number} (type $t) (i32.mul (local.get 0) (i32.const {})))",
                number * 2 + 3
            )
        })
        .collect();
    let indices: String = (0..elements)
        .map(|element| format!(" $f{}", element * 7 % functions))
        .collect();
    let body = format!("(local.set $i (i32.add {call} (i32.const 1013904223)))").repeat(8);
    let code = format!(
        "(type $t (func (param i32) (result i32))) (table {elements} funcref) (elem (i32.const 0) func{indices}) {defined} {}",
        run(&forever(&body))
    );
    World::of(contract(2, "", &code))
}

/// Table elements are made when they are first called: each call has fresh instances to do it for.
fn call_indirect_fresh() -> World {
    let indices = " $f".repeat(8_192);
    let body = super::text::times("i", 8_192, "(call_indirect (type $t) (local.get $i))");
    let code = contract(
        2,
        "",
        &format!(
            "(type $t (func)) (table 8192 funcref) (elem (i32.const 0) func{indices}) (func $f) {}",
            function("go", &body)
        ),
    );
    World::of_all(std::iter::repeat_n(code, 700))
        .stepping(|step| super::Step::Call(Call::of(1 + step as u32 % 700, "go")))
}

/// 2 MB of code, of which any part may be next.
fn code_everywhere() -> World {
    let work = "(local.set 0 (i32.xor (i32.mul (local.get 0) (i32.const 747796405)) (i32.shr_u (local.get 0) (i32.const 5))))".repeat(6);
    let defined: String = (0..8_000)
        .map(|number| {
            format!(
                "(func $f{number} (type $t) {work} (i32.add (local.get 0) (i32.const {number})))"
            )
        })
        .collect();
    let indices: String = (0..8_192)
        .map(|element| format!(" $f{}", element % 8_000))
        .collect();
    let call = "(call_indirect (type $t) (local.get $i) (i32.and (i32.shr_u (local.get $i) (i32.const 9)) (i32.const 8191)))";
    let body = format!("(local.set $i {call})").repeat(8);
    let code = format!(
        "(type $t (func (param i32) (result i32))) (table 8192 funcref) (elem (i32.const 0) func{indices}) {defined} {}",
        run(&forever(&body))
    );
    World::of(contract(2, "", &code))
}

fn many_parameters() -> World {
    let params = " i64".repeat(64);
    let results = " i64".repeat(16);
    let values: String = (0..64).map(|_| "(local.get $x)").collect();
    let returned: String = (0..16)
        .map(|number| format!("(local.get {number})"))
        .collect();
    let drops = "drop ".repeat(15);
    let body = forever(&format!("{values} call $wide {drops} local.set $x").repeat(8));
    let code = format!(
        "(func $wide (param{params}) (result{results}) {returned}) {}",
        run(&body)
    );
    World::of(contract(2, "", &code))
}

/// Locals are zeroed at each entry.
fn many_locals() -> World {
    let locals = " i64".repeat(500);
    let sum: String = (1..500)
        .map(|number| format!("(local.set 1 (i64.add (local.get 1) (local.get {number})))"))
        .collect();
    let code = format!(
        "(func $many (param i32) (local{locals}) (if (local.get 0) (then (call $many (i32.const 0)) {sum} (call $many (i32.const 0)))) ) {}",
        run(&forever(&"(call $many (i32.const 0))".repeat(8)))
    );
    World::of(contract(2, "", &code))
}

/// A callee with hardly any gas runs a body of the greatest length before anybody looks.
fn straight(operation: &str, count: usize) -> World {
    let body = format!(
        "(func $line (param i64) (result i64) (i64.const -1) {}) {}",
        stacked(operation).repeat(count),
        function("go", "(drop (call $line (i64.const 3)))")
    );
    World::of_all([calling_go(0, 300), contract(2, "", &body)])
}

/// An operation on what is on the stack, in the flat form.
fn stacked(operation: &str) -> String {
    let inside = operation.trim_start_matches('(').trim_end_matches(')');
    match inside.split_once(" (") {
        Some((name, operand)) => format!("{operand} {name} "),
        None => format!("{inside} "),
    }
}

fn straight_float(operation: &str, count: usize) -> World {
    let body = format!(
        "(func $line (param f64) (result f64) (local.get 0) {}) {}",
        stacked(operation).repeat(count),
        function("go", "(drop (call $line (f64.const 1e300)))")
    );
    World::of_all([calling_go(0, 300), contract(2, "", &body)])
}

fn straight_line_of_loads() -> World {
    let read_gas = crostata::Protocol::default().schedule.page_read;
    let body = format!(
        "(func $line (param i32) (result i32) (local.get 0) {}) {}",
        "i32.load ".repeat(8_000),
        function(
            "go",
            "(drop (i32.load (i32.const 0))) (drop (call $line (i32.const 0)))"
        )
    );
    World::of_all([calling_go(0, read_gas + 400), contract(2, "", &body)])
}

/// Each function is checked at its start, so that only the first body runs for nothing.
fn straight_line_of_calls() -> World {
    let body = format!(
        "(func $leaf) (func $line {}) {}",
        "(call $leaf)".repeat(16_000),
        function("go", "(call $line)")
    );
    World::of_all([calling_go(0, 300), contract(2, "", &body)])
}

/// Jumps forward, which are never checked.
fn straight_line_of_branches() -> World {
    let one = "(if (i32.and (local.get 0) (i32.const 1)) (then (local.set 0 (i32.mul (local.get 0) (i32.const 5)))))";
    let body = format!(
        "(func $line (param i32) {}) {}",
        one.repeat(3_500),
        function("go", "(call $line (i32.const 3))")
    );
    World::of_all([calling_go(0, 300), contract(2, "", &body)])
}

/// The same by a call from outside, which is dearer.
fn straight_line_outside() -> World {
    let divisions = "local.get 0 i64.div_u ".repeat(16_000);
    let body = format!(
        "(func $line (param i64) (result i64) (i64.const -1) {divisions}) {}",
        function("go", "(drop (call $line (i64.const 3)))")
    );
    World::of(contract(2, "", &body)).with_little("go", 300)
}

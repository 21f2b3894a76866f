//! Operators: each class in a loop of its own, beside the same loop without it.

use crate::measure::{Cost, Scene, call, module};

/// Times that the loop runs, and that the body has the operation.
const LOOPS: u64 = 20_000;
const UNROLLED: usize = 16;

struct Case {
    rule: &'static str,
    /// One operation: from `$x` (i64), `$y` (i32) or `$f` (f64) back to it.
    body: &'static str,
    /// The same without the operator priced.
    without: &'static str,
}

const CASES: &[Case] = &[
    Case {
        rule: "default: i64.add",
        body: "(local.set $x (i64.add (local.get $x) (i64.const 7)))",
        without: "",
    },
    Case {
        rule: "default: i64.xor, rotl",
        body: "(local.set $x (i64.rotl (i64.xor (local.get $x) (i64.const 99)) (i64.const 7)))",
        without: "",
    },
    Case {
        rule: "default: i64.popcnt, add",
        body: "(local.set $x (i64.add (local.get $x) (i64.popcnt (local.get $x))))",
        without: "",
    },
    Case {
        rule: "default: i64.ctz, add",
        body: "(local.set $x (i64.add (local.get $x) (i64.ctz (local.get $x))))",
        without: "",
    },
    Case {
        rule: "default: select",
        body: "(local.set $x (select (local.get $x) (i64.const 9) (i32.wrap_i64 (local.get $x))))",
        without: "",
    },
    Case {
        rule: "default: global.get, set",
        body: "(global.set $g (i64.add (global.get $g) (i64.const 1)))",
        without: "",
    },
    Case {
        rule: "default: br_if, not predicted",
        body: "(local.set $x (i64.mul (i64.add (local.get $x) (i64.const 0x9E3779B97F4A7C15)) (i64.const 0xD1342543DE82EF95))) (block (br_if 0 (i64.lt_s (local.get $x) (i64.const 0))) (global.set $g (local.get $x)))",
        without: "",
    },
    Case {
        rule: "default: convert, reinterpret",
        body: "(local.set $x (i64.reinterpret_f64 (f64.convert_i64_u (local.get $x))))",
        without: "",
    },
    Case {
        rule: "gas.operator.multiply",
        body: "(local.set $x (i64.mul (local.get $x) (i64.const 0x9E3779B97F4A7C15)))",
        without: "(local.set $x (i64.const 0x9E3779B97F4A7C15))",
    },
    Case {
        rule: "gas.operator.divide: i64.div_u",
        body: "(local.set $x (i64.div_u (i64.const -3) (i64.or (local.get $x) (i64.const 1))))",
        without: "(local.set $x (i64.or (local.get $x) (i64.const 1)))",
    },
    Case {
        rule: "gas.operator.divide: i64.rem_s",
        body: "(local.set $x (i64.rem_s (i64.const -3) (i64.or (local.get $x) (i64.const 1))))",
        without: "(local.set $x (i64.or (local.get $x) (i64.const 1)))",
    },
    Case {
        rule: "gas.operator.divide: i32.div_u",
        body: "(local.set $y (i32.div_u (i32.const -3) (i32.or (local.get $y) (i32.const 1))))",
        without: "(local.set $y (i32.or (local.get $y) (i32.const 1)))",
    },
    Case {
        rule: "gas.operator.float: f64.add",
        body: "(local.set $f (f64.add (local.get $f) (f64.const 1.5)))",
        without: "",
    },
    Case {
        rule: "gas.operator.float: f64.mul",
        body: "(local.set $f (f64.mul (local.get $f) (f64.const 1.0000001)))",
        without: "",
    },
    Case {
        rule: "gas.operator.float: f64.min",
        body: "(local.set $f (f64.min (local.get $f) (f64.const 1.5)))",
        without: "",
    },
    Case {
        rule: "gas.operator.float: f64.nearest",
        body: "(local.set $f (f64.nearest (local.get $f)))",
        without: "",
    },
    Case {
        rule: "gas.operator.float: f32.demote, promote",
        body: "(local.set $f (f64.promote_f32 (f32.demote_f64 (local.get $f))))",
        without: "",
    },
    Case {
        rule: "gas.operator.float: trunc_sat",
        body: "(local.set $f (f64.convert_i64_s (i64.trunc_sat_f64_s (local.get $f))))",
        without: "",
    },
    Case {
        rule: "gas.operator.float_divide: f64.div",
        body: "(local.set $f (f64.div (f64.const 1.5) (local.get $f)))",
        without: "",
    },
    Case {
        rule: "gas.operator.float_divide: f64.sqrt",
        body: "(local.set $f (f64.sqrt (local.get $f)))",
        without: "",
    },
    Case {
        rule: "gas.operator.load: one page, chained",
        body: "(local.set $y (i32.load (local.get $y)))",
        without: "(local.set $y (i32.and (local.get $y) (i32.const 8191)))",
    },
    Case {
        rule: "gas.operator.load: 4 MiB, random",
        body: "(call $random) (local.set $y (i32.load offset=131072 (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 0x3ffffc))))",
        without: "(call $random) (local.set $y (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 0x3ffffc)))",
    },
    Case {
        rule: "gas.operator.load: 128 MiB, random",
        body: "(call $random) (local.set $y (i32.load offset=131072 (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 0x7fffffc))))",
        without: "(call $random) (local.set $y (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 0x7fffffc)))",
    },
    Case {
        rule: "gas.operator.load: 128 MiB, chained",
        body: "(call $step (i32.load offset=131072 (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 0x7fffffc))))",
        without: "(call $step (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 0x7fffffc)))",
    },
    Case {
        rule: "gas.operator.store: one page",
        body: "(i32.store (i32.and (local.get $y) (i32.const 4092)) (local.get $y)) (local.set $y (i32.add (local.get $y) (i32.const 52)))",
        without: "(local.set $y (i32.and (local.get $y) (i32.const 4092))) (local.set $y (i32.add (local.get $y) (i32.const 52)))",
    },
    Case {
        rule: "gas.operator.store: 4 MiB, random",
        body: "(call $random) (i32.store offset=131072 (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 0x3ffffc)) (local.get $y))",
        without: "(call $random) (local.set $y (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 0x3ffffc)))",
    },
    Case {
        rule: "gas.operator.call",
        body: "(call $nothing)",
        without: "",
    },
    Case {
        rule: "gas.operator.call: 8 parameters",
        body: "(local.set $x (call $eight (local.get $x) (local.get $x) (local.get $x) (local.get $x) (local.get $x) (local.get $x) (local.get $x) (local.get $x)))",
        without: "(local.set $x (i64.add (local.get $x) (i64.const 1)))",
    },
    Case {
        rule: "gas.operator.call: a frame on the counter",
        body: "(call $framed)",
        without: "",
    },
    Case {
        rule: "gas.operator.call_indirect",
        body: "(call_indirect (i32.and (local.get $y) (i32.const 3)))",
        without: "",
    },
    Case {
        rule: "gas.operator.call_indirect: not predicted",
        body: "(call $random) (call_indirect (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 3)))",
        without: "(call $random)",
    },
    Case {
        rule: "gas.operator.br_table: 4 targets, predicted",
        body: "(block (block (block (block (br_table 0 1 2 3 (local.get $y))))))",
        without: "",
    },
    Case {
        rule: "gas.operator.br_table: 8 targets, not predicted",
        body: "(call $random) (call $branch (i32.and (i32.wrap_i64 (global.get $g)) (i32.const 7)))",
        without: "(call $random) (call $nothing)",
    },
    Case {
        rule: "gas.operator.memory_bulk: fill 0",
        body: "(memory.fill (i32.const 0) (i32.const 1) (i32.const 0))",
        without: "",
    },
    Case {
        rule: "gas.operator.memory_bulk: fill 8",
        body: "(memory.fill (i32.const 0) (i32.const 1) (i32.const 8))",
        without: "",
    },
    Case {
        rule: "gas.operator.memory_bulk: copy 8, length hidden",
        body: "(memory.copy (i32.const 0) (i32.const 2048) (i32.and (local.get $y) (i32.const 8)))",
        without: "",
    },
    Case {
        rule: "gas.operator.memory_bulk: copy 300",
        body: "(memory.copy (i32.const 0) (i32.const 2048) (i32.const 300))",
        without: "",
    },
    Case {
        rule: "gas.operator.memory_bulk_byte: copy 60,000",
        body: "(memory.copy (i32.const 131072) (i32.const 262144) (i32.const 60000))",
        without: "",
    },
    Case {
        rule: "gas.operator.memory_bulk_byte: fill 60,000",
        body: "(memory.fill (i32.const 131072) (i32.const 0) (i32.const 60000))",
        without: "",
    },
    Case {
        rule: "gas.operator.memory_grow: by 0",
        body: "(drop (memory.grow (i32.const 0)))",
        without: "",
    },
    Case {
        rule: "gas.operator.memory_grow: too much",
        body: "(drop (memory.grow (i32.const 60000)))",
        without: "",
    },
];

/// Measures every class that is wanted.
pub fn each(wanted: &dyn Fn(&str) -> bool, mut show: impl FnMut(&str, Cost)) {
    for case in CASES.iter().filter(|case| wanted(case.rule)) {
        show(case.rule, marginal(case, "i32"));
    }
    let wide = CASES.iter().filter(|case| case.rule.contains("one page"));
    for case in wide.filter(|_| wanted("gas.operator.wide_access")) {
        let rule = case
            .rule
            .replace("gas.operator", "gas.operator.wide_access, ");
        show(&rule, marginal(case, "i64"));
    }
}

fn marginal(case: &Case, pointer: &str) -> Cost {
    let mut scene = Scene::new();
    let with = scene.deploy(&module(&text(case.body, pointer)));
    let without = scene.deploy(&module(&text(case.without, pointer)));
    let with = call(&mut scene.session, with, "run", &[]);
    let without = call(&mut scene.session, without, "run", &[]);
    with.beyond(without, (LOOPS * UNROLLED as u64) as f64)
}

/// The loop, in a contract whose whole memory was touched before it.
fn text(body: &str, pointer: &str) -> String {
    let wide = pointer == "i64";
    let body = match wide {
        true => body
            .replace(
                "(i32.load (local.get $y))",
                "(i32.load (i64.extend_i32_u (local.get $y)))",
            )
            .replace(
                "(i32.store (i32.and (local.get $y) (i32.const 4092))",
                "(i32.store (i64.extend_i32_u (i32.and (local.get $y) (i32.const 4092)))",
            ),
        false => body.to_owned(),
    };
    let touch = match wide {
        true => "(i32.store (i64.const 0) (i32.const 0))".to_owned(),
        false => touch_all(&body),
    };
    format!(
        r#"(module
          (memory (export "memory") {} {})
          (global (export "A") {pointer} ({pointer}.const 65536))
          (global $g (mut i64) (i64.const 1))
          (table 4 4 funcref) (elem (i32.const 0) $nothing $other $nothing $other)
          (func $nothing (nop))
          (func $other (global.set $g (i64.add (global.get $g) (i64.const 1))))
          (func $framed (call $nothing) (call $nothing))
          (func $eight (param i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
            (i64.add (local.get 0) (i64.add (local.get 3) (local.get 7))))
          (func $random (global.set $g (i64.rotl (i64.mul (global.get $g) (i64.const 0x9E3779B97F4A7C15)) (i64.const 29))))
          (func $step (param i32) (global.set $g (i64.add (i64.rotl (i64.mul (global.get $g) (i64.const 0x9E3779B97F4A7C15)) (i64.const 29)) (i64.extend_i32_u (local.get 0)))))
          (func $branch (param i32)
            (block (block (block (block (block (block (block (block
              (br_table 0 1 2 3 4 5 6 7 (local.get 0)))
              (global.set $g (i64.add (global.get $g) (i64.const 1))))
              (global.set $g (i64.xor (global.get $g) (i64.const 2))))
              (global.set $g (i64.add (global.get $g) (i64.const 3))))
              (global.set $g (i64.xor (global.get $g) (i64.const 4))))
              (global.set $g (i64.add (global.get $g) (i64.const 5))))
              (global.set $g (i64.xor (global.get $g) (i64.const 6))))
              (global.set $g (i64.add (global.get $g) (i64.const 7)))))
          (func (export "run") (param i32) (result i32)
            (local $x i64) (local $y i32) (local $f f64) (local $left i64)
            (local.set $f (f64.const 1.25)) (local.set $x (i64.const 12345))
            {touch}
            (local.set $left (i64.const {LOOPS}))
            (loop $again
              {}
              (br_if $again (i64.ne (i64.const 0) (local.tee $left (i64.sub (local.get $left) (i64.const 1))))))
            (global.set $g (i64.add (local.get $x) (i64.reinterpret_f64 (local.get $f))))
            (drop (local.get $y))
            (i32.const 0)))"#,
        if wide { "i64 64" } else { "3072" },
        if wide { 64 } else { 3072 },
        body.repeat(UNROLLED),
    )
}

/// Touches what the body uses; the same for the loop without it, since both name the same mask.
fn touch_all(body: &str) -> String {
    let bytes: u32 = if body.contains("0x7fffffc") {
        0x0800_0000 + (1 << 18)
    } else {
        0x40_0000 + (1 << 18)
    };
    format!(
        "(loop $touch (i32.store (local.get $y) (i32.const 0)) (br_if $touch (i32.lt_u (local.tee $y (i32.add (local.get $y) (i32.const 4096))) (i32.const {bytes})))) (local.set $y (i32.const 0))"
    )
}

//! Functions with the largest frames that are accepted, each in another way.
//!
//! A shape is a module with `deep`, which recurses until something ends it, and `both`, which recurses as often as its argument
//! says (a `u32`), then calls the contract with the next of 64 numbered ids in the same way, and then recurses without end. In each
//! frame what makes it large is computed before the recursive call and needed again behind it.

use std::fmt::Write;

use crate::fixtures::{Width, module};

/// One way of making frames large.
pub struct Shape {
    pub name: &'static str,
    /// Types of the recursive function's parameters behind the first, which counts down.
    params: String,
    results: String,
    locals: String,
    /// What comes before the recursive call. What it leaves, the call does not take.
    before: String,
    /// What the call takes beside the count.
    arguments: String,
    /// What comes behind it, and leaves the results.
    behind: String,
}

fn repeated(count: usize, each: impl Fn(usize) -> String) -> String {
    (0..count).map(each).collect()
}

/// Makes the value of local 2 count.
const SINK: &str = "(global.set $sink (local.get 2))";

/// A shape whose function takes and gives one `i64`, the local 1, and does `all` before the call and behind it, each time
/// leaving nothing. A local `$at` is an address, and `$i` an index, that the compiler can not know.
fn twice(name: &'static str, locals: &str, all: &str) -> Shape {
    let mut before = String::new();
    if locals.contains("$at") {
        before += "(local.set $at (call $at (i32.wrap_i64 (local.get 1))))";
    }
    if locals.contains("$i ") {
        before += "(local.set $i (i32.wrap_i64 (local.get 1)))";
    }
    Shape {
        name,
        params: "i64".to_owned(),
        results: "i64".to_owned(),
        locals: locals.to_owned(),
        before: before + all,
        arguments: "(local.get 1)".to_owned(),
        behind: format!("(drop) {all} (local.get 1)"),
    }
}

/// The same with a loop around both: the compiler computes before the loop what stays the same in it.
fn looped(name: &'static str, locals: &str, all: &str) -> Shape {
    let shape = twice(name, &format!("(local $rounds i32) {locals}"), "");
    Shape {
        before: format!("{} (loop {all}", shape.before),
        behind: "(drop) (br_if 0 (i32.eqz (local.tee $rounds (i32.eqz (local.get $rounds)))))) (local.get 1)".to_owned(),
        ..shape
    }
}

/// Next to nothing in a frame.
fn bare() -> Shape {
    twice("bare", "", "")
}

/// A value that has to be there from here on: what is computed from parameters alone is computed where it is needed.
fn loaded(of: &str, at: usize) -> String {
    format!("({of}.load offset={} (PTR.const 0))", 8 * at)
}

/// As many locals as there may be, each with a value of its own.
fn locals() -> Shape {
    let count = 4_080;
    let sixteen = |block: usize| {
        let set = |at: usize| format!("(local.set {})", 16 * block + at + 2);
        "(call $many)".to_owned() + &repeated(16, set)
    };
    let used = |at: usize| format!("(i64.xor (local.get {at}))");
    Shape {
        name: "locals",
        params: "i64".to_owned(),
        results: "i64".to_owned(),
        locals: format!("(local {})", "i64 ".repeat(count)),
        before: repeated(count / 16, sixteen),
        arguments: "(local.get 1)".to_owned(),
        behind: repeated(count, |at| used(at + 2)),
    }
}

/// As many operands as there may be, of every type in turn.
fn operands() -> Shape {
    let count = 1_000;
    let push = |at: usize| loaded(["i64", "f64", "i32", "f32"][at % 4], at);
    let pop = |at: usize| {
        match (count - 1 - at) % 4 {
        0 => "(local.set 2) (local.set 1 (i64.xor (local.get 1) (local.get 2)))",
        1 => {
            "(local.set 3) (local.set 1 (i64.xor (local.get 1) (i64.reinterpret_f64 (local.get 3))))"
        }
        2 => "(local.set 4) (local.set 1 (i64.xor (local.get 1) (i64.extend_i32_u (local.get 4))))",
        _ => {
            "(local.set 5)
             (local.set 1 (i64.xor (local.get 1) (i64.extend_i32_u (i32.reinterpret_f32 (local.get 5)))))"
        }
    }
    };
    Shape {
        name: "operands",
        params: "i64".to_owned(),
        results: "i64".to_owned(),
        locals: "(local i64 f64 i32 f32)".to_owned(),
        before: repeated(count, push),
        arguments: "(local.get 1)".to_owned(),
        behind: "(local.set 1)".to_owned()
            + &repeated(count, |at| pop(at).to_owned())
            + "(local.get 1)",
    }
}

/// As many parameters and results as there may be.
fn parameters(name: &'static str, of: &str) -> Shape {
    let (params, results) = (63, 16);
    let behind = repeated(results, |at| format!("(local.set {})", at + 1))
        + &repeated(results, |at| {
            format!("({of}.add (local.get {}) (local.get {}))", at + 1, at + 20)
        });
    Shape {
        name,
        params: format!("{of} ").repeat(params),
        results: format!("{of} ").repeat(results),
        locals: String::new(),
        before: String::new(),
        arguments: repeated(params, |at| {
            format!(
                "({of}.add (local.get {}) (local.get {}))",
                at + 1,
                (at * 7 + 3) % params + 1
            )
        }),
        behind,
    }
}

/// Values computed twice from what does not change: the compiler computes them once and keeps them.
fn computed() -> Shape {
    let product = |at: usize| {
        let factor = (at as u64 + 3) * 1_000_003;
        format!(
            "(local.set 2 (i64.xor (i64.rotl (local.get 2) (i64.const 1)) (i64.mul (local.get 1) (i64.const {factor}))))"
        )
    };
    twice(
        "computed",
        "(local i64)",
        &(repeated(1_500, product) + SINK),
    )
}

/// The same with conversions, comparisons and choices.
fn converted() -> Shape {
    let choice = |at: usize| {
        format!(
            "(local.set 2 (i64.add (local.get 2) (i64.trunc_sat_f64_s (f64.mul (f64.const {at}.5)
             (f64.convert_i64_s (i64.shr_u (local.get 1) (i64.const {})))))))",
            at % 64
        )
    };
    twice("converted", "(local i64)", &(repeated(600, choice) + SINK))
}

/// How a shape repeats what it does.
type Repeating = fn(&'static str, &str, &str) -> Shape;

/// Stores at many distances from one address: each check looks at another page's mark.
fn stores(name: &'static str, repeating: Repeating) -> Shape {
    let store = |at: usize| {
        format!(
            "(i32.store8 offset={} (local.get $at) (i32.const 0))",
            at * 300
        )
    };
    repeating(name, "(local $at PTR)", &repeated(1_000, store))
}

/// The same with wider values, of each type.
fn wide_stores(name: &'static str, repeating: Repeating) -> Shape {
    let store = |at: usize| {
        let (of, value) = [("i64", "1"), ("f64", "$f"), ("f32", "$g")][at % 3];
        format!(
            "({of}.store offset={} (local.get $at) (local.get {value}))",
            at * 300
        )
    };
    repeating(
        name,
        "(local $at PTR) (local $f f64) (local $g f32)",
        &repeated(1_000, store),
    )
}

/// Stores at many addresses, each of which is computed.
fn scattered(name: &'static str, repeating: Repeating) -> Shape {
    let store = |at: usize| {
        format!(
            "(i32.store8 (PTR.and (PTR.mul (local.get $at) (PTR.const {})) (PTR.const 65535)) (i32.const 0))",
            at + 3
        )
    };
    repeating(name, "(local $at PTR)", &repeated(600, store))
}

/// Loads at many distances from one address.
fn loads(name: &'static str, repeating: Repeating) -> Shape {
    let load = |at: usize| format!("(drop (i32.load8_u offset={} (local.get $at)))", at * 300);
    repeating(name, "(local $at PTR)", &repeated(1_000, load))
}

/// Bulk operations, each on ranges that are computed.
fn bulk(name: &'static str, repeating: Repeating) -> Shape {
    let sum = |at: usize| format!("(PTR.add (local.get $at) (PTR.const {at}))");
    let copy = |at: usize| {
        let (target, source, len) = (sum(at + 3), sum(at + 5_000), sum(at % 200 + 1));
        format!(
            "(memory.copy {target} {source} {len}) (memory.fill {source} (i32.const 0) {target})"
        )
    };
    repeating(name, "(local $at PTR)", &repeated(200, copy))
}

/// Locals with addresses that the compiler can not know, and how to fill them.
fn pointers(count: usize, first: usize) -> (String, String) {
    let sixteen = |block: usize| {
        let set = |at: usize| format!("(local.set {})", 16 * block + at + first);
        "(call $pointers)".to_owned() + &repeated(16, set)
    };
    let locals = format!("(local {})", "PTR ".repeat(count));
    (locals, repeated(count / 16, sixteen))
}

/// Bulk operations and accesses at addresses that are only kept, never computed.
fn kept(name: &'static str, repeating: Repeating, each: fn([usize; 3]) -> String) -> Shape {
    let count = 240;
    // `looped` has a local of its own in front.
    let empty = repeating(name, "", "");
    let first = 2 + usize::from(empty.locals.contains("$rounds"));
    let (locals, filled) = pointers(count, first);
    let at = |at: usize| first + at % count;
    let all = repeated(count, |nth| {
        each([at(nth), at(nth * 7 + 1), at(nth * 11 + 2)])
    });
    let shape = repeating(name, &locals, &all);
    Shape {
        before: filled + &shape.before,
        ..shape
    }
}

fn copy_kept([target, source, len]: [usize; 3]) -> String {
    format!("(memory.copy (local.get {target}) (local.get {source}) (local.get {len}))")
}

fn store_kept([target, source, _]: [usize; 3]) -> String {
    format!("(i64.store offset=300 (local.get {target}) (i64.load (local.get {source})))")
}

/// Growths by what is computed.
fn growths() -> Shape {
    let grow = |at: usize| {
        format!(
            "(drop (memory.grow (PTR.or (local.get $at) (PTR.const {}))))",
            0x10_0000 + at
        )
    };
    twice("growths", "(local $at PTR)", &repeated(40, grow))
}

/// Indirect calls through a table, with arguments that stay.
fn indirect() -> Shape {
    let call = |at: usize| {
        format!(
            "(local.set 1 (i64.xor (local.get 1) (call_indirect (type $unary) (local.get 1) (i32.add (local.get $i) (i32.const {})))))",
            at % 4
        )
    };
    twice("indirect calls", "(local $i i32)", &repeated(700, call))
}

fn indirect_kept([index, argument, _]: [usize; 3]) -> String {
    format!(
        "local.get {argument} FROM_PTR_TO_I64 local.get {index} FROM_PTR_TO_I32 call_indirect (type $unary) drop "
    )
}

fn growth_kept([pages, ..]: [usize; 3]) -> String {
    format!("(drop (memory.grow (local.get {pages})))")
}

fn division_kept([dividend, divisor, _]: [usize; 3]) -> String {
    format!(
        "(drop (PTR.div_s (local.get {dividend}) (PTR.or (PTR.const 1) (local.get {divisor}))))
         (drop (PTR.rem_s (local.get {divisor}) (PTR.or (PTR.const 1) (local.get {dividend}))))"
    )
}

/// Globals read and written in turns.
fn globals() -> Shape {
    let change = |at: usize| {
        let global = at % 60;
        format!(
            "(global.set $g{global} (i64.rotl (i64.add (global.get $g{global}) (local.get 1)) (i64.const {})))",
            at % 63
        )
    };
    twice("globals", "", &repeated(2_000, change))
}

/// Every shape.
pub fn shapes() -> Vec<Shape> {
    vec![
        bare(),
        locals(),
        operands(),
        parameters("i64 parameters", "i64"),
        parameters("f64 parameters", "f64"),
        parameters("f32 parameters", "f32"),
        computed(),
        converted(),
        stores("stores", twice),
        stores("stores in a loop", looped),
        wide_stores("wide stores", twice),
        wide_stores("wide stores in a loop", looped),
        scattered("scattered stores", twice),
        scattered("scattered stores in a loop", looped),
        loads("loads", twice),
        loads("loads in a loop", looped),
        bulk("bulk", twice),
        bulk("bulk in a loop", looped),
        kept("kept copies", twice, copy_kept),
        kept("kept copies in a loop", looped, copy_kept),
        kept("kept addresses", twice, store_kept),
        kept("kept addresses in a loop", looped, store_kept),
        kept("kept divisions in a loop", looped, division_kept),
        growths(),
        kept("kept growths in a loop", looped, growth_kept),
        indirect(),
        kept("kept indirect calls in a loop", looped, indirect_kept),
        globals(),
    ]
}

impl Shape {
    /// The module. Each frame of the recursion has a debug message before it goes deeper.
    pub fn code(&self, width: Width) -> Vec<u8> {
        let Self {
            params,
            results,
            locals,
            before,
            arguments,
            behind,
            ..
        } = self;
        let zero = |types: &str| {
            let zeros = types.split_whitespace().map(|of| format!("({of}.const 0)"));
            zeros.collect::<String>()
        };
        let drops = "(drop)".repeat(results.split_whitespace().count());
        let mut globals = String::new();
        for at in 0..60 {
            write!(globals, "(global $g{at} (mut i64) (i64.const {at}))").unwrap();
        }
        let (to_i32, to_i64) = match width {
            Width::Narrow => ("", "i64.extend_i32_u"),
            Width::Wide => ("i32.wrap_i64", ""),
        };
        let text = format!(
            r#"(type $unary (func (param i64) (result i64)))
                (table 4 funcref)
                (elem (i32.const 0) $same $same $same $same)
                (func $many (result {many}) {loads})
                (func $pointers (result {pointers}) {addresses})
                (func $same (param i64) (result i64) (local.get 0))
                {globals}
                (data (PTR.const 0) "both")
                (global $sink (mut i64) (i64.const 0))
                (global $end (mut i32) (i32.const 0))
                (func $again (param $levels i32) (result i32)
                  (call $self_id)
                  (memory.copy (PTR.const 32) (PTR.const 65536) (PTR.const 32))
                  (i32.store8 (PTR.const 32)
                    (i32.and (i32.add (i32.load8_u (PTR.const 32)) (i32.const 1)) (i32.const 63)))
                  (i32.store (PTR.const 65536) (local.get $levels))
                  (call $c (PTR.const 32) (PTR.const 0) (i32.const 4) (i32.const 4) (i64.const 0)))
                (func $down (param $left i32) (param {params}) (result {results}) {locals}
                  (call $hdebug (i32.const 0))
                  (if (i32.eqz (local.get $left)) (then
                    (if (i32.eqz (global.get $end)) (then
                      (global.set $end (i32.const 1))
                      (drop (call $again (global.get $levels)))))))
                  {before}
                  (i32.sub (local.get $left) (i32.const 1))
                  {arguments}
                  (call $down)
                  {behind})
                (global $levels (mut i32) (i32.const 0))
                (func (export "deep") (param i32) (result i32)
                  (drop (memory.grow (PTR.const 8)))
                  (i32.const -1) {zeros} (call $down) {drops} (i32.const 0))
                (func (export "both") (param i32) (result i32)
                  (drop (memory.grow (PTR.const 8)))
                  (global.set $levels (i32.load (PTR.const 65536)))
                  (global.set $end (i32.const 0))
                  (global.get $levels) {zeros} (call $down) {drops} (i32.const 0))"#,
            zeros = zero(params),
            pointers = "PTR ".repeat(16),
            addresses = repeated(16, |at| loaded("PTR", 100 + at)),
            many = "i64 ".repeat(16),
            loads = repeated(16, |at| loaded("i64", at)),
        );
        let text = text.replace("FROM_PTR_TO_I32", to_i32);
        module(width, &text.replace("FROM_PTR_TO_I64", to_i64))
    }
}

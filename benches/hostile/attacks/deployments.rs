//! Attacks by deploying: modules that are slow to judge, compile or store, failing constructors, many commits, migration.

use super::text::{contract, function, run};
use super::{Deployment, Listed, Step, World};

pub const ATTACKS: &[Listed] = &[
    ("deploy_small", || deploying(small)),
    ("deploy_again", || deploying(|_| small(0))),
    ("deploy_plain_code", || {
        deploying(|number| plain(number, 400))
    }),
    ("deploy_many_results", || deploying(many_results)),
    ("deploy_many_blocks", || deploying(many_blocks)),
    ("deploy_many_loops", || deploying(many_loops)),
    ("deploy_many_loads", || deploying(many_loads)),
    ("deploy_many_br_tables", || deploying(many_br_tables)),
    ("deploy_many_functions", || deploying(many_functions)),
    ("deploy_many_types", || deploying(many_types)),
    ("deploy_data", || deploying(data)),
    ("deploy_data_scattered", || deploying(data_scattered)),
    ("deploy_large_memory", || {
        deploying(|number| contract(4_096, "", &numbered(number)))
    }),
    ("deploy_failing_init", || deploying(failing_init)),
    ("deploy_init_without_gas", deploy_init_without_gas),
    ("deploy_garbage_of_2mb", || deploying(|_| vec![7; 2 << 20])),
    ("deploy_rejected_late", || deploying(rejected_late)),
    ("deploy_existing_id", || {
        World::of(small(0)).stepping(|_| deployment(1, small(0)))
    }),
    ("migrations", || {
        World::of(small(0)).stepping(|step| Step::Migrate(small(step as u32 + 1)))
    }),
];

fn deployment(number: u32, code: Vec<u8>) -> Step {
    Step::Deploy(Deployment {
        number,
        code,
        limit_gas: super::CALL_GAS,
    })
}

/// Under a new id each time.
fn deploying(code: impl Fn(u32) -> Vec<u8> + 'static) -> World {
    World::of(small(0)).stepping(move |step| {
        let number = step as u32 + 2;
        deployment(number, code(number))
    })
}

/// Something that differs, so that no two modules are the same.
fn numbered(number: u32) -> String {
    function("go", &format!("(drop (i32.const {number}))"))
}

fn small(number: u32) -> Vec<u8> {
    contract(2, "", &numbered(number))
}

fn plain(number: u32, functions: u32) -> Vec<u8> {
    let body = "(local.set $x (i64.mul (i64.add (local.get $x) (i64.const 7)) (i64.xor (local.get $y) (i64.load (i32.wrap_i64 (local.get $x))))))".repeat(30);
    let functions: String = (0..functions)
        .map(|at| function(&format!("f{at}"), &body))
        .collect();
    contract(2, "", &(numbered(number) + &functions))
}

fn many_results(number: u32) -> Vec<u8> {
    let types = "i64 ".repeat(16);
    let values = "(i64.load (i32.const 8))".repeat(16);
    let calls = "call $wide ".repeat(10_000);
    let drops = "drop ".repeat(16);
    let gets = (0..16)
        .map(|at| format!("local.get {} ", 15 - at))
        .collect::<String>();
    contract(
        2,
        "",
        &format!(
            "(func $wide (param {types}) (result {types}) {gets}) {} {}",
            numbered(number),
            run(&format!("{values} {calls} {drops}"))
        ),
    )
}

fn many_blocks(number: u32) -> Vec<u8> {
    let one =
        "(block (br_if 0 (local.get $i)) (local.set $i (i32.load (local.get $j))))".repeat(3_000);
    contract(2, "", &(numbered(number) + &run(&one)))
}

fn many_loops(number: u32) -> Vec<u8> {
    let locals = "(local i64 i64 i64 i64 i64 i64 i64 i64)";
    let open =
        "(loop (local.set $x (i64.add (local.get $x) (local.get $y))) (br_if 0 (local.get $i))"
            .repeat(20);
    let close = ")".repeat(20);
    let one = format!("{open} {close}").repeat(8);
    contract(
        2,
        "",
        &format!("{} (func {locals}) {}", numbered(number), run(&one)),
    )
}

fn many_loads(number: u32) -> Vec<u8> {
    let one =
        "(local.set $i (i32.load (i32.add (local.get $i) (i32.load offset=4096 (local.get $j)))))"
            .repeat(4_500);
    contract(2, "", &(numbered(number) + &run(&one)))
}

fn many_br_tables(number: u32) -> Vec<u8> {
    let targets = " 0 1".repeat(500);
    let one = format!("(block (block (br_table{targets} (local.get $i))))").repeat(4);
    contract(2, "", &(numbered(number) + &run(&one)))
}

fn many_functions(number: u32) -> Vec<u8> {
    let functions = "(func)".repeat(16_000);
    contract(2, "", &(numbered(number) + &functions))
}

fn many_types(number: u32) -> Vec<u8> {
    let types: String = (0..4_000_u32)
        .map(|at| {
            let params: String = (0..12)
                .map(|bit| if at >> bit & 1 == 1 { " i64" } else { " i32" })
                .collect();
            format!("(func (param{params}))")
        })
        .collect();
    contract(2, "", &(numbered(number) + &types))
}

/// A megabyte of content, hashed and stored.
fn data(number: u32) -> Vec<u8> {
    let bytes = format!("{number:08}").repeat(1 << 17);
    contract(
        32,
        "",
        &format!(
            r#"{} (data (i32.const 131072) "{bytes}")"#,
            numbered(number)
        ),
    )
}

/// A byte in each of 1,024 pages: little code, much state.
fn data_scattered(number: u32) -> Vec<u8> {
    let data: String = (0..1_024)
        .map(|at| format!(r#"(data (i32.const {}) "x")"#, (1 << 20) + at * 4_096 * 16))
        .collect();
    contract(4_096, "", &(numbered(number) + &data))
}

fn failing_init(number: u32) -> Vec<u8> {
    contract(
        2,
        "",
        &(numbered(number) + &function("init", "(unreachable)")),
    )
}

/// Large code whose constructor has no gas: compiled, and gone.
fn deploy_init_without_gas() -> World {
    World::of(small(0)).stepping(|step| {
        let number = step as u32 + 2;
        let body = "(local.set $x (i64.mul (i64.add (local.get $x) (i64.const 7)) (local.get $y)))"
            .repeat(200);
        let functions: String = (0..20)
            .map(|at| function(&format!("f{at}"), &body))
            .collect();
        let code = contract(
            2,
            "",
            &(numbered(number) + &function("init", "") + &functions),
        );
        Step::Deploy(Deployment {
            number,
            code,
            limit_gas: 1,
        })
    })
}

/// Everything is fine but for the last function.
fn rejected_late(number: u32) -> Vec<u8> {
    let body = "(local.set $x (i64.mul (i64.add (local.get $x) (i64.const 7)) (local.get $y)))"
        .repeat(200);
    let functions: String = (0..400)
        .map(|at| function(&format!("f{at}"), &body))
        .collect();
    let late = format!("(func (local{}))", " i64".repeat(5_000));
    contract(2, "", &(numbered(number) + &functions + &late))
}

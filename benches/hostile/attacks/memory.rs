//! Attacks on memory: pages touched, grown, copied, kept for savepoints, read from the disk.

use super::text::{
    CALLS, RANDOM, call, contract, forever, function, names, run, stepping, times, wide_contract,
};
use super::{Call, Contract, Listed, World};

/// Memory of contracts that touch much of it: 240 MiB, in pages of 64 KiB.
const LARGE: u32 = 3_840;
/// The end of it.
const END: u32 = LARGE << 16;
/// Of contracts whose memory is committed before: 32 MiB.
const COMMITTED: u32 = 512;
const COMMITTED_END: u32 = COMMITTED << 16;

const PANIC: &str = r#"(import "env" "panic" (func $panic (param i32)))"#;
const FAIL: &str = "(call $panic (i32.const 0))";

pub const ATTACKS: &[Listed] = &[
    ("page_writes", page_writes),
    ("page_writes_whole", page_writes_whole),
    ("page_writes_of_zeros", || {
        World::of(large(&stepping(
            "i",
            END,
            4_096,
            "(i32.store8 (local.get $i) (i32.const 0))",
        )))
    }),
    ("page_writes_reverted", page_writes_reverted),
    ("page_writes_reverted_small", page_writes_reverted_small),
    ("page_writes_scattered", page_writes_scattered),
    ("page_writes_straddling", || {
        World::of(large(&stepping(
            "i",
            END - 8_192,
            8_192,
            "(i64.store offset=4092 (local.get $i) (i64.const -1))",
        )))
    }),
    ("page_writes_restored", page_writes_restored),
    ("page_writes_same", page_writes_same),
    ("page_reads", || {
        World::of(large(&forever(&stepping(
            "i",
            END,
            4_096,
            "(drop (i32.load8_u (local.get $i)))",
        ))))
    }),
    ("page_reads_committed", || {
        committed(read_all()).calling(ample("run"))
    }),
    ("cold_reads", || {
        committed(read_all()).cold().calling(ample("run"))
    }),
    ("cold_reads_scattered", || {
        committed(read_scattered()).cold()
    }),
    ("cold_writes", || {
        committed(write_all()).cold().calling(ample("run"))
    }),
    ("cold_copies", || {
        committed(copy_all()).cold().calling(ample("run"))
    }),
    ("growth", growth),
    ("growth_reverted", || {
        World::of(contract(
            2,
            PANIC,
            &run(&format!("(drop (memory.grow (i32.const 4000))) {FAIL}")),
        ))
    }),
    ("growth_nested_reverted", growth_nested_reverted),
    ("growth_of_256_contracts", growth_of_256_contracts),
    ("growth_wide_by_page", growth_wide),
    ("growth_by_page", growth_by_page),
    ("growth_by_page_reverted", growth_by_page_reverted),
    ("growth_touched_reverted", growth_touched_reverted),
    ("growth_refused", growth_refused),
    ("growth_by_nothing", || {
        World::of(contract(
            2,
            "",
            &run(&forever("(drop (memory.grow (i32.const 0)))")),
        ))
    }),
    ("bulk_fill", || {
        World::of(large(&forever(
            "(memory.fill (i32.const 131072) (i32.const 1) (i32.const 16777216))",
        )))
        .calling(ample("run"))
    }),
    ("bulk_fill_warm", || {
        bulk("(memory.fill (i32.const 0) (i32.const 1) (i32.const 65536))")
    }),
    ("bulk_fill_1", || {
        bulk("(memory.fill (i32.const 0) (i32.const 1) (i32.const 1))")
    }),
    ("bulk_fill_0", || {
        bulk("(memory.fill (i32.const 0) (i32.const 1) (i32.const 0))")
    }),
    ("bulk_fill_264", || {
        bulk("(memory.fill (i32.const 0) (i32.const 1) (i32.const 264))")
    }),
    ("bulk_fill_265", || {
        bulk("(memory.fill (i32.const 0) (i32.const 1) (i32.const 265))")
    }),
    ("bulk_copy", || {
        World::of(large(&forever(
            "(memory.copy (i32.const 125829120) (i32.const 0) (i32.const 16777216))",
        )))
        .calling(ample("run"))
    }),
    ("bulk_copy_overlapping", || {
        bulk("(memory.copy (i32.const 1) (i32.const 0) (i32.const 65536))")
    }),
    ("bulk_copy_1", || {
        bulk("(memory.copy (i32.const 0) (i32.const 8192) (i32.const 1))")
    }),
    ("bulk_copy_265", || {
        bulk("(memory.copy (i32.const 0) (i32.const 8192) (i32.const 265))")
    }),
    ("bulk_of_many_pages", bulk_of_many_pages),
    ("bulk_beyond_the_gas", bulk_beyond_the_gas),
    ("cache_missing_loads", || missing(64 << 20, CHASED)),
    ("cache_missing_loads_8mib", || missing(8 << 20, CHASED)),
    ("cache_missing_loads_1mib", || missing(1 << 20, CHASED)),
    ("cache_missing_loads_256kib", || missing(256 << 10, CHASED)),
    ("cache_missing_independent_loads", || {
        missing(
            64 << 20,
            "(local.set $j (i32.xor (local.get $j) (i32.load (i32.and (local.get $i) (local.get $k)))))",
        )
    }),
    ("cache_missing_stores", || {
        missing(
            64 << 20,
            "(i32.store (i32.and (local.get $i) (local.get $k)) (local.get $j))",
        )
    }),
    ("cache_missing_stores_8mib", || {
        missing(
            8 << 20,
            "(i32.store (i32.and (local.get $i) (local.get $k)) (local.get $j))",
        )
    }),
    ("memory64_loads", || {
        wide(
            "(local.set $y (i64.add (local.get $y) (i64.load (i64.and (local.get $x) (i64.const 0xfff8)))))",
        )
    }),
    ("memory64_stores", || {
        wide("(i64.store (i64.and (local.get $x) (i64.const 0xfff8)) (local.get $y))")
    }),
    ("memory64_misses", memory64_misses),
    ("savepoints_on_hot_pages", || savepoints(1_024, false)),
    ("savepoints_on_hot_pages_reverted", || {
        savepoints(1_024, true)
    }),
    ("savepoints_on_one_hot_page", || savepoints(1, false)),
    (
        "savepoints_on_untouched_hot_pages",
        savepoints_on_untouched_hot_pages,
    ),
    ("touched_again_after_frames", touched_again_after_frames),
    ("pages_in_64_frames", pages_in_64_frames),
    ("reverted_work", reverted_work),
];

fn large(body: &str) -> Vec<u8> {
    contract(LARGE, "", &run(body))
}

/// The same, which then panics: what it did not spend is not spent.
fn panicking(body: &str) -> Vec<u8> {
    contract(LARGE, PANIC, &run(&format!("{body} {FAIL}")))
}

/// The last byte of each of the next 512 pages.
fn page_writes() -> World {
    next_pages(&stepping(
        "i",
        512 << 12,
        4_096,
        "(i32.store8 offset=4095 (i32.add (local.get $j) (local.get $i)) (i32.const 1))",
    ))
}

/// Every byte of the next 512 pages.
fn page_writes_whole() -> World {
    next_pages("(memory.fill (local.get $j) (i32.const 7) (i32.const 2097152))")
}

/// Writes the 2 MiB from `j` on, which goes on from call to call: it is kept at 8, and those pages are left out.
fn next_pages(write: &str) -> World {
    let body = format!(
        "(local.set $j (i32.add (i32.load (i32.const 8)) (i32.const 2097152)))
         (i32.store (i32.const 8) (local.get $j))
         {write}"
    );
    World::of(large(&body)).calling(ample("run"))
}

/// All at once, and then all undone.
fn page_writes_reverted() -> World {
    let write = stepping(
        "i",
        64 << 20,
        4_096,
        "(i32.store8 (local.get $i) (i32.const 1))",
    );
    World::of(panicking(&write)).calling(ample("run"))
}

/// A call of contract 1 with all the gas there is.
fn ample(function: &str) -> Call {
    Call::of(1, function).limited(super::AMPLE_GAS)
}

/// A few hundred pages at a time, reverted: what is given back is taken again.
fn page_writes_reverted_small() -> World {
    let body = stepping(
        "i",
        1_024 << 12,
        4_096,
        "(i32.store8 (local.get $i) (i32.const 1))",
    );
    World::of(panicking(&body)).calling(ample("run"))
}

/// Pages far apart: as many nodes of the tree, page tables and mappings as there can be.
fn page_writes_scattered() -> World {
    let page = "(i32.shl (i32.and (i32.mul (local.get $i) (i32.const 40503)) (i32.const 0x7fff)) (i32.const 12))";
    World::of(large(&times(
        "i",
        32_768,
        &format!("(i32.store8 {page} (i32.const 7))"),
    )))
    .calling(ample("run"))
}

/// Contract 1 with 32 MiB of committed content, made by `fill`.
fn committed(body: String) -> World {
    let fill = "(memory.fill (i32.const 0) (i32.const 170) (i32.const 65536))
        (memory.fill (i32.const 131072) (i32.const 85) (i32.const 33423360))";
    let number_pages = stepping(
        "i",
        COMMITTED_END,
        4_096,
        "(i32.store (local.get $i) (i32.add (local.get $i) (i32.const 1)))",
    );
    let fill = function("fill", &format!("{fill} {number_pages}"));
    World::of(contract(COMMITTED, "", &(fill + &run(&body)))).after(Call::of(1, "fill"))
}

fn read_all() -> String {
    stepping(
        "i",
        COMMITTED_END,
        4_096,
        "(drop (i32.load8_u (local.get $i)))",
    )
}

fn write_all() -> String {
    stepping(
        "i",
        COMMITTED_END,
        4_096,
        "(i32.store8 (local.get $i) (i32.const 3))",
    )
}

fn read_scattered() -> String {
    let page = "(i32.shl (i32.and (i32.mul (local.get $i) (i32.const 40503)) (i32.const 0x1fff)) (i32.const 12))";
    times("i", 8_192, &format!("(drop (i32.load8_u {page}))"))
}

fn copy_all() -> String {
    "(memory.copy (i32.const 16777216) (i32.const 0) (i32.const 16777216))".to_owned()
}

/// Every page is changed, and then is what it was: hashed at the commit for nothing.
fn page_writes_restored() -> World {
    let change = "(i32.store8 (local.get $i) (i32.xor (i32.load8_u (local.get $i)) (i32.const 1)))";
    committed(stepping(
        "i",
        COMMITTED_END,
        4_096,
        &format!("{change} {change}"),
    ))
    .calling(ample("run"))
}

/// Every page is written with what is there.
fn page_writes_same() -> World {
    let same = "(i32.store8 (local.get $i) (i32.load8_u (local.get $i)))";
    committed(stepping("i", COMMITTED_END, 4_096, same)).calling(ample("run"))
}

/// To the limit in one step each; the next calls find the memory grown.
fn growth() -> World {
    let codes = vec![contract(2, "", &run("(drop (memory.grow (i32.const 4094)))")); 180];
    World::of_all(codes).stepping(|step| super::Step::Call(Call::of(1 + step as u32 % 180, "run")))
}

fn growth_by_page() -> World {
    let body = times("i", 4_000, "(drop (memory.grow (i32.const 1)))");
    World::of(contract(2, PANIC, &run(&format!("{body} {FAIL}")))).calling(ample("run"))
}

/// A nested frame grows by a page, and fails.
fn growth_by_page_reverted() -> World {
    let callee = format!("(drop (memory.grow (i32.const 1))) {FAIL}");
    let callee = contract(2, PANIC, &function("go", &callee));
    World::of_all([super::text::calling_go(0, 0), callee])
}

/// The same, having written to the page.
fn growth_touched_reverted() -> World {
    let callee = format!(
        "(i32.store (i32.shl (memory.grow (i32.const 1)) (i32.const 16)) (i32.const 1)) {FAIL}"
    );
    let callee = contract(2, PANIC, &function("go", &callee));
    World::of_all([super::text::calling_go(0, 0), callee])
}

/// Beyond the contract's own bound, a page at a time.
fn growth_refused() -> World {
    let code = super::text::code(&format!(
        r#"(module (memory (export "memory") 2 2) (global (export "A") i32 (i32.const 65536)) {})"#,
        run(&forever("(drop (memory.grow (i32.const 1)))"))
    ));
    World::of(code)
}

fn growth_nested_reverted() -> World {
    let callee = format!("(drop (memory.grow (i32.const 4000))) {FAIL}");
    let callee = contract(2, PANIC, &function("go", &callee));
    World::of_all([super::text::calling_go(0, 0), callee])
}

/// The most memory that a call tree may have: each contract grows to its limit.
fn growth_of_256_contracts() -> World {
    let calls: String = (2..=256).map(|number| call(number, "go", 0, 0)).collect();
    let driver = contract(2, CALLS, &(names("go", 256) + &run(&calls)));
    let grower = contract(
        2,
        "",
        &function("go", "(drop (memory.grow (i32.const 4094)))"),
    );
    let growers = std::iter::repeat_n(grower, 255);
    World::of_all(std::iter::once(driver).chain(growers)).calling(ample("run"))
}

/// A wide memory moves when it outgrows its place.
fn growth_wide() -> World {
    let write =
        "(i64.store (i64.shl (i64.sub (memory.size) (i64.const 1)) (i64.const 16)) (i64.const 1))";
    let grow = format!("(drop (memory.grow (i64.const 1))) {write}");
    let body = times("i", 4_000, &grow) + "(call $panic (i32.const 0))";
    World::of(wide_contract(2, PANIC, &run(&body))).calling(ample("run"))
}

fn bulk(operation: &str) -> World {
    World::of(contract(2, "", &run(&forever(operation))))
}

/// Operations just long enough to be looked at by the host, among many touched pages.
fn bulk_of_many_pages() -> World {
    let touch = stepping("i", 16 << 20, 4_096, "(drop (i32.load8_u (local.get $i)))");
    let copy = forever("(memory.fill (i32.const 131072) (i32.const 1) (i32.const 8192))");
    World::of(large(&(touch + &copy)))
}

/// A callee asks for more than it can pay.
fn bulk_beyond_the_gas() -> World {
    let callee = function(
        "go",
        "(memory.fill (i32.const 0) (i32.const 1) (i32.const 251527168))",
    );
    World::of_all([
        super::text::calling_go(0, 5_000),
        contract(LARGE, "", &callee),
    ])
}

/// A load whose place depends on the load before.
const CHASED: &str =
    "(local.set $j (i32.load (i32.and (i32.add (local.get $i) (local.get $j)) (local.get $k))))";

/// All of `bytes`, a power of two, is touched in each call; then words anywhere in it, at places that `k` bounds.
fn missing(bytes: u32, access: &str) -> World {
    let touch = stepping(
        "i",
        bytes,
        4_096,
        "(i32.store (local.get $i) (i32.mul (local.get $i) (i32.const 40503)))",
    );
    let bound = format!("(local.set $k (i32.const {}))", (bytes - 1) & !3);
    let accesses = format!("{RANDOM} {access}").repeat(8);
    World::of(large(&(touch + &bound + &forever(&accesses)))).calling(ample("run"))
}

fn wide(access: &str) -> World {
    let next = "(local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))";
    let body = forever(&format!("{next} {access}").repeat(8));
    World::of(wide_contract(2, "", &run(&body)))
}

fn memory64_misses() -> World {
    let next = "(local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1442695040888963407)))";
    let access = "(local.set $x (i64.xor (local.get $x) (i64.load (i64.and (local.get $x) (i64.const 0x3fffff8)))))";
    let touch = stepping(
        "i",
        128 << 20,
        4_096,
        "(i64.store (i64.extend_i32_u (local.get $i)) (i64.extend_i32_u (local.get $i)))",
    );
    let body = touch + &forever(&format!("{next} {access}").repeat(8));
    World::of(wide_contract(LARGE, "", &run(&body))).calling(ample("run"))
}

/// Nested frames write `pages` pages, which are hot in the frame around.
fn savepoints(pages: u32, reverted: bool) -> World {
    let write = stepping(
        "i",
        pages << 12,
        4_096,
        "(i32.store8 (local.get $i) (i32.const 1))",
    );
    let end = if reverted { FAIL } else { "" };
    let callee = contract(LARGE, PANIC, &function("go", &(write + end)));
    World::of_all([super::text::calling_go(0, 0), callee])
}

/// A frame makes 1,024 pages hot once; frames that then only start must lower their marks.
fn savepoints_on_untouched_hot_pages() -> World {
    let heat = stepping(
        "i",
        1_024 << 12,
        4_096,
        "(i32.store8 (local.get $i) (i32.const 1))",
    );
    let callee = function("go", "") + &function("up", &heat);
    let driver = names("go", 2)
        + r#"(data (i32.const 600) "up")"#
        + &run(&format!(
            "(drop (call $c (i32.const 1088) (i32.const 600) (i32.const 2) (i32.const 0) (i64.const 0))) {}",
            forever(&call(2, "go", 0, 0))
        ));
    World::of_all([contract(2, CALLS, &driver), contract(LARGE, "", &callee)])
}

/// A contract writes 64 pages, calls itself, and writes them again: paid for once, made ready each time.
fn touched_again_after_frames() -> World {
    let write = stepping(
        "j",
        64 << 12,
        4_096,
        "(i32.store8 (local.get $j) (i32.const 1))",
    );
    let rounds = forever(&(write + &call(1, "go", 0, 0)));
    let code = contract(
        LARGE,
        CALLS,
        &(names("go", 1) + &function("go", "") + &run(&rounds)),
    );
    World::of(code)
}

/// Each of 64 frames of one contract writes the same pages, so that each keeps its own copy of all.
fn pages_in_64_frames() -> World {
    let write = stepping(
        "j",
        700 << 12,
        4_096,
        "(i32.store8 (local.get $j) (i32.const 1))",
    );
    let body = write + &call(1, "go", 0, 0);
    let code = contract(LARGE, CALLS, &(names("go", 1) + &function("go", &body)));
    World::of(code).calling(ample("go"))
}

/// Callees that write much and panic, in a call that goes on.
fn reverted_work() -> World {
    let write = stepping(
        "i",
        256 << 12,
        4_096,
        "(i64.store (local.get $i) (i64.const -1))",
    );
    let callee = function("go", &(write + FAIL));
    World::new(vec![
        Contract {
            number: 1,
            code: super::text::calling_go(0, 0),
        },
        Contract {
            number: 2,
            code: contract(LARGE, PANIC, &callee),
        },
    ])
}

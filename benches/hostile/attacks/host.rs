//! Attacks by what the host does for contracts: each import in a loop, events, feeds.

use super::text::{CALLS, call, contract, forever, function, names, run};
use super::{Call, Listed, Step, World};

pub const ATTACKS: &[Listed] = &[
    ("import_caller", || {
        import("caller", "(result i32)", "(drop (call $import))")
    }),
    ("import_callstack", || {
        import("callstack", "(result i32)", "(drop (call $import))")
    }),
    ("import_callstack_deep", callstack_deep),
    ("import_limit", || {
        import("limit", "(result i64)", "(drop (call $import))")
    }),
    ("import_spent", || {
        import("spent", "(result i64)", "(drop (call $import))")
    }),
    ("import_self_id", || import("self_id", "", "(call $import)")),
    ("import_owner", || {
        import(
            "owner",
            "(param i32) (result i32)",
            "(drop (call $import (i32.const 0)))",
        )
    }),
    ("import_owner_of_nothing", || {
        import(
            "owner",
            "(param i32) (result i32)",
            "(drop (call $import (i32.const 4096)))",
        )
    }),
    ("import_owner_ever_new", || owner_ever_new(10_000)),
    ("import_owner_ever_new_cold", || {
        owner_ever_new(10_000).cold()
    }),
    ("import_session_datum", || {
        import(
            "hd",
            "(param i32 i32) (result i32)",
            "(drop (call $import (i32.const 0) (i32.const 0)))",
        )
    }),
    ("import_session_datum_255", || {
        import(
            "hd",
            "(param i32 i32) (result i32)",
            "(drop (call $import (i32.const 0) (i32.const 255)))",
        )
    }),
    ("import_host_query_unknown", host_query_unknown),
    ("import_debug", || {
        import("hdebug", "(param i32)", "(call $import (i32.const 0))")
    }),
    ("import_debug_64k", || {
        import("hdebug", "(param i32)", "(call $import (i32.const 65536))")
    }),
    ("import_trapping", || {
        trapping("hdebug", "(param i32)", "(call $import (i32.const -1))")
    }),
    ("feeds_refused", || {
        trapping("feed", "(param i32)", "(call $import (i32.const 0))")
    }),
    ("feeds", || feeding("(call $import (i32.const 0))")),
    ("feeds_64k", || feeding("(call $import (i32.const 65536))")),
    ("events", || {
        import(
            "emit",
            EMIT,
            "(call $import (i32.const 0) (i32.const 0) (i32.const 0))",
        )
    }),
    ("events_64k", || {
        import(
            "emit",
            EMIT,
            "(call $import (i32.const 0) (i32.const 0) (i32.const 65536))",
        )
    }),
    ("events_with_topics", || {
        import(
            "emit",
            EMIT,
            "(call $import (i32.const 0) (i32.const 255) (i32.const 0))",
        )
    }),
    ("events_succeeding", events_succeeding),
    ("events_reverted", events_reverted),
    (
        "events_reverted_at_each_depth",
        events_reverted_at_each_depth,
    ),
];

const EMIT: &str = "(param i32 i32 i32)";

fn imported(name: &str, signature: &str) -> String {
    format!(r#"(import "env" "{name}" (func $import {signature}))"#)
}

fn import(name: &str, signature: &str, body: &str) -> World {
    World::of(contract(
        2,
        &imported(name, signature),
        &run(&forever(body)),
    ))
}

/// A callee misuses an import, which its caller catches.
fn trapping(name: &str, signature: &str, body: &str) -> World {
    let callee = contract(2, &imported(name, signature), &function("go", body));
    World::of_all([super::text::calling_go(0, 1_000), callee])
}

/// `callstack` where it is longest.
fn callstack_deep() -> World {
    let imports = format!("{CALLS} {}", imported("callstack", "(result i32)"));
    let body = call(1, "go", 0, 0) + &forever("(drop (call $import))");
    let code = names("go", 1) + &function("go", &body);
    World::of(contract(2, &imports, &code)).calling(Call::of(1, "go"))
}

/// Contracts that nobody has touched, each asked for once: the tree is read, and for each a record.
fn owner_ever_new(count: u32) -> World {
    let body = super::text::times(
        "i",
        count,
        "(i32.store (i32.const 4096) (i32.add (local.get $i) (i32.const 2)))
         (drop (call $import (i32.const 4096)))",
    );
    let imports = imported("owner", "(param i32) (result i32)");
    let driver = contract(2, &imports, &run(&body));
    let nothing = contract(2, "", &function("go", ""));
    World::of_all(std::iter::once(driver).chain(std::iter::repeat_n(nothing, count as usize)))
        .calling(Call::of(1, "run").limited(super::AMPLE_GAS))
        .at_most(1)
}

fn host_query_unknown() -> World {
    trapping(
        "hq",
        "(param i32 i32 i32) (result i32)",
        "(drop (call $import (i32.const 0) (i32.const 255) (i32.const 0)))",
    )
}

fn feeding(body: &str) -> World {
    let code = contract(2, &imported("feed", "(param i32)"), &run(&forever(body)));
    World::of(code).stepping(|_| Step::Feed(Call::of(1, "run")))
}

fn events_succeeding() -> World {
    let body = super::text::times(
        "i",
        40_000,
        "(call $import (i32.const 0) (i32.const 0) (i32.const 0))",
    );
    World::of(contract(2, &imported("emit", EMIT), &run(&body)))
}

fn events_reverted() -> World {
    let imports = imported("emit", EMIT) + r#"(import "env" "panic" (func $panic (param i32)))"#;
    let emits = super::text::times(
        "i",
        100,
        "(call $import (i32.const 0) (i32.const 0) (i32.const 0))",
    );
    let body = function("go", &(emits + "(call $panic (i32.const 0))"));
    World::of_all([super::text::calling_go(0, 0), contract(2, &imports, &body)])
}

/// Each failing frame marks the events of all below it again: quadratic in the depth, if that is not priced.
fn events_reverted_at_each_depth() -> World {
    let imports = format!("{CALLS} {}", imported("emit", EMIT));
    let emits = super::text::times(
        "i",
        20_000,
        "(call $import (i32.const 0) (i32.const 0) (i32.const 0))",
    );
    let body = call(1, "go", 0, 0) + "(unreachable)";
    let code = names("go", 1)
        + &function(
            "go",
            &(format!("(if (i32.eqz (i32.load (i32.const 65536))) (then {emits}))") + &body),
        );
    World::of(contract(2, &imports, &code)).calling(Call::of(1, "go"))
}

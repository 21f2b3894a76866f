//! What the host does for contracts: imports, calls, pages, growth.

use crostata::{ContractId, Session};

use crate::common::LIMIT;
use crate::measure::{Cost, Scene, call, module, thread_ns};

const LOOPS: u64 = 4_000;

struct Case {
    rule: &'static str,
    /// What the loop does, with `$other` for the id's place of another contract and `$none` of one that does not exist.
    body: &'static str,
    without: &'static str,
}

/// Every import that does not end the call; the callee `other` has `nothing`, `fail`, `trap`, `panic`.
const CASES: &[Case] = &[
    Case {
        rule: "gas.import_base: spent",
        body: "(drop (call $spent))",
        without: "",
    },
    Case {
        rule: "gas.import_base: caller",
        body: "(drop (call $caller))",
        without: "",
    },
    Case {
        rule: "gas.import_base: self_id",
        body: "(call $self_id)",
        without: "",
    },
    Case {
        rule: "gas.import_base: callstack",
        body: "(drop (call $callstack))",
        without: "",
    },
    Case {
        rule: "gas.import_base: owner of itself",
        body: "(drop (call $owner (i32.const 0)))",
        without: "",
    },
    Case {
        rule: "gas.import_base: owner of another",
        body: "(drop (call $owner (i32.const 64)))",
        without: "",
    },
    Case {
        rule: "gas.import_base: owner of none",
        body: "(drop (call $owner (i32.const 128)))",
        without: "",
    },
    Case {
        rule: "gas.import_base: hd, no such datum",
        body: "(drop (call $hd (i32.const 0) (i32.const 4)))",
        without: "",
    },
    Case {
        rule: "gas.import_byte: hdebug of 60,000",
        body: "(call $hdebug (i32.const 60000))",
        without: "",
    },
    Case {
        rule: "gas.event_base: no data",
        body: "(call $emit (i32.const 0) (i32.const 4) (i32.const 0))",
        without: "",
    },
    Case {
        rule: "gas.event_byte: 900 bytes",
        body: "(call $emit (i32.const 0) (i32.const 4) (i32.const 900))",
        without: "",
    },
    Case {
        rule: "gas.call_base: succeeds",
        body: "(drop (call $c (i32.const 64) (i32.const 0) (i32.const 4) (i32.const 0) (i64.const 0)))",
        without: "",
    },
    Case {
        rule: "gas.call_base: into itself",
        body: "(drop (call $c (i32.const 96) (i32.const 0) (i32.const 4) (i32.const 0) (i64.const 0)))",
        without: "",
    },
    Case {
        rule: "gas.call_base: 60,000 bytes",
        body: "(drop (call $c (i32.const 64) (i32.const 0) (i32.const 4) (i32.const 60000) (i64.const 0)))",
        without: "",
    },
    Case {
        rule: "gas.call_base: no such contract",
        body: "(drop (call $c (i32.const 128) (i32.const 0) (i32.const 4) (i32.const 0) (i64.const 0)))",
        without: "",
    },
    Case {
        rule: "gas.call_base: no such function",
        body: "(drop (call $c (i32.const 64) (i32.const 16) (i32.const 4) (i32.const 0) (i64.const 0)))",
        without: "",
    },
    Case {
        rule: "gas.failure_base: trap",
        body: "(drop (call $c (i32.const 64) (i32.const 4) (i32.const 4) (i32.const 0) (i64.const 200)))",
        without: "",
    },
    Case {
        rule: "gas.failure_base: panic",
        body: "(drop (call $c (i32.const 64) (i32.const 8) (i32.const 4) (i32.const 0) (i64.const 0)))",
        without: "",
    },
    Case {
        rule: "gas.failure_base: out of gas",
        body: "(drop (call $c (i32.const 64) (i32.const 0) (i32.const 4) (i32.const 0) (i64.const 1)))",
        without: "",
    },
    Case {
        rule: "gas.failure_base: trap at the end of 300 functions",
        body: "(drop (call $c (i32.const 64) (i32.const 12) (i32.const 4) (i32.const 0) (i64.const 20000)))",
        without: "",
    },
    Case {
        rule: "gas.operator.memory_grow: by 1",
        body: "(if (i32.lt_u (memory.size) (i32.const 4096)) (then (drop (memory.grow (i32.const 1)))))",
        without: "(drop (memory.size))",
    },
];

/// Measures everything that is wanted.
pub fn each(wanted: &dyn Fn(&str) -> bool, mut show: impl FnMut(&str, Cost)) {
    for case in CASES.iter().filter(|case| wanted(case.rule)) {
        show(case.rule, marginal(case));
    }
    for (rule, first, second) in PAGES.iter().filter(|(rule, ..)| wanted(rule)) {
        show(rule, pages(first, second));
    }
    if wanted("gas.instance_base") {
        show("gas.instance_base: a call, warm", warm_call());
        show(
            "gas.instance_base: a session and its first call",
            first_call(),
        );
    }
}

fn marginal(case: &Case) -> Cost {
    let mut scene = Scene::new();
    scene.deploy(&module(OTHER));
    let with = scene.deploy(&module(&text(case.body)));
    let without = scene.deploy(&module(&text(case.without)));
    let with = call(&mut scene.session, with, "run", &[]);
    let without = call(&mut scene.session, without, "run", &[]);
    with.beyond(without, LOOPS as f64)
}

/// The callee, the first contract of a scene: its id is 32 times 1.
const OTHER: &str = r#"(module
  (import "env" "panic" (func $panic (param i32)))
  (memory (export "memory") 17)
  (global (export "A") i32 (i32.const 65536))
  (func (export "noop") (param i32) (result i32) (i32.const 0))
  (func (export "trap") (param i32) (result i32) (unreachable))
  (func (export "fail") (param i32) (result i32) (call $panic (i32.const 0)) (i32.const 0))
  (func $deep (param i32) (if (i32.eqz (local.get 0)) (then (unreachable))) (call $deep (i32.sub (local.get 0) (i32.const 1))))
  (func (export "deep") (param i32) (result i32) (call $deep (i32.const 300)) (i32.const 0)))"#;

fn text(body: &str) -> String {
    format!(
        r#"(module
          (import "env" "c" (func $c (param i32 i32 i32 i32 i64) (result i32)))
          (import "env" "hd" (func $hd (param i32 i32) (result i32)))
          (import "env" "emit" (func $emit (param i32 i32 i32)))
          (import "env" "caller" (func $caller (result i32)))
          (import "env" "callstack" (func $callstack (result i32)))
          (import "env" "spent" (func $spent (result i64)))
          (import "env" "owner" (func $owner (param i32) (result i32)))
          (import "env" "self_id" (func $self_id))
          (import "env" "hdebug" (func $hdebug (param i32)))
          (memory (export "memory") 17)
          (global (export "A") i32 (i32.const 65536))
          (data (i32.const 0) "nooptrapfaildeepnone")
          (data (i32.const 64) "{}")
          (data (i32.const 128) "{}")
          (func (export "noop") (param i32) (result i32) (i32.const 0))
          (func (export "run") (param i32) (result i32)
            (local $left i64)
            (call $self_id)
            (memory.copy (i32.const 96) (i32.const 65536) (i32.const 32))
            (local.set $left (i64.const {LOOPS}))
            (loop $again
              {body}
              (br_if $again (i64.ne (i64.const 0) (local.tee $left (i64.sub (local.get $left) (i64.const 1))))))
            (i32.const 0)))"#,
        "\\01".repeat(32),
        "\\ee".repeat(32),
    )
}

/// Pages in a memory that was committed. The first and the second walk over them, of which the second is measured.
const PAGES: &[(&str, &str, &str)] = &[
    ("gas.page_read: loaded before", "", "(call $read)"),
    ("gas.page_write: over committed bytes", "", "(call $write)"),
    (
        "gas.page_write: after a read",
        "(call $read)",
        "(call $write)",
    ),
    (
        "gas.page_copy: in a nested call",
        "(call $write)",
        "(call $nested)",
    ),
    (
        "gas.page_again: after a nested call",
        "(call $write) (call $nothing)",
        "(call $write)",
    ),
    ("gas.page_write: bulk fill", "", "(call $fill)"),
];

const WALKED: u64 = 3_000;

fn pages(first: &str, second: &str) -> Cost {
    let mut scene = Scene::new();
    let id = scene.deploy(&module(&walker(first, second)));
    let prepare = |session: &mut Session| {
        session
            .call_raw(id, "prepare", [], LIMIT)
            .map(|_| ())
            .expect("it is prepared")
    };
    prepare(&mut scene.session);
    let mut scene = scene.committed();
    let with = call(&mut scene.session, id, "both", &[]);
    let without = call(&mut scene.session, id, "first", &[]);
    with.beyond(without, WALKED as f64)
}

fn walker(first: &str, second: &str) -> String {
    let walk = |step: &str| {
        format!(
            "(local $at i32) (local.set $at (i32.const 131072))
            (loop $again {step} (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const {}))))",
            131_072 + WALKED * 4_096
        )
    };
    format!(
        r#"(module
          (import "env" "c" (func $c (param i32 i32 i32 i32 i64) (result i32)))
          (import "env" "self_id" (func $self_id))
          (memory (export "memory") 256)
          (global (export "A") i32 (i32.const 65536))
          (data (i32.const 0) "walknoop")
          (func $read {read})
          (func $write {write})
          (func $fill (memory.fill (i32.const 131072) (i32.const 3) (i32.const {bytes})))
          (func $nested (drop (call $c (i32.const 96) (i32.const 0) (i32.const 4) (i32.const 0) (i64.const 0))))
          (func $nothing (drop (call $c (i32.const 96) (i32.const 4) (i32.const 4) (i32.const 0) (i64.const 0))))
          (func (export "walk") (param i32) (result i32) (call $write) (i32.const 0))
          (func (export "noop") (param i32) (result i32) (i32.const 0))
          (func (export "prepare") (param i32) (result i32)
            (call $write) (call $self_id) (memory.copy (i32.const 96) (i32.const 65536) (i32.const 32)) (i32.const 0))
          (func (export "first") (param i32) (result i32) {first} (i32.const 0))
          (func (export "both") (param i32) (result i32) {first} {second} (i32.const 0)))"#,
        read = walk("(drop (i32.load (local.get $at)))"),
        write =
            walk("(i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))"),
        bytes = WALKED * 4_096,
    )
}

fn warm_call() -> Cost {
    const TIMES: usize = 2_000;
    let mut scene = Scene::new();
    let id = scene.deploy(&module(OTHER));
    let times = |session: &mut Session| {
        let begin = thread_ns();
        let gas = (0..TIMES).map(|_| noop(session, id)).sum::<u64>();
        Cost {
            ns: thread_ns() - begin,
            gas: gas as f64,
        }
        .beyond(Cost { ns: 0.0, gas: 0.0 }, TIMES as f64)
    };
    times(&mut scene.session);
    times(&mut scene.session)
}

fn noop(session: &mut Session, id: ContractId) -> u64 {
    session
        .call_raw(id, "noop", [], LIMIT)
        .expect("it does nothing")
        .gas_spent
}

fn first_call() -> Cost {
    const TIMES: usize = 500;
    let mut scene = Scene::new();
    let id = scene.deploy(&module(OTHER));
    let (vm, base) = scene.commit();
    let begin = thread_ns();
    let mut gas = 0;
    for _ in 0..TIMES {
        let data = crostata::SessionData::builder().base(base);
        gas += noop(&mut vm.session(data).expect("a session"), id);
    }
    Cost {
        ns: thread_ns() - begin,
        gas: gas as f64,
    }
    .beyond(Cost { ns: 0.0, gas: 0.0 }, TIMES as f64)
}

//! States of 10^6 contracts and of 10^7 pages: until they are open and a session has called, and with how much memory.

use std::path::Path;
use std::process::Command;

use crostata::{SessionData, VM, contract_bytecode};

use crate::common::{call, deploy, numbered};
use crate::report::{Report, timed};

/// In its environment, a child finds the directory to open.
pub const CHILD: &str = "CROSTATA_BENCH_OPEN";

const CONTRACTS: u32 = 1_000_000;
const BATCH: u32 = 10_000;
/// Contracts of the second state, each with 65,504 pages of 4 KiB.
const WIDE_CONTRACTS: u32 = 153;

/// Writes into every page of 256 MiB but those of the argument buffer.
const WIDE: &str = r#"(module
  (memory (export "memory") 4096)
  (global (export "A") i32 (i32.const 0))
  (func (export "increment") (param i32) (result i32)
    (i64.store (i32.const 65536) (i64.add (i64.load (i32.const 65536)) (i64.const 1)))
    (i32.const 0))
  (func (export "fill") (param i32) (result i32)
    (local $at i32)
    (local.set $at (i32.const 65536))
    (loop $next
      (i32.store offset=8 (local.get $at) (i32.const 7))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 268435456))))
    (i32.const 0)))"#;

/// Deploys one code under a million ids.
pub fn contracts(report: &Report) {
    let directory = tempfile::tempdir().unwrap();
    let vm = VM::new(directory.path()).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    for first in (0..CONTRACTS).step_by(BATCH as usize) {
        for number in first..first + BATCH {
            deploy(
                &mut session,
                contract_bytecode!("counter"),
                numbered(number),
            );
        }
        let commit = session.commit().unwrap();
        vm.finalize_commit(commit).unwrap();
        session = vm.session(SessionData::builder().base(commit)).unwrap();
    }
    vm.checkpoint().unwrap();
    drop((session, vm));
    open(report, "large_contracts", directory.path());
}

/// Pages of one content within a commit are stored once, so the disk holds mostly nodes of the trees.
pub fn pages(report: &Report) {
    let code = wat::parse_str(WIDE).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let vm = VM::new(directory.path()).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    for number in 0..WIDE_CONTRACTS {
        deploy(&mut session, &code, numbered(number));
        call(&mut session, numbered(number), "fill", &[]);
        let commit = session.commit().unwrap();
        vm.finalize_commit(commit).unwrap();
        session = vm.session(SessionData::builder().base(commit)).unwrap();
    }
    vm.checkpoint().unwrap();
    drop((session, vm));
    open(report, "large_pages", directory.path());
}

/// In a process of its own, whose memory holds nothing else.
fn open(report: &Report, name: &str, directory: &Path) {
    let program = std::env::current_exe().unwrap();
    let told = Command::new(program)
        .env(CHILD, directory)
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap();
    let figures: Vec<f64> = text
        .split_whitespace()
        .map(|part| part.parse().unwrap())
        .collect();
    report.figure(&format!("{name}_open"), "ms", figures[0], "milliseconds");
    report.figure(
        &format!("{name}_first_call"),
        "ms",
        figures[1],
        "a session's first call, code compiled",
    );
    report.figure(&format!("{name}_rss"), "MB", figures[2], "a few MB");
}

/// What the child does.
pub fn open_and_tell(directory: &Path) {
    let before = anonymous_kib();
    let (opened, vm) = timed(|| VM::new(directory).unwrap());
    let after = anonymous_kib();
    let base = vm.finalized().unwrap();
    let mut session = vm.session(SessionData::builder().base(base)).unwrap();
    call(&mut session, numbered(WIDE_CONTRACTS / 2), "increment", &[]);
    drop(session);
    let (called, _) = timed(|| {
        let mut session = vm.session(SessionData::builder().base(base)).unwrap();
        call(&mut session, numbered(3), "increment", &[]);
    });
    println!(
        "{} {} {}",
        opened.as_secs_f64() * 1e3,
        called.as_secs_f64() * 1e3,
        (after - before) / 1024.0
    );
}

/// Resident memory without a file behind it.
fn anonymous_kib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

//! P8: watching changes no gas, event, outcome or root. A random workload runs with nobody watching, and with everybody: debug sink,
//! call hook that refuses nothing, feeders that listen, traces, page accesses, call trees, estimates, proofs, places of failures and deadlines
//! that do not pass, at random moments, on both backends, with and without backtraces; and once more in profiled sessions.
//!
//! `CROSTATA_WATCHING_SEED` and `CROSTATA_WATCHING_CASES` replay a case, or try others.

mod fixtures;

#[path = "common/random.rs"]
mod random;
#[path = "watching/watcher.rs"]
mod watcher;
#[path = "watching/workload.rs"]
mod workload;

use std::env;
use std::process::Command;

use crostata::Backend;
use fixtures::{BACKENDS, WIDTHS, Width};
use watcher::Watcher;
use workload::{Operation, Seen, generate, run, run_profiled, within};

/// Names the seed that a child process runs.
const CHILD: &str = "CROSTATA_WATCHING_CHILD";

fn number(name: &str, otherwise: u64) -> u64 {
    let given = env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().unwrap())
}

fn seeds() -> impl Iterator<Item = u64> {
    let first = number("CROSTATA_WATCHING_SEED", 1);
    first..first + number("CROSTATA_WATCHING_CASES", 4)
}

fn compare(seed: u64, operations: &[Operation], one: &[Seen], other: &[Seen]) {
    assert_eq!(one.len(), other.len());
    for (at, (one, other)) in one.iter().zip(other).enumerate() {
        assert_eq!(
            one, other,
            "seed {seed}, operation {at}: {:?}",
            operations[at]
        );
    }
}

/// The same with everybody watching as with nobody.
#[test]
fn nobody_notices_who_watches() {
    for seed in seeds() {
        let width = WIDTHS[(seed % 2) as usize];
        let operations = generate(seed);
        let alone = run(BACKENDS[0], width, &operations, None);
        for backend in BACKENDS {
            let watcher = Watcher::new(seed ^ 0x5eed);
            let watched = run(backend, width, &operations, Some(&watcher));
            watcher.has_seen_much();
            compare(seed, &operations, &alone, &watched);
        }
        let failures = alone.iter().filter(|seen| !seen.succeeded()).count();
        println!(
            "seed {seed}: {} operations, {failures} failures",
            alone.len()
        );
        assert!(failures > 5 && alone.len() - failures > 5);
    }
}

/// What a workload's calls may spend in profiled sessions, where a loop that spends it all takes a while.
const PROFILED_GAS_MAX: u64 = 3_000_000;

/// The same in sessions that tell where gas goes, and in total that is what the receipts say.
#[test]
fn profiles_change_nothing() {
    for seed in seeds() {
        let width = WIDTHS[(seed % 2) as usize];
        let operations = within(PROFILED_GAS_MAX, &generate(seed));
        let alone = run(BACKENDS[0], width, &operations, None);
        for backend in BACKENDS {
            let profiled = run_profiled(backend, width, &operations);
            compare(seed, &operations, &alone, &profiled);
        }
        let failures = alone.iter().filter(|seen| !seen.succeeded()).count();
        assert!(failures > 5 && alone.len() - failures > 5);
    }
}

fn printed(backend: Backend, width: Width, seed: u64) -> String {
    let seen = run(backend, width, &generate(seed), None);
    format!("{seen:?}").replace('\n', " ")
}

/// Runs a workload and prints what was seen, for the test below.
#[test]
fn child() {
    let Ok(seed) = env::var(CHILD) else {
        return;
    };
    for backend in BACKENDS {
        let seen = printed(backend, WIDTHS[0], seed.parse().unwrap());
        println!("told {seen}");
    }
}

/// The same in processes that capture backtraces and in one that does not.
#[test]
fn backtraces_change_nothing() {
    let told = |backtrace: &str| {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD, "77")
            .env("RUST_BACKTRACE", backtrace)
            .output()
            .unwrap();
        assert!(child.status.success());
        let text = String::from_utf8(child.stdout).unwrap();
        let told = text
            .lines()
            .filter_map(|line| Some(line.split_once("told ")?.1.to_owned()));
        told.collect::<Vec<_>>()
    };
    let without = told("0");
    assert_eq!(without.len(), BACKENDS.len());
    assert_eq!(without[0], without[1]);
    assert_eq!(without, told("1"));
    assert_eq!(without, told("full"));
    assert_eq!(without[0], printed(BACKENDS[0], WIDTHS[0], 77));
}

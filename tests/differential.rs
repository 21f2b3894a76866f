//! P1 and P7: random contracts do the same on both backends, to the last bit of everything that consensus holds, and compute what an
//! independent interpreter computes.
//!
//! Modules come from wasm-smith and from a generator of our own, are changed at random, and wrapped as contracts, 32-bit and 64-bit, with and
//! without calls of the host. Each is called several times in one session, a failing call and one with little gas in
//! between, and once with limits around what it spends. Compared are native and portable: class, code, contract and function of
//! the outcome, result, gas, events, call tree, accessed pages and root. wasmi runs code that calls nobody: its results, traps and memory must be
//! the VM's.
//!
//! | environment | meaning |
//! |---|---|
//! | `CROSTATA_DIFFERENTIAL_MODULES` | how many modules |
//! | `CROSTATA_DIFFERENTIAL_SEED` | the first seed |
//! | `CROSTATA_DIFFERENTIAL_CASE` | a file `.wasm` with its `.txt`, to be replayed |
//!
//! A fifth of the modules runs in profiled sessions, too, which must be the same (P8).
//!
//! A case on which somebody disagrees is written to `target/differential`. Those in `tests/differential/cases` are replayed always.

#[path = "differential/campaign.rs"]
mod campaign;
#[path = "differential/case.rs"]
mod case;
#[path = "differential/generate.rs"]
mod generate;
#[path = "differential/lane.rs"]
mod lane;
#[path = "differential/module.rs"]
mod module;
#[path = "differential/operators.rs"]
mod operators;
#[path = "differential/oracle.rs"]
mod oracle;
#[path = "common/proofs.rs"]
mod proofs;
#[path = "common/random.rs"]
mod random;
#[path = "differential/shrink.rs"]
mod shrink;
#[path = "differential/statements.rs"]
mod statements;
#[path = "differential/wrap.rs"]
mod wrap;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use campaign::{Lanes, run, run_seeds};
use case::Case;
use crostata::{Backend, Config, Protocol};
use lane::{Lane, Told};
use oracle::Opinion;

/// Modules without a word from the environment.
const MODULES: u64 = 2_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn random_contracts_do_the_same_everywhere() {
    let modules = from_environment("CROSTATA_DIFFERENTIAL_MODULES").unwrap_or(MODULES);
    let first = from_environment("CROSTATA_DIFFERENTIAL_SEED").unwrap_or(0);
    let counts = run_seeds(first, modules);
    println!("{modules} modules from seed {first}: {counts:#?}");
    println!(
        "{} of {} modules run a call that does not trap at once",
        counts.running, counts.modules
    );
    assert_eq!(counts.disagreements, 0);
    assert!(counts.running * 2 >= modules, "too few modules run");
    assert!(counts.judged * 2 >= modules, "wasmi judges too few");
    assert!(counts.rejected * 20 <= modules, "too many are rejected");
    assert!(counts.silent * 20 <= modules, "wasmi says too little");
}

/// A case of the environment, and those that are kept.
#[test]
fn replayed_cases_do_the_same_everywhere() {
    let lanes = Lanes::new();
    let kept = std::fs::read_dir(case::kept()).unwrap();
    let mut paths: Vec<_> = kept.map(|entry| entry.unwrap().path()).collect();
    if let Ok(path) = std::env::var("CROSTATA_DIFFERENTIAL_CASE") {
        paths.push(Path::new(&path).to_path_buf());
    }
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "wasm")
    });
    assert!(!paths.is_empty());
    for path in paths {
        let counts = run(&lanes, &Case::load(&path));
        println!("{}: {counts:?}", path.display());
        assert_eq!(counts.disagreements, 0, "{}", path.display());
        assert_eq!(counts.rejected, 0, "{}", path.display());
    }
}

/// Cases whose difference, planted on purpose, is looked for.
const PLANTED: u64 = 60;

/// What the cases of the first seeds do on the native backend.
fn ran(count: u64) -> Vec<(Case, lane::Ran)> {
    let lane = Lane::of(Backend::Native);
    let cases = (0..count).map(generate::case);
    let ran = cases.filter_map(|case| match lane.run(&case).unwrap() {
        Told::Ran(ran) => Some((case, ran)),
        Told::Rejected(_) => None,
    });
    ran.collect()
}

/// The test can fail: an entry that stores other results is found, by result or root, in all cases where it is called and returns; and by
/// wasmi, by result or memory.
#[test]
fn a_planted_value_is_found() {
    let portable = Lane::of(Backend::Portable);
    let (mut planted, mut judged) = (0, 0);
    for (case, ran) in ran(PLANTED) {
        let entries = ran.calls.iter().zip(&case.calls);
        let mut entries = entries.filter(|(at, _)| ran.seen[**at].ended.is_ok());
        let Some((_, call)) = entries.next() else {
            continue;
        };
        let other = case.with_planted(&call.function);
        let Told::Ran(told) = portable.run(&other).unwrap() else {
            panic!("{} is rejected", case.name)
        };
        planted += 1;
        // The code, and with it the root, is another; what calls gave must be, too.
        let results = |ran: &lane::Ran| -> Vec<_> {
            ran.seen.iter().map(|seen| seen.ended.clone()).collect()
        };
        assert_ne!(results(&told), results(&ran), "{}", case.name);
        if !case.calls_host() {
            judged += 1;
            let opinion = oracle::judge(&other, &ran);
            assert!(
                matches!(opinion, Opinion::Differs(_)),
                "{}: {opinion:?}",
                case.name
            );
        }
    }
    assert!(
        planted * 2 > PLANTED && judged * 2 > planted,
        "{planted} {judged}"
    );
}

/// The test can fail: a price that is higher by one on one side is found in every case that runs.
#[test]
fn a_planted_price_is_found() {
    let mut protocol = Protocol::default();
    protocol.operators.store += 1;
    let dearer = Lane::new(Config {
        backend: Backend::Portable,
        protocols: vec![protocol],
        ..Config::default()
    });
    for (case, ran) in ran(PLANTED / 2) {
        let told = dearer.run(&case).unwrap();
        let difference = Told::Ran(ran.clone()).difference(&told);
        let stores = ran.seen.iter().any(|seen| seen.ended.is_ok());
        assert!(difference.is_some() || !stores, "{}", case.name);
    }
}

/// Runs a case without a profile and with one on each backend; how many calls it makes.
fn compare(plain: &Lane, profiled: &[Lane], case: &Case) -> usize {
    let told = plain.run(case).unwrap();
    for lane in profiled {
        let difference = told.difference(&lane.run(case).unwrap());
        assert_eq!(difference, None, "{}", case.name);
    }
    match told {
        Told::Ran(ran) => ran.seen.len(),
        Told::Rejected(_) => 0,
    }
}

/// P8: random modules, 32-bit and 64-bit, do the same in profiled sessions, with limits around what they spend, too; and their profiles
/// add up.
#[test]
fn random_contracts_spend_the_same_when_profiled() {
    let modules = from_environment("CROSTATA_DIFFERENTIAL_MODULES").unwrap_or(MODULES) / 5;
    let first = from_environment("CROSTATA_DIFFERENTIAL_SEED").unwrap_or(0);
    let plain = Lane::of(Backend::default());
    let profiled = Backend::BUILT.iter().copied().map(Lane::of);
    let profiled: Vec<Lane> = profiled.map(Lane::profiled).collect();
    let (next, calls) = (AtomicU64::new(first), AtomicU64::new(0));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= first + modules {
            return;
        }
        let made = compare(&plain, &profiled, &generate::case(seed));
        calls.fetch_add(made as u64, Ordering::Relaxed);
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let calls = calls.into_inner();
    println!("{modules} modules, {calls} calls");
    assert!(calls >= 4 * modules);
}

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
#[path = "differential/random.rs"]
mod random;
#[path = "differential/statements.rs"]
mod statements;
#[path = "differential/wrap.rs"]
mod wrap;

use std::path::Path;

use campaign::{Lanes, run, run_seeds};
use case::Case;

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
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    assert!(!paths.is_empty());
    for path in paths {
        let counts = run(&lanes, &Case::load(&path));
        println!("{}: {counts:?}", path.display());
        assert_eq!(counts.disagreements, 0, "{}", path.display());
        assert_eq!(counts.rejected, 0, "{}", path.display());
    }
}

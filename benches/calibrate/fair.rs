//! Fair programs: what contracts do all day.

use crostata::contract_bytecode;

use crate::common::numbers;
use crate::measure::{Cost, Scene, call};

/// Name, function and numbers of its argument. The tables that some prepare are small beside what they then do.
const PROGRAMS: [(&str, &str, &[u32]); 6] = [
    ("fib", "fib", &[27]),
    ("sha256", "sha256", &[4_000, 1]),
    ("B-tree", "btree", &[20_000, 1]),
    ("sort", "sort", &[100_000, 1]),
    ("binary search", "binary_search", &[200_000, 1]),
    ("ledger transfers", "transfers", &[20_000, 1_000, 1]),
];

/// The programs with what they take.
pub fn programs() -> Vec<(&'static str, Cost)> {
    let mut scene = Scene::new();
    let contract = scene.deploy(contract_bytecode!("bench"));
    let open = numbers(&[0, 1_000]);
    scene
        .session
        .call_raw(contract, "open_accounts", open, crate::common::LIMIT)
        .expect("accounts");
    let mut measured = |function: &str, argument: &[u32]| {
        call(&mut scene.session, contract, function, &numbers(argument))
    };
    PROGRAMS
        .iter()
        .map(|(name, function, argument)| (*name, measured(function, argument)))
        .collect()
}

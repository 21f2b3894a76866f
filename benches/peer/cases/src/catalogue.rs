//! The cases by name.

use crate::Case;
use crate::block::Blocks;
use crate::call::{self, Calls, NestedHot, Plan};
use crate::contracts::{PAGE_BYTES, PEER_PAGE_BYTES, World};
use crate::machine::{Failure, Machine};
use crate::memory::Resident;
use crate::open::{ColdCall, Spawn};
use crate::prove::{Prove, Size, Verify};
use crate::seal::{Seal, What};
use crate::store::{CommitAmong, DeployAgain, Reopen};
use crate::threads::Threads;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds; fewer are better.
    Nanoseconds,
    /// Bytes; fewer are better.
    Bytes,
    /// Bytes that are few; fewer are better.
    PlainBytes,
    /// Thousandths of a factor; more are better.
    Thousandths,
}

/// When a case is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Always.
    Peer,
    /// When the programs are asked for.
    Program,
}

/// What the parent must know of a case.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What its figure counts.
    pub unit: Unit,
    /// When it is run.
    pub group: Group,
    /// Whether each round wants a fresh process, and is checked after it.
    pub fresh: bool,
}

const fn time(name: &'static str) -> Kind {
    Kind {
        name,
        unit: Unit::Nanoseconds,
        group: Group::Peer,
        fresh: false,
    }
}

const fn bytes(name: &'static str) -> Kind {
    Kind {
        unit: Unit::Bytes,
        fresh: true,
        ..time(name)
    }
}

const fn plain_bytes(name: &'static str) -> Kind {
    Kind {
        unit: Unit::PlainBytes,
        ..time(name)
    }
}

const fn scaling(name: &'static str) -> Kind {
    Kind {
        unit: Unit::Thousandths,
        ..time(name)
    }
}

const fn program(name: &'static str) -> Kind {
    Kind {
        group: Group::Program,
        ..time(name)
    }
}

/// Every case, in the order in which they are run.
pub const ALL: &[Kind] = &[
    time("session_spawn_1"),
    time("session_spawn_1000"),
    time("cold_call"),
    time("warm_call"),
    time("inter_contract_call"),
    time("failed_callee_1"),
    time("failed_callee_256"),
    time("failed_callee_1024"),
    time("failed_callee_1024_dense"),
    time("nested_hot_0"),
    time("nested_hot_1024"),
    time("ledger_transfer"),
    time("ledger_inside"),
    time("block_100_transfers"),
    time("block_1000_transfers"),
    time("root_1024"),
    time("root_1024_dense"),
    time("commit_1024"),
    time("commit_1024_dense"),
    time("commit_10_contracts"),
    time("commit_10000_contracts"),
    time("reopen_1000"),
    time("reopen_10x300"),
    time("deploy_again"),
    time("prove_byte"),
    time("verify_byte"),
    plain_bytes("proof_bytes"),
    scaling("threads_2"),
    scaling("threads_2_fib"),
    bytes("rss_64mib"),
    bytes("rss_64mib_second"),
    time("fib"),
    time("sha256"),
    program("btree"),
    program("sort"),
    program("chase"),
    program("binary_search"),
    program("copy_bytes"),
    program("copy_bulk"),
    program("scatter_1mib"),
    program("scatter_32mib"),
];

/// Sets a case up.
pub fn prepare<M: Machine>(name: &str) -> Result<Box<dyn Case>, Failure> {
    if let Some(plan) = on_a_filled_area(name) {
        return Calls::<M>::prepare(World::filled()?, plan);
    }
    if let Some(plan) = on_bare_contracts(name) {
        return Calls::<M>::prepare(World::bench()?, plan);
    }
    match name {
        "session_spawn_1" => Spawn::<M>::prepare(1),
        "session_spawn_1000" => Spawn::<M>::prepare(1_000),
        "cold_call" => ColdCall::<M>::prepare(),
        "nested_hot_0" => NestedHot::<M>::prepare(World::filled()?, 0),
        "nested_hot_1024" => NestedHot::<M>::prepare(World::filled()?, 1_024),
        "ledger_transfer" => Calls::<M>::prepare(World::ledger()?, call::transfer()),
        "ledger_inside" => Calls::<M>::prepare(World::ledger()?, call::transfers()),
        "block_100_transfers" => Blocks::<M>::prepare(100),
        "block_1000_transfers" => Blocks::<M>::prepare(1_000),
        "root_1024" => Seal::<M>::prepare(What::Root, PEER_PAGE_BYTES),
        "root_1024_dense" => Seal::<M>::prepare(What::Root, PAGE_BYTES),
        "commit_1024" => Seal::<M>::prepare(What::Commit, PEER_PAGE_BYTES),
        "commit_1024_dense" => Seal::<M>::prepare(What::Commit, PAGE_BYTES),
        "commit_10_contracts" => CommitAmong::<M>::prepare(10),
        "commit_10000_contracts" => CommitAmong::<M>::prepare(10_000),
        "reopen_1000" => Reopen::<M>::prepare(1, 1_000),
        "reopen_10x300" => Reopen::<M>::prepare(10, 300),
        "deploy_again" => DeployAgain::<M>::prepare(),
        "prove_byte" => Prove::<M>::prepare(),
        "verify_byte" => Verify::<M>::prepare(),
        "proof_bytes" => Size::<M>::prepare(),
        "threads_2" => Threads::<M>::small(),
        "threads_2_fib" => Threads::<M>::fib(),
        "rss_64mib" => Resident::<M>::prepare(1),
        "rss_64mib_second" => Resident::<M>::prepare(2),
        _ => Err(format!("there is no case {name}").into()),
    }
}

fn on_bare_contracts(name: &str) -> Option<Plan> {
    Some(match name {
        "warm_call" => call::warm(),
        "inter_contract_call" => call::between_contracts(),
        "fib" => call::program("fib", &[27], false),
        "sha256" => call::program("sha256", &[20_000], true),
        "btree" => call::program("btree", &[30_000], true),
        "sort" => call::program("sort", &[100_000], true),
        "chase" => call::program("chase", &[2_000_000], true),
        "binary_search" => call::program("binary_search", &[200_000], true),
        _ => return None,
    })
}

fn on_a_filled_area(name: &str) -> Option<Plan> {
    Some(match name {
        "failed_callee_1" => call::failing(1, PEER_PAGE_BYTES),
        "failed_callee_256" => call::failing(256, PEER_PAGE_BYTES),
        "failed_callee_1024" => call::failing(1_024, PEER_PAGE_BYTES),
        "failed_callee_1024_dense" => call::failing(1_024, PAGE_BYTES),
        "copy_bytes" => call::area_program("copy_bytes", &[1 << 20, 16], false),
        "copy_bulk" => call::area_program("copy_bulk", &[1 << 16, 4_000], false),
        "scatter_1mib" => call::area_program("scatter", &[1 << 20, 2_000_000], true),
        "scatter_32mib" => call::area_program("scatter", &[32 << 20, 2_000_000], true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}

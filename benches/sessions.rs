//! What it takes to begin: a session, its first call, and deploying code that the VM knows.

mod common;

use common::{COUNTER, World, call, deploy, numbered};
use criterion::{BatchSize, BenchmarkId, Criterion};
use crostata::contract_bytecode;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    spawn(&mut criterion);
    cold_call(&mut criterion);
    deploy_known(&mut criterion);
    criterion.final_summary();
}

/// P5: the same for any number of contracts.
fn spawn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session_spawn");
    for contracts in [1, 1_000, 10_000] {
        let world = World::counters(contracts);
        group.bench_function(BenchmarkId::from_parameter(contracts), |bencher| {
            bencher.iter_with_large_drop(|| world.session());
        });
    }
}

fn cold_call(criterion: &mut Criterion) {
    let world = World::counters(1);
    criterion.bench_function("cold_call", |bencher| {
        let first = |session: &mut _| call(session, COUNTER, "increment", &[]);
        bencher.iter_batched_ref(|| world.session(), first, BatchSize::SmallInput);
    });
}

fn deploy_known(criterion: &mut Criterion) {
    let world = World::filled();
    let mut group = criterion.benchmark_group("deploy_known");
    let codes: [(&str, &[u8]); 2] = [
        ("counter", contract_bytecode!("counter")),
        ("bench", contract_bytecode!("bench")),
    ];
    for (name, code) in codes {
        group.bench_function(name, |bencher| {
            let again = |session: &mut _| deploy(session, code, numbered(1));
            bencher.iter_batched_ref(|| world.session(), again, BatchSize::SmallInput);
        });
    }
}

//! Calls in a warm session: from outside, between contracts, and of a callee that fails.

mod common;

use common::{COUNTER, DRIVER, TARGET, World, call, dirty, numbers, with_id};
use criterion::{BenchmarkId, Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    warm_call(&mut criterion);
    inter_contract_call(&mut criterion);
    failed_callee(&mut criterion);
    criterion.final_summary();
}

fn warm_call(criterion: &mut Criterion) {
    let mut session = World::counters(1).session();
    criterion.bench_function("warm_call", |bencher| {
        bencher.iter(|| call(&mut session, COUNTER, "increment", &[]));
    });
}

/// A thousand calls at a time; the throughput is per call.
fn inter_contract_call(criterion: &mut Criterion) {
    const TIMES: u32 = 1_000;
    let mut session = World::filled().session();
    let argument = with_id(COUNTER, &numbers(&[TIMES]));
    let mut group = criterion.benchmark_group("inter_contract_call");
    group.throughput(Throughput::Elements(TIMES.into()));
    group.bench_function(BenchmarkId::from_parameter(TIMES), |bencher| {
        bencher.iter(|| call(&mut session, DRIVER, "repeat", &argument));
    });
}

/// P2: what the callee wrote is undone, and the caller goes on.
fn failed_callee(criterion: &mut Criterion) {
    let mut session = World::filled().session();
    let mut group = criterion.benchmark_group("failed_callee");
    group.sample_size(20);
    for pages in [1, 16, 256, 1_024] {
        let argument = with_id(TARGET, &dirty(pages, 2));
        group.bench_function(BenchmarkId::from_parameter(pages), |bencher| {
            bencher.iter(|| call(&mut session, DRIVER, "survive", &argument));
        });
    }
}

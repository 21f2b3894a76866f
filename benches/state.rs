//! Root, commit and proofs over a contract of 64 MiB.

mod common;

use std::time::{Duration, Instant};

use common::{STRIDE, TARGET, World};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion};
use crostata::{PageIndex, ProofItem};

/// Pages written since the base.
const WRITTEN: [u32; 3] = [1, 16, 1_024];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let world = World::filled();
    root(&mut criterion, &world);
    commit(&mut criterion, &world);
    page_proof(&mut criterion, &world);
    criterion.final_summary();
}

/// P5: by the pages written.
fn root(criterion: &mut Criterion, world: &World) {
    let mut group = criterion.benchmark_group("root");
    shorten(&mut group);
    for pages in WRITTEN {
        group.bench_function(BenchmarkId::from_parameter(pages), |bencher| {
            let written = || world.written(pages, 2);
            bencher.iter_batched_ref(
                written,
                |session| session.root().unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
}

/// P3: until durable. The commit is removed again, which is not timed.
fn commit(criterion: &mut Criterion, world: &World) {
    let mut group = criterion.benchmark_group("commit");
    shorten(&mut group);
    for pages in WRITTEN {
        group.bench_function(BenchmarkId::from_parameter(pages), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| commit_once(world, pages)).sum());
        });
    }
}

fn commit_once(world: &World, pages: u32) -> Duration {
    let mut session = world.written(pages, 2);
    let begin = Instant::now();
    let commit = session.commit().unwrap();
    let elapsed = begin.elapsed();
    drop(session);
    world.vm.delete_commit(commit).unwrap();
    elapsed
}

fn page_proof(criterion: &mut Criterion, world: &World) {
    let page = PageIndex::containing(u64::from(STRIDE) * 512).unwrap();
    let open = || {
        world
            .vm
            .prove(world.base, &[ProofItem::page(TARGET, page)])
            .unwrap()
    };
    criterion.bench_function("page_proof", |bencher| bencher.iter(open));
    let opening = open();
    criterion.bench_function("page_proof_verify", |bencher| {
        bencher.iter(|| opening.clone().verify(&world.base.root).unwrap());
    });
}

fn shorten(group: &mut BenchmarkGroup<'_, WallTime>) {
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1));
}

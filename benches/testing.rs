//! What tests of contracts wait for: a chain to start, a contract to be deployed on it, a call, a rollback.

use criterion::{Criterion, criterion_group, criterion_main};
use crostata::contract_bytecode;
use crostata::testing::Chain;

fn chains(criterion: &mut Criterion) {
    let counter_code = contract_bytecode!("counter");
    criterion.bench_function("chain/start", |bench| bench.iter(Chain::new));
    criterion.bench_function("chain/start, deploy and call", |bench| {
        bench.iter(|| {
            let mut chain = Chain::new();
            let counter = chain.deploy(counter_code).send();
            chain.call::<_, i64>(counter, "read_value", &()).value()
        });
    });
    let mut chain = Chain::new();
    let counter = chain.deploy(counter_code).send();
    let alice = chain.account("alice");
    criterion.bench_function("chain/call", |bench| {
        bench.iter(|| chain.call::<_, ()>(counter, "increment", &()).gas_spent());
    });
    criterion.bench_function("chain/call as account", |bench| {
        bench.iter(|| {
            let called = chain.call_as::<_, ()>(&alice, counter, "increment", &());
            called.gas_spent()
        });
    });
    criterion.bench_function("chain/savepoint, call and rollback", |bench| {
        bench.iter(|| {
            let before = chain.savepoint();
            chain
                .call::<_, ()>(counter, "increment", &())
                .expect_success();
            chain.rollback(before);
        });
    });
}

criterion_group!(benches, chains);
criterion_main!(benches);

//! P6: the queue is bounded, in total and for each client; who finds no place, or no worker in time, is told so, and did not run.

use std::time::Duration;

use crostata::serve::{Overload, QueryCounters, QueryError, Service, ServiceSettings, StartError};

use crate::fixtures::LIMIT;
use crate::scene::{Scene, ask, settings, until};

fn overload(error: QueryError) -> Overload {
    match error {
        QueryError::Overloaded(overload) => overload,
        other => panic!("{other:?}"),
    }
}

/// The bounds hold to the query, and are told at once, while everything hangs.
#[test]
fn full_queues_refuse() {
    let scene = Scene::new();
    let bounded = ServiceSettings {
        queue_max: 3,
        queue_per_client_max: 2,
        ..settings(1)
    };
    let service = Service::new(scene.vm.clone(), bounded).unwrap();
    let held = scene.held(&service, 1);
    let of = |client: &str| service.query(ask("count").client(client));
    let waiting = [of("a"), of("a")];
    let refused = overload(of("a").wait().unwrap_err());
    assert_eq!(refused, Overload::ClientQueue { max: 2 });
    let third = of("b");
    let refused = overload(of("c").wait().unwrap_err());
    assert_eq!(refused, Overload::Queue { max: 3 });
    assert_eq!(service.counters().refused, 2);
    scene.gate.open();
    for handle in [held].into_iter().chain(waiting).chain([third]) {
        handle.wait().unwrap();
    }
    of("c").wait().unwrap();
    assert_eq!(service.counters().queued, 5);
}

/// Waiting too long is told while the workers hang, and is another error than running too long.
#[test]
fn waiting_too_long_is_overload() {
    let scene = Scene::new();
    let max = Duration::from_millis(20);
    let bounded = ServiceSettings {
        wait_max: max,
        ..settings(1)
    };
    let impatient = Service::new(scene.vm.clone(), bounded).unwrap();
    let is_taken_up = |counters: &QueryCounters| counters.wait_buckets.iter().sum::<u64>() > 0;
    let held = loop {
        // On a machine with other work it may be refused itself, and is asked again.
        let held = impatient.query(ask("gate"));
        until(&impatient, |counters| {
            is_taken_up(counters) || counters.overloaded == counters.queued
        });
        match is_taken_up(&impatient.counters()) {
            true => break held,
            false => assert!(impatient.counters().queued < 1_000, "no worker comes"),
        }
    };
    scene.gate.expect(1);
    let refused = overload(impatient.query(ask("count")).wait().unwrap_err());
    assert_eq!(refused, Overload::WaitedTooLong { max });
    assert_eq!(impatient.counters().running, 1, "the worker hangs");
    scene.gate.open();
    held.wait().unwrap();
}

/// The settings bound what a query may ask for.
#[test]
fn queries_keep_to_the_settings() {
    let scene = Scene::new();
    let bounded = ServiceSettings {
        limit_gas_max: LIMIT,
        ..settings(1)
    };
    let service = Service::new(scene.vm.clone(), bounded).unwrap();
    let dear = service.query_blocking(ask("count").limit_gas(LIMIT + 1));
    assert!(
        matches!(dear, Err(QueryError::LimitGas { limit_gas, max_gas }) if limit_gas == max_gas + 1)
    );
    let answer = service.query_blocking(ask("count")).unwrap();
    assert_eq!(answer.receipt.gas_limit, LIMIT);
    let long = service.query_blocking(ask("count").argument_raw(vec![0; 65_537]));
    assert!(matches!(long, Err(QueryError::Rejected(_))), "{long:?}");
    assert_eq!(service.counters().queued, 1);
}

/// Settings that make no sense are refused by name.
#[test]
fn senseless_settings_are_refused() {
    let scene = Scene::new();
    type Change = fn(&mut ServiceSettings);
    let changes: [(&str, Change); 8] = [
        ("workers", |settings| settings.workers = 0),
        ("workers", |settings| settings.workers = 1_025),
        ("queue_max", |settings| settings.queue_max = 0),
        ("queue_per_client_max", |settings| {
            settings.queue_per_client_max = 0
        }),
        ("tick", |settings| settings.tick = Duration::ZERO),
        ("timeout", |settings| settings.timeout = Duration::ZERO),
        ("wait_max", |settings| settings.wait_max = Duration::MAX),
        ("block_queue_max", |settings| settings.block_queue_max = 0),
    ];
    for (name, change) in changes {
        let mut senseless = settings(1);
        change(&mut senseless);
        match Service::new(scene.vm.clone(), senseless) {
            Err(StartError::Setting(error)) => assert_eq!(error.name, name),
            other => panic!("{name}: {other:?}"),
        }
    }
}

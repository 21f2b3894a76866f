//! P7: a query that does not end is ended: at a deadline that begins with its first instruction, on both backends, wherever it is.

use std::time::{Duration, Instant};

use crostata::serve::{QueryError, Service, ServiceSettings};

use crate::fixtures::BACKENDS;
use crate::scene::{Scene, ask, number, settings};

/// An endless loop ends in a timeout, which the contract can not catch and nobody takes for an overload.
#[test]
fn endless_queries_time_out() {
    for backend in BACKENDS {
        let scene = Scene::on(backend);
        let service = scene.service(1);
        let short = Duration::from_millis(20);
        for function in ["loop", "feed"] {
            let late = service.query_blocking(ask(function).timeout(short).feeding());
            let expected = match function {
                "loop" => matches!(late, Err(QueryError::Timeout { after }) if after == short),
                _ => matches!(
                    late,
                    Err(QueryError::ResultBytes { .. } | QueryError::Timeout { .. })
                ),
            };
            assert!(expected, "{function}: {late:?}");
        }
        assert!(service.counters().timed_out >= 1);
        // The worker goes on, and the VM is as healthy as before.
        service.query_blocking(ask("count")).unwrap();
        assert!(scene.vm.is_healthy());
    }
}

/// No query runs longer than the settings allow, whatever it asks for.
#[test]
fn the_settings_bound_the_time() {
    let scene = Scene::new();
    let timeout = Duration::from_millis(20);
    let bounded = ServiceSettings {
        timeout,
        ..settings(1)
    };
    let service = Service::new(scene.vm.clone(), bounded).unwrap();
    let late = service.query_blocking(ask("loop").timeout(Duration::from_secs(3_600)));
    assert!(matches!(late, Err(QueryError::Timeout { after }) if after == timeout));
}

/// Waiting for a worker does not count: a query that waited for longer than it may run runs.
#[test]
fn the_deadline_begins_with_the_guest() {
    let scene = Scene::new();
    let service = scene.service(1);
    let timeout = Duration::from_millis(500);
    let held = scene.held(&service, 1);
    let begin = Instant::now();
    let waiting = service.query(ask("count").timeout(timeout));
    // Time must pass, and nothing else.
    while begin.elapsed() <= 2 * timeout {
        std::thread::sleep(timeout);
    }
    scene.gate.open();
    held.wait().unwrap();
    assert_eq!(number(&waiting.wait().unwrap()), 2);
}

/// Sessions that count ticks hear nothing of the clock of queries, and queries nothing of those ticks.
#[test]
fn clocks_are_apart() {
    let scene = Scene::new();
    let service = scene.service(1);
    let data = crostata::SessionData::builder().base(scene.first);
    let mut session = scene.vm.session(data.interrupted_after(1)).unwrap();
    let late = service.query_blocking(ask("loop").timeout(Duration::from_millis(50)));
    assert!(matches!(late, Err(QueryError::Timeout { .. })));
    let called = session.call_raw(crate::scene::faces(), "count", [], crate::fixtures::LIMIT);
    called.unwrap();
    for _ in 0..1_000 {
        scene.vm.tick();
    }
    service.query_blocking(ask("count")).unwrap();
}

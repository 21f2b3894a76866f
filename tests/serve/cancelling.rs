//! P7: a query that nobody wants any more leaves the queue, or its worker, whatever it does.

use crostata::serve::QueryError;

use crate::fixtures::BACKENDS;
use crate::scene::{Scene, ask, until};

/// A waiting query that is cancelled has ended before anybody lets the workers go, and its place is free.
#[test]
fn waiting_queries_are_cancelled_at_once() {
    let scene = Scene::new();
    let service = scene.service(1);
    let held = scene.held(&service, 1);
    let waiting = service.query(ask("note"));
    waiting.cancel();
    assert!(matches!(waiting.wait(), Err(QueryError::Cancelled)));
    drop(service.query(ask("note")));
    let counters = service.counters();
    assert_eq!((counters.cancelled, counters.waiting), (2, 0));
    scene.gate.open();
    held.wait().unwrap();
    service.query_blocking(ask("count")).unwrap();
    assert!(scene.notes.lock().unwrap().is_empty(), "none of them ran");
}

/// A running query that is cancelled, or whose handle is dropped, ends in its loop, and its worker goes on.
#[test]
fn running_queries_are_cancelled() {
    for backend in BACKENDS {
        let scene = Scene::on(backend);
        let service = scene.service(1);
        let running = service.query(ask("gate_loop"));
        scene.gate.expect(1);
        scene.gate.open();
        running.cancel();
        running.cancel();
        assert!(matches!(running.wait(), Err(QueryError::Cancelled)));
        let dropped = service.query(ask("loop"));
        until(&service, |counters| counters.running == 1);
        drop(dropped);
        service.query_blocking(ask("count")).unwrap();
        assert_eq!(service.counters().cancelled, 2);
        assert!(scene.vm.is_healthy());
    }
}

/// Cancelling what has ended changes nothing.
#[test]
fn what_has_ended_is_not_cancelled() {
    let scene = Scene::new();
    let service = scene.service(1);
    let handle = service.query(ask("count"));
    until(&service, |counters| counters.done == 1);
    handle.cancel();
    handle.wait().unwrap();
    assert_eq!(service.counters().cancelled, 0);
}

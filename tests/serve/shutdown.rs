//! P7: the service ends when it is told to, whatever runs, and everybody who waits is told.

use std::sync::Arc;
use std::time::Duration;

use crostata::serve::QueryError;

use crate::scene::{PATIENCE, Scene, ask, until};

/// Within its grace what runs goes on to its end; what waits, and what comes later, is refused.
#[test]
fn what_runs_may_end() {
    let scene = Scene::new();
    let service = Arc::new(scene.service(1));
    let running = scene.held(&service, 1);
    let waiting = service.query(ask("count"));
    let own = service.clone();
    let ending = std::thread::spawn(move || own.shutdown(PATIENCE));
    assert!(matches!(waiting.wait(), Err(QueryError::ShutDown)));
    let later = service.query_blocking(ask("count"));
    assert!(matches!(later, Err(QueryError::ShutDown)), "{later:?}");
    scene.gate.open();
    ending.join().unwrap();
    running.wait().unwrap();
    service.shutdown(PATIENCE);
    let counters = service.counters();
    assert_eq!(
        (counters.done, counters.shut_down, counters.running),
        (1, 1, 0)
    );
}

/// When its grace is over, loops are ended.
#[test]
fn what_does_not_end_is_ended() {
    let scene = Scene::new();
    let service = scene.service(2);
    let loops = [service.query(ask("loop")), service.query(ask("loop"))];
    until(&service, |counters| counters.running == 2);
    service.shutdown(Duration::from_millis(5));
    for one in loops {
        assert!(matches!(one.wait(), Err(QueryError::ShutDown)));
    }
    service.shutdown(Duration::ZERO);
    assert_eq!(service.counters().shut_down, 2);
    assert!(scene.vm.is_healthy());
}

/// Dropping it ends it, with handles left over; and nothing keeps the VM then.
#[test]
fn dropping_ends_it() {
    let scene = Scene::new();
    let service = scene.service(2);
    let running = service.query(ask("loop"));
    until(&service, |counters| counters.running == 1);
    drop(service);
    assert!(matches!(running.wait(), Err(QueryError::ShutDown)));
    assert_eq!(Arc::strong_count(&scene.vm), 1);
}

//! P6, P7: hostile queries end in typed errors, take bounded memory, and leave the service as it was.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};

use crostata::Outcome;
use crostata::serve::{QueryError, Service, ServiceSettings};

use crate::fixtures::BACKENDS;
use crate::scene::{Scene, ask, number, settings};

#[test]
fn hostile_queries_are_contained() {
    for backend in BACKENDS {
        let scene = Scene::on(backend);
        let bounded = ServiceSettings {
            pages_max: 100,
            result_bytes_max: 50_000,
            ..settings(2)
        };
        let service = Service::new(scene.vm.clone(), bounded).unwrap();
        let large = service.query_blocking(ask("large"));
        assert!(
            matches!(large, Err(QueryError::Pages { max: 100 })),
            "{large:?}"
        );
        let deep = service.query_blocking(ask("deep"));
        let Err(QueryError::Reverted(deep)) = deep else {
            panic!("{deep:?}");
        };
        assert_eq!(deep.failure.code, Outcome::StackExhausted);
        let feeding = service.query_blocking(ask("feed").feeding());
        let max = |error| matches!(error, Err(QueryError::ResultBytes { max_bytes: 50_000 }));
        assert!(max(feeding));
        assert!(max(service.query_blocking(ask("big"))));
        for _ in 0..10 {
            let loops: Vec<_> = (0..4).map(|_| service.query(ask("loop"))).collect();
            drop(loops);
        }
        assert_eq!(number(&service.query_blocking(ask("count")).unwrap()), 2);
        let counters = service.counters();
        assert_eq!((counters.failed, counters.faults), (4, 0));
        assert!(scene.vm.is_healthy());
    }
}

/// A query within its bounds is not affected by them, to the last page and byte.
#[test]
fn bounds_are_exact() {
    let scene = Scene::new();
    let run = |pages_max, result_bytes_max| {
        let bounded = ServiceSettings {
            pages_max,
            result_bytes_max,
            ..settings(1)
        };
        let service = Service::new(scene.vm.clone(), bounded).unwrap();
        service.query_blocking(ask("count"))
    };
    let pages = (0..100).find(|pages| run(*pages, 4).is_ok()).unwrap();
    let short = run(pages - 1, 4);
    assert!(matches!(short, Err(QueryError::Pages { .. })), "{short:?}");
    let small = run(pages, 3);
    assert!(
        matches!(small, Err(QueryError::ResultBytes { max_bytes: 3 })),
        "{small:?}"
    );
    assert_eq!(run(pages, 4).unwrap(), run(u64::MAX, 1 << 20).unwrap());
}

/// Panics when it wakes somebody, and counts that it did.
#[derive(Default)]
struct Panicking(AtomicU32);

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("of the embedder's runtime");
    }
}

/// P7: what wakes a future is the embedder's code: its panic costs the service no thread, neither a worker nor the one for blocks.
#[test]
fn panics_of_wakers_cost_no_thread() {
    let scene = Scene::new();
    let service = scene.service(1);
    let woken = Arc::new(Panicking::default());
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    let mut held = scene.held(&service, 1);
    assert!(Pin::new(&mut held).poll(&mut context).is_pending());
    let gate = scene.gate.clone();
    let mut block = service.on_block_thread(move |_| {
        gate.pass();
        Ok(())
    });
    scene.gate.expect(2);
    assert!(Pin::new(&mut block).poll(&mut context).is_pending());
    scene.gate.open();
    assert_eq!(
        number(&service.query_blocking(ask("count")).unwrap()),
        2,
        "the worker goes on"
    );
    service.on_block_thread(|_| Ok(())).wait().unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
    assert!(held.wait().is_ok() && block.wait().is_ok());
}

/// P6: what a query holds while it waits is bounded, its function's name as well.
#[test]
fn names_that_no_function_has_are_refused_at_once() {
    let scene = Scene::new();
    let service = scene.service(1);
    let refused = service.query_blocking(ask(&"x".repeat(1 << 20)));
    assert!(
        matches!(&refused, Err(QueryError::Rejected(_))) && format!("{refused:?}").len() < 1_000,
        "{refused:?}"
    );
    assert_eq!(service.counters().queued, 0);
}

//! P6, P7: hostile queries end in typed errors, take bounded memory, and leave the service as it was.

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

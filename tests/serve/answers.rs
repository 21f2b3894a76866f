//! What queries give: a call at any retained commit, whose changes nobody keeps, with the gas and outcome that a session's call has.

use crostata::SessionData;
use crostata::serve::QueryError;

use crate::fixtures::LIMIT;
use crate::scene::{Scene, ask, faces, number};

/// P1: a query gives what a call in a session would, at the finalised commit and at others, and leaves nothing behind.
#[test]
fn a_query_is_a_call_at_a_commit() {
    let scene = Scene::new();
    let service = scene.service(2);
    let cases = [
        (ask("count"), scene.first, 2),
        (ask("count").at(scene.second), scene.second, 3),
        (ask("count").at(scene.first.root), scene.first, 2),
        (ask("count"), scene.first, 2),
    ];
    for (query, commit, expected) in cases {
        let answer = service.query_blocking(query.limit_gas(LIMIT)).unwrap();
        let data = SessionData::builder().base(commit);
        let mut session = scene.vm.session(data).unwrap();
        let called = session.call_raw(faces(), "count", [], LIMIT).unwrap();
        assert_eq!(number(&answer.receipt.data), expected);
        assert_eq!(answer.receipt, called);
        assert_eq!(answer.commit, Some(commit.id));
    }
    assert_eq!(scene.vm.commits().len(), 2);
    assert_eq!(service.counters().done, 4);
}

/// A failure of the contract is an answer: it has its receipt.
#[test]
fn failures_have_receipts() {
    let scene = Scene::new();
    let service = scene.service(1);
    let failed = service.query_blocking(ask("fail").limit_gas(LIMIT));
    let Err(QueryError::Reverted(reverted)) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(reverted.receipt.gas_spent, LIMIT);
    let none = service.query_blocking(ask("nothing of the kind"));
    assert!(matches!(none, Err(QueryError::Rejected(_))), "{none:?}");
    assert_eq!(service.counters().failed, 2);
}

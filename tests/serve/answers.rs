//! What queries give: a call at any retained commit, whose changes nobody keeps, with the gas and outcome that a session's call has; proofs; metadata.

use crostata::serve::{At, QueryError};
use crostata::{BlockContext, LookupError, ProofItem, SessionData};

use crate::fixtures::{BACKENDS, LIMIT, id, owner};
use crate::scene::{Scene, ask, count, faces, number};

/// P1: a query gives what a call in a session would, at the finalised commit and at others, and leaves nothing behind.
#[test]
fn a_query_is_a_call_at_a_commit() {
    for backend in BACKENDS {
        let scene = Scene::on(backend);
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
            assert_eq!(number(&answer), expected);
            assert_eq!(answer.receipt, called);
            assert_eq!(answer.commit, Some(commit.id));
        }
        assert_eq!(scene.vm.commits().len(), 2);
        assert_eq!(service.counters().done, 4);
    }
}

/// A sealed state that is not durable can be asked, too; what is final is what is final when the query runs.
#[test]
fn any_state_can_be_asked() {
    let scene = Scene::new();
    let service = scene.service(1);
    let data = SessionData::builder().base(scene.second);
    let mut session = scene.vm.session(data).unwrap();
    session.call_raw(faces(), "count", [], LIMIT).unwrap();
    let sealed = session.seal().unwrap();
    let answer = service.query_blocking(ask("count").at(&sealed)).unwrap();
    assert_eq!((number(&answer), answer.commit), (4, Some(sealed.id())));

    let held = scene.held(&service, 1);
    let waiting = service.query(ask("count"));
    let dropped = service.query(ask("count").at(scene.first));
    scene.vm.finalize_commit(scene.second).unwrap();
    scene.gate.open();
    held.wait().unwrap();
    assert_eq!(number(&waiting.wait().unwrap()), 3);
    let dropped = dropped.wait();
    let unknown = matches!(dropped, Err(QueryError::Commit(LookupError::Unknown(_))));
    assert!(unknown, "{dropped:?}");
}

/// Where nothing is final, a query that names no commit says so.
#[test]
fn without_a_final_commit_one_must_be_named() {
    let vm = std::sync::Arc::new(crostata::VM::ephemeral().unwrap());
    let service = crostata::serve::Service::new(vm, crate::scene::settings(1)).unwrap();
    let none = service.query_blocking(ask("count").at(At::Finalised));
    assert!(
        matches!(none, Err(QueryError::NothingFinalised)),
        "{none:?}"
    );
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
    assert!(scene.vm.is_healthy());
}

/// Session data, the block's context and feeds reach their contract and come from it.
#[test]
fn data_and_feeds_pass() {
    let scene = Scene::new();
    let service = scene.service(1);
    let query = ask("datum").datum("key", &7_u64).unwrap();
    let answer = service.query_blocking(query).unwrap();
    assert_eq!(answer.decode::<u64>().unwrap(), 7);
    let query = ask("height").block(BlockContext::new(1_024, 5));
    let answer = service.query_blocking(query).unwrap();
    assert_eq!(answer.decode::<u64>().unwrap(), 1_024);
    let query = ask("feed_two").argument_raw(b"ab".to_vec()).feeding();
    let answer = service.query_blocking(query).unwrap();
    assert_eq!(answer.feeds, [b"ab".to_vec(), b"a".to_vec()]);
    let not = service.query_blocking(ask("feed_two"));
    assert!(matches!(not, Err(QueryError::Reverted(_))), "{not:?}");
}

/// Proofs and metadata are asked like queries, and verify.
#[test]
fn proofs_and_metadata() {
    let scene = Scene::new();
    let service = scene.service(1);
    let items = vec![ProofItem::Contract(faces()), ProofItem::Contract(id(9))];
    let proof = service.prove(scene.second, items, "c").wait().unwrap();
    let state = proof.verify(&scene.second.root).unwrap();
    assert!(state.contract(&faces()).unwrap().is_some());
    assert!(state.contract(&id(9)).unwrap().is_none());
    let value = service.prove_value(scene.second, faces(), "x", "c").wait();
    assert!(matches!(value, Err(QueryError::ProveValue(_))), "{value:?}");
    let metadata = service.contract_metadata(scene.first, faces(), "c").wait();
    assert_eq!(metadata.unwrap().unwrap().owner, owner(0));
    let nobody = service.contract_metadata(At::Finalised, id(9), "c").wait();
    assert_eq!(nobody.unwrap(), None);
    let bounded = crostata::serve::ServiceSettings {
        proof_items_max: 1,
        ..crate::scene::settings(1)
    };
    let service = crostata::serve::Service::new(scene.vm.clone(), bounded).unwrap();
    let items = vec![ProofItem::Contract(faces()), ProofItem::Contract(id(9))];
    let many = service.prove(scene.second, items, "c").wait();
    assert!(
        matches!(many, Err(QueryError::ProofItems { items: 2, max: 1 })),
        "{many:?}"
    );
}

/// P1: queries see the state that they are about, whatever is finalised, deleted and compacted beside them.
#[test]
fn queries_keep_their_state() {
    let scene = Scene::new();
    let service = scene.service(2);
    let data = SessionData::builder().base(scene.first);
    let mut session = scene.vm.session(data).unwrap();
    // Not what the second commit is.
    session.call_raw(faces(), "count", [], LIMIT).unwrap();
    let branch = count(&mut session);
    let held = scene.held(&service, 1);
    let on_branch = service.query(ask("gate").at(branch));
    scene.gate.expect(2);
    scene.vm.delete_commit(branch).unwrap();
    scene.vm.finalize_commit(scene.second).unwrap();
    scene.vm.checkpoint().unwrap();
    scene.gate.open();
    assert_eq!(held.wait().unwrap().commit, Some(scene.first.id));
    assert_eq!(on_branch.wait().unwrap().commit, Some(branch.id));
    assert_eq!(number(&service.query_blocking(ask("count")).unwrap()), 3);
}

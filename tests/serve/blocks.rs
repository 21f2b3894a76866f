//! P1, P7: queries never hold up blocks, and work on blocks is done once or never began, whatever becomes of the futures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crostata::serve::{BlockError, QueryError, Service, ServiceSettings};
use crostata::{BlockContext, BlockSettings, CommitError, SessionData, Transaction};

use crate::fixtures::LIMIT;
use crate::scene::{Gate, Scene, ask, count, faces, number, settings, until};

/// With every worker hanging, in host queries and in loops, and more queries waiting, blocks are executed, committed, finalised, and the log is
/// compacted; the queries still hang when that is done.
#[test]
fn blocks_go_on_while_queries_hang() {
    let scene = Scene::new();
    let service = scene.service(4);
    let mut hanging: Vec<_> = (0..2).map(|_| service.query(ask("gate"))).collect();
    scene.gate.expect(2);
    hanging.extend((0..4).map(|_| service.query(ask("loop"))));
    until(&service, |counters| counters.running == 4);
    let mut base = scene.second;
    for height in 1..=20 {
        let data = SessionData::builder().base(base);
        let mut session = scene.vm.session(data).unwrap();
        base = count(&mut session);
        if height % 5 == 0 {
            scene.vm.finalize_commit(base).unwrap();
            scene.vm.checkpoint().unwrap();
        }
    }
    let counters = service.counters();
    assert_eq!((counters.running, counters.done), (4, 0));
    scene.gate.open();
    for gated in hanging.drain(..2) {
        assert_eq!(gated.wait().unwrap().commit, Some(scene.first.id));
    }
    drop(hanging);
    let last = service.query_blocking(ask("count")).unwrap();
    assert_eq!((number(&last), last.commit), (23, Some(base.id)));
}

fn block(scene: &Scene, height: u64) -> BlockSettings {
    BlockSettings::new(BlockContext::new(height, 1), 100 * LIMIT).base(scene.second)
}

fn counting(times: usize) -> Vec<Transaction> {
    vec![Transaction::call(faces(), "count", &(), LIMIT).unwrap(); times]
}

/// Futures that are dropped, before or while their work runs: the work is done all the same, once, in order.
#[test]
fn dropped_futures_change_nothing() {
    let scene = Scene::new();
    let service = scene.service(1);
    let executed = service.execute_block(block(&scene, 1), counting(2), [1; 32]);
    let executed = executed.wait().unwrap();
    let (gate, told) = (Arc::new(Gate::default()), Arc::new(AtomicU32::new(0)));
    let (passed, counted) = (gate.clone(), told.clone());
    let running = service.on_block_thread(move |_| {
        passed.pass();
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    gate.expect(1);
    drop(running);
    drop(service.commit(&executed.sealed));
    drop(service.commit(&executed.sealed));
    drop(service.finalize_commit(executed.sealed.id()));
    drop(service.execute_block(block(&scene, 2), counting(5), [2; 32]));
    assert!(service.blocks_waiting() >= 4);
    gate.open();
    // Asked again, it is no error and no work.
    let commit = service
        .finalize_commit(executed.sealed.id())
        .wait()
        .unwrap();
    service.checkpoint().wait().unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert_eq!(scene.vm.commits(), [commit]);
    assert_eq!(number(&service.query_blocking(ask("count")).unwrap()), 5);
}

/// P6: the queue of work is bounded, and who finds it full is told at once.
#[test]
fn work_on_blocks_is_bounded() {
    let scene = Scene::new();
    let bounded = ServiceSettings {
        block_queue_max: 2,
        ..settings(1)
    };
    let service = Service::new(scene.vm.clone(), bounded).unwrap();
    let gate = Arc::new(Gate::default());
    let passed = gate.clone();
    let running = service.on_block_thread(move |_| {
        passed.pass();
        Ok(())
    });
    gate.expect(1);
    let waiting = [service.checkpoint(), service.checkpoint()];
    let full = service.checkpoint().wait();
    assert!(matches!(full, Err(BlockError::Full { max: 2 })), "{full:?}");
    gate.open();
    for work in [running].into_iter().chain(waiting) {
        work.wait().unwrap();
    }
    service.checkpoint().wait().unwrap();
    assert_eq!(service.blocks_waiting(), 0);
}

/// What work comes to is told, panics included, and the thread goes on.
#[test]
fn failing_work_is_told() {
    let scene = Scene::new();
    let service = scene.service(1);
    let panicked = service
        .on_block_thread::<()>(|_| panic!("on purpose"))
        .wait();
    assert!(
        matches!(panicked, Err(BlockError::Panicked)),
        "{panicked:?}"
    );
    let last = service.delete_commit(scene.first).wait();
    let last = matches!(last, Err(BlockError::Commit(CommitError::Finalised { .. })));
    assert!(last);
    service.delete_commit(scene.second).wait().unwrap();
    let gone = service
        .execute_block(block(&scene, 1), counting(1), [0; 32])
        .wait();
    assert!(matches!(gone, Err(BlockError::Open(_))), "{gone:?}");
}

/// The service's end: what runs is done to its end, what waits never begins, and both are told.
#[test]
fn the_end_leaves_no_half_work() {
    let scene = Scene::new();
    let service = Arc::new(scene.service(1));
    let gate = Arc::new(Gate::default());
    let passed = gate.clone();
    let running = service.on_block_thread(move |vm| {
        passed.pass();
        Ok(vm.commits().len())
    });
    gate.expect(1);
    let waiting = service.finalize_commit(scene.second);
    let own = service.clone();
    let ending = std::thread::spawn(move || own.shutdown(Duration::ZERO));
    // The queue of work on blocks is closed before that of queries.
    while !matches!(
        service.query_blocking(ask("count")),
        Err(QueryError::ShutDown)
    ) {}
    let later = service.checkpoint().wait();
    assert!(matches!(later, Err(BlockError::ShutDown)), "{later:?}");
    gate.open();
    ending.join().unwrap();
    assert_eq!(running.wait().unwrap(), 2);
    assert!(matches!(waiting.wait(), Err(BlockError::ShutDown)));
    assert_eq!(scene.vm.finalized(), Some(scene.first));
}

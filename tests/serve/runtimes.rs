//! Futures of the service run under any runtime and under none, and never block it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use crostata::serve::{PricedAsyncQuery, Query, QueryError, Service};
use crostata::{BlockContext, BlockSettings, QueryError as AnswerError, Transaction};
use tokio::runtime::Builder;

use crate::fixtures::LIMIT;
use crate::scene::{Scene, ask, asker, faces, number, settings};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The least that can run a future.
fn bare<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker: Waker = Arc::new(Unpark(std::thread::current())).into();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Two tasks on one thread: one waits for a query that hangs, the other lets it go. A service that blocked its caller would hang here. Then blocks,
/// in order, and queries at what they made.
async fn two_tasks(scene: &Scene, service: &Service) {
    let hanging = service.query(ask("gate"));
    // The worker is there before this task goes on; the reactor has nothing to do with it.
    scene.gate.expect(1);
    scene.gate.open();
    hanging.await.unwrap();
    let settings = BlockSettings::new(BlockContext::new(7, 1), 100 * LIMIT).base(scene.second);
    let count = Transaction::call(faces(), "count", &(), LIMIT).unwrap();
    let block = service.execute_block(settings, vec![count; 3], [7; 32]);
    let block = block.await.unwrap();
    assert_eq!((block.filled.included, block.filled.rejected), (3, 0));
    let sealed = ask("count").at(&block.sealed);
    assert_eq!(number(&service.query(sealed).await.unwrap()), 6);
    let commit = service.commit(&block.sealed).await.unwrap();
    assert_eq!(commit.root, block.sealed.root());
    assert_eq!(service.finalize_commit(commit).await.unwrap(), commit);
    assert_eq!(number(&service.query(ask("count")).await.unwrap()), 6);
}

#[test]
fn no_runtime() {
    let scene = Scene::new();
    bare(two_tasks(&scene, &scene.service(1)));
}

#[test]
fn tokio_on_one_thread() {
    let scene = Scene::new();
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(two_tasks(&scene, &scene.service(1)));
}

/// On one thread: a task that waits for a query leaves the thread to another task, which ends the waiting.
#[test]
fn the_reactor_is_free_while_queries_hang() {
    let scene = Scene::new();
    let service = scene.service(1);
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let hanging = service.query(ask("gate"));
        let gate = scene.gate.clone();
        let opener = tokio::spawn(async move {
            gate.expect(1);
            gate.open();
        });
        hanging.await.unwrap();
        opener.await.unwrap();
    });
}

#[test]
fn tokio_on_many_threads() {
    let scene = Arc::new(Scene::new());
    let service = Arc::new(scene.service(2));
    let runtime = Builder::new_multi_thread()
        .worker_threads(3)
        .build()
        .unwrap();
    runtime.block_on(two_tasks(&scene, &service));
    let tasks: Vec<_> = (0..50)
        .map(|number: u64| {
            let service = service.clone();
            runtime.spawn(async move {
                let answer = service.query(ask("count").client(number % 7)).await;
                let dropped = service.query(ask("loop"));
                tokio::task::yield_now().await;
                drop(dropped);
                answer.map(|answer| crate::scene::number(&answer))
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(runtime.block_on(task).unwrap().unwrap(), 6);
    }
}

/// An asynchronous host query that needs a runtime runs there, and its answer comes back to the worker.
#[test]
fn answers_come_from_a_runtime() {
    let scene = Scene::new();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let spawned = PricedAsyncQuery::new(1, move |bytes: Vec<u8>| {
        let task = handle.spawn(async move {
            tokio::task::yield_now().await;
            bytes.repeat(2)
        });
        async move { task.await.map_err(|error| AnswerError(error.to_string())) }
    });
    let builder = Service::builder(scene.vm.clone()).settings(settings(1));
    let service = builder.async_query("ab", spawned).start().unwrap();
    let query = Query::new(asker(), "ask").argument_raw(b"ab".to_vec());
    let answer = runtime.block_on(async { service.query(query).await });
    assert_eq!(answer.unwrap().receipt.data, b"abab");
}

/// A runtime that goes away with its tasks cancels their queries, and no worker is lost.
#[test]
fn a_runtime_that_ends_cancels_its_queries() {
    let scene = Scene::new();
    let service = Arc::new(scene.service(1));
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let own = service.clone();
    runtime.spawn(async move { own.query(ask("gate_loop")).await });
    scene.gate.expect(1);
    drop(runtime);
    scene.gate.open();
    service.query_blocking(ask("count")).unwrap();
    assert_eq!(service.counters().cancelled, 1);
    let cancelled = service.query(ask("loop"));
    cancelled.cancel();
    assert!(matches!(bare(cancelled), Err(QueryError::Cancelled)));
}

//! Asynchronous host queries: answered in queries, with deadline and cancellation observed while they wait; refused in blocks, by name and
//! everywhere the same (P1).

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use crostata::serve::{PricedAsyncQuery, Query, QueryError, Service, ServiceBuilder};
use crostata::{
    ContractData, Error, Outcome, QueryError as AnswerError, Refusal, Rejected, Session,
    SessionData,
};

use crate::fixtures::{BACKENDS, LIMIT, Width, id, module_of};
use crate::scene::{ASKER, Gate, Scene, asker, caller, settings, until};

const PRICE: u64 = 12_345;

fn ask(name: &str) -> Query {
    Query::new(asker(), "ask").argument_raw(name.as_bytes().to_vec())
}

fn builder(scene: &Scene) -> ServiceBuilder {
    let builder = Service::builder(scene.vm.clone()).settings(settings(1));
    builder
        .async_query(
            "echo",
            PricedAsyncQuery::new(PRICE, |bytes| ready(Ok(bytes))),
        )
        .async_query("never", PricedAsyncQuery::new(PRICE, |_| pending()))
        .async_query(
            "refuse",
            PricedAsyncQuery::new(PRICE, |_| ready(Err(AnswerError("no".to_owned())))),
        )
        .async_query(
            "long",
            PricedAsyncQuery::new(PRICE, |_| ready(Ok(vec![0; 65_537]))),
        )
        .async_query(
            "panic",
            PricedAsyncQuery::new(PRICE, |_| async { panic!("on purpose") }),
        )
}

/// An answer reaches the contract, from a future that another thread wakes, too, on both backends.
#[test]
fn queries_wait_for_answers() {
    for backend in BACKENDS {
        let scene = Scene::on(backend);
        let (open, gate) = (Arc::new(AtomicBool::new(false)), Arc::new(Gate::default()));
        let waker: Arc<std::sync::Mutex<Option<Waker>>> = Arc::default();
        let (seen, waits, told) = (open.clone(), waker.clone(), gate.clone());
        let late = PricedAsyncQuery::new(PRICE, move |bytes| {
            let (seen, waits, told) = (seen.clone(), waits.clone(), told.clone());
            let mut bytes = Some(bytes);
            std::future::poll_fn(move |context| {
                if seen.load(Ordering::SeqCst) {
                    return Poll::Ready(Ok(bytes.take().unwrap()));
                }
                *waits.lock().unwrap() = Some(context.waker().clone());
                told.open();
                Poll::Pending
            })
        });
        let service = builder(&scene).async_query("late", late).start().unwrap();
        let echo = service.query_blocking(ask("echo")).unwrap();
        assert_eq!(echo.receipt.data, b"echo");
        let waiting = service.query(ask("late"));
        gate.pass();
        open.store(true, Ordering::SeqCst);
        waker.lock().unwrap().take().unwrap().wake();
        assert_eq!(waiting.wait().unwrap().receipt.data, b"late");
        // Called by a contract, too.
        let query = Query::new(caller(), "call").argument_raw(b"echo".to_vec());
        let called = service.query_blocking(query).unwrap();
        assert_eq!(called.receipt.data, 4_i32.to_le_bytes());
    }
}

/// P6: the price is taken before, to the last unit, and `hqa` costs what `hq` costs.
#[test]
fn answers_are_paid_for_before() {
    let scene = Scene::new();
    let service = builder(&scene).start().unwrap();
    let free = builder(&scene)
        .async_query("echo", PricedAsyncQuery::new(0, |bytes| ready(Ok(bytes))))
        .start()
        .unwrap();
    let of =
        |service: &Service, limit_gas| service.query_blocking(ask("echo").limit_gas(limit_gas));
    let spent = of(&service, LIMIT).unwrap().receipt.gas_spent;
    assert_eq!(spent, of(&free, LIMIT).unwrap().receipt.gas_spent + PRICE);
    of(&service, spent + 1).unwrap();
    let short = of(&service, spent);
    assert!(
        matches!(short, Err(QueryError::Reverted(reverted)) if reverted.failure.code == Outcome::OutOfGas)
    );
}

/// What a query can not answer ends the call, as with `hq`; a panic is a fault, and the worker goes on.
#[test]
fn failing_answers_fail_the_query() {
    let scene = Scene::new();
    let service = builder(&scene).start().unwrap();
    for name in ["refuse", "unheard"] {
        let failed = service.query_blocking(ask(name));
        let Err(QueryError::Reverted(reverted)) = failed else {
            panic!("{name}: {failed:?}");
        };
        assert_eq!(reverted.failure.code, Outcome::HostFunctionMisuse);
    }
    for name in ["long", "panic"] {
        let failed = service.query_blocking(ask(name));
        assert!(
            matches!(failed, Err(QueryError::Fatal(_))),
            "{name}: {failed:?}"
        );
    }
    assert_eq!(service.counters().faults, 2);
    service.query_blocking(ask("echo")).unwrap();
}

/// The deadline and cancellation are observed while an answer is waited for, and its future is dropped.
#[test]
fn waiting_ends() {
    struct Told(Arc<Gate>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.come();
        }
    }
    let scene = Scene::new();
    let gate = Arc::new(Gate::default());
    let told = gate.clone();
    let dropped = PricedAsyncQuery::new(PRICE, move |_| {
        let told = Told(told.clone());
        async move {
            told.0.come();
            pending().await
        }
    });
    let service = builder(&scene)
        .async_query("dropped", dropped)
        .start()
        .unwrap();
    let short = Duration::from_millis(20);
    let late = service.query_blocking(ask("never").timeout(short));
    assert!(matches!(late, Err(QueryError::Timeout { .. })), "{late:?}");
    let waiting = service.query(ask("dropped"));
    gate.expect(1);
    waiting.cancel();
    assert!(matches!(waiting.wait(), Err(QueryError::Cancelled)));
    gate.expect(2);
    let waiting = service.query(ask("never"));
    until(&service, |counters| counters.running == 1);
    service.shutdown(Duration::ZERO);
    assert!(matches!(waiting.wait(), Err(QueryError::ShutDown)));
    assert!(scene.vm.is_healthy());
}

fn refused(called: Result<impl std::fmt::Debug, Error>) -> Refusal {
    match called {
        Err(Error::Rejected(Rejected::Call(refusal))) => refusal,
        other => panic!("{other:?}"),
    }
}

/// P1: no call of a block enters a contract that imports `hqa`, from outside or from a contract, and none is deployed that would have to
/// be constructed; the refusal costs what any costs.
#[test]
fn blocks_refuse_by_name() {
    for backend in BACKENDS {
        let scene = Scene::on(backend);
        let data = SessionData::builder().base(scene.second);
        let mut session: Session = scene.vm.session(data).unwrap();
        let contract = asker();
        let refusal = refused(session.call_raw(contract, "ask", b"echo", LIMIT));
        assert_eq!(refusal, Refusal::QueriesOnly { contract });
        assert!(refusal.to_string().contains("`hqa`"));
        let called = session.call_raw(caller(), "call", b"echo", LIMIT).unwrap();
        assert_eq!(called.data, i32::MIN.to_le_bytes());
        let code = ASKER.replace(
            "(func (export",
            "(func (export \"init\") (param i32) (result i32) (i32.const 0)) (func (export",
        );
        let code = wat::parse_str(code).unwrap();
        let contract = id(7);
        let data = ContractData::builder().contract_id(contract);
        let refusal = refused(session.deploy(&code, data, LIMIT));
        assert_eq!(refusal, Refusal::QueriesOnly { contract });
        session.commit().unwrap();
    }
}

/// A query that counts ticks may enter such a contract, and there is nobody who answers.
#[test]
fn without_a_service_nobody_answers() {
    let scene = Scene::new();
    let data = SessionData::builder()
        .base(scene.first)
        .interrupted_after(1);
    let mut session = scene.vm.session(data).unwrap();
    let failed = session.call_raw(asker(), "ask", b"echo", LIMIT);
    let Err(Error::Reverted(reverted)) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(reverted.failure.code, Outcome::HostFunctionMisuse);
}

/// Deploying knows who imports what: `hqa` under its exact type, in either width, and nothing like it.
#[test]
fn the_import_is_held_against_its_type() {
    let protocol = crostata::Protocol::default();
    let code = wat::parse_str(ASKER).unwrap();
    assert_eq!(protocol.inspect(&code).unwrap().imports, ["hqa"]);
    let wide = ASKER
        .replace("(param i32 i32 i32)", "(param i64 i32 i32)")
        .replace("\"memory\") 2", "\"memory\") i64 2")
        .replace("(i32.const 65536)", "(i64.const 65536)")
        .replace("\"A\") i32", "\"A\") i64");
    protocol.inspect(wat::parse_str(&wide).unwrap()).unwrap();
    let other = ASKER.replace(
        "(param i32 i32 i32) (result i32)))",
        "(param i32 i32) (result i32)))",
    );
    let other = other.replace("(local.get 0) (local.get 0)", "(local.get 0)");
    let rejected = protocol.inspect(wat::parse_str(&other).unwrap());
    assert!(rejected.unwrap_err().to_string().contains("hqa"));
    assert_eq!(
        protocol
            .inspect(module_of(Width::Narrow, 4, 4, ""))
            .unwrap()
            .imports
            .len(),
        13
    );
}

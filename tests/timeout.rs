//! P1, P7: sessions with deadlines are queries. What ends in time is what it would be without a deadline, to the last unit of gas;
//! what does not, ends in an error of its own, inside any callee and on both backends, and never becomes a commit.

mod fixtures;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crostata::{
    Backend, CommitError, ContractId, Error, ErrorKind, Session, SessionData, SessionDataBuilder,
    VM,
};
use fixtures::actor::{Call, Keep, Repeat, See, Try, Write, actor, cell, script};
use fixtures::{BACKENDS, LIMIT, WIDTHS, Width, deploy, ephemeral, id, module};

/// More gas than anything here can use.
const UNBOUNDED: u64 = 1 << 60;

/// Ways to take for ever: with messages and without, in a loop and in calls that return, and in a callee whose failure the
/// caller would catch.
const ENDLESS: &str = r#"
  (func $self (call $self_id)
    (memory.copy (PTR.const 32) (PTR.const 65536) (PTR.const 32)))
  (data (PTR.const 0) "loop")
  (func (export "loop") (param i32) (result i32)
    (loop (call $hdebug (i32.const 0)) (br 0)) (unreachable))
  (func (export "callee") (param i32) (result i32) (local $caught i32)
    (call $self)
    (loop
      (local.set $caught
        (call $c (PTR.const 32) (PTR.const 0) (i32.const 4) (i32.const 0) (i64.const 1000000)))
      (br_if 0 (i32.lt_s (local.get $caught) (i32.const 0))))
    (i32.const 0))
  (func $leaf (param i32) (result i32) (call $hdebug (i32.const 0)) (local.get 0))
  (func $tree (param $depth i32)
    (if (i32.eqz (call $leaf (local.get $depth))) (then (return)))
    (call $tree (i32.sub (local.get $depth) (i32.const 1)))
    (call $tree (i32.sub (local.get $depth) (i32.const 1))))
  (func (export "calls") (param i32) (result i32) (call $tree (i32.const 60)) (unreachable))
  (func (export "silent") (param i32) (result i32) (loop (br 0)) (unreachable))
  (func (export "nothing") (param i32) (result i32) (i32.const 0))"#;

/// A VM with a commit that has an endless contract under the id 1, and actors under 0 and 2.
fn stage(backend: Backend, width: Width) -> (Arc<VM>, SessionDataBuilder) {
    let vm = ephemeral(backend);
    let mut session = vm.session(SessionData::builder()).unwrap();
    deploy(&mut session, 0, &actor(width));
    deploy(&mut session, 1, &module(width, ENDLESS));
    deploy(&mut session, 2, &actor(width));
    let base = session.commit().unwrap();
    (Arc::new(vm), SessionData::builder().base(base))
}

/// Has each debug message of a session let a unit of time pass; tells how many there were.
fn ticking(vm: &Arc<VM>, session: &mut Session) -> Arc<AtomicU32> {
    let messages = Arc::new(AtomicU32::new(0));
    let (vm, heard) = (vm.clone(), messages.clone());
    session.set_debug_sink(move |_, _: &str| {
        heard.fetch_add(1, Ordering::Relaxed);
        vm.tick();
    });
    messages
}

fn call(session: &mut Session, function: &str) -> Result<(), Error> {
    session.call_raw(id(1), function, [], UNBOUNDED).map(|_| ())
}

/// A call ends as soon as it is looked at after its deadline, wherever it is, and no caller goes on.
#[test]
fn calls_end_at_their_deadline() {
    for backend in BACKENDS {
        for width in WIDTHS {
            let (vm, data) = stage(backend, width);
            for function in ["loop", "callee", "calls"] {
                let data = data.clone().interrupted_after(5);
                let mut session = vm.session(data).unwrap();
                let messages = ticking(&vm, &mut session);
                let ended = call(&mut session, function);
                assert!(
                    matches!(ended, Err(Error::Timeout)),
                    "{function}: {ended:?}"
                );
                assert_eq!(
                    messages.load(Ordering::Relaxed),
                    5,
                    "{function} {backend:?}"
                );
            }
        }
    }
}

/// The same with a clock on another thread, and nobody but the compiled code looking.
#[test]
fn another_thread_ends_a_silent_loop() {
    for backend in BACKENDS {
        let (vm, data) = stage(backend, Width::Narrow);
        let mut session = vm.session(data.interrupted_after(3)).unwrap();
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    vm.tick();
                    std::thread::yield_now();
                }
            });
            let result = call(&mut session, "silent");
            ended.store(true, Ordering::Relaxed);
            assert!(matches!(result, Err(Error::Timeout)), "{result:?}");
        });
    }
}

/// After its deadline a session says so, whatever it is asked; nothing of it is kept, and the VM is as healthy as before.
#[test]
fn what_is_late_is_over() {
    let (vm, data) = stage(BACKENDS[0], Width::Narrow);
    let mut session = vm.session(data.interrupted_after(1)).unwrap();
    call(&mut session, "nothing").unwrap();
    let before = session.savepoint().unwrap();
    vm.tick();
    // Before it starts.
    let late = call(&mut session, "nothing").unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout);
    assert!(std::error::Error::source(&late).is_none());
    assert!(matches!(call(&mut session, "nothing"), Err(Error::Timeout)));
    assert!(matches!(session.root(), Err(Error::Timeout)));
    assert!(matches!(session.rollback(before), Err(Error::Timeout)));
    let estimate = session.estimate(id(1), "nothing", [], LIMIT);
    assert!(matches!(estimate, Err(Error::Timeout)));
    assert!(matches!(session.commit(), Err(CommitError::Query)));
    assert!(matches!(session.seal(), Err(CommitError::Query)));
    assert!(vm.is_healthy());
}

/// What ended in time is not committed either: whether it does depends on a clock.
#[test]
fn a_query_is_never_committed() {
    let (vm, data) = stage(BACKENDS[0], Width::Narrow);
    let mut session = vm.session(data.interrupted_after(u64::MAX)).unwrap();
    call(&mut session, "nothing").unwrap();
    assert!(session.root().is_ok());
    assert!(matches!(session.commit(), Err(CommitError::Query)));
    assert!(matches!(session.seal(), Err(CommitError::Query)));
    call(&mut session, "nothing").unwrap();
    assert_eq!(vm.commits().len(), 1);
}

/// Sessions without a deadline hear no clock.
#[test]
fn blocks_hear_no_clock() {
    for backend in BACKENDS {
        let (vm, data) = stage(backend, Width::Wide);
        let mut query = vm.session(data.clone().interrupted_after(1)).unwrap();
        let mut session = vm.session(data).unwrap();
        ticking(&vm, &mut session);
        let ended = session.call_raw(id(1), "loop", [], 1_000_000);
        assert!(matches!(ended, Err(Error::Reverted(_))), "{ended:?}");
        call(&mut session, "nothing").unwrap();
        session.commit().unwrap();
        assert!(matches!(call(&mut query, "nothing"), Err(Error::Timeout)));
    }
}

/// Sessions without number and with other deadlines over one VM: each keeps its own.
#[test]
fn deadlines_are_each_sessions_own() {
    let (vm, data) = stage(BACKENDS[0], Width::Narrow);
    let mut sessions: Vec<Session> = (0..10)
        .map(|ticks| vm.session(data.clone().interrupted_after(ticks)).unwrap())
        .collect();
    for now in 0..10 {
        for (ticks, session) in sessions.iter_mut().enumerate() {
            let ended = call(session, "nothing");
            assert_eq!(ended.is_ok(), now < ticks, "{ticks} at {now}: {ended:?}");
        }
        vm.tick();
    }
}

/// More contracts than a store keeps instances of: the deadline outlives the store.
#[test]
fn a_deadline_outlives_the_instances() {
    let vm = Arc::new(ephemeral(BACKENDS[0]));
    let data = SessionData::builder().interrupted_after(4);
    let mut session = vm.session(data).unwrap();
    let code = module(Width::Narrow, ENDLESS);
    let mut contracts: Vec<ContractId> = Vec::new();
    for number in 0..600_u32 {
        let mut bytes = [1; 32];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        let data = crostata::ContractData::builder().contract_id(ContractId::from_bytes(bytes));
        contracts.push(session.deploy(&code, data, LIMIT).unwrap());
    }
    vm.tick();
    for contract in &contracts {
        session.call_raw(*contract, "nothing", [], LIMIT).unwrap();
    }
    vm.tick();
    let messages = ticking(&vm, &mut session);
    let ended = session.call_raw(contracts[0], "loop", [], UNBOUNDED);
    assert!(matches!(ended, Err(Error::Timeout)), "{ended:?}");
    assert_eq!(messages.load(Ordering::Relaxed), 2);
}

/// What is in time is the same with and without a deadline.
#[test]
fn a_deadline_that_does_not_pass_changes_nothing() {
    let inner = vec![Write(cell(5), 7), See(cell(5)), Keep(3)];
    let steps = [
        Write(cell(0), 1),
        Try(2, vec![Call(0, inner.clone()), fixtures::actor::Trap]),
        Call(2, vec![Repeat(50, inner)]),
        See(cell(0)),
    ];
    for backend in BACKENDS {
        for width in WIDTHS {
            let (vm, data) = stage(backend, width);
            let seen = [data.clone(), data.interrupted_after(1)].map(|data| {
                let mut session = vm.session(data).unwrap();
                let receipt = session.call_raw(id(0), "run", script(&steps), LIMIT);
                let deep =
                    session.call_raw(id(0), "run", script(&[fixtures::actor::Recurse]), LIMIT);
                let deep = fixtures::reverted(deep);
                let receipt = receipt.unwrap();
                (
                    receipt,
                    deep.failure.code,
                    deep.receipt.gas_spent,
                    session.root().unwrap(),
                )
            });
            assert_eq!(seen[0], seen[1], "{backend:?} {width:?}");
        }
    }
}

//! What the tests share: a VM with a few commits, contracts that do what queries must be able to do, and services over it.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crostata::serve::{Query, QueryCounters, QueryHandle, QueryReceipt, Service, ServiceSettings};
use crostata::{Backend, Commit, ContractId, PricedQuery, Session, SessionData, VM};

use crate::fixtures::{LIMIT, Width, deploy, ephemeral, id, module, module_of};

/// Long enough for anything that ends; only what hangs takes it.
pub const PATIENCE: Duration = Duration::from_secs(100);

/// A contract of many faces. `count` adds 1 to a number and gives it; `gate` waits at the gate, `gate_loop` loops behind it; `note` has its argument
/// noted; `loop` never ends; `large` touches page after page; `deep` calls itself without end; `feed` feeds for ever, `feed_two` twice; `fail`
/// traps; `datum` gives the datum `key`, `height` the block's; `big` gives 60,000 bytes.
const FACES: &str = r#"
  (data (PTR.const 0) "key") (data (PTR.const 16) "gate") (data (PTR.const 32) "note") (data (PTR.const 48) "block_height")
  (func (export "count") (param i32) (result i32)
    (i32.store (PTR.const 131072) (i32.add (i32.load (PTR.const 131072)) (i32.const 1)))
    (i32.store (PTR.const 65536) (i32.load (PTR.const 131072)))
    (i32.const 4))
  (func $gate (export "gate") (param i32) (result i32) (call $hq (PTR.const 16) (i32.const 4) (local.get 0)))
  (func (export "gate_loop") (param i32) (result i32)
    (drop (call $gate (local.get 0))) (loop (br 0)) (unreachable))
  (func (export "note") (param i32) (result i32) (call $hq (PTR.const 32) (i32.const 4) (local.get 0)))
  (func (export "loop") (param i32) (result i32) (loop (br 0)) (unreachable))
  (func (export "large") (param i32) (result i32) (local $at i32)
    (local.set $at (i32.const 196608))
    (loop
      (i32.store (call $at (local.get $at)) (i32.const 7))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br 0))
    (unreachable))
  (func $deep (export "deep") (param i32) (result i32) (call $deep (call $deep (local.get 0))))
  (func (export "feed") (param i32) (result i32)
    (loop (call $feed (i32.const 1000)) (br 0)) (unreachable))
  (func (export "feed_two") (param i32) (result i32)
    (call $feed (i32.const 2)) (call $feed (i32.const 1)) (i32.const 0))
  (func (export "fail") (param i32) (result i32) (unreachable))
  (func (export "datum") (param i32) (result i32) (call $hd (PTR.const 0) (i32.const 3)))
  (func (export "height") (param i32) (result i32) (call $hd (PTR.const 48) (i32.const 12)))
  (func (export "big") (param i32) (result i32) (i32.const 60000))"#;

/// A contract whose `ask` puts its argument to the asynchronous host query that the argument names.
pub const ASKER: &str = r#"(module
  (import "env" "hqa" (func $hqa (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2) (global (export "A") i32 (i32.const 65536))
  (func (export "ask") (param i32) (result i32)
    (call $hqa (i32.const 65536) (local.get 0) (local.get 0))))"#;

/// A contract whose `call` calls `ask` of the contract with id 1 with its own argument, and gives what `c` gives.
const CALLER: &str = r#"
  (data (PTR.const 0) "ask") (data (PTR.const 32) "\01")
  (func (export "call") (param i32) (result i32)
    (i32.store (PTR.const 65536)
      (call $c (PTR.const 32) (PTR.const 0) (i32.const 3) (local.get 0) (i64.const 0)))
    (i32.const 4))"#;

/// The contract of many faces.
pub fn faces() -> ContractId {
    id(0)
}

/// The contract that asks asynchronous host queries.
pub fn asker() -> ContractId {
    id(1)
}

/// The contract that calls that one.
pub fn caller() -> ContractId {
    id(2)
}

/// A place where threads wait until they are let through.
#[derive(Default)]
pub struct Gate {
    state: Mutex<GateState>,
    moved: Condvar,
}

#[derive(Default)]
struct GateState {
    entered: usize,
    open: bool,
}

impl Gate {
    /// Waits until the gate is open.
    pub fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.entered += 1;
        self.moved.notify_all();
        let waited = self
            .moved
            .wait_timeout_while(state, PATIENCE, |state| !state.open);
        assert!(!waited.unwrap().1.timed_out(), "nobody opens the gate");
    }

    /// Comes, and goes on.
    pub fn come(&self) {
        self.state.lock().unwrap().entered += 1;
        self.moved.notify_all();
    }

    /// Waits until so many have come.
    pub fn expect(&self, count: usize) {
        let state = self.state.lock().unwrap();
        let waited = self
            .moved
            .wait_timeout_while(state, PATIENCE, |state| state.entered < count);
        assert!(!waited.unwrap().1.timed_out(), "too few come to the gate");
    }

    /// Lets all through, now and later.
    pub fn open(&self) {
        self.state.lock().unwrap().open = true;
        self.moved.notify_all();
    }
}

/// A VM whose contract has counted once at its first commit, which is final, and twice at its second.
pub struct Scene {
    pub vm: Arc<VM>,
    pub first: Commit,
    pub second: Commit,
    pub gate: Arc<Gate>,
    pub notes: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Scene {
    pub fn new() -> Self {
        Self::on(Backend::default())
    }

    pub fn on(backend: Backend) -> Self {
        let mut vm = ephemeral(backend);
        let (gate, notes) = (Arc::new(Gate::default()), Arc::new(Mutex::new(Vec::new())));
        let (passed, noted) = (gate.clone(), notes.clone());
        let gate_query = PricedQuery::new(1, move |_: &[u8]| {
            passed.pass();
            Ok(Vec::new())
        });
        vm.register_host_query("gate", gate_query);
        let note_query = PricedQuery::new(1, move |bytes: &[u8]| {
            noted.lock().unwrap().push(bytes.to_vec());
            Ok(Vec::new())
        });
        vm.register_host_query("note", note_query);
        let mut session = vm.session(SessionData::builder()).unwrap();
        deploy(&mut session, 0, &module_of(Width::Narrow, 12, 12, FACES));
        deploy(&mut session, 1, &wat::parse_str(ASKER).unwrap());
        deploy(&mut session, 2, &module(Width::Narrow, CALLER));
        let (first, second) = (count(&mut session), count(&mut session));
        vm.finalize_commit(first).unwrap();
        Self {
            vm: Arc::new(vm),
            first,
            second,
            gate,
            notes,
        }
    }

    /// A service with so many workers, and bounds that nobody reaches.
    pub fn service(&self, workers: usize) -> Service {
        Service::new(self.vm.clone(), settings(workers)).unwrap()
    }

    /// A query that waits at the gate, which has come there.
    pub fn held(&self, service: &Service, number: usize) -> QueryHandle<QueryReceipt> {
        let held = service.query(ask("gate").client("who holds"));
        self.gate.expect(number);
        held
    }
}

/// Counts once more, and commits that.
pub fn count(session: &mut Session) -> Commit {
    session.call_raw(faces(), "count", [], LIMIT).unwrap();
    session.commit().unwrap()
}

/// Settings whose bounds nobody reaches.
pub fn settings(workers: usize) -> ServiceSettings {
    ServiceSettings {
        workers,
        queue_max: 100_000,
        queue_per_client_max: 100_000,
        wait_max: PATIENCE,
        timeout: PATIENCE,
        limit_gas_max: u64::MAX / 4,
        tick: Duration::from_millis(1),
        ..ServiceSettings::default()
    }
}

/// A query of the contract of many faces.
pub fn ask(function: &str) -> Query {
    Query::new(faces(), function)
}

/// The number that a query gives.
pub fn number(answer: &QueryReceipt) -> u32 {
    u32::from_le_bytes(answer.receipt.data.as_slice().try_into().unwrap())
}

/// Waits until the counters are as wanted.
pub fn until(service: &Service, wanted: impl Fn(&QueryCounters) -> bool) {
    let begin = Instant::now();
    while !wanted(&service.counters()) {
        assert!(begin.elapsed() < PATIENCE, "{:?}", service.counters());
        std::thread::yield_now();
    }
}

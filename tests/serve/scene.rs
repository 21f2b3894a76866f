//! What the tests share: a VM with a few commits, a contract that does what queries must be able to do, and services over it.

use std::sync::Arc;
use std::time::Duration;

use crostata::serve::{Query, Service, ServiceSettings};
use crostata::{Commit, ContractId, SessionData, VM};

use crate::fixtures::{LIMIT, Width, deploy, ephemeral, id, module};

/// Long enough for anything that ends; only what hangs takes it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A contract of many faces. `count` adds 1 to a number and gives it; `loop` never ends; `large` touches page after page; `deep` calls itself without
/// end; `feed` feeds 1,000 bytes for ever; `fail` traps; `datum` gives the datum `key`; `big` gives 60,000 bytes.
const FACES: &str = r#"
  (data (PTR.const 0) "keylooph")
  (func (export "count") (param i32) (result i32)
    (i32.store (PTR.const 131072) (i32.add (i32.load (PTR.const 131072)) (i32.const 1)))
    (i32.store (PTR.const 65536) (i32.load (PTR.const 131072)))
    (i32.const 4))
  (func (export "loop") (param i32) (result i32) (loop (br 0)) (unreachable))
  (func (export "large") (param i32) (result i32) (local $at i32)
    (local.set $at (i32.const 196608))
    (loop
      (if (i32.gt_u (local.get $at) (i32.sub (i32.shl (i32.wrap_i64 (i64.extend_i32_u (i32.const 12))) (i32.const 16)) (i32.const 4096)))
        (then (local.set $at (i32.const 196608)) (drop (memory.grow (PTR.const 1)))))
      (i32.store (call $at (local.get $at)) (i32.const 7))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br 0))
    (unreachable))
  (func $deep (export "deep") (param i32) (result i32) (call $deep (local.get 0)))
  (func (export "feed") (param i32) (result i32)
    (loop (call $feed (i32.const 1000)) (br 0)) (unreachable))
  (func (export "fail") (param i32) (result i32) (unreachable))
  (func (export "datum") (param i32) (result i32) (call $hd (PTR.const 0) (i32.const 3)))
  (func (export "big") (param i32) (result i32) (i32.const 60000))"#;

/// The contract that every scene has.
pub fn faces() -> ContractId {
    id(0)
}

/// A VM whose contract has counted once at its first commit, which is final, and twice at its second.
pub struct Scene {
    pub vm: Arc<VM>,
    pub first: Commit,
    pub second: Commit,
}

impl Scene {
    pub fn new() -> Self {
        let vm = ephemeral(crostata::Backend::default());
        let mut session = vm.session(SessionData::builder()).unwrap();
        deploy(&mut session, 0, &module(Width::Narrow, FACES));
        let mut next = || {
            session.call_raw(faces(), "count", [], LIMIT).unwrap();
            session.commit().unwrap()
        };
        let (first, second) = (next(), next());
        vm.finalize_commit(first).unwrap();
        Self {
            vm: Arc::new(vm),
            first,
            second,
        }
    }

    /// A service with so many workers, and bounds that nobody reaches.
    pub fn service(&self, workers: usize) -> Service {
        Service::new(self.vm.clone(), settings(workers)).unwrap()
    }
}

/// Settings whose bounds nobody reaches.
pub fn settings(workers: usize) -> ServiceSettings {
    ServiceSettings {
        workers,
        wait_max: PATIENCE,
        timeout: PATIENCE,
        limit_gas_max: u64::MAX / 4,
        tick: Duration::from_millis(1),
        ..ServiceSettings::default()
    }
}

/// A query of the scene's contract.
pub fn ask(function: &str) -> Query {
    Query::new(faces(), function)
}

/// The number that a query gives.
pub fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap())
}

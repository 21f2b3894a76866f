//! A contract with a fault that takes three calls: open, put at least 1,000, take. Whoever closes puts everything back.

use crostata::testing::{Chain, ContractId};

/// `open`, `put(u64)`, `take`, `close`, `fail`, and `taken`, which says whether somebody took. The state is the word at 70,000.
const LOCK: &str = r#"(module
  (memory (export "memory") 2)
  (global (export "A") i32 (i32.const 0))
  (func $state (result i32) (i32.load (i32.const 70000)))
  (func $set (param i32) (i32.store (i32.const 70000) (local.get 0)))
  (func (export "open") (param i32) (result i32)
    (if (i32.eqz (call $state)) (then (call $set (i32.const 1)))) (i32.const 0))
  (func (export "put") (param i32) (result i32)
    (if (i32.and (i32.eq (call $state) (i32.const 1)) (i64.ge_u (i64.load (i32.const 0)) (i64.const 1000)))
      (then (call $set (i32.const 2)))) (i32.const 0))
  (func (export "take") (param i32) (result i32)
    (if (i32.eq (call $state) (i32.const 2)) (then (call $set (i32.const 3)))) (i32.const 0))
  (func (export "close") (param i32) (result i32) (call $set (i32.const 0)) (i32.const 0))
  (func (export "fail") (param i32) (result i32) unreachable)
  (func (export "taken") (param i32) (result i32)
    (i32.store8 (i32.const 0) (i32.eq (call $state) (i32.const 3))) (i32.const 1)))"#;

/// The lock, closed.
pub fn set_up_a_lock(chain: &mut Chain) -> ContractId {
    chain
        .deploy(wat::parse_str(LOCK).unwrap())
        .label("lock")
        .send()
}

/// Nobody took.
pub fn never_taken(chain: &mut Chain, lock: &ContractId) {
    assert!(
        !chain.call::<_, bool>(*lock, "taken", &()).value(),
        "somebody took"
    );
}

//! The gauge: what a gas buys in plain arithmetic.

use crostata::{SessionData, VM};
use rustix::time::{ClockId, clock_gettime};

/// Adds and multiplies in a loop.
const ARITHMETIC: &str = r#"(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (local $left i32) (local $a i32) (local $b i32)
    (local.set $left (i32.const 10000000))
    (loop $next
      (local.set $a (i32.add (i32.xor (local.get $a) (local.get $left)) (i32.rotl (local.get $b) (i32.const 5))))
      (local.set $b (i32.add (i32.mul (local.get $a) (i32.const 31)) (local.get $b)))
      (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.store (i32.const 65536) (local.get $b))
    (i32.const 4)))"#;

/// CPU time of this process so far, in nanoseconds, of all threads.
pub fn cpu_ns() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// The least time that a gas took in several runs.
pub fn ns_per_gas() -> f64 {
    let vm = VM::ephemeral().unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let code = wat::parse_str(ARITHMETIC).unwrap();
    let contract = session.deploy(code, crostata::ContractData::builder(), 0).unwrap();
    let mut least = f64::MAX;
    for _ in 0..10 {
        let before = cpu_ns();
        let receipt = session.call_raw(contract, "run", vec![], 1 << 50).unwrap();
        least = least.min((cpu_ns() - before) / receipt.gas_spent as f64);
    }
    least
}

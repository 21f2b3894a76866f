//! The gauge: what a gas buys in plain arithmetic.

use crostata::{Backend, Config, ContractData, SessionData, VM, contract_bytecode};
use rustix::time::{ClockId, clock_gettime};

/// Adds and multiplies in a loop.
const ARITHMETIC: &str = r#"(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "arithmetic") (param i32) (result i32) (local $left i32) (local $a i32) (local $b i32)
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

/// The fair programs: functions of the contract `bench`, and plain arithmetic.
const PROGRAMS: [(&str, &[u32]); 6] = [
    ("arithmetic", &[]),
    ("fib", &[27]),
    ("sha256", &[20_000, 1]),
    ("sort", &[100_000, 1]),
    ("btree", &[10_000, 1]),
    ("transfers", &[5_000, 2_000, 1]),
];

/// Nanoseconds per gas of each of the fair programs.
pub fn programs(backend: Backend) -> Vec<(&'static str, f64)> {
    PROGRAMS
        .iter()
        .map(|(name, numbers)| (*name, ns_per_gas(backend, name, numbers)))
        .collect()
}

/// The least time that a gas took in several runs.
fn ns_per_gas(backend: Backend, name: &str, numbers: &[u32]) -> f64 {
    let config = Config {
        backend,
        ..Config::default()
    };
    let vm = VM::ephemeral_with_config(config).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let code = match name {
        "arithmetic" => wat::parse_str(ARITHMETIC).unwrap(),
        _ => contract_bytecode!("bench").to_vec(),
    };
    let contract = session
        .deploy(code, ContractData::builder(), 1 << 50)
        .unwrap();
    let argument = bytes(numbers);
    if name == "transfers" {
        let accounts = bytes(&[0, 2_000]);
        session
            .call_raw(contract, "open_accounts", accounts, 1 << 50)
            .unwrap();
    }
    let mut least = f64::MAX;
    for _ in 0..10 {
        let before = cpu_ns();
        let receipt = session
            .call_raw(contract, name, argument.clone(), 1 << 50)
            .unwrap();
        least = least.min((cpu_ns() - before) / receipt.gas_spent as f64);
    }
    least
}

/// Numbers as an argument.
fn bytes(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// What a gas buys on each backend: nanoseconds in the fair program that a gas buys the least of.
#[derive(Clone, Copy)]
pub struct Fair {
    pub native: f64,
    pub portable: f64,
}

impl Fair {
    /// Measures them, and prints what they are.
    pub fn measured() -> Self {
        let least = |backend| {
            let programs = programs(backend);
            for (name, ns) in &programs {
                println!("{backend:?} {name:<10} {ns:.3} ns/gas");
            }
            programs.iter().map(|(_, ns)| *ns).fold(f64::MAX, f64::min)
        };
        Self {
            native: least(Backend::Native),
            portable: least(Backend::Portable),
        }
    }
}

//! What deadlines cost: the same calls in sessions with one that does not pass and in sessions without, in turns.
//!
//! The time is spent in compiled code, which is the same in every build of the host: `cargo bench --bench deadlines`, with the number
//! of rounds as an argument.

use std::time::{Duration, Instant};

use crostata::{Backend, Config, ContractData, ContractId, Session, SessionData, VM};

const LIMIT: u64 = 1 << 50;

/// Programs whose argument says how much they do.
const PROGRAMS: &str = r#"(module
  (memory (export "memory") 2)
  (global (export "A") i32 (i32.const 0))
  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "fib") (param i32) (result i32)
    (i32.store (i32.const 0) (call $fib (i32.load (i32.const 0)))) (i32.const 4))
  (func (export "tight loop") (param i32) (result i32) (local $left i32) (local $sum i32)
    (local.set $left (i32.load (i32.const 0)))
    (loop
      (local.set $sum (i32.xor (i32.rotl (local.get $sum) (i32.const 3)) (local.get $left)))
      (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.store (i32.const 0) (local.get $sum)) (i32.const 4))
  (func (export "words") (param i32) (result i32) (local $left i32) (local $at i32)
    (local.set $left (i32.load (i32.const 0)))
    (loop
      (local.set $at (i32.and (i32.add (local.get $at) (i32.const 4)) (i32.const 0xfffc)))
      (i32.store offset=65536 (local.get $at)
        (i32.add (i32.load offset=65536 (local.get $at)) (local.get $left)))
      (br_if 0 (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i32.const 0)))"#;

struct Case {
    name: &'static str,
    amount: u32,
}

/// Sessions over one state, without and with a deadline.
fn sessions(backend: Backend) -> [(Session, ContractId); 2] {
    let config = Config {
        backend,
        ..Config::default()
    };
    let vm = VM::ephemeral_with_config(config).unwrap();
    let code = wat::parse_str(PROGRAMS).unwrap();
    let data = SessionData::builder();
    [data.clone(), data.interrupted_after(1)].map(|data| {
        let mut session = vm.session(data).unwrap();
        let contract = session.deploy(&code, ContractData::builder(), LIMIT);
        (session, contract.unwrap())
    })
}

fn timed((session, contract): &mut (Session, ContractId), case: &Case) -> Duration {
    let begin = Instant::now();
    let called = session.call_raw(*contract, case.name, case.amount.to_le_bytes(), LIMIT);
    called.unwrap();
    begin.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.find_map(|argument| argument.parse().ok());
    let rounds: usize = rounds.unwrap_or(11);
    for backend in Backend::BUILT {
        let scale = match backend {
            Backend::Native => 1,
            Backend::Portable => 16,
        };
        let mut sessions = sessions(*backend);
        let cases = [
            ("tight loop", 64_000_000 / scale),
            ("words", 32_000_000 / scale),
            ("fib", if scale == 1 { 32 } else { 26 }),
        ];
        for (name, amount) in cases {
            let case = Case { name, amount };
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..rounds {
                for (session, times) in sessions.iter_mut().zip(&mut times) {
                    times.push(timed(session, &case));
                }
            }
            let [without, with] = times.each_mut().map(|times| median(times));
            let ratio = with.as_secs_f64() / without.as_secs_f64();
            println!(
                "{backend:?} {name:>10}: {without:?} without, {with:?} with a deadline, {ratio:.3}"
            );
        }
    }
}

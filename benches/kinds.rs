//! What kinds of session cost: the same calls in an ordinary one, with a deadline that does not pass, watched, and profiled, in turns.
//!
//! `cargo bench --bench kinds`, with the number of rounds as an argument. Without and with a deadline the time is spent in compiled code, which is the
//! same in every build of the host; profiled, mostly in the host.

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

/// Ordinary code: what contracts do, compiled from Rust.
const BENCH: &[u8] = crostata::contract_bytecode!("bench");

/// A call, the same in every session.
struct Case {
    name: &'static str,
    argument: Vec<u8>,
    is_compiled: bool,
}

impl Case {
    fn written(name: &'static str, amount: u32) -> Self {
        Self {
            name,
            argument: amount.to_le_bytes().to_vec(),
            is_compiled: false,
        }
    }

    fn compiled<A: crostata::Encode>(name: &'static str, argument: &A) -> Self {
        Self {
            name,
            argument: crostata_abi::typed::encode(argument).unwrap(),
            is_compiled: true,
        }
    }
}

const KINDS: [&str; 4] = ["ordinary", "deadline", "watched", "profiled"];

/// A session of each kind over one state, with both contracts.
struct Kind {
    session: Session,
    written: ContractId,
    compiled: ContractId,
}

fn kinds(backend: Backend) -> [Kind; 4] {
    let config = Config {
        backend,
        ..Config::default()
    };
    let vm = VM::ephemeral_with_config(config).unwrap();
    let written = wat::parse_str(PROGRAMS).unwrap();
    let data = SessionData::builder();
    let settings = [
        data.clone(),
        data.clone().interrupted_after(1),
        data.clone(),
        data.profiled(),
    ];
    let mut kinds = settings.map(|data| {
        let mut session = vm.session(data).unwrap();
        let mut deploy = |code: &[u8]| session.deploy(code, ContractData::builder(), LIMIT);
        let (written, compiled) = (deploy(&written).unwrap(), deploy(BENCH).unwrap());
        Kind {
            session,
            written,
            compiled,
        }
    });
    kinds[2].session.watch();
    kinds
}

/// How long a call takes, and what it spends, which is the same for all.
fn timed(kind: &mut Kind, case: &Case) -> (Duration, u64) {
    let contract = match case.is_compiled {
        true => kind.compiled,
        false => kind.written,
    };
    let begin = Instant::now();
    let called = kind
        .session
        .call_raw(contract, case.name, &case.argument, LIMIT)
        .unwrap();
    let took = begin.elapsed();
    // What is told is somebody else's to keep.
    drop((kind.session.take_trace(), kind.session.take_profile()));
    (took, called.gas_spent)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn cases(backend: Backend) -> Vec<Case> {
    let (scale, fib) = match backend {
        Backend::Native => (1, 27),
        Backend::Portable => (16, 21),
    };
    vec![
        Case::written("tight loop", 6_400_000 / scale),
        Case::written("words", 3_200_000 / scale),
        Case::written("fib", fib),
        Case::compiled("sha256", &(20_000 / scale, 1u32)),
        Case::compiled("btree", &(20_000 / scale, 1u32)),
        Case::compiled("sort", &(100_000 / scale, 1u32)),
        Case::compiled("binary_search", &(200_000 / scale, 1u32)),
        Case::compiled("value", &()),
    ]
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.find_map(|argument| argument.parse().ok());
    let rounds: usize = rounds.unwrap_or(11);
    for backend in Backend::BUILT {
        let mut kinds = kinds(*backend);
        for case in cases(*backend) {
            let mut times = KINDS.map(|_| Vec::new());
            let mut spent = Vec::new();
            for _ in 0..rounds {
                for (kind, times) in kinds.iter_mut().zip(&mut times) {
                    let (took, gas) = timed(kind, &case);
                    times.push(took);
                    spent.push(gas);
                }
            }
            spent.sort_unstable();
            let [ordinary, others @ ..] = times.each_mut().map(|times| median(times));
            print!(
                "{backend:?} {:>13}: {ordinary:?} ordinary, {} gas",
                case.name,
                spent[spent.len() / 2]
            );
            for (name, took) in KINDS[1..].iter().zip(others) {
                let ratio = took.as_secs_f64() / ordinary.as_secs_f64();
                print!(", {name} {ratio:.2}");
            }
            println!();
        }
    }
}

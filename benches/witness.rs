//! What it takes to verify a witness, beside the call that it is of.
//!
//! Each round times, one after the other: the call in a session that ran it before; a session that begins, with the call; the
//! verification; and the hashing in it, which is that of what the witness shows and of what the call changed. The table has the medians, and
//! what verification takes besides hashing as a multiple of each way to call.

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use common::{COUNTER, DRIVER, LIMIT, TARGET, World, dirty, numbers};
use crostata::{Commit, Config, ContractId, Session, SessionData, VM, Verifier, Witness};

const ROUNDS: usize = 300;
const ACCOUNTS: u32 = 100_000;

/// A call, and the state that it is of.
struct Case {
    name: &'static str,
    vm: VM,
    base: Commit,
    contract: ContractId,
    function: &'static str,
    argument: Vec<u8>,
}

/// What a round took.
#[derive(Default)]
struct Times {
    warm: Vec<Duration>,
    first: Vec<Duration>,
    verified: Vec<Duration>,
    hashed_before: Vec<Duration>,
    hashed_after: Vec<Duration>,
}

fn main() {
    println!(
        "{:<18} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} | {:>6} {:>6}",
        "us, medians", "warm", "first", "verify", "proof", "root", "bytes", "warm", "first"
    );
    for case in [counter(), transfer(), pages(16), pages(256)] {
        case.run();
    }
}

fn counter() -> Case {
    let World { vm, base } = World::counters(1_000);
    Case {
        name: "increment",
        vm,
        base,
        contract: COUNTER,
        function: "increment",
        argument: Vec::new(),
    }
}

fn transfer() -> Case {
    let World { vm, base } = World::filled();
    let mut session = vm.session(SessionData::builder().base(base)).unwrap();
    for first in (0..ACCOUNTS).step_by(10_000) {
        let argument = numbers(&[first, 10_000]);
        session
            .call_raw(DRIVER, "open_accounts", argument, LIMIT)
            .unwrap();
    }
    let base = session.commit().unwrap();
    Case {
        name: "ledger transfer",
        vm,
        base,
        contract: DRIVER,
        function: "transfers",
        argument: numbers(&[1, ACCOUNTS, 7]),
    }
}

fn pages(count: u32) -> Case {
    let World { vm, base } = World::filled();
    Case {
        name: if count == 16 { "16 pages" } else { "256 pages" },
        vm,
        base,
        contract: TARGET,
        function: "dirty",
        argument: dirty(count, 2),
    }
}

impl Case {
    fn call(&self, session: &mut Session) {
        let called = session.call_raw(self.contract, self.function, &self.argument, LIMIT);
        black_box(called.unwrap());
    }

    fn session(&self) -> Session {
        self.vm
            .session(SessionData::builder().base(self.base))
            .unwrap()
    }

    fn witness(&self) -> Witness {
        let data = SessionData::builder().base(self.base).recording();
        let mut session = self.vm.session(data).unwrap();
        self.call(&mut session);
        session.witness().unwrap()
    }

    fn run(&self) {
        let witness = self.witness();
        let verifier = Verifier::new(Config::default()).unwrap();
        // Compiles the code.
        let verified = verifier.verify_call(&self.base.root, witness.clone());
        drop(verified.unwrap());
        let witness = witness.without_code();
        let mut warm = self.session();
        self.call(&mut warm);
        let mut times = Times::default();
        for _ in 0..ROUNDS {
            self.round(&mut times, &mut warm, &verifier, &witness);
        }
        times.tell(self.name, witness.encode().len());
    }

    fn round(&self, times: &mut Times, warm: &mut Session, verifier: &Verifier, witness: &Witness) {
        times.warm.push(timed(|| self.call(warm)));
        let mut session = None;
        times.first.push(timed(|| {
            let session = session.insert(self.session());
            self.call(session);
        }));
        let session = session.unwrap();
        times.hashed_after.push(timed(|| {
            black_box(session.root().unwrap());
        }));
        let (copy, state) = (witness.clone(), witness.state().clone());
        let root = &self.base.root;
        times.verified.push(timed(|| {
            drop(black_box(verifier.verify_call(root, copy).unwrap()))
        }));
        times
            .hashed_before
            .push(timed(|| drop(black_box(state.verify(root).unwrap()))));
    }
}

impl Times {
    fn tell(mut self, name: &str, bytes: usize) {
        let [warm, first, verified, before, after] = [
            &mut self.warm,
            &mut self.first,
            &mut self.verified,
            &mut self.hashed_before,
            &mut self.hashed_after,
        ]
        .map(|times| median(times));
        let besides = verified - before - after;
        println!(
            "{name:<18} {warm:>9.1} {first:>9.1} {verified:>9.1} {before:>9.1} {after:>9.1} {bytes:>9} | {:>6.2} {:>6.2}",
            besides / warm,
            besides / first,
        );
    }
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// In microseconds.
fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

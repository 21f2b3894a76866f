//! What it costs a small call that somebody watches: the same calls by four VMs in turns, in ratios of
//! what one turn in twenty is faster than: other work on the machine only makes turns slower.
//!
//! ```text
//! cargo bench --bench telemetry --features telemetry
//! ```

use std::hint::black_box;
use std::time::Instant;

use crostata::operate::Telemetry;
use crostata::{
    Config, ContractData, ContractId, Observed, Session, SessionData, VM, contract_bytecode,
};

const CALLS: u32 = 200;
const TURNS: usize = 2_000;
const LIMIT: u64 = 10_000_000;
const COUNTER: ContractId = ContractId::from_bytes([1; 32]);

struct Watched {
    name: &'static str,
    session: Session,
    _vm: VM,
    nanoseconds: Vec<f64>,
}

impl Watched {
    fn new(name: &'static str, observed: Observed) -> Self {
        let config = Config {
            observed,
            ..Config::default()
        };
        let vm = VM::ephemeral_with_config(config).expect("a VM");
        let mut session = vm.session(SessionData::default()).expect("a session");
        let data = ContractData::builder().contract_id(COUNTER);
        let deployed = session.deploy(contract_bytecode!("counter"), data, LIMIT);
        deployed.expect("the counter");
        Self {
            name,
            session,
            _vm: vm,
            nanoseconds: Vec::new(),
        }
    }

    fn turn(&mut self) {
        let begin = Instant::now();
        for _ in 0..CALLS {
            let receipt = self.session.call_raw(COUNTER, "read_value", [], LIMIT);
            black_box(receipt.expect("the value"));
        }
        let taken = begin.elapsed().as_nanos() as f64;
        self.nanoseconds.push(taken / f64::from(CALLS));
    }

    fn undisturbed(&mut self) -> f64 {
        self.nanoseconds.sort_by(f64::total_cmp);
        self.nanoseconds[self.nanoseconds.len() / 20]
    }
}

fn main() {
    let mut all = [
        Watched::new("nobody", Observed::default()),
        Watched::new("nobody, again", Observed::default()),
        Watched::new("blocks and commits", Telemetry::observed(false)),
        Watched::new("calls too, nobody subscribed", Telemetry::observed(true)),
    ];
    for turn in 0..TURNS {
        for at in 0..all.len() {
            // Who is first changes, so that nobody always follows the same.
            let len = all.len();
            all[(at + turn) % len].turn();
        }
    }
    let base = all[0].undisturbed();
    println!("{:<30} {:>9} {:>7}", "told", "ns a call", "ratio");
    for one in &mut all {
        let taken = one.undisturbed();
        println!("{:<30} {taken:>9.0} {:>7.3}", one.name, taken / base);
    }
}

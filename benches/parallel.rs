//! Blocks one after another and in lanes, alternating in one run: what lanes gain where transactions are independent, and what
//! they cost where everything conflicts. `CROSTATA_THREADS` asks for more lanes than there are processors. Ratios are of medians; larger than 1 means that lanes are faster.

mod common;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use common::{COUNTER, numbered, numbers, with_id};
use crostata::{
    BlockContext, BlockSettings, Commit, ContractId, Execution, Root, Session, SessionData,
    Transaction, Undo, VM, contract_bytecode,
};

/// Blocks of each kind that are timed.
const ROUNDS: usize = 15;

const LIMIT: u64 = 400_000_000;

fn main() {
    println!(
        "{:<44} {:>6} {:>10} {:>10} {:>6}",
        "workload", "calls", "serial us", "lanes us", "ratio"
    );
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    let workloads: [fn() -> Workload; _] = [
        compute,
        transfers,
        counter,
        shared_counter,
        || token("token, a BTreeMap of 8,192 accounts", FEW_ACCOUNTS),
        || token("token, a BTreeMap of 131,072 accounts", MANY_ACCOUNTS),
        || {
            provable_token(
                "token, a provable map of 8,192 accounts",
                FEW_ACCOUNTS.into(),
            )
        },
        || {
            provable_token(
                "token, a provable map of 131,072 accounts",
                MANY_ACCOUNTS.into(),
            )
        },
        moved_memories,
        told_pages,
    ];
    for workload in workloads {
        workload().run(&names);
    }
}

/// A state, and transactions over it.
struct Workload {
    name: &'static str,
    vm: VM,
    base: Commit,
    transactions: Vec<Transaction>,
}

impl Workload {
    fn new(
        name: &'static str,
        build: impl FnOnce(&mut Session),
        transactions: impl Iterator<Item = Transaction>,
    ) -> Self {
        let vm = VM::ephemeral().unwrap();
        let mut session = vm.session(SessionData::builder()).unwrap();
        build(&mut session);
        let base = session.commit().unwrap();
        Self {
            name,
            vm,
            base,
            transactions: transactions.collect(),
        }
    }

    /// Times the workload, if its name holds one of those asked for.
    fn run(&self, names: &[String]) {
        if !names.is_empty() && !names.iter().any(|name| self.name.contains(name)) {
            return;
        }
        let asked = std::env::var("CROSTATA_THREADS").ok();
        let asked = asked.and_then(|threads| threads.parse().ok());
        let available = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = asked.unwrap_or(available);
        let lanes = Execution::Parallel { threads };
        let (mut serial, mut parallel) = (Vec::new(), Vec::new());
        let expected = self.block(Execution::Serial);
        assert_eq!(expected.1, self.block(lanes).1, "{}", self.name);
        for _ in 0..ROUNDS {
            serial.push(self.block(Execution::Serial).0);
            parallel.push(self.block(lanes).0);
        }
        let (serial, parallel) = (median(serial), median(parallel));
        println!(
            "{:<44} {:>6} {:>10} {:>10} {:>6.2}",
            self.name,
            self.transactions.len(),
            serial.as_micros(),
            parallel.as_micros(),
            serial.as_secs_f64() / parallel.as_secs_f64(),
        );
    }

    /// Executes a block; how long that takes, and the root.
    fn block(&self, execution: Execution) -> (Duration, Root) {
        let settings = BlockSettings::new(BlockContext::new(1, 0), 1 << 44)
            .base(self.base)
            .undo(Undo::Never)
            .execution(execution);
        let mut block = self.vm.block(settings).unwrap();
        let start = Instant::now();
        let filled = block.execute_all(&self.transactions).unwrap();
        let time = start.elapsed();
        assert_eq!(filled.included, self.transactions.len());
        assert!(
            block
                .receipts()
                .iter()
                .all(|executed| executed.outcome.is_success())
        );
        (time, block.root().unwrap())
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn deploy(session: &mut Session, code: &[u8], ids: impl Iterator<Item = ContractId>) {
    ids.for_each(|id| common::deploy(session, code, id));
}

fn many(count: u32) -> impl Iterator<Item = ContractId> {
    (1..=count).map(numbered)
}

fn call(contract: ContractId, function: &str, argument: Vec<u8>) -> Transaction {
    Transaction::call_raw(contract, function, argument, LIMIT)
}

/// Calls of about a millisecond, each of a contract of its own.
fn compute() -> Workload {
    Workload::new(
        "compute-heavy, 64 contracts",
        |session| deploy(session, contract_bytecode!("bench"), many(64)),
        (0..256).map(|at| call(numbered(1 + at % 64), "fib", numbers(&[22]))),
    )
}

const ACCOUNTS: u32 = 64;

/// Small transfers between accounts of many contracts.
fn transfers() -> Workload {
    let build = |session: &mut Session| {
        deploy(session, contract_bytecode!("bench"), many(128));
        for id in many(128) {
            common::call(session, id, "open_accounts", &numbers(&[0, ACCOUNTS]));
        }
    };
    Workload::new(
        "small transfers, 128 contracts",
        build,
        (0..8_192).map(|at| call(numbered(1 + at % 128), "transfer", transfer(at, ACCOUNTS))),
    )
}

/// From one of the accounts to the next.
fn transfer(number: u32, accounts: u32) -> Vec<u8> {
    let from = 2 * number % accounts;
    let mut argument = account(from).to_vec();
    argument.extend(account(from + 1));
    argument.extend(1_u64.to_le_bytes());
    argument
}

/// Everything conflicts.
fn counter() -> Workload {
    Workload::new(
        "one counter",
        |session| {
            deploy(
                session,
                contract_bytecode!("counter"),
                [COUNTER].into_iter(),
            )
        },
        (0..8_192).map(|_| call(COUNTER, "increment", Vec::new())),
    )
}

/// Everything conflicts, and nobody sees it beforehand.
fn shared_counter() -> Workload {
    let build = |session: &mut Session| {
        deploy(session, contract_bytecode!("bench"), [COUNTER].into_iter());
        deploy(session, contract_bytecode!("bench"), many(64));
    };
    Workload::new(
        "one counter, called by 64 contracts",
        build,
        (0..4_096).map(|at| {
            let argument = with_id(COUNTER, &numbers(&[1]));
            call(numbered(1 + at % 64), "repeat", argument)
        }),
    )
}

/// Accounts of a token in which two transfers seldom have a page in common, and of one in which they often do.
const MANY_ACCOUNTS: u32 = 131_072;
const FEW_ACCOUNTS: u32 = 8_192;

/// Disjoint accounts of one contract, whose balances are in a `BTreeMap`.
fn token(name: &'static str, accounts: u32) -> Workload {
    let build = |session: &mut Session| {
        deploy(session, contract_bytecode!("bench"), [COUNTER].into_iter());
        common::call(session, COUNTER, "open_accounts", &numbers(&[0, accounts]));
    };
    let transfers = (0..4_096).map(|at| call(COUNTER, "transfer", transfer(at, accounts)));
    Workload::new(name, build, transfers)
}

/// Disjoint accounts of one contract, whose balances are in a provable map.
fn provable_token(name: &'static str, accounts: u64) -> Workload {
    let build = |session: &mut Session| {
        deploy(
            session,
            contract_bytecode!("accounts"),
            [COUNTER].into_iter(),
        );
        session
            .call::<_, ()>(COUNTER, "mint_many", &(0_u64, accounts, 1_000_u64), 1 << 50)
            .unwrap();
    };
    let transfer = |at: u64| {
        let argument = (
            provable_account(2 * at),
            provable_account(2 * at + 1),
            1_u64,
            at as u8,
        );
        Transaction::call(COUNTER, "transfer", &argument, LIMIT).unwrap()
    };
    Workload::new(name, build, (0..4_096).map(transfer))
}

/// As `contracts/bench` numbers them.
fn account(number: u32) -> [u8; 32] {
    let mut account = [0; 32];
    for (lane, bytes) in account.chunks_exact_mut(8).enumerate() {
        let lane = (lane as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes.copy_from_slice(&mixed(u64::from(number).wrapping_add(lane)).to_le_bytes());
    }
    account
}

/// As `contracts/accounts` numbers them.
fn provable_account(number: u64) -> [u8; 32] {
    let mut account = [0; 32];
    let mut state = number;
    for part in account.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        part.copy_from_slice(&mixed(state).to_le_bytes());
    }
    account
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Blocks that are made to be executed in lanes slower than one after another: memories that are large by now and change lanes with each
/// wave, and pages of one contract that every lane must be told of.
fn moved_memories() -> Workload {
    const PAGES: u32 = 2_000;
    let build = |session: &mut Session| deploy(session, &hostile(), many(3));
    let touch = |at: u32| call(numbered(1 + at), "write", numbers(&[0, PAGES]));
    let moved = (0..300).flat_map(|at| {
        let (heavy, light) = (1 + at % 2, 2 - at % 2);
        let mut alone = call(numbered(3), "light", Vec::new());
        alone.limit_gas = 1 << 41;
        [
            call(numbered(heavy), "heavy", Vec::new()),
            call(numbered(light), "light", Vec::new()),
            alone,
        ]
    });
    Workload::new(
        "hostile: memories that change lanes",
        build,
        (0..2).map(touch).chain(moved),
    )
}

/// See [`moved_memories`].
fn told_pages() -> Workload {
    const PAGES: u32 = 20;
    Workload::new(
        "hostile: pages that all lanes are told of",
        |session| deploy(session, &hostile(), many(1)),
        (0..600).map(|at| call(numbered(1), "write", numbers(&[at * PAGES, PAGES]))),
    )
}

/// A contract that writes pages, and that counts.
fn hostile() -> Vec<u8> {
    let text = r#"(module
      (memory (export "memory") 1024)
      (global (export "A") i32 (i32.const 0))
      (func $count (param $times i32)
        (loop $again
          (local.set $times (i32.sub (local.get $times) (i32.const 1)))
          (br_if $again (local.get $times))))
      (func (export "heavy") (param i32) (result i32) (call $count (i32.const 6000)) (i32.const 0))
      (func (export "light") (param i32) (result i32) (call $count (i32.const 4500)) (i32.const 0))
      (func (export "write") (param i32) (result i32) (local $page i32) (local $end i32)
        (local.set $page (i32.add (i32.const 32) (i32.load (i32.const 0))))
        (local.set $end (i32.add (local.get $page) (i32.load (i32.const 4))))
        (loop $next
          (i32.store (i32.add (i32.const 512) (i32.shl (local.get $page) (i32.const 12))) (i32.const 7))
          (local.set $page (i32.add (local.get $page) (i32.const 1)))
          (br_if $next (i32.lt_u (local.get $page) (local.get $end))))
        (i32.const 0)))"#;
    wat::parse_str(text).unwrap()
}

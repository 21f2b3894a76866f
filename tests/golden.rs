//! P1: the gas of every example contract is pinned, on both backends: a price, a rule, or a rewriting that changes shows as changed
//! lines of a file, in the same commit, on purpose.
//!
//! After an intended change: `CROSTATA_WRITE_VECTORS=1 cargo test --test golden`, and a `[gas]` line in the changelog.

use std::fmt::{Debug, Write as _};

use crostata::{
    Backend, Config, ContractData, ContractId, Encode, Error, PricedQuery, Session, SessionData,
    VM, contract_bytecode,
};
use crostata_abi::typed::encode;

/// Enough gas for what succeeds, and not too much for what never ends.
const LIMIT: u64 = 20_000_000;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/gas.txt");

macro_rules! contracts {
    ($($name:literal)*) => {
        /// Every example contract; the first has the id 1. New ones come last, so that the others keep their ids.
        const CONTRACTS: &[(&str, &[u8])] = &[$(($name, contract_bytecode!($name)),)*];
    };
}

contracts! {
    "accounts" "bench" "caller" "collections" "collections_talc" "counter" "counter64" "crossing_argument" "everest" "fallible"
    "feeder" "grower" "host_query" "initializer" "ledger" "metadata" "pool" "recursion" "reverting_events" "router" "spender" "token" "uplink_counter" "valuer"
    "bank"
}

type Account = [u8; 32];

const ALICE: Account = [0xa1; 32];
const BOB: Account = [0xb2; 32];

fn id(name: &str) -> ContractId {
    let place = CONTRACTS.iter().position(|(known, _)| *known == name);
    let mut bytes = [0; 32];
    bytes[0] = place.unwrap() as u8 + 1;
    ContractId::from_bytes(bytes)
}

/// What is written down while contracts run.
struct Book {
    session: Session,
    lines: String,
    /// Limits with which calls are tried that would spend so much.
    limits: fn(u64) -> Vec<u64>,
}

impl Book {
    fn new(backend: Backend, profiled: bool, limits: fn(u64) -> Vec<u64>) -> Self {
        let config = Config {
            backend,
            ..Config::default()
        };
        Self::over(config, profiled, limits)
    }

    fn over(config: Config, profiled: bool, limits: fn(u64) -> Vec<u64>) -> Self {
        let mut vm = VM::ephemeral_with_config(config).unwrap();
        let hash = |bytes: &[u8]| Ok([bytes.len() as u8; 32].to_vec());
        vm.register_host_query("hash", PricedQuery::new(5_000, hash));
        // What `everest` reads, and what the router does.
        let data = SessionData::builder().insert("height", &77u64);
        let data = data.unwrap().insert("block_height", &77u64).unwrap();
        let data = if profiled { data.profiled() } else { data };
        Self {
            session: vm.session(data).unwrap(),
            lines: String::new(),
            limits,
        }
    }

    fn deploy(&mut self, name: &str, code: &[u8]) {
        let data = ContractData::builder().contract_id(id(name));
        let data = match name {
            "initializer" => data.init_arg(&5i64),
            "ledger" | "token" => data.init_arg(&(ALICE, 1_000u64)),
            "bank" => data.init_arg(&([9u8; 32], vec![(ALICE, 1_000u64), (BOB, 7)])),
            "pool" => data.init_arg(&(id("token"), BOB)),
            _ => data,
        };
        let session = &mut self.session;
        let receipt = session
            .deploy_with_receipt(code, data.owner(ALICE), LIMIT)
            .unwrap();
        let init = receipt.init.map_or(0, |init| init.gas_spent);
        let gas = receipt.code_gas;
        let bytes = code.len();
        let line = format!("{name} deploy {bytes} bytes {LIMIT} -> Success {gas} + {init}\n");
        self.lines.push_str(&line);
    }

    /// Calls with typed arguments.
    fn call<A: Encode + Debug>(&mut self, name: &str, function: &str, argument: A) {
        let bytes = encode(&argument).unwrap();
        self.raw(name, function, &format!("{argument:?}"), &bytes);
    }

    /// A call with gas for anything; one that succeeds, with what it spends and with half of it, too: both are out of gas.
    fn raw(&mut self, name: &str, function: &str, described: &str, argument: &[u8]) {
        let before = self.session.savepoint().unwrap();
        let (ok, spent) = self.once(name, function, argument, LIMIT).unwrap();
        self.session.rollback(before).unwrap();
        if ok == "Success" {
            for limit in (self.limits)(spent) {
                let before = self.session.savepoint().unwrap();
                let end = self.once(name, function, argument, limit).unwrap();
                self.session.rollback(before).unwrap();
                self.note(name, function, described, limit, &end);
            }
        }
        // Once more for what it changes: it is the same.
        let again = self.once(name, function, argument, LIMIT).unwrap();
        assert_eq!(again, (ok, spent));
        self.note(name, function, described, LIMIT, &again);
    }

    fn note(
        &mut self,
        name: &str,
        function: &str,
        described: &str,
        limit: u64,
        end: &(String, u64),
    ) {
        let (outcome, gas) = end;
        let described: String = described.chars().filter(|c| !c.is_whitespace()).collect();
        let described = match described.len() > 60 {
            true => described.chars().take(60).chain("...".chars()).collect(),
            false => described,
        };
        writeln!(
            self.lines,
            "{name} {function} {described} {limit} -> {outcome} {gas}"
        )
        .unwrap();
    }

    /// One call: how it ended and what it spent.
    fn once(
        &mut self,
        name: &str,
        function: &str,
        argument: &[u8],
        limit: u64,
    ) -> Result<(String, u64), Error> {
        // Of constructors.
        self.session.take_profile();
        let (sender, _receiver) = std::sync::mpsc::channel();
        let called = match name {
            "feeder" => self
                .session
                .feeder_call_raw(id(name), function, argument, limit, sender),
            _ => self.session.call_raw(id(name), function, argument, limit),
        };
        let profile = self.session.take_profile();
        let (outcome, gas) = match called {
            Ok(receipt) => ("Success".to_owned(), receipt.gas_spent),
            Err(Error::Reverted(reverted)) => {
                let gas = reverted.receipt.gas_spent;
                (format!("{:?}", reverted.failure.code), gas)
            }
            Err(error) => return Err(error),
        };
        if let Some(profile) = profile {
            assert_eq!((profile.gas_spent, profile.total_gas()), (gas, gas));
        }
        Ok((outcome, gas))
    }
}

/// What the contracts do alone.
fn lone(book: &mut Book) {
    for name in ["counter", "counter64", "initializer"] {
        book.call(name, "read_value", ());
        book.call(name, "increment", ());
    }
    book.call("counter64", "size", ());
    book.call("counter64", "grow", 3u64);
    book.call("counter64", "store_far", (5_000_000u64, 9u64));
    book.call("counter64", "load", 5_000_000u64);
    book.call("counter64", "load", 1u64 << 40);
    book.call("everest", "height", ());
    book.call("everest", "session_value", "nothing".to_owned());
    for function in [
        "value",
        "panics",
        "unreachable",
        "spends_all",
        "returns_too_much",
    ] {
        book.call("fallible", function, ());
    }
    for function in ["set_value", "dirties_then_panics", "dirties_then_traps"] {
        book.call("fallible", function, 11i64);
    }
    book.call("fallible", "panics_with", "why not".to_owned());
    for (dividend, divisor) in [(7, 2), (7, 0), (i32::MIN, -1)] {
        book.call("fallible", "divide", (dividend, divisor));
    }
    book.call("fallible", "reads", 70_000u32);
    book.call("fallible", "reads", u32::MAX);
    book.call("fallible", "writes", (u32::MAX, 1u8));
    book.call("fallible", "allocates", 100_000u32);
    book.call("feeder", "feed_numbers", 10u32);
    book.call("feeder", "feed_blocks", (3u32, 1_000u32));
    book.call("feeder", "feed_then_fail", 2u32);
    book.call("grower", "size", ());
    book.call("grower", "grow", 2u32);
    book.call("grower", "grow", 100_000u32);
    book.call("grower", "grow_and_fill", (2u32, 5u64));
    book.call("grower", "grow_then_fail", (1u32, 5u64));
    book.call("host_query", "hash", vec![7u8; 100]);
    book.call("host_query", "ask", ("hash".to_owned(), vec![7u8; 10]));
    book.call("host_query", "ask", ("absent".to_owned(), vec![7u8; 10]));
}

/// The SDK's storage types, each beside the one of `alloc` that does the same; over two allocators.
fn collections(book: &mut Book, contract: &'static str) {
    for kind in 0..8u8 {
        book.call(contract, "fill", (kind, 0u64, 60u64));
        book.call(contract, "get", (kind, 7u64));
        book.call(contract, "update", (kind, 8u64));
        book.call(contract, "insert", (kind, 60u64));
        book.call(contract, "remove", (kind, 9u64));
        book.call(contract, "take", (kind, 0u64));
        book.call(contract, "sum", kind);
        book.call(contract, "digest", kind);
    }
    book.call(contract, "enclose", ());
}

/// The market, called by nobody: what it tells, and what it refuses. (`tests/amm` has the rest.)
fn market(book: &mut Book) {
    book.call("token", "balance_of", ALICE);
    book.call("token", "supply", ());
    book.call("token", "transfer", (BOB, 5u64));
    book.call("pool", "quote", (BOB, 5u64));
    book.call("pool", "quote", (ALICE, 5u64));
    book.call("pool", "swap_received", (id("token"), 0u64, ALICE));
    let route = vec![id("pool").to_bytes()];
    book.call("router", "swap", (route, ALICE, 5u64, 0u64, BOB, 76u64));
}

/// The bank, called by the chain: what it does around transactions, and what it refuses.
fn bank(book: &mut Book) {
    book.call("bank", "begin", (3u64, 77u64));
    book.call("bank", "charge", (ALICE, 0u64, 400u64));
    book.call("bank", "settle", (ALICE, BOB, 150u64));
    book.call("bank", "charge", (ALICE, 0u64, 400u64));
    book.call("bank", "charge", (BOB, 0u64, 400u64));
    book.call("bank", "transfer", (BOB, 5u64));
    book.call("bank", "account", ALICE);
    book.call("bank", "block", ());
}

/// The SDK's map, beside a `BTreeMap` with the same entries.
fn accounts(book: &mut Book) {
    book.call("accounts", "mint_many", (0u64, 100u64, 3u64));
    book.call("accounts", "insert_plain", (0u64, 100u64, 3u64));
    book.call("accounts", "insert_many", (100u64, 20u64, 3u64));
    book.call("accounts", "insert_plain", (100u64, 20u64, 3u64));
    book.call("accounts", "sum", (0u64, 150u64));
    book.call("accounts", "sum_plain", (0u64, 150u64));
    book.call("accounts", "remove_many", (10u64, 80u64));
    book.call("accounts", "mint", (ALICE, 50u64));
    book.call("accounts", "transfer", (ALICE, BOB, 20u64, 9u8));
    book.call("accounts", "transfer", (ALICE, BOB, 1u64 << 60, 9u8));
    book.call("accounts", "burn", (BOB, 20u64));
    book.call("accounts", "balance_of", ALICE);
    book.call("accounts", "accounts", ());
}

fn ledgers_and_benches(book: &mut Book) {
    book.call("ledger", "mint", (BOB, 50u64));
    book.call("ledger", "mint_many", (0u64, 50u64, 3u64));
    book.call("ledger", "transfer", (ALICE, BOB, 10u64));
    book.call("ledger", "transfer", (ALICE, BOB, 1u64 << 60));
    book.call("ledger", "balance_of", BOB);
    book.call("ledger", "total_supply", ());
    book.call("bench", "increment", ());
    book.call("bench", "fill", (131_072u32, 3u32));
    book.call("bench", "dirty", (20u32, 4_096u32, 7u8));
    book.call("bench", "dirty_then_panic", (20u32, 4_096u32, 8u8));
    book.call("bench", "area_sum", (20u32, 4_096u32));
    book.call("bench", "open_accounts", (0u32, 40u32));
    book.call("bench", "transfers", (20u32, 40u32, 1u32));
    book.call("bench", "fib", 15u32);
    book.call("bench", "sha256", (10u32, 1u32));
    book.call("bench", "btree", (100u32, 1u32));
    book.call("bench", "sort", (200u32, 1u32));
    book.call("bench", "chase", (500u32, 1u32));
    book.call("bench", "binary_search", (100u32, 1u32));
    book.call("bench", "copy_bytes", (5_000u32, 2u32));
    book.call("bench", "copy_bulk", (5_000u32, 20u32));
    book.call("bench", "scatter", (65_536u32, 500u32, 1u32));
}

/// Calls between contracts, of both widths.
fn nested(book: &mut Book) {
    let (counter, wide, fallible) = (id("counter"), id("counter64"), id("fallible"));
    let read = "read_value".to_owned();
    for callee in [counter, wide] {
        book.call("caller", "call_and_return", (callee, read.clone()));
        book.call("counter64", "increment_other", callee);
        book.call(
            "caller",
            "call_repeatedly",
            (callee, "increment".to_owned(), 5u32),
        );
    }
    book.raw("uplink_counter", "read_value", "", &[]);
    book.raw("uplink_counter", "increment", "", &[]);
    book.raw(
        "uplink_counter",
        "increment_other",
        "counter",
        counter.as_bytes(),
    );
    for function in ["value", "panics", "unreachable", "spends_all", "absent"] {
        let argument = (fallible, function.to_owned(), Vec::<u8>::new(), 400_000u64);
        book.call("caller", "forward", argument);
        book.call("caller", "call_catching", (fallible, function.to_owned()));
    }
    let nobody = ContractId::from_bytes([9; 32]);
    book.call("caller", "call_catching", (nobody, read));
    // Only queries enter it.
    let valuer = (id("valuer"), "price".to_owned());
    book.call("caller", "call_catching", valuer);
    book.call("caller", "call_self", 5i64);
    book.call("caller", "chain", 10u32);
    book.call("caller", "chain_limited", (20u32, 900_000u64));
    book.call("caller", "increment_then_fail", counter);
    book.call("caller", "outer_survives", fallible);
    book.call("caller", "nested_failure_undoes_both", counter);
    book.call("bench", "repeat", (counter, 5u32));
    book.call("bench", "survive", (id("bench"), 5u32, 4_096u32, 3u8));
    book.call("grower", "catch_grow_then_fail", (2u32, 6u64));
    for function in ["self_id", "owner", "caller", "callstack"] {
        book.call("metadata", function, ());
    }
    book.call("metadata", "owner_of", counter);
    book.call("metadata", "owner_of", nobody);
    book.call("metadata", "caller_seen_by", id("metadata"));
    book.call("metadata", "callstack_through", vec![id("metadata"); 3]);
    book.call("recursion", "within", 100u32);
    book.call("recursion", "within_with_locals", 100u32);
    book.call("recursion", "within_forever", ());
    book.call("recursion", "by_calls", 5u32);
    book.call("recursion", "by_calls_until_refused", ());
    book.call("reverting_events", "emits", 5u32);
    book.call("reverting_events", "emits_then_fails", 5u32);
    book.call("reverting_events", "catches_itself", ());
    book.call(
        "reverting_events",
        "emits_raw",
        ("topic".to_owned(), vec![1u8; 300]),
    );
    book.call("reverting_events", "debugs", 3u32);
    book.call("spender", "limit_and_spent", ());
    book.call("spender", "spent_around", 100u64);
    book.call("spender", "work_then_panic", 100u64);
    book.call("spender", "spend_all", ());
    book.call("spender", "delegate", (id("spender"), 100u64, 300_000u64));
    book.call("spender", "limit_seen_by", (id("spender"), 400_000u64));
    let echo = "crossing_argument";
    book.call(echo, "echo_number", 7u64);
    book.call(echo, "echo_string", "over and back".to_owned());
    for len in [0usize, 264, 4_096, 60_000] {
        book.call(echo, "echo_bytes", vec![5u8; len]);
    }
    book.call(echo, "echo_through", (id(echo), vec![5u8; 5_000]));
}

/// Everything that a backend says.
fn lines(backend: Backend) -> String {
    written(Book::new(backend, false, |spent| vec![spent, spent / 2]))
}

fn written(mut book: Book) -> String {
    for (name, code) in CONTRACTS {
        book.deploy(name, code);
    }
    lone(&mut book);
    ledgers_and_benches(&mut book);
    accounts(&mut book);
    collections(&mut book, "collections");
    collections(&mut book, "collections_talc");
    market(&mut book);
    nested(&mut book);
    bank(&mut book);
    book.lines
}

/// Lines in which two texts differ.
fn differences(documented: &str, seen: &str) -> String {
    let mut differences = String::new();
    let (mut old, mut new) = (documented.lines(), seen.lines());
    loop {
        match (old.next(), new.next()) {
            (None, None) => return differences,
            (old, new) if old == new => {}
            (old, new) => {
                let [old, new] = [old, new].map(|line| line.unwrap_or("nothing"));
                writeln!(differences, "- {old}\n+ {new}").unwrap();
            }
        }
    }
}

/// Every call ends as the file says and spends what it says, natively and portably.
#[test]
fn gas_is_what_it_was() {
    let native = lines(Backend::BUILT[0]);
    if std::env::var_os("CROSTATA_WRITE_VECTORS").is_some() {
        std::fs::write(PATH, &native).unwrap();
    }
    let documented = std::fs::read_to_string(PATH).unwrap();
    let differences_from = |seen: &str| differences(&documented, seen);
    assert_eq!(differences_from(&native), "", "natively");
    let portable = lines(Backend::BUILT[Backend::BUILT.len() - 1]);
    assert_eq!(differences_from(&portable), "", "portably");
}

/// P8: a profiled session spends the same, to the last unit and with whatever limit, and every profile adds up to its receipt.
#[test]
fn profiled_gas_is_the_same() {
    let limits = |spent: u64| {
        let around = [spent + 2, spent + 1, spent, spent - 1, spent - 2];
        let below = (1..8).map(|part| spent / 8 * part + part * 7);
        around.into_iter().chain(below).collect()
    };
    for backend in Backend::BUILT {
        let [plain, profiled] =
            [false, true].map(|profiled| written(Book::new(*backend, profiled, limits)));
        assert_eq!(differences(&plain, &profiled), "", "{backend:?}");
    }
}

/// P8: so does a session whose every call is told to a subscriber.
#[cfg(feature = "telemetry")]
#[test]
fn observed_gas_is_the_same() {
    for backend in Backend::BUILT {
        let config = Config {
            backend: *backend,
            observed: crostata::operate::Telemetry::observed(true),
            ..Config::default()
        };
        let observed = written(Book::over(config, false, |spent| vec![spent, spent / 2]));
        let documented = std::fs::read_to_string(PATH).unwrap();
        assert_eq!(differences(&documented, &observed), "", "{backend:?}");
    }
}

/// No artifact is left out.
#[test]
fn every_artifact_is_in_the_corpus() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/contracts/artifacts");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".wasm").map(str::to_owned)
        })
        .collect();
    names.sort();
    let mut known: Vec<&str> = CONTRACTS.iter().map(|(name, _)| *name).collect();
    known.sort_unstable();
    assert_eq!(names, known);
}

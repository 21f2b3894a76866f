//! P8: a node that is watched comes to the same roots and receipts. And what its operator relies on: figures are those of the receipts, every metric is
//! described, spans lie as work does, and the dashboard asks for what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crostata::operate::{METRICS, MetricKind, Telemetry};
use crostata::serve::{Query, Service, ServiceSettings};
use crostata::{
    Backend, BlockContext, BlockSettings, Config, ContractData, ContractDataBuilder, ContractId,
    Error, Execution, LogConfig, Observed, SessionData, Transaction, VM, contract_bytecode,
};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};

const LIMIT: u64 = 10_000_000;
const COUNTER: ContractId = ContractId::from_bytes([1; 32]);

fn id(number: u8) -> ContractId {
    ContractId::from_bytes([number; 32])
}

fn data(number: u8) -> ContractDataBuilder {
    ContractData::builder().contract_id(id(number))
}

/// A recorder that keeps everything.
#[derive(Default)]
struct Kept {
    values: Mutex<BTreeMap<String, f64>>,
    described: Mutex<BTreeSet<String>>,
    negative: AtomicU64,
}

struct Cell(Arc<Kept>, String);

impl Cell {
    fn change(&self, change: impl FnOnce(&mut f64)) {
        change(
            self.0
                .values
                .lock()
                .unwrap()
                .entry(self.1.clone())
                .or_default(),
        );
    }
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        self.change(|held| *held += value as f64);
    }

    fn absolute(&self, _value: u64) {
        self.0.negative.fetch_add(1, Ordering::Relaxed);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, _value: f64) {}
    fn decrement(&self, _value: f64) {}

    fn set(&self, value: f64) {
        self.change(|held| *held = value);
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        assert!(value >= 0.0);
        self.change(|held| *held += 1.0);
    }
}

struct Recording(Arc<Kept>);

impl Recording {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels: Vec<String> = key
            .labels()
            .map(|label| format!("{{{}={}}}", label.key(), label.value()))
            .collect();
        Arc::new(Cell(
            self.0.clone(),
            format!("{}{}", key.name(), labels.concat()),
        ))
    }

    fn described(&self, name: &KeyName) {
        self.0
            .described
            .lock()
            .unwrap()
            .insert(name.as_str().to_owned());
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, key: KeyName, _unit: Option<Unit>, _text: SharedString) {
        self.described(&key);
    }
    fn describe_gauge(&self, key: KeyName, _unit: Option<Unit>, _text: SharedString) {
        self.described(&key);
    }
    fn describe_histogram(&self, key: KeyName, _unit: Option<Unit>, _text: SharedString) {
        self.described(&key);
    }
    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }
    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }
    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(key))
    }
}

/// A subscriber that keeps where spans begin and end.
#[derive(Default)]
struct Spans {
    names: Mutex<Vec<&'static str>>,
    told: Mutex<Vec<String>>,
}

struct Subscribed(Arc<Spans>);

impl Subscriber for Subscribed {
    fn enabled(&self, _metadata: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut names = self.0.names.lock().unwrap();
        names.push(span.metadata().name());
        Id::from_u64(names.len() as u64)
    }
    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, _event: &Event<'_>) {}
    fn enter(&self, span: &Id) {
        let name = self.0.names.lock().unwrap()[span.into_u64() as usize - 1];
        self.0.told.lock().unwrap().push(format!("+{name}"));
    }
    fn exit(&self, span: &Id) {
        let name = self.0.names.lock().unwrap()[span.into_u64() as usize - 1];
        self.0.told.lock().unwrap().push(format!("-{name}"));
    }
}

/// Runs with a recorder and a subscriber on this thread; gives what they heard.
fn watched<T>(run: impl FnOnce() -> T) -> (T, Arc<Kept>, Vec<String>) {
    let (kept, spans) = (Arc::new(Kept::default()), Arc::new(Spans::default()));
    let subscribed = tracing::Dispatch::new(Subscribed(spans.clone()));
    let recording = Recording(kept.clone());
    let result = tracing::dispatcher::with_default(&subscribed, || {
        metrics::with_local_recorder(&recording, run)
    });
    assert_eq!(kept.negative.load(Ordering::Relaxed), 0);
    let told = spans.told.lock().unwrap().clone();
    (result, kept, told)
}

fn value(kept: &Kept, name: &str) -> f64 {
    let values = kept.values.lock().unwrap();
    *values
        .get(name)
        .unwrap_or_else(|| panic!("{name} in {values:?}"))
}

fn config(observed: Observed) -> Config {
    Config {
        observed,
        ..Config::default()
    }
}

fn transactions() -> Vec<Transaction> {
    let data = || ContractData::builder().contract_id(COUNTER);
    let call = |function: &str| Transaction::call(COUNTER, function, &(), LIMIT).unwrap();
    vec![
        Transaction::deploy(*contract_bytecode!("counter"), data(), LIMIT),
        call("increment"),
        call("nothing of this name"),
        call("increment"),
        Transaction::call(COUNTER, "increment", &(), 100).unwrap(),
        Transaction::deploy(*contract_bytecode!("counter"), data(), LIMIT),
    ]
}

/// A block of everything, what follows it, and what each came to: receipts as text, and roots.
fn chain(vm: &VM) -> Vec<String> {
    let context = |height| BlockContext::new(height, 1_774_000_000_000 + height);
    let mut block = vm
        .block(BlockSettings::new(context(1), 1_000_000_000))
        .unwrap();
    block.execute_all(&transactions()).unwrap();
    let mut found: Vec<String> = block
        .receipts()
        .iter()
        .map(|one| format!("{one:?}"))
        .collect();
    let sealed = block.seal([1; 32]).unwrap();
    found.push(format!("{:?} {:?}", sealed.root(), sealed.receipts_root()));
    let first = sealed.commit().unwrap();
    let fork = |function: &str| {
        let mut session = vm.session(SessionData::builder().base(first)).unwrap();
        session
            .call::<_, ()>(COUNTER, function, &(), LIMIT)
            .unwrap();
        session.commit().unwrap()
    };
    let second = fork("increment");
    let mut session = vm.session(SessionData::builder().base(second)).unwrap();
    session
        .call::<_, i64>(COUNTER, "read_value", &(), LIMIT)
        .unwrap();
    let third = session.commit_with_tag([3; 32]).unwrap();
    drop(session);
    vm.delete_commit(third).unwrap();
    vm.finalize_commit(second).unwrap();
    vm.checkpoint().unwrap();
    found.push(format!("{second:?} {third:?}"));
    found
}

/// P8: blocks, forks and finalisation come to the same with a subscriber, a recorder, and a span for each call as with nobody, on each backend.
#[test]
fn watching_changes_nothing() {
    for backend in Backend::BUILT {
        let open = |observed| {
            let backend = *backend;
            let config = Config {
                backend,
                ..config(observed)
            };
            VM::ephemeral_with_config(config).unwrap()
        };
        let plain = chain(&open(Observed::default()));
        for call_spans in [false, true] {
            let (seen, kept, told) = watched(|| {
                let vm = open(Telemetry::observed(call_spans));
                let mut telemetry = Telemetry::new();
                let seen = chain(&vm);
                telemetry.publish(&vm);
                seen
            });
            assert_eq!(seen, plain, "{backend:?}");
            assert!(value(&kept, "crostata_work_seconds{work=commit}") >= 3.0);
            assert_eq!(told.iter().any(|one| one == "+crostata.call"), call_spans);
        }
    }
}

/// The figures are those of the receipts: each call once, under what became of it, with its gas; published again, nothing is counted twice.
#[test]
fn figures_are_those_of_the_receipts() {
    let ((gas, deployed), kept, _) = watched(|| {
        let vm = VM::ephemeral_with_config(config(Telemetry::observed(false))).unwrap();
        let mut telemetry = Telemetry::new();
        let mut session = vm.session(SessionData::default()).unwrap();
        let data = ContractData::builder().contract_id(COUNTER);
        let deployed = session
            .deploy_with_receipt(contract_bytecode!("counter"), data, LIMIT)
            .unwrap();
        let mut gas = deployed.init.as_ref().map_or(0, |init| init.gas_spent);
        for _ in 0..3 {
            let receipt = session
                .call::<_, ()>(COUNTER, "increment", &(), LIMIT)
                .unwrap();
            gas += receipt.gas_spent;
        }
        telemetry.publish(&vm);
        session.commit().unwrap();
        match session.call::<_, ()>(COUNTER, "increment", &(), 3_000) {
            Err(Error::Reverted(reverted)) => gas += reverted.receipt.gas_spent,
            other => panic!("{other:?}"),
        }
        assert!(
            session
                .call::<_, ()>(COUNTER, "nothing", &(), LIMIT)
                .is_err()
        );
        drop(session);
        telemetry.publish(&vm);
        telemetry.publish(&vm);
        (gas, deployed)
    });
    let init = f64::from(u8::from(deployed.init.is_some()));
    assert_eq!(
        value(&kept, "crostata_calls_total{outcome=succeeded}"),
        3.0 + init
    );
    assert_eq!(value(&kept, "crostata_calls_total{outcome=reverted}"), 1.0);
    assert_eq!(value(&kept, "crostata_calls_total{outcome=rejected}"), 1.0);
    assert_eq!(value(&kept, "crostata_calls_total{outcome=fatal}"), 0.0);
    assert_eq!(value(&kept, "crostata_gas_spent_total"), gas as f64);
    assert_eq!(value(&kept, "crostata_deployed_total"), 1.0);
    assert_eq!(value(&kept, "crostata_sessions_total"), 1.0);
    assert_eq!(value(&kept, "crostata_commits_total"), 1.0);
    assert_eq!(value(&kept, "crostata_commits_retained"), 1.0);
    assert_eq!(value(&kept, "crostata_healthy"), 1.0);
    let touched = value(&kept, "crostata_pages_touched_total");
    assert!(touched >= 3.0, "{touched}");
    assert!(value(&kept, "crostata_memory_bytes{owner=modules}") > 0.0);
}

/// A block executed in parallel counts what stays, as it counts one after another: not what lanes ran for nothing.
#[test]
fn calls_that_run_ahead_count_once() {
    let base = |vm: &VM| {
        let mut session = vm.session(SessionData::default()).unwrap();
        session
            .deploy(contract_bytecode!("counter"), data(0), LIMIT)
            .unwrap();
        for number in 1..=16 {
            session
                .deploy(contract_bytecode!("caller"), data(number), LIMIT)
                .unwrap();
        }
        session.commit().unwrap()
    };
    // All want one counter; whoever runs ahead of another in another lane runs again.
    let transactions: Vec<Transaction> = (0..96)
        .map(|number| {
            let (caller, argument) = (id(1 + number % 16), (id(0), "increment".to_owned()));
            let limit = if number % 13 == 12 { 20_000 } else { LIMIT };
            Transaction::call(caller, "call_catching", &argument, limit).unwrap()
        })
        .collect();
    let counted = |execution| {
        let vm = VM::ephemeral().unwrap();
        let settings = BlockSettings::new(BlockContext::new(1, 2), u64::MAX)
            .base(base(&vm))
            .execution(execution);
        let before = vm.counters().sessions;
        let mut block = vm.block(settings).unwrap();
        block.execute_all(&transactions).unwrap();
        let gas: u64 = block.receipts().iter().map(|one| one.gas_spent).sum();
        block.seal([1; 32]).unwrap();
        let after = vm.counters().sessions;
        assert_eq!(after.gas_spent - before.gas_spent, gas);
        after
    };
    let serial = counted(Execution::Serial);
    assert_eq!(serial.reverted, 96 / 13);
    let threads = NonZeroUsize::new(3).unwrap();
    assert_eq!(counted(Execution::Parallel { threads }), serial);
}

/// Committed pages are loaded once, and then found; what is forgotten is loaded again.
#[test]
fn loads_and_hits_are_told_apart() {
    let vm = VM::ephemeral().unwrap();
    let mut session = vm.session(SessionData::default()).unwrap();
    let data = ContractData::builder().contract_id(COUNTER);
    session
        .deploy(contract_bytecode!("counter"), data, LIMIT)
        .unwrap();
    let commit = session.commit().unwrap();
    drop(session);
    let read = || {
        let mut session = vm.session(SessionData::builder().base(commit)).unwrap();
        session
            .call::<_, i64>(COUNTER, "read_value", &(), LIMIT)
            .unwrap();
    };
    let before = vm.counters();
    read();
    let first = vm.counters();
    read();
    let second = vm.counters();
    assert!(first.images.pages_loaded > before.images.pages_loaded);
    assert_eq!(first.images.misses, before.images.misses + 1);
    assert_eq!(second.images.pages_loaded, first.images.pages_loaded);
    assert_eq!(
        (second.images.hits, second.images.misses),
        (first.images.hits + 1, first.images.misses)
    );
    assert_eq!(first.memory.images_bytes, first.images.pages_loaded * 4096);
}

/// Every metric that is published is in the table under its kind and label, every one in the table is published and described, and has its line in the
/// operator's page.
#[test]
fn every_metric_is_in_the_table_and_in_the_docs() {
    let (_, kept, _) = watched(|| {
        Telemetry::describe();
        let log = LogConfig {
            checkpoint_entries: 1,
            ..LogConfig::default()
        };
        let config = Config {
            log,
            ..config(Telemetry::observed(false))
        };
        let vm = Arc::new(VM::ephemeral_with_config(config).unwrap());
        chain(&vm);
        vm.warm_up(
            vm.finalized().unwrap(),
            &crostata::WarmUp::contracts([COUNTER]),
            |_| ControlFlow::Continue(()),
        )
        .unwrap();
        let service = Service::new(vm.clone(), ServiceSettings::default()).unwrap();
        let query = Query::new(COUNTER, "read_value");
        service.query_blocking(query).unwrap();
        let mut telemetry = Telemetry::new();
        telemetry.publish(&vm);
        telemetry.publish_service(&service);
    });
    let published: BTreeSet<String> = kept.values.lock().unwrap().keys().cloned().collect();
    let expected: BTreeSet<String> = METRICS
        .iter()
        .flat_map(|metric| match metric.label {
            None => vec![metric.name.to_owned()],
            Some((label, values)) => {
                let named = |value: &&str| format!("{}{{{label}={value}}}", metric.name);
                values.iter().map(named).collect()
            }
        })
        .collect();
    assert_eq!(published, expected);
    let names: BTreeSet<String> = METRICS
        .iter()
        .map(|metric| metric.name.to_owned())
        .collect();
    assert_eq!(*kept.described.lock().unwrap(), names);
    for metric in METRICS {
        assert_eq!(
            metric.kind == MetricKind::Counter,
            metric.name.ends_with("_total"),
            "{}",
            metric.name
        );
        let unit = match metric.unit {
            Unit::Bytes => "bytes",
            Unit::Seconds => "seconds",
            _ => continue,
        };
        assert!(metric.name.contains(unit), "{}", metric.name);
    }
    let page = docs("operating.md");
    let lines: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `crostata_"))
        .collect();
    for name in &names {
        let found = lines
            .iter()
            .filter(|line| line.starts_with(&format!("| `{name}` |")));
        assert_eq!(found.count(), 1, "docs/operating.md has a line for {name}");
    }
    assert_eq!(
        lines.len(),
        names.len(),
        "docs/operating.md has lines for metrics only"
    );
}

fn docs(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(name);
    fs::read_to_string(path).unwrap()
}

/// The example dashboard asks for metrics that are published, and for labels that they have; every metric has its place on it.
#[test]
fn the_dashboard_asks_for_what_there_is() {
    let dashboard: serde_json::Value = serde_json::from_str(&docs("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array());
    let asked: Vec<&str> = targets
        .flatten()
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    assert!(asked.len() > 15);
    let mut seen = BTreeSet::new();
    for expression in asked {
        let mut rest = expression;
        while let Some(at) = rest.find("crostata_") {
            let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let end = rest[at..].find(word).map_or(rest.len(), |end| at + end);
            let name = &rest[at..end];
            let suffixes = ["_bucket", "_sum", "_count"];
            let metric = METRICS.iter().find(|metric| {
                let of_histogram = suffixes
                    .iter()
                    .any(|suffix| name.strip_suffix(suffix) == Some(metric.name));
                match metric.kind {
                    MetricKind::Histogram => of_histogram,
                    _ => metric.name == name,
                }
            });
            let metric = metric.unwrap_or_else(|| panic!("{name} in `{expression}`"));
            seen.insert(metric.name);
            rest = &rest[end..];
            if let Some(selector) = rest.strip_prefix('{') {
                let selector = selector.split('}').next().unwrap();
                let (label, value) = selector.split_once('=').unwrap();
                let (known, values) = metric.label.unwrap();
                assert_eq!(label.trim_end_matches(['~', '!']), known, "{expression}");
                for value in value.trim_matches(['~', '"']).split('|') {
                    assert!(values.contains(&value), "{value} in {expression}");
                }
            }
        }
    }
    let all: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(seen, all);
}

/// Spans lie inside of one another as work does: a commit has its hashing, its append and its sync inside, and each span ends.
#[test]
fn spans_lie_as_work_does() {
    let (_, _, told) = watched(|| {
        let vm = VM::ephemeral_with_config(config(Telemetry::observed(true))).unwrap();
        let mut session = vm.session(SessionData::default()).unwrap();
        let data = ContractData::builder().contract_id(COUNTER);
        session
            .deploy(contract_bytecode!("counter"), data, LIMIT)
            .unwrap();
        session
            .call::<_, ()>(COUNTER, "increment", &(), LIMIT)
            .unwrap();
        session.commit().unwrap();
    });
    let told: Vec<&str> = told.iter().map(|one| one.as_str()).collect();
    let expected = [
        "+crostata.open",
        "-crostata.open",
        "+crostata.session",
        "-crostata.session",
        "+crostata.deploy",
        "-crostata.deploy",
        "+crostata.call",
        "-crostata.call",
        "+crostata.commit",
        "+crostata.hash",
        "-crostata.hash",
        "+crostata.append",
        "-crostata.append",
        "+crostata.sync",
        "-crostata.sync",
        "-crostata.commit",
    ];
    assert_eq!(told, expected);
}

/// P2, P8: a commit that fails half way leaves no span open, so that what comes after is not inside of it.
#[test]
fn failures_end_their_spans() {
    let (_, _, told) = watched(|| {
        let vm = VM::ephemeral_with_config(config(Telemetry::observed(false))).unwrap();
        let mut session = vm.session(SessionData::default()).unwrap();
        let base = session.commit().unwrap();
        let mut orphan = vm.session(SessionData::builder().base(base)).unwrap();
        let data = ContractData::builder().contract_id(COUNTER);
        orphan
            .deploy(contract_bytecode!("counter"), data, LIMIT)
            .unwrap();
        vm.delete_commit(base).unwrap();
        assert!(orphan.commit().is_err());
        assert!(vm.finalize_commit(base).is_err());
    });
    let mut open = Vec::new();
    for one in &told {
        match one.strip_prefix('+') {
            Some(name) => open.push(name),
            None => assert_eq!(open.pop(), one.strip_prefix('-'), "{told:?}"),
        }
    }
    assert!(
        open.is_empty() && told.contains(&"+crostata.finalise".to_owned()),
        "{told:?}"
    );
}

//! What a node does, for those who watch it: spans (`tracing`) and metrics (`metrics`). Which subscriber and which exporter hear of it is
//! the node's choice, and without any this costs next to nothing.
//!
//! Numbers are counted where things happen, whether anybody publishes them or not; [`Telemetry::publish`] hands on what came since the last time.
//! Times are measured by the [observer](Telemetry::observed), which the VM tells and never asks (P8). Every metric is in [`METRICS`], and in
//! `docs/operating.md` with what to do about it.

use std::cell::RefCell;
use std::time::Instant;

use metrics::{Unit, counter, gauge, histogram};
use tracing::span::EnteredSpan;
use tracing::{debug_span, info_span};

use crate::observe::{Observed, Observer, Work};
use crate::vm::{Counters, VM};

/// A metric that this crate publishes.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What is done with it.
    pub kind: MetricKind,
    /// What it counts in.
    pub unit: Unit,
    /// The name of its label, if it has one, and the label's values.
    pub label: Option<(&'static str, &'static [&'static str])>,
    /// What it is.
    pub help: &'static str,
}

/// What is done with a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// It only rises.
    Counter,
    /// It is set.
    Gauge,
    /// Values are counted by size.
    Histogram,
}

macro_rules! metrics_table {
    ($($(#[$when:meta])? $constant:ident $kind:ident $unit:ident $name:literal $([$label:literal: $($value:literal)*])? $help:literal;)*) => {
        $($(#[$when])? const $constant: &str = $name;)*

        /// Every metric that this crate publishes; those of queries with the feature `serve`.
        pub const METRICS: &[Metric] = &[$($(#[$when])? Metric {
            name: $name,
            kind: MetricKind::$kind,
            unit: Unit::$unit,
            label: metrics_table!(@label $([$label: $($value)*])?),
            help: $help,
        },)*];
    };
    (@label) => { None };
    (@label [$label:literal: $($value:literal)*]) => { Some(($label, &[$($value),*])) };
}

metrics_table! {
    SESSIONS Counter Count "crostata_sessions_total" "sessions that ended";
    CALLS Counter Count "crostata_calls_total" ["outcome": "succeeded" "reverted" "rejected" "fatal" "timed_out"] "calls from the host, by what became of them";
    GAS Counter Count "crostata_gas_spent_total" "gas that calls spent, those of dropped sessions and of queries included";
    PAGES_TOUCHED Counter Count "crostata_pages_touched_total" "pages that calls touched, as the limit on them counts";
    PAGES_LOADED Counter Count "crostata_pages_loaded_total" "pages loaded from the log and checked";
    DEPLOYED Counter Count "crostata_deployed_total" "contracts deployed";
    IMAGES Counter Count "crostata_image_lookups_total" ["found": "hit" "miss"] "committed memories that sessions asked for: known, or not";
    IMAGES_EVICTED Counter Count "crostata_images_evicted_total" "committed memories forgotten to make room";
    MODULES Counter Count "crostata_module_lookups_total" ["found": "ram" "waited" "disk" "compiled" "failed"] "compiled code that was wanted: where it was, or that it was compiled";
    ARTIFACT_PROBLEMS Counter Count "crostata_artifact_problems_total" ["problem": "foreign" "damaged" "unreadable" "unwritten"] "artifacts on the disk that could not be used, or not written";
    ARTIFACTS_EVICTED Counter Count "crostata_artifacts_evicted_total" ["from": "ram" "disk"] "compiled code that went to make room";
    COMMITS Counter Count "crostata_commits_total" "commits made durable";
    COMMITTED_BYTES Counter Bytes "crostata_committed_bytes_total" "bytes of their entries in the log";
    FINALISED Counter Count "crostata_finalised_total" "finalisations";
    DELETED Counter Count "crostata_deleted_total" "deletions of commits";
    CHECKPOINTS Counter Count "crostata_checkpoints_total" ["outcome": "made" "failed"] "checkpoints";
    MEMORY Gauge Bytes "crostata_memory_bytes" ["owner": "images" "modules" "pinned" "nodes" "parked"] "memory by owner: committed pages, compiled code, pinned code, tree nodes, copies of memories without address space";
    REGIONS Gauge Count "crostata_regions" "memories of contracts that are mapped now; 10,000 is the most";
    RETAINED Gauge Count "crostata_commits_retained" "commits that are retained";
    LOG Gauge Bytes "crostata_log_bytes" "length of the log on the disk";
    HEALTHY Gauge Count "crostata_healthy" "1, or 0 when a session has ended in a fatal error since the VM was opened";
    WORK Histogram Seconds "crostata_work_seconds" ["work": "open" "deploy" "block" "seal" "commit" "hash" "append" "sync" "finalise" "delete" "checkpoint" "warm_up"] "how long work took; hash, append and sync are parts of commit";
    #[cfg(feature = "serve")]
    QUERIES Counter Count "crostata_queries_total" ["outcome": "done" "failed" "fault" "timed_out" "refused" "overloaded" "cancelled" "shut_down"] "queries, by what became of them";
    #[cfg(feature = "serve")]
    QUERIES_NOW Gauge Count "crostata_queries" ["state": "waiting" "running"] "queries that wait or run now";
    #[cfg(feature = "serve")]
    BLOCKS_WAITING Gauge Count "crostata_block_work_waiting" "pieces of work on blocks that wait for their thread";
    #[cfg(feature = "serve")]
    QUERY_WAIT Histogram Seconds "crostata_query_wait_seconds" "how long queries waited for a thread, to the next power of two of microseconds";
}

/// A number under a name.
struct Sample {
    name: &'static str,
    label: Option<&'static str>,
    value: u64,
}

/// Publishes the numbers of one VM.
///
/// ```
/// use crostata::operate::Telemetry;
/// use crostata::{Config, VM};
///
/// // Before: a `tracing` subscriber and a `metrics` recorder of the node's choice.
/// Telemetry::describe();
/// let observed = Telemetry::observed(false);
/// let vm = VM::ephemeral_with_config(Config { observed, ..Config::default() })?;
/// let mut telemetry = Telemetry::new();
/// // From time to time:
/// telemetry.publish(&vm);
/// # Ok::<(), crostata::OpenVmError>(())
/// ```
#[derive(Debug, Default)]
pub struct Telemetry {
    published: Counters,
    #[cfg(feature = "serve")]
    queries: crate::serve::QueryCounters,
}

impl Telemetry {
    /// Nothing is published yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An observer for [`Config::observed`](crate::Config::observed): it opens spans and measures times. Sessions, calls and queries have spans only if
    /// asked for; they are too short for a clock.
    pub fn observed(call_spans: bool) -> Observed {
        Observed::by(Teller { call_spans })
    }

    /// Tells the recorder what each metric is.
    pub fn describe() {
        for metric in METRICS {
            match metric.kind {
                MetricKind::Counter => {
                    metrics::describe_counter!(metric.name, metric.unit, metric.help);
                }
                MetricKind::Gauge => {
                    metrics::describe_gauge!(metric.name, metric.unit, metric.help);
                }
                MetricKind::Histogram => {
                    metrics::describe_histogram!(metric.name, metric.unit, metric.help);
                }
            }
        }
    }

    /// Publishes what the VM did since the last time, and what it holds now. Costs microseconds.
    pub fn publish(&mut self, vm: &VM) {
        let now = vm.counters();
        rise(&totals(&self.published), &totals(&now));
        set(&levels(&now));
        set(&[sample(HEALTHY, None, u64::from(vm.is_healthy()))]);
        self.published = now;
    }

    /// Publishes what a service's queries came to since the last time, and how much waits now.
    #[cfg(feature = "serve")]
    pub fn publish_service(&mut self, service: &crate::serve::Service) {
        let now = service.counters();
        rise(&query_totals(&self.queries), &query_totals(&now));
        set(&[
            sample(QUERIES_NOW, Some("waiting"), now.waiting),
            sample(QUERIES_NOW, Some("running"), now.running),
            sample(BLOCKS_WAITING, None, service.blocks_waiting()),
        ]);
        let buckets = self.queries.wait_buckets.iter().zip(&now.wait_buckets);
        for (power, (before, now)) in buckets.enumerate() {
            let count = usize::try_from(now.saturating_sub(*before)).unwrap_or(usize::MAX);
            if count > 0 {
                let seconds = 2f64.powi(power as i32) / 1e6;
                histogram!(QUERY_WAIT).record_many(seconds, count);
            }
        }
        self.queries = now;
    }
}

fn sample(name: &'static str, label: Option<&'static str>, value: u64) -> Sample {
    Sample { name, label, value }
}

/// What only rises, in a fixed order.
fn totals(counters: &Counters) -> Vec<Sample> {
    let (sessions, images) = (&counters.sessions, &counters.images);
    let (artifacts, commits) = (&counters.artifacts, &counters.commits);
    vec![
        sample(SESSIONS, None, sessions.sessions),
        sample(CALLS, Some("succeeded"), sessions.succeeded),
        sample(CALLS, Some("reverted"), sessions.reverted),
        sample(CALLS, Some("rejected"), sessions.rejected),
        sample(CALLS, Some("fatal"), sessions.fatal),
        sample(CALLS, Some("timed_out"), sessions.timed_out),
        sample(GAS, None, sessions.gas_spent),
        sample(PAGES_TOUCHED, None, sessions.pages_touched),
        sample(PAGES_LOADED, None, images.pages_loaded),
        sample(DEPLOYED, None, sessions.deployed),
        sample(IMAGES, Some("hit"), images.hits),
        sample(IMAGES, Some("miss"), images.misses),
        sample(IMAGES_EVICTED, None, images.evicted),
        sample(MODULES, Some("ram"), artifacts.ram_hits),
        sample(MODULES, Some("waited"), artifacts.waited),
        sample(MODULES, Some("disk"), artifacts.disk_hits),
        sample(MODULES, Some("compiled"), artifacts.compiled),
        sample(MODULES, Some("failed"), artifacts.failed),
        sample(ARTIFACT_PROBLEMS, Some("foreign"), artifacts.foreign),
        sample(ARTIFACT_PROBLEMS, Some("damaged"), artifacts.damaged),
        sample(ARTIFACT_PROBLEMS, Some("unreadable"), artifacts.unreadable),
        sample(
            ARTIFACT_PROBLEMS,
            Some("unwritten"),
            artifacts.write_failures,
        ),
        sample(ARTIFACTS_EVICTED, Some("ram"), artifacts.ram_evicted),
        sample(ARTIFACTS_EVICTED, Some("disk"), artifacts.disk_evicted),
        sample(COMMITS, None, commits.committed),
        sample(COMMITTED_BYTES, None, commits.committed_bytes),
        sample(FINALISED, None, commits.finalised),
        sample(DELETED, None, commits.deleted),
        sample(CHECKPOINTS, Some("made"), commits.checkpoints),
        sample(CHECKPOINTS, Some("failed"), commits.checkpoint_failures),
    ]
}

/// What is as it is now.
fn levels(counters: &Counters) -> Vec<Sample> {
    let (memory, commits) = (&counters.memory, &counters.commits);
    vec![
        sample(MEMORY, Some("images"), memory.images_bytes),
        sample(MEMORY, Some("modules"), memory.modules_bytes),
        sample(MEMORY, Some("pinned"), memory.pinned_bytes),
        sample(MEMORY, Some("nodes"), memory.nodes_bytes),
        sample(MEMORY, Some("parked"), memory.parked_bytes),
        sample(REGIONS, None, memory.regions),
        sample(RETAINED, None, commits.retained),
        sample(LOG, None, commits.log_bytes),
    ]
}

#[cfg(feature = "serve")]
fn query_totals(counters: &crate::serve::QueryCounters) -> Vec<Sample> {
    vec![
        sample(QUERIES, Some("done"), counters.done),
        sample(QUERIES, Some("failed"), counters.failed),
        sample(QUERIES, Some("fault"), counters.faults),
        sample(QUERIES, Some("timed_out"), counters.timed_out),
        sample(QUERIES, Some("refused"), counters.refused),
        sample(QUERIES, Some("overloaded"), counters.overloaded),
        sample(QUERIES, Some("cancelled"), counters.cancelled),
        sample(QUERIES, Some("shut_down"), counters.shut_down),
    ]
}

/// The name of a metric's label.
fn label_name(name: &str) -> &'static str {
    let mut known = METRICS.iter();
    let metric = known.find(|metric| metric.name == name);
    metric
        .and_then(|metric| metric.label)
        .map_or("", |label| label.0)
}

fn rise(before: &[Sample], now: &[Sample]) {
    for (before, now) in before.iter().zip(now) {
        let more = now.value.saturating_sub(before.value);
        match now.label {
            Some(label) => counter!(now.name, label_name(now.name) => label).increment(more),
            None => counter!(now.name).increment(more),
        }
    }
}

fn set(samples: &[Sample]) {
    for sample in samples {
        let value = sample.value as f64;
        match sample.label {
            Some(label) => gauge!(sample.name, label_name(sample.name) => label).set(value),
            None => gauge!(sample.name).set(value),
        }
    }
}

/// Opens spans and measures times.
struct Teller {
    call_spans: bool,
}

/// Work that has not ended.
struct Begun {
    _span: EnteredSpan,
    /// What its time is measured as, if it is.
    measured: Option<(&'static str, Instant)>,
}

thread_local! {
    static BEGUN: RefCell<Vec<Begun>> = const { RefCell::new(Vec::new()) };
}

impl Observer for Teller {
    fn begin(&self, work: Work<'_>) -> bool {
        let is_short = matches!(work, Work::Session | Work::Call { .. } | Work::Query);
        if is_short && !self.call_spans {
            return false;
        }
        let begun = Begun {
            _span: span(work).entered(),
            measured: measured(work).map(|name| (name, Instant::now())),
        };
        // A thread that is going away has nowhere to keep it.
        let kept = BEGUN.try_with(|open| open.borrow_mut().push(begun));
        kept.is_ok()
    }

    fn end(&self) {
        let ended = BEGUN.try_with(|open| open.borrow_mut().pop());
        let Some(Begun { _span, measured }) = ended.ok().flatten() else {
            return;
        };
        if let Some((name, begin)) = measured {
            let seconds = begin.elapsed().as_secs_f64();
            histogram!(WORK, "work" => name).record(seconds);
        }
    }
}

/// What the time of work is measured as.
fn measured(work: Work<'_>) -> Option<&'static str> {
    Some(match work {
        Work::Session | Work::Call { .. } | Work::Query => return None,
        Work::Open => "open",
        Work::Deploy { .. } => "deploy",
        Work::Block { .. } => "block",
        Work::Seal => "seal",
        Work::Commit => "commit",
        Work::Hash => "hash",
        Work::Append => "append",
        Work::Sync => "sync",
        Work::Finalise => "finalise",
        Work::Delete => "delete",
        Work::Checkpoint => "checkpoint",
        Work::WarmUp => "warm_up",
    })
}

fn span(work: Work<'_>) -> tracing::Span {
    match work {
        Work::Open => info_span!("crostata.open"),
        Work::Session => debug_span!("crostata.session"),
        Work::Call { contract, function } => {
            let contract = crostata_abi::ContractId::from_bytes(*contract);
            debug_span!("crostata.call", %contract, function)
        }
        Work::Deploy { code_bytes } => debug_span!("crostata.deploy", code_bytes),
        Work::Block {
            height,
            transactions,
        } => info_span!("crostata.block", height, transactions),
        Work::Seal => info_span!("crostata.seal"),
        Work::Commit => info_span!("crostata.commit"),
        Work::Hash => debug_span!("crostata.hash"),
        Work::Append => debug_span!("crostata.append"),
        Work::Sync => debug_span!("crostata.sync"),
        Work::Finalise => info_span!("crostata.finalise"),
        Work::Delete => info_span!("crostata.delete"),
        Work::Checkpoint => info_span!("crostata.checkpoint"),
        Work::WarmUp => info_span!("crostata.warm_up"),
        Work::Query => debug_span!("crostata.query"),
    }
}

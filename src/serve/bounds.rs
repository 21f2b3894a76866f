//! How much a service gives to queries: a node's policy, which nothing in a block depends on.

use std::time::Duration;

use super::queue::QueueBounds;

/// How much a [`Service`](super::Service) gives.
///
/// None of it is consensus: a node may set what it likes, and its blocks are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Threads that run queries: so many run at once. 1 to 1,024; the machine's cores by default.
    pub workers: usize,
    /// Queries that may wait for a worker. At least 1.
    pub queue_max: usize,
    /// Queries of one client that may wait. At least 1.
    pub queue_per_client_max: usize,
    /// The longest wait for a worker: who waited longer is [`Overload::WaitedTooLong`](super::Overload::WaitedTooLong).
    pub wait_max: Duration,
    /// The longest that a query may run, from its contract's first instruction on, and how long it may if it does not say.
    pub timeout: Duration,
    /// The highest gas limit of a query, and what it has if it does not say.
    pub limit_gas_max: u64,
    /// Pages of 4 KiB that a query may touch: so much memory it needs at most, besides what it shares.
    pub pages_max: u64,
    /// Bytes of a query's result with its events, and, besides, of what it feeds.
    pub result_bytes_max: usize,
    /// Things that one proof may show.
    pub proof_items_max: usize,
    /// How often running queries look at the clock: they end so much too late. 1 ms to 1 s.
    pub tick: Duration,
    /// Pieces of work on blocks that may wait for the thread that does them. At least 1.
    pub block_queue_max: usize,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism();
        Self {
            workers: cores.map_or(1, usize::from).min(WORKERS_MAX),
            queue_max: 1_024,
            queue_per_client_max: 64,
            wait_max: Duration::from_secs(2),
            timeout: Duration::from_secs(5),
            limit_gas_max: 50_000_000_000,
            pages_max: 65_536,
            result_bytes_max: 1 << 20,
            proof_items_max: 256,
            tick: Duration::from_millis(10),
            block_queue_max: 64,
        }
    }
}

const WORKERS_MAX: usize = 1_024;

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the setting `{name}` is {value}; it must be {allowed}")]
pub struct SettingError {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What it may be.
    pub allowed: &'static str,
}

impl ServiceSettings {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), SettingError> {
        let some = "at least 1";
        let counts = [
            ("queue_max", self.queue_max),
            ("queue_per_client_max", self.queue_per_client_max),
            ("proof_items_max", self.proof_items_max),
            ("block_queue_max", self.block_queue_max),
        ];
        for (name, value) in counts {
            held(name, value, value > 0, some)?;
        }
        let workers = (1..=WORKERS_MAX).contains(&self.workers);
        held("workers", self.workers, workers, "1 to 1,024")?;
        let ticks = Duration::from_millis(1)..=Duration::from_secs(1);
        let tick = ticks.contains(&self.tick);
        held("tick", format!("{:?}", self.tick), tick, "1 ms to 1 s")?;
        let timeout = (self.tick..=LONGEST).contains(&self.timeout);
        let what = format!("{:?}", self.timeout);
        held("timeout", what, timeout, "one tick to 1,000 days")?;
        let what = format!("{:?}", self.wait_max);
        held(
            "wait_max",
            what,
            self.wait_max <= LONGEST,
            "1,000 days at most",
        )
    }

    pub(super) fn queue(&self) -> QueueBounds {
        QueueBounds {
            total_max: self.queue_max,
            client_max: self.queue_per_client_max,
        }
    }
}

/// Longer than anybody waits, and short enough to add to any moment.
const LONGEST: Duration = Duration::from_secs(1_000 * 24 * 3_600);

fn held(
    name: &'static str,
    value: impl ToString,
    holds: bool,
    allowed: &'static str,
) -> Result<(), SettingError> {
    match holds {
        true => Ok(()),
        false => Err(SettingError {
            name,
            value: value.to_string(),
            allowed,
        }),
    }
}

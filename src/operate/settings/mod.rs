//! A node's settings: one struct, one file.
//!
//! Everything in it is policy of one node: nodes with different settings come to the same roots, gas and outcomes. What the chain
//! decides is in the protocols, which the file names by their fingerprints and never describes.

mod error;
mod example;
mod kind;
mod protocols;
mod read;
mod table;

use std::path::PathBuf;
use std::time::Duration;

pub use error::{ProtocolProblem, SettingsError, SettingsProblem};
pub(super) use kind::size_text;
pub use protocols::ProtocolSource;

use crate::engine::{ArtifactConfig, ArtifactDirectory, Backend};
use crate::serve::ServiceSettings;
use crate::state::LogConfig;
use crate::vm::{BinariesConfig, Config, WarmUp};
use crostata_abi::ContractId;
use kind::{BackendName, ContractIds, Count, Flag, OptionalPath, PathText, Size};
use table::table;

/// A minute in milliseconds, and an hour.
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// The settings of a node.
///
/// ```
/// use crostata::operate::{Settings, SettingsProblem};
///
/// let settings = Settings::parse("[store]\ndirectory = \"/var/lib/node\"\nimage_cache_bytes = \"2 GiB\"\n")?;
/// assert_eq!(settings.store.image_cache_bytes, 2 << 30);
/// assert_eq!(settings.log, Settings::default().log, "what is not said is the default");
///
/// let wrong = Settings::parse("[log]\ncheckpoint_byts = 1").unwrap_err();
/// assert!(wrong.to_string().contains("line 2: there is no setting `log.checkpoint_byts`; is `checkpoint_bytes` meant?"));
/// # Ok::<(), crostata::operate::SettingsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Settings {
    /// `[store]`: where the state is, and how contracts are executed.
    pub store: StoreSettings,
    /// `[[protocols]]`: the protocols of the chain, by fingerprint; none means this build's default one.
    pub protocols: Vec<ProtocolSource>,
    /// `[log]`: how the log is kept.
    pub log: LogSettings,
    /// `[artifacts]`: how compiled code is kept.
    pub artifacts: ArtifactSettings,
    /// `[queries]`: what queries may take.
    pub queries: QuerySettings,
    /// `[warm_up]`: what is loaded before the first block.
    pub warm_up: WarmUpSettings,
    /// `[telemetry]`: what is told.
    pub telemetry: TelemetrySettings,
}

table! {
    /// Where the state is, and how contracts are executed.
    pub struct StoreSettings {
        /// The directory of the state. It is made if it does not exist, and locked while the node runs. Relative paths in this file
        /// begin at the file's own directory.
        directory: PathBuf = PathBuf::from("data"), PathText;
        /// How contracts are executed: "native" is machine code; "portable" is bytecode, interpreted, 10 to 27 times slower, for processors
        /// that the compiler does not know. Results are the same, and the same directory serves both.
        backend: Backend = Backend::default(), BackendName;
        /// Bytes of committed pages kept in memory for sessions to come. Sessions alive keep what they map, whatever this says. Too little shows
        /// as pages loaded again and again (crostata_pages_loaded_total).
        image_cache_bytes: u64 = Config::default().image_cache_bytes, Size(1 << 20, 1 << 44);
        /// The directory with the binaries of code that a protocol's list allows, one file HASH.wasm each: all are compiled before the node
        /// starts. Without it, code is compiled when it is first needed.
        binaries: Option<PathBuf> = None, OptionalPath("\"config/wasm\"");
    }
}

table! {
    /// How the log is kept, which is the store's only file format. The defaults suit most nodes.
    pub struct LogSettings {
        /// A segment, which is a file, is finished when the next entry would take it beyond this.
        segment_bytes: u64 = LogConfig::default().segment_bytes, Size(1 << 20, 16 << 30);
        /// A checkpoint is made, when a commit is finalised or deleted, once so much was written since the last one. More makes
        /// opening slower and the log longer; less writes more.
        checkpoint_bytes: u64 = LogConfig::default().checkpoint_bytes, Size(1 << 20, 16 << 30);
        /// Or once so many entries were written.
        checkpoint_entries: u64 = LogConfig::default().checkpoint_entries, Count(1, 1 << 20);
        /// Segments of which less than half is live are emptied when the log is longer than twice what is live and this. More writes less
        /// and takes more of the disk.
        slack_bytes: u64 = LogConfig::default().slack_bytes, Size(0, 1 << 44);
        /// Bytes of tree nodes kept in memory once they were read.
        node_cache_bytes: u64 = LogConfig::default().node_cache_bytes, Size(1 << 20, 1 << 44);
    }
}

table! {
    /// How compiled code is kept. Who can write to its directory can have the node run any machine code.
    pub struct ArtifactSettings {
        /// Whether compiled code is kept on disk. If not, everything is compiled again after each start.
        keep: bool = true, Flag;
        /// Where. Several nodes of one user may share a directory. Without it: artifacts/ inside of the store's directory.
        directory: Option<PathBuf> = None, OptionalPath("\"/var/cache/crostata\"");
        /// Bytes of it. When more are written, those not used for longest are removed.
        disk_bytes_max: u64 = ArtifactConfig::default().disk_bytes_max, Size(1 << 20, 1 << 44);
        /// Bytes of compiled code in memory, without what is pinned and what only sessions use any more.
        ram_bytes_max: u64 = ArtifactConfig::default().ram_bytes_max, Size(1 << 20, 1 << 44);
    }
}

table! {
    /// What queries may take. Blocks are bound by none of it: their limits are the protocol's.
    pub struct QuerySettings {
        /// Threads that run queries. 0: one for each processor.
        workers: u64 = 0, Count(0, 1_024);
        /// Queries that may wait for a thread, of all clients together. One more is answered with Overloaded.
        queue_max: u64 = usual().queue_max as u64, Count(1, 1 << 20);
        /// Of these, queries of one client.
        queue_per_client_max: u64 = usual().queue_per_client_max as u64, Count(1, 1 << 20);
        /// How long a query may wait for a thread, in milliseconds, before it is answered with Overloaded.
        wait_max_ms: u64 = usual().wait_max.as_millis() as u64, Count(1, HOUR_MS);
        /// How long a query may run, in milliseconds, before it is answered with Timeout. Waiting does not count.
        timeout_ms: u64 = usual().timeout.as_millis() as u64, Count(1, HOUR_MS);
        /// How often running queries look at the clock, in milliseconds; never more seldom than once in timeout_ms.
        tick_ms: u64 = usual().tick.as_millis() as u64, Count(1, 1_000);
        /// The most gas that a query may ask for, and what it has if it does not say.
        limit_gas_max: u64 = usual().limit_gas_max, Count(1, i64::MAX as u64);
        /// Pages of 4 KiB that a query may touch: so much memory it needs at most, beside what it shares.
        pages_max: u64 = usual().pages_max, Count(1, 1 << 32);
        /// Bytes of a query's result with its events, and, besides, of what it feeds.
        result_bytes_max: u64 = usual().result_bytes_max as u64, Size(0, 1 << 32);
        /// Things that one proof may show.
        proof_items_max: u64 = usual().proof_items_max as u64, Count(1, 1 << 20);
        /// Pieces of work on blocks that may wait for the thread that does them.
        block_queue_max: u64 = usual().block_queue_max as u64, Count(1, 1 << 20);
    }
}

table! {
    /// What is loaded before the first block, so that it is no slower than the next.
    pub struct WarmUpSettings {
        /// The contracts whose code is made ready and pinned, and whose memories are loaded, in this order.
        contracts: Vec<ContractId> = Vec::new(), ContractIds;
        /// Bytes of their memories that are loaded, all together. What does not fit image_cache_bytes is not loaded either.
        budget_bytes: u64 = 256 << 20, Size(0, 1 << 44);
    }
}

table! {
    /// What the node tells about its work, for builds with the feature `telemetry`. None of it changes a result.
    pub struct TelemetrySettings {
        /// Whether metrics are published.
        metrics: bool = true, Flag;
        /// How often, in milliseconds.
        publish_every_ms: u64 = 1_000, Count(10, HOUR_MS);
        /// Whether calls and queries have spans, beside blocks and commits: for looking for a cause, since a subscriber has to do with each.
        call_spans: bool = false, Flag;
    }
}

impl Settings {
    /// How a VM is opened with these settings.
    ///
    /// # Errors
    /// [`SettingsError::Protocol`] when a protocol that they name can not be had.
    pub fn config(&self) -> Result<Config, SettingsError> {
        let protocols = self.protocols.iter().map(ProtocolSource::protocol);
        Ok(Config {
            backend: self.store.backend,
            protocols: protocols.collect::<Result<_, _>>()?,
            log: self.log.config(),
            image_cache_bytes: self.store.image_cache_bytes,
            artifacts: ArtifactConfig {
                directory: self.artifacts.place(),
                disk_bytes_max: self.artifacts.disk_bytes_max,
                ram_bytes_max: self.artifacts.ram_bytes_max,
            },
            binaries: BinariesConfig {
                directory: self.store.binaries.clone(),
                told: None,
            },
            ..Config::default()
        })
    }
}

fn usual() -> ServiceSettings {
    ServiceSettings::default()
}

impl QuerySettings {
    /// How a service is started with these settings.
    pub fn service(&self) -> ServiceSettings {
        let usual = usual();
        let timeout = Duration::from_millis(self.timeout_ms);
        ServiceSettings {
            workers: match self.workers {
                0 => usual.workers,
                workers => count(workers),
            },
            queue_max: count(self.queue_max),
            queue_per_client_max: count(self.queue_per_client_max),
            wait_max: Duration::from_millis(self.wait_max_ms),
            timeout,
            limit_gas_max: self.limit_gas_max,
            pages_max: self.pages_max,
            result_bytes_max: count(self.result_bytes_max),
            proof_items_max: count(self.proof_items_max),
            tick: Duration::from_millis(self.tick_ms).min(timeout),
            block_queue_max: count(self.block_queue_max),
        }
    }
}

/// On machines of 32 bits nothing larger fits anyway.
fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl WarmUpSettings {
    /// What is made ready with these settings.
    pub fn warm_up(&self) -> WarmUp {
        WarmUp::contracts(self.contracts.iter().copied()).budget_bytes(self.budget_bytes)
    }
}

impl LogSettings {
    fn config(&self) -> LogConfig {
        LogConfig {
            segment_bytes: self.segment_bytes,
            checkpoint_bytes: self.checkpoint_bytes,
            checkpoint_entries: self.checkpoint_entries,
            slack_bytes: self.slack_bytes,
            node_cache_bytes: self.node_cache_bytes,
        }
    }
}

impl ArtifactSettings {
    fn place(&self) -> ArtifactDirectory {
        match (&self.directory, self.keep) {
            (_, false) => ArtifactDirectory::Nowhere,
            (Some(path), true) => ArtifactDirectory::At(path.clone()),
            (None, true) => ArtifactDirectory::Own,
        }
    }
}

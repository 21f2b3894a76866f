//! How a VM is opened.

use super::binaries::BinariesConfig;
use crate::engine::{ArtifactConfig, Backend, Protocol};
use crate::observe::Observed;
use crate::state::LogConfig;

/// How a VM is opened. Nothing but `protocols` can change a root, gas or an outcome.
#[derive(Debug, Clone)]
pub struct Config {
    /// How contracts are executed. One store is opened by any, in turns too.
    pub backend: Backend,
    /// The protocols this node knows. The first is the one that sessions without a base run under; the others
    /// are for commits made under them. An empty list means the default protocol.
    pub protocols: Vec<Protocol>,
    /// How the log is kept.
    pub log: LogConfig,
    /// Bytes of committed pages kept in memory for sessions to come; sessions alive keep what they map.
    pub image_cache_bytes: u64,
    /// How compiled code is kept.
    pub artifacts: ArtifactConfig,
    /// Where the binaries of code are that a protocol's list allows.
    pub binaries: BinariesConfig,
    /// Who is told what the VM does, in builds with the feature `telemetry`.
    pub observed: Observed,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            backend: Backend::default(),
            protocols: vec![Protocol::default()],
            log: LogConfig::default(),
            image_cache_bytes: 512 << 20,
            artifacts: ArtifactConfig::default(),
            binaries: BinariesConfig::default(),
            observed: Observed::default(),
        }
    }
}

//! What a VM did and holds, in numbers: for watching only, no result depends on any of it.

use super::handle::VM;
use crate::engine::ArtifactCounters;
use crate::memory::{ImageCounters, parked_bytes};
use crate::region::live_regions;
use crate::session::SessionCounters;
use crate::state::CommitCounters;

/// What a VM did since it was opened, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Sessions, calls and gas.
    pub sessions: SessionCounters,
    /// The cache of committed pages.
    pub images: ImageCounters,
    /// The cache of compiled code.
    pub artifacts: ArtifactCounters,
    /// Commits and the log.
    pub commits: CommitCounters,
    /// Memory that the VM's parts hold.
    pub memory: MemoryUse,
}

/// Memory by owner, in bytes. What sessions have written is not in it: each holds its own, as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Committed pages that are loaded.
    pub images_bytes: u64,
    /// Compiled code that is not pinned.
    pub modules_bytes: u64,
    /// Compiled code that is.
    pub pinned_bytes: u64,
    /// Tree nodes that were read.
    pub nodes_bytes: u64,
    /// Copies of written pages of memories that have no address space at the moment, of all VMs of the process.
    pub parked_bytes: u64,
    /// Memories of contracts that are mapped now, by sessions of all VMs of the process; no bytes, but a count.
    pub regions: u64,
}

impl VM {
    /// What the VM did since it was opened, and what it holds. Costs microseconds.
    pub fn counters(&self) -> Counters {
        let shared = self.shared();
        let images = shared.images.counters();
        let artifacts = shared.artifacts.counters();
        Counters {
            sessions: shared.activity.read(),
            images,
            artifacts,
            commits: self.commits.counters(),
            memory: MemoryUse {
                images_bytes: images.loaded_bytes,
                modules_bytes: artifacts.ram_bytes,
                pinned_bytes: artifacts.pinned_bytes,
                nodes_bytes: self.commits.node_bytes(),
                parked_bytes: parked_bytes(),
                regions: live_regions(),
            },
        }
    }
}

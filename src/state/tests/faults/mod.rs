//! Tests of the commits over a store whose disk fails, by promise, and what they share.
//!
//! They make states without executing anything, so that many thousand histories take seconds. `tests/store_faults.rs`
//! does the same through the public interface.

mod checkpointed;
mod damage;
mod directed;
mod model;
mod process;
mod seeded;

use std::sync::Arc;

use crate::random::Random;
use crate::state::config::LogConfig;
use crate::store::files::{Fault, FaultyFiles, Files, LOCK_NAME, MemoryFiles, Unsynced};

/// So little that a handful of commits makes segments, checkpoints, and segments that are given up.
const SMALL: LogConfig = LogConfig {
    segment_bytes: 12 * 4096,
    checkpoint_bytes: 16 * 4096,
    checkpoint_entries: 6,
    slack_bytes: 0,
    node_cache_bytes: 1 << 16,
};

/// As little as can be asked for: a segment for each frame, a checkpoint whenever one may be, no cache.
const SMALLEST: LogConfig = LogConfig {
    segment_bytes: 0,
    checkpoint_bytes: 0,
    checkpoint_entries: 0,
    slack_bytes: 0,
    node_cache_bytes: 0,
};

/// No checkpoint that nobody asks for, and segments that hold many commits.
const LARGE: LogConfig = LogConfig {
    segment_bytes: 60 * 4096,
    checkpoint_bytes: u64::MAX,
    checkpoint_entries: u64::MAX,
    slack_bytes: 0,
    node_cache_bytes: 1 << 20,
};

/// A disk, the operation at which it fails, and how who works on it keeps the log.
#[derive(Clone)]
struct Disk {
    files: FaultyFiles,
    at: u64,
    config: LogConfig,
}

impl Disk {
    /// A disk with these files that never fails.
    fn sound(files: &MemoryFiles) -> Self {
        Self::with(files, FaultyFiles::new(), u64::MAX)
    }

    /// A disk with these files that fails at operation `at`.
    fn failing(files: &MemoryFiles, at: u64, fault: Fault) -> Self {
        Self::with(files, FaultyFiles::failing(at, fault), at)
    }

    fn with(before: &MemoryFiles, files: FaultyFiles, at: u64) -> Self {
        let mut names = before.names().unwrap();
        names.retain(|name| name != LOCK_NAME);
        for name in names {
            files.put(&name, &before.bytes(&name).unwrap());
        }
        let config = SMALL;
        Self { files, at, config }
    }

    fn has_failed(&self) -> bool {
        self.files.operations() > self.at
    }

    fn crash(&self, unsynced: Unsynced) -> MemoryFiles {
        self.files.crash(unsynced)
    }

    fn files(&self) -> Arc<dyn Files> {
        Arc::new(self.files.clone())
    }
}

//! How the log is kept.

/// How the log is kept. None of it changes a root, gas or an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// A segment, which is a file, is finished when the next entry would take it beyond this many bytes. 32 MiB.
    pub segment_bytes: u64,
    /// A checkpoint is made, when a commit is finalised or deleted, once this many bytes were written since the last
    /// one. 16 MiB. More makes opening slower and the log longer; less writes more.
    pub checkpoint_bytes: u64,
    /// Or once this many entries were written. 1,024.
    pub checkpoint_entries: u64,
    /// Segments of which less than half is live are emptied at checkpoints when the log is longer than twice what is live
    /// and this many bytes. 64 MiB. More writes less and takes more of the disk.
    pub slack_bytes: u64,
    /// Bytes of tree nodes kept in memory once they were read. 64 MiB.
    pub node_cache_bytes: u64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 32 << 20,
            checkpoint_bytes: 16 << 20,
            checkpoint_entries: 1_024,
            slack_bytes: 64 << 20,
            node_cache_bytes: 64 << 20,
        }
    }
}

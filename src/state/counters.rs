//! What was written to the log since it was opened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a VM wrote since it was opened, and what its log has now. For watching only.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct CommitCounters {
            $($(#[$doc])* pub $name: u64,)*
            /// Commits that are retained now.
            pub retained: u64,
            /// Segments of the log now.
            pub segments: u64,
            /// Their length in bytes.
            pub log_bytes: u64,
        }

        /// The counters as they are counted.
        #[derive(Debug, Default)]
        pub struct Counted {
            $(pub $name: Count,)*
        }

        impl Counted {
            /// The numbers now, without what the log has.
            pub fn read(&self) -> CommitCounters {
                CommitCounters {
                    $($name: self.$name.0.load(Ordering::Relaxed),)*
                    ..CommitCounters::default()
                }
            }
        }
    };
}

counters! {
    /// Commits that were made durable.
    committed,
    /// Bytes of their entries.
    committed_bytes,
    /// Finalisations.
    finalised,
    /// Deletions of a commit with what descends from it.
    deleted,
    /// Checkpoints.
    checkpoints,
    /// Checkpoints that failed. What they were part of is durable all the same.
    checkpoint_failures,
}

/// One counter.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Counts one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Counts several.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

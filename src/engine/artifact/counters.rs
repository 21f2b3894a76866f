//! What the cache did, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a VM's cache of compiled code did since the VM was opened, and what it holds. For watching only: no result depends
        /// on any of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub struct ArtifactCounters {
            $($(#[$doc])* pub $name: u64,)*
            /// Modules in memory.
            pub modules: u64,
            /// Bytes of those that are not pinned.
            pub ram_bytes: u64,
            /// Bytes of those that are.
            pub pinned_bytes: u64,
        }

        /// The counters as they are counted.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(pub $name: Counter,)*
        }

        impl Counters {
            /// The numbers now, without what the shelf holds.
            pub fn read(&self) -> ArtifactCounters {
                ArtifactCounters {
                    $($name: self.$name.read(),)*
                    ..ArtifactCounters::default()
                }
            }
        }
    };
}

counters! {
    /// Code that was wanted and was in memory.
    ram_hits,
    /// Code that was wanted while another thread was making it, and was waited for.
    waited,
    /// Artifacts loaded from the disk.
    disk_hits,
    /// Artifacts that were looked for on the disk and were not there.
    missing,
    /// Artifacts on the disk that another node, version, backend or protocol made, or that are of other code.
    foreign,
    /// Artifacts on the disk that are not what was written.
    damaged,
    /// Artifacts on the disk, or the key to all of them, that could not be read.
    unreadable,
    /// Code that was compiled.
    compiled,
    /// Code that could not be compiled.
    failed,
    /// Modules that left memory to make room.
    ram_evicted,
    /// Artifacts that left the disk to make room.
    disk_evicted,
    /// Artifacts that could not be written.
    write_failures,
}

/// One counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Counts several.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

//! What is known about a machine.

use std::path::PathBuf;
use std::time::Duration;

/// Why something could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotLooked {
    /// Why.
    pub reason: String,
}

/// Something that was looked at, or why not.
pub type Looked<T> = Result<T, NotLooked>;

/// A process's limits. None means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Address space in bytes (`ulimit -v`).
    pub address_space_bytes: Option<u64>,
    /// The length of a file in bytes (`ulimit -f`), which also bounds files in memory.
    pub file_bytes: Option<u64>,
    /// Open files (`ulimit -n`).
    pub open_files: Option<u64>,
    /// The main thread's stack in bytes (`ulimit -s`).
    pub stack_bytes: Option<u64>,
    /// Threads of the user (`ulimit -u`).
    pub threads: Option<u64>,
}

/// A disk, by the directory that a store is or will be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFacts {
    /// The directory that was looked at: the store's, or the nearest one above it that exists.
    pub directory: PathBuf,
    /// The name of the file system, or the number that stands for it.
    pub file_system: Looked<String>,
    /// Bytes that this user can write.
    pub free_bytes: Looked<u64>,
    /// What a `fdatasync` after a write of 4 KiB took, in the median; the error is that of the disk.
    pub sync: Looked<Duration>,
}

/// Who holds a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLock {
    /// There is no store yet.
    NoStore,
    /// Nobody.
    Free,
    /// A process, with its id if that is known.
    Held(Option<u32>),
}

/// What is known about a machine, for [`judge`](super::judge).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The system's name, version and processor.
    pub system: String,
    /// Processors that this process may use.
    pub processors: Looked<usize>,
    /// The widest vector instructions that hashing uses; none if there are none.
    pub vectors: Option<&'static str>,
    /// Whether a contract was deployed, called and committed in memory; if not, what failed.
    pub trial: Result<(), String>,
    /// Whether the system gives files in memory.
    pub memory_file: Looked<()>,
    /// Whether the kernel says which pages are private (`PAGEMAP_SCAN`, Linux 6.7).
    pub private_pages: Looked<bool>,
    /// `vm.max_map_count`.
    pub mappings_max: Looked<u64>,
    /// `vm.overcommit_memory`.
    pub overcommit: Looked<u64>,
    /// Whether files in memory are made of huge pages, as the system says it.
    pub huge_memory_files: Looked<String>,
    /// The process's limits.
    pub limits: Looked<Limits>,
    /// Bytes of memory: the machine's, or what the process's group may use if that is less.
    pub memory_bytes: Looked<u64>,
    /// Bytes of memory that are available now.
    pub memory_available_bytes: Looked<u64>,
    /// The disk of the store.
    pub disk: DiskFacts,
    /// Who holds the store.
    pub lock: Looked<StoreLock>,
    /// Whether others than the user can write where compiled code is kept; none if it is not there yet.
    pub artifacts_open: Looked<Option<bool>>,
    /// What is wrong with the protocols that the settings name; none if nothing is.
    pub protocols: Option<String>,
}

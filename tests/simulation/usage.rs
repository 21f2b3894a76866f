//! What the node takes of memory and disk, and what it holds.

use std::fmt;
use std::fs;
use std::path::Path;

use crostata::VM;

use crate::node::Node;

/// Memory that may come and go: what the allocator keeps, and threads that just ran.
const MEMORY_SLACK_BYTES: u64 = 24 << 20;
/// Disk that may come and go: a few segments of the log.
const DISK_SLACK_BYTES: u64 = 1 << 19;
/// Commits above the finalised one, on all branches, and memories of those who ask meanwhile.
const COMMITS_MAX: u64 = 16;
const REGIONS_MAX: u64 = 64;

#[derive(Debug)]
pub struct Usage {
    memory_bytes: u64,
    disk_bytes: u64,
    commits: u64,
    regions: u64,
}

impl Usage {
    pub fn of(node: &Node) -> Self {
        let counters = node.with_vm(VM::counters);
        Self {
            memory_bytes: resident_bytes(),
            disk_bytes: folder_bytes(node.path()),
            commits: counters.commits.retained,
            regions: counters.memory.regions,
        }
    }

    /// That it is as before, but for what comes and goes.
    pub fn assert_no_more_than(&self, before: &Self) {
        let memory_max = before.memory_bytes + before.memory_bytes / 8 + MEMORY_SLACK_BYTES;
        assert!(self.memory_bytes <= memory_max, "{before}, then {self}");
        let disk_max = before.disk_bytes + before.disk_bytes / 8 + DISK_SLACK_BYTES;
        assert!(self.disk_bytes <= disk_max, "{before}, then {self}");
        assert!(self.commits <= COMMITS_MAX, "{self}");
        assert!(self.regions <= REGIONS_MAX, "{self}");
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let (memory, disk) = (mib(self.memory_bytes), mib(self.disk_bytes));
        write!(f, "{memory:.1} MiB of memory, {disk:.1} MiB of disk")?;
        let (commits, regions) = (self.commits, self.regions);
        write!(f, ", {commits} commits, {regions} memories mapped")
    }
}

/// Resident memory, images included.
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() * 1_024
}

/// What files take on the disk, holes left out.
fn folder_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    let bytes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => folder_bytes(&entry.path()),
        false => entry.metadata().map_or(0, |data| data.blocks() * 512),
    });
    bytes.sum()
}

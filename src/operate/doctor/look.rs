//! Looking at this machine. Linux says most in `/proc`; what other systems do not say is not guessed.

use std::path::PathBuf;
use std::thread;

use super::super::settings::Settings;
use super::facts::{Facts, Looked, NotLooked};
use super::{disk, trial};
use crate::engine::ArtifactDirectory;

/// Collects the facts about this machine that matter to a node with these settings.
pub fn look(settings: &Settings) -> Facts {
    let directory = &settings.store.directory;
    let system = system();
    Facts {
        system: system.name,
        processors: thread::available_parallelism()
            .map(usize::from)
            .map_err(|error| not_looked(error.to_string())),
        vectors: vectors(),
        trial: trial::trial(settings),
        memory_file: system.memory_file,
        private_pages: system.private_pages,
        mappings_max: system.mappings_max,
        overcommit: system.overcommit,
        huge_memory_files: system.huge_memory_files,
        limits: system.limits,
        memory_bytes: system.memory_bytes,
        memory_available_bytes: system.memory_available_bytes,
        disk: disk::disk(directory),
        lock: disk::lock(directory),
        artifacts_open: disk::is_open_to_others(&artifacts(settings)),
        protocols: settings.config().err().map(|error| error.to_string()),
    }
}

fn not_looked(reason: String) -> NotLooked {
    NotLooked { reason }
}

/// Where compiled code is kept.
fn artifacts(settings: &Settings) -> PathBuf {
    let own = || settings.store.directory.join(ArtifactDirectory::OWN_NAME);
    let given = settings.artifacts.directory.clone();
    given.unwrap_or_else(own)
}

/// What only the kernel can say.
struct System {
    name: String,
    memory_file: Looked<()>,
    private_pages: Looked<bool>,
    mappings_max: Looked<u64>,
    overcommit: Looked<u64>,
    huge_memory_files: Looked<String>,
    limits: Looked<super::facts::Limits>,
    memory_bytes: Looked<u64>,
    memory_available_bytes: Looked<u64>,
}

#[cfg(target_os = "linux")]
fn system() -> System {
    use super::kernel;
    use std::path::Path;

    let version = kernel::text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = kernel::text("/proc/meminfo");
    let of_memory = |name: &str| kernel::memory(memory.as_deref().map_err(Clone::clone)?, name);
    let groups = kernel::text("/proc/self/cgroup").unwrap_or_default();
    let of_groups = kernel::group_memory(&groups, Path::new("/sys/fs/cgroup"));
    let huge = kernel::text("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    let name = format!("linux {} on {}", version.trim(), std::env::consts::ARCH);
    System {
        name,
        memory_file: memory_file(),
        private_pages: private_pages(),
        mappings_max: kernel::number("/proc/sys/vm/max_map_count"),
        overcommit: kernel::number("/proc/sys/vm/overcommit_memory"),
        huge_memory_files: huge.map(|text| kernel::chosen(&text).to_owned()),
        limits: kernel::text("/proc/self/limits").and_then(|text| kernel::limits(&text)),
        memory_bytes: of_memory("MemTotal")
            .map(|total| of_groups.map_or(total, |of| of.min(total))),
        memory_available_bytes: of_memory("MemAvailable"),
    }
}

#[cfg(target_os = "linux")]
fn memory_file() -> Looked<()> {
    use rustix::fs::MemfdFlags;
    let made = rustix::fs::memfd_create("crostata-doctor", MemfdFlags::CLOEXEC);
    made.map(drop)
        .map_err(|error| not_looked(error.to_string()))
}

#[cfg(target_os = "linux")]
fn private_pages() -> Looked<bool> {
    let region = crate::region::Region::zeroed(crostata_abi::WASM_PAGE_BYTES as usize);
    let region = region.map_err(|error| not_looked(error.to_string()))?;
    Ok(region.private_pages(0, 1).is_some())
}

#[cfg(not(target_os = "linux"))]
fn system() -> System {
    fn no<T>() -> Looked<T> {
        Err(not_looked("only Linux says it".to_owned()))
    }
    System {
        name: format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH),
        memory_file: no(),
        private_pages: no(),
        mappings_max: no(),
        overcommit: no(),
        huge_memory_files: no(),
        limits: no(),
        memory_bytes: no(),
        memory_available_bytes: no(),
    }
}

/// The widest vectors that BLAKE3 uses here.
fn vectors() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vl") {
            return Some("AVX-512");
        }
        if std::is_x86_feature_detected!("avx2") {
            return Some("AVX2");
        }
        None
    }
    #[cfg(target_arch = "aarch64")]
    return Some("NEON");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    None
}

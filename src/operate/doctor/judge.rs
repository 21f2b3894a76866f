//! What facts mean for a node with certain settings. Nothing is looked at here, so that every finding can be tested.

use std::time::Duration;

use super::facts::{DiskFacts, Facts, Limits, Looked, StoreLock};
use super::{Finding, Level, Report};
use crate::operate::settings::{Settings, size_text};
use crate::region::{GUARD_BYTES, REGIONS_MAX, RESERVATION_BYTES};

/// Mappings of a live region, at most (`region::pool`), and what everything else in a process may need.
const MAPPINGS_PER_REGION: u64 = 5;
const MAPPINGS_ELSE: u64 = 15_000;

/// Regions that a small chain's block and its queries use at once.
const REGIONS_LEAST: u64 = 64;

/// Address space of a region: marks and memory, each with a guard.
const REGION_ADDRESSES: u64 = 2 * (RESERVATION_BYTES + GUARD_BYTES);

/// Open files that the log keeps, with artifacts, libraries and sockets of a usual node.
const OPEN_FILES: u64 = 2_048;
const OPEN_FILES_LEAST: u64 = 640;

/// The main thread's stack that leaves room for what surrounds a call; calls with more to do bring their own.
const STACK_BYTES: u64 = 1 << 20;

/// Files in memory grow by this much at a time; holes take no memory, and the limit counts them.
const MEMORY_FILE_BYTES: u64 = 1 << 40;

/// What a node takes beside its caches: itself, sessions of blocks, and sessions of queries by thread.
const OWN_BYTES: u64 = 256 << 20;
const WORKER_BYTES: u64 = 64 << 20;

/// A commit waits for one of these.
const SLOW_SYNC: Duration = Duration::from_millis(20);

/// No disk that survives a power cut is as fast.
const IMPLAUSIBLE_SYNC: Duration = Duration::from_micros(3);

/// Holds a machine against a node's settings.
pub fn judge(facts: &Facts, settings: &Settings) -> Report {
    let mut findings = vec![
        system(facts),
        trial(facts),
        processors(facts, settings),
        vectors(facts),
        memory_file(facts),
        private_pages(facts),
        mappings(facts),
        overcommit(facts),
        huge_memory_files(facts),
    ];
    findings.extend(limits(&facts.limits, settings));
    findings.extend([
        memory(facts, settings),
        file_system(&facts.disk),
        free(&facts.disk, settings),
        sync(&facts.disk),
        lock(facts),
        artifacts(facts, settings),
        protocols(facts),
    ]);
    findings.extend(own_words(settings));
    Report { findings }
}

fn ok(subject: &'static str, found: impl Into<String>) -> Finding {
    Finding {
        level: Level::Ok,
        subject,
        found: found.into(),
        why: String::new(),
        todo: String::new(),
    }
}

fn finding(
    level: Level,
    subject: &'static str,
    found: impl Into<String>,
    why: impl Into<String>,
    todo: impl Into<String>,
) -> Finding {
    Finding {
        level,
        subject,
        found: found.into(),
        why: why.into(),
        todo: todo.into(),
    }
}

fn warning(
    subject: &'static str,
    found: impl Into<String>,
    why: impl Into<String>,
    todo: impl Into<String>,
) -> Finding {
    finding(Level::Warning, subject, found, why, todo)
}

fn error(
    subject: &'static str,
    found: impl Into<String>,
    why: impl Into<String>,
    todo: impl Into<String>,
) -> Finding {
    finding(Level::Error, subject, found, why, todo)
}

/// A finding about what was looked at, or that it was not.
fn known<T>(
    subject: &'static str,
    looked: &Looked<T>,
    judged: impl FnOnce(&T) -> Finding,
) -> Finding {
    match looked {
        Ok(fact) => judged(fact),
        Err(not_looked) => warning(
            subject,
            format!("could not be looked at: {not_looked}"),
            "",
            "look at it by other means",
        ),
    }
}

fn trial(facts: &Facts) -> Finding {
    match &facts.trial {
        Ok(()) => ok(
            "contracts",
            "one was deployed, called and committed in memory",
        ),
        Err(failed) => error(
            "contracts",
            format!("none could be run: {failed}"),
            "a node that can not run contracts can not execute blocks",
            "see what failed; `store.backend = \"portable\"` needs no executable memory and runs on any processor",
        ),
    }
}

fn system(facts: &Facts) -> Finding {
    ok("system", facts.system.clone())
}

fn processors(facts: &Facts, settings: &Settings) -> Finding {
    let subject = "processors";
    known(subject, &facts.processors, |count| {
        let workers = settings.queries.workers;
        match (*count, workers) {
            (1, _) => warning(
                subject,
                "one",
                "queries, hashing and compiling take turns with blocks",
                "give the node two processors or more",
            ),
            (count, workers) if workers > count as u64 => warning(
                subject,
                format!("{count}, and {workers} threads for queries"),
                "more threads than processors answer no more queries, and blocks share the processors with them",
                "set `queries.workers = 0`",
            ),
            (count, _) => ok(subject, count.to_string()),
        }
    })
}

fn vectors(facts: &Facts) -> Finding {
    match facts.vectors {
        Some(name) => ok("vectors", name),
        None => warning(
            "vectors",
            "none that hashing uses",
            "roots and commits take about four times as long",
            "use a processor with AVX2 or NEON; in a virtual machine, let it see the host's processor",
        ),
    }
}

fn memory_file(facts: &Facts) -> Finding {
    let subject = "files in memory";
    match &facts.memory_file {
        Ok(()) => ok(subject, "given (memfd_create)"),
        Err(not_looked) => finding(
            // Where there is no Linux, the trial says whether there is another way.
            if facts.trial.is_ok() {
                Level::Warning
            } else {
                Level::Error
            },
            subject,
            format!("not given: {not_looked}"),
            "committed pages are shared between sessions through them",
            "allow memfd_create in the container's system call filter",
        ),
    }
}

fn private_pages(facts: &Facts) -> Finding {
    let subject = "private pages";
    known(subject, &facts.private_pages, |told| match told {
        true => ok(subject, "told by the kernel (PAGEMAP_SCAN)"),
        false => warning(
            subject,
            "not told by the kernel (PAGEMAP_SCAN)",
            "a session's end compares what may have been written, which takes longer after calls that reach many pages; results are the same",
            "use Linux 6.7 or newer, and let the process read /proc/self/pagemap",
        ),
    })
}

fn mappings(facts: &Facts) -> Finding {
    let subject = "mappings";
    let all = REGIONS_MAX as u64 * MAPPINGS_PER_REGION + MAPPINGS_ELSE;
    known(subject, &facts.mappings_max, |most| {
        let regions = most.saturating_sub(MAPPINGS_ELSE) / MAPPINGS_PER_REGION;
        let found = format!(
            "vm.max_map_count = {most}, enough for {} memories at once",
            regions.min(REGIONS_MAX as u64)
        );
        let why = "sessions that touch more contracts at once end in a fatal error";
        let todo = format!("sysctl -w vm.max_map_count={all}");
        match *most {
            most if most >= all => ok(subject, found),
            _ if regions >= REGIONS_LEAST => warning(subject, found, why, todo),
            _ => error(subject, found, why, todo),
        }
    })
}

fn overcommit(facts: &Facts) -> Finding {
    let subject = "overcommit";
    known(subject, &facts.overcommit, |mode| match mode {
        2 => warning(
            subject,
            "vm.overcommit_memory = 2: never more than swap and a part of memory",
            "memories of contracts count in full from the first page on, so that large ones are refused while memory is free",
            "sysctl -w vm.overcommit_memory=0",
        ),
        mode => ok(subject, format!("vm.overcommit_memory = {mode}")),
    })
}

fn huge_memory_files(facts: &Facts) -> Finding {
    let subject = "huge pages";
    known(subject, &facts.huge_memory_files, |chosen| {
        let found = format!("files in memory: {chosen}");
        match chosen.as_str() {
            "always" | "force" | "within_size" => warning(
                subject,
                found,
                "each committed page that is loaded may take 2 MiB instead of 4 KiB",
                "echo never > /sys/kernel/mm/transparent_hugepage/shmem_enabled",
            ),
            _ => ok(subject, found),
        }
    })
}

fn limits(limits: &Looked<Limits>, settings: &Settings) -> Vec<Finding> {
    match limits {
        Ok(limits) => vec![
            address_space(limits.address_space_bytes),
            file_length(limits.file_bytes, settings),
            open_files(limits.open_files),
            stack(limits.stack_bytes),
            threads(limits.threads, settings),
        ],
        Err(_) => vec![known("limits", limits, |_| ok("limits", ""))],
    }
}

fn address_space(limit: Option<u64>) -> Finding {
    let subject = "address space";
    let Some(bytes) = limit else {
        return ok(subject, "unlimited");
    };
    let regions = bytes / REGION_ADDRESSES;
    let found = format!(
        "limited to {}: {regions} memories of contracts at once",
        rounded(bytes)
    );
    let why = "each memory reserves 8 GiB of addresses, which cost nothing; where they run out sessions end in a fatal error";
    let todo = "ulimit -v unlimited; bound memory by a control group instead";
    match regions {
        0..REGIONS_LEAST => error(subject, found, why, todo),
        _ => warning(subject, found, why, todo),
    }
}

fn file_length(limit: Option<u64>, settings: &Settings) -> Finding {
    let subject = "length of files";
    let needed = MEMORY_FILE_BYTES.max(settings.log.segment_bytes);
    match limit {
        Some(bytes) if bytes < needed => error(
            subject,
            format!("limited to {}", rounded(bytes)),
            "the kernel ends the process (SIGXFSZ) when committed pages are first loaded: the file in memory that they are in has holes of 1 TiB",
            "ulimit -f unlimited",
        ),
        Some(bytes) => ok(subject, rounded(bytes)),
        None => ok(subject, "unlimited"),
    }
}

fn open_files(limit: Option<u64>) -> Finding {
    let subject = "open files";
    let why = "the log keeps up to 512 files open; without files left, pages can not be read, commits fail, and so does the node's network";
    let todo = format!("ulimit -n {OPEN_FILES}, or LimitNOFILE={OPEN_FILES} of a systemd service");
    match limit {
        None => ok(subject, "unlimited"),
        Some(files) if files >= OPEN_FILES => ok(subject, files.to_string()),
        Some(files) if files >= OPEN_FILES_LEAST => warning(subject, files.to_string(), why, todo),
        Some(files) => error(subject, files.to_string(), why, todo),
    }
}

fn stack(limit: Option<u64>) -> Finding {
    let subject = "stack";
    match limit {
        Some(bytes) if bytes < STACK_BYTES => warning(
            subject,
            format!("{} for the main thread", rounded(bytes)),
            "calls bring a stack of their own, and what the node runs around them has little left",
            "ulimit -s 8192",
        ),
        Some(bytes) => ok(subject, format!("{} for the main thread", rounded(bytes))),
        None => ok(subject, "unlimited for the main thread"),
    }
}

fn threads(limit: Option<u64>, settings: &Settings) -> Finding {
    let subject = "threads";
    // Twice the processors for compiling and hashing on any machine of today.
    let needed = settings.queries.workers.saturating_add(512);
    match limit {
        Some(threads) if threads < needed => warning(
            subject,
            format!("{threads} for all processes of the user"),
            "a thread that the system refuses is missing for queries or compiling",
            format!("ulimit -u {needed}"),
        ),
        Some(threads) => ok(subject, threads.to_string()),
        None => ok(subject, "unlimited"),
    }
}

fn memory(facts: &Facts, settings: &Settings) -> Finding {
    let subject = "memory";
    let needed = needed_bytes(settings);
    known(subject, &facts.memory_bytes, |total| {
        let available = facts.memory_available_bytes.as_ref().ok();
        let now = available.map(|bytes| format!(", {} available now", rounded(*bytes)));
        let found = format!(
            "{}{}; the settings allow the node to take {}",
            rounded(*total),
            now.unwrap_or_default(),
            rounded(needed),
        );
        let why =
            "a node that is out of memory is ended by the system, or answers with fatal errors";
        let todo = "make image_cache_bytes, node_cache_bytes or artifacts.ram_bytes_max smaller, or give it more memory";
        if needed > *total {
            error(subject, found, why, todo)
        } else if needed > *total / 4 * 3 {
            warning(
                subject,
                found,
                "little is left for sessions and the system's cache of files",
                todo,
            )
        } else if available.is_some_and(|bytes| needed > *bytes) {
            warning(subject, found, why, "see what takes the rest")
        } else {
            ok(subject, found)
        }
    })
}

/// What a node with these settings takes when its caches are full.
fn needed_bytes(settings: &Settings) -> u64 {
    let workers = settings.queries.workers.max(1).saturating_mul(WORKER_BYTES);
    let caches = [
        settings.store.image_cache_bytes,
        settings.log.node_cache_bytes,
        settings.artifacts.ram_bytes_max,
        workers,
    ];
    caches.into_iter().fold(OWN_BYTES, u64::saturating_add)
}

fn file_system(disk: &DiskFacts) -> Finding {
    let subject = "file system";
    known(subject, &disk.file_system, |name| {
        let found = format!("{name} at {}", disk.directory.display());
        match name.as_str() {
            "tmpfs" | "ramfs" => error(
                subject,
                found,
                "it is memory: commits that were acknowledged are gone after a restart",
                "put the store on a disk",
            ),
            "nfs" | "cifs" | "smb2" | "9p" | "ceph" => warning(
                subject,
                found,
                "whether a sync is durable and a lock holds is for the server to say, and a commit waits for the network",
                "put the store on a local disk",
            ),
            "fuse" => warning(
                subject,
                found,
                "whether a sync is durable is for a program to say",
                "put the store on a local disk, or see that the program passes fdatasync on",
            ),
            "overlay" => warning(
                subject,
                found,
                "it is a container's own layer, which goes with the container",
                "put the store on a volume",
            ),
            _ => ok(subject, found),
        }
    })
}

fn free(disk: &DiskFacts, settings: &Settings) -> Finding {
    let subject = "disk space";
    // Nothing is emptied below the slack; the segments in use, their spares and those being written anew come on top.
    let log = settings.log.slack_bytes.max(settings.log.checkpoint_bytes);
    let needed = log.saturating_add(settings.log.segment_bytes.saturating_mul(5));
    let artifacts = match settings.artifacts.keep {
        true => settings.artifacts.disk_bytes_max,
        false => 0,
    };
    known(subject, &disk.free_bytes, |free| {
        let found = format!("{} free at {}", rounded(*free), disk.directory.display());
        let why = format!(
            "an empty store's log may take {} and compiled code {}; a state takes about twice its size",
            rounded(needed),
            rounded(artifacts)
        );
        let todo =
            "make room: on a full disk commits fail, and nothing that was acknowledged is lost";
        if *free < needed {
            error(subject, found, why, todo)
        } else if *free < needed.saturating_add(artifacts).saturating_mul(2) {
            warning(subject, found, why, todo)
        } else {
            ok(subject, found)
        }
    })
}

fn sync(disk: &DiskFacts) -> Finding {
    let subject = "durable writes";
    match &disk.sync {
        Err(failed) => error(
            subject,
            format!("fdatasync in {} fails: {failed}", disk.directory.display()),
            "no commit can be made durable",
            "see that the directory exists or can be made, that this user can write there, and that the disk is well",
        ),
        Ok(taken) => {
            let found = format!("fdatasync of 4 KiB takes {} us", taken.as_micros());
            if *taken > SLOW_SYNC {
                let why = "each commit waits for one, and each checkpoint for two";
                warning(
                    subject,
                    found,
                    why,
                    "use a disk with a write cache that survives a power cut, or expect slow commits",
                )
            } else if *taken < IMPLAUSIBLE_SYNC {
                let why = "no disk is as fast: something acknowledges what it has not written, and a power cut loses commits";
                warning(
                    subject,
                    found,
                    why,
                    "see that nothing (a container's layer, libeatmydata, a mount option) turns syncs off",
                )
            } else {
                ok(subject, found)
            }
        }
    }
}

fn lock(facts: &Facts) -> Finding {
    let subject = "store";
    known(subject, &facts.lock, |lock| match lock {
        StoreLock::NoStore => ok(subject, "none yet; the first start makes it"),
        StoreLock::Free => ok(subject, "there, and nobody has it open"),
        StoreLock::Held(process) => {
            let by = process.map_or_else(|| "a process".to_owned(), |id| format!("process {id}"));
            warning(
                subject,
                format!("{by} has it open"),
                "one process at a time can",
                "if that is the node, all is well; if not, end it before the node starts",
            )
        }
    })
}

fn artifacts(facts: &Facts, settings: &Settings) -> Finding {
    let subject = "compiled code";
    if !settings.artifacts.keep {
        return warning(
            subject,
            "not kept",
            "each start compiles everything again, milliseconds to seconds for each code",
            "set `artifacts.keep = true`",
        );
    }
    known(subject, &facts.artifacts_open, |open| match open {
        Some(true) => error(
            subject,
            "others than the user can write where it is kept",
            "who writes there can have the node run any machine code",
            "chmod go-w the directory of artifacts",
        ),
        Some(false) => ok(subject, "kept where only the user can write"),
        None => ok(
            subject,
            "kept in a directory that is made when it is first needed",
        ),
    })
}

fn protocols(facts: &Facts) -> Finding {
    match &facts.protocols {
        None => ok(
            "protocols",
            "the rules have the fingerprints that the settings name",
        ),
        Some(problem) => error(
            "protocols",
            problem.clone(),
            "a node with other rules than the chain's would fork off, so it does not start",
            "see that the files are those of the chain",
        ),
    }
}

/// Settings that contradict each other.
fn own_words(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let queries = &settings.queries;
    if queries.queue_per_client_max > queries.queue_max {
        findings.push(warning(
            "settings",
            format!(
                "queries.queue_per_client_max = {} is more than queries.queue_max = {}",
                queries.queue_per_client_max, queries.queue_max
            ),
            "one client can fill the whole queue",
            "make it a part of queries.queue_max",
        ));
    }
    let warm_up = &settings.warm_up;
    if !warm_up.contracts.is_empty() && warm_up.budget_bytes > settings.store.image_cache_bytes {
        findings.push(warning(
            "settings",
            format!(
                "warm_up.budget_bytes ({}) is more than store.image_cache_bytes ({})",
                size_text(warm_up.budget_bytes),
                size_text(settings.store.image_cache_bytes)
            ),
            "what does not fit the cache is not loaded",
            "make store.image_cache_bytes larger",
        ));
    }
    if settings.store.binaries.is_some()
        && settings
            .protocols
            .iter()
            .all(|one| one.allow_list.is_none())
    {
        findings.push(warning(
            "settings",
            "store.binaries is set, and no protocol has a list of allowed code",
            "nobody looks there without a list",
            "name the list as `allow_list` of a protocol, or leave store.binaries out",
        ));
    }
    findings
}

/// A number of bytes in two digits or more of a unit.
fn rounded(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut at = 0;
    let mut number = bytes;
    while number >= 10 * 1024 && at + 1 < units.len() {
        number /= 1024;
        at += 1;
    }
    format!("{number} {}", units[at])
}

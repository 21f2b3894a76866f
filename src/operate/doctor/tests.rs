//! What an operator relies on: each thing that would stop a node, slow it, or lose what it acknowledged is found, with the right level, and nothing is
//! found where all is well. The facts are made up; one test looks at the machine that it runs on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::engine::{Backend, Fingerprint};
use crate::operate::settings::ProtocolSource;

const GIB: u64 = 1 << 30;

/// The bytes of the trial's contract are what their documentation says.
#[test]
fn the_trial_is_what_it_says() {
    let source = include_str!("trial.rs");
    let (_, text) = source.split_once("```wat\n").unwrap();
    let (text, _) = text.split_once("```").unwrap();
    let module = wat::parse_str(text.replace("///", "")).unwrap();
    assert_eq!(super::trial::CONTRACT, module);
}

fn not_looked<T>() -> Looked<T> {
    let reason = "made up".to_owned();
    Err(NotLooked { reason })
}

fn fine() -> Facts {
    Facts {
        system: "linux 6.18 on x86_64".to_owned(),
        processors: Ok(8),
        vectors: Some("AVX2"),
        trial: Ok(()),
        memory_file: Ok(()),
        private_pages: Ok(true),
        mappings_max: Ok(65_530),
        overcommit: Ok(0),
        huge_memory_files: Ok("never".to_owned()),
        limits: Ok(Limits {
            address_space_bytes: None,
            file_bytes: None,
            open_files: Some(20_000),
            stack_bytes: Some(8 << 20),
            threads: Some(96_000),
        }),
        memory_bytes: Ok(16 * GIB),
        memory_available_bytes: Ok(12 * GIB),
        disk: DiskFacts {
            directory: PathBuf::from("/var/lib/node"),
            file_system: Ok("ext4".to_owned()),
            free_bytes: Ok(500 * GIB),
            sync: Ok(Duration::from_micros(400)),
        },
        lock: Ok(StoreLock::Free),
        artifacts_open: Ok(Some(false)),
        protocols: None,
    }
}

/// The findings that are not good, of facts that differ from good ones.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<(Level, &'static str)> {
    let mut facts = fine();
    change(&mut facts);
    bad(&judge(&facts, &Settings::default()))
}

fn bad(report: &Report) -> Vec<(Level, &'static str)> {
    let bad = report.findings.iter().filter(|one| one.level != Level::Ok);
    bad.map(|one| {
        assert!(!one.found.is_empty() && !one.todo.is_empty(), "{one}");
        (one.level, one.subject)
    })
    .collect()
}

fn limited(change: impl FnOnce(&mut Limits)) -> Vec<(Level, &'static str)> {
    found(|facts| change(facts.limits.as_mut().unwrap()))
}

/// A good machine gives no finding but that all is well.
#[test]
fn a_good_machine_is_good() {
    let report = judge(&fine(), &Settings::default());
    assert_eq!(report.worst(), Level::Ok, "{report}");
    assert!(report.findings.len() > 15);
    assert!(report.findings.iter().all(|one| !one.found.is_empty()));
}

/// Each thing that is wrong is found by itself, and nothing else with it.
#[test]
fn each_thing_is_found_by_itself() {
    use Level::{Error, Warning};
    let cases = [
        (found(|f| f.trial = Err("no".into())), (Error, "contracts")),
        (found(|f| f.processors = Ok(1)), (Warning, "processors")),
        (found(|f| f.vectors = None), (Warning, "vectors")),
        (
            found(|f| f.memory_file = not_looked()),
            (Warning, "files in memory"),
        ),
        (
            found(|f| f.private_pages = Ok(false)),
            (Warning, "private pages"),
        ),
        (
            found(|f| f.mappings_max = Ok(64_999)),
            (Warning, "mappings"),
        ),
        (found(|f| f.mappings_max = Ok(15_319)), (Error, "mappings")),
        (found(|f| f.overcommit = Ok(2)), (Warning, "overcommit")),
        (
            found(|f| f.huge_memory_files = Ok("always".into())),
            (Warning, "huge pages"),
        ),
        (
            limited(|l| l.address_space_bytes = Some(1 << 46)),
            (Warning, "address space"),
        ),
        (
            limited(|l| l.address_space_bytes = Some(8 * GIB)),
            (Error, "address space"),
        ),
        (
            limited(|l| l.file_bytes = Some((1 << 40) - 1)),
            (Error, "length of files"),
        ),
        (
            limited(|l| l.open_files = Some(1_024)),
            (Warning, "open files"),
        ),
        (limited(|l| l.open_files = Some(256)), (Error, "open files")),
        (
            limited(|l| l.stack_bytes = Some(64 << 10)),
            (Warning, "stack"),
        ),
        (limited(|l| l.threads = Some(100)), (Warning, "threads")),
        (found(|f| f.memory_bytes = Ok(GIB)), (Error, "memory")),
        (
            found(|f| f.memory_bytes = Ok(3 * GIB / 2)),
            (Warning, "memory"),
        ),
        (
            found(|f| f.memory_available_bytes = Ok(GIB)),
            (Warning, "memory"),
        ),
        (
            found(|f| f.disk.file_system = Ok("tmpfs".into())),
            (Error, "file system"),
        ),
        (
            found(|f| f.disk.file_system = Ok("nfs".into())),
            (Warning, "file system"),
        ),
        (
            found(|f| f.disk.file_system = Ok("overlay".into())),
            (Warning, "file system"),
        ),
        (
            found(|f| f.disk.file_system = not_looked()),
            (Warning, "file system"),
        ),
        (
            found(|f| f.disk.free_bytes = Ok(1 << 20)),
            (Error, "disk space"),
        ),
        (
            found(|f| f.disk.free_bytes = Ok(5 * GIB)),
            (Warning, "disk space"),
        ),
        (
            found(|f| f.disk.sync = not_looked()),
            (Error, "durable writes"),
        ),
        (
            found(|f| f.disk.sync = Ok(Duration::from_millis(30))),
            (Warning, "durable writes"),
        ),
        (
            found(|f| f.disk.sync = Ok(Duration::from_nanos(900))),
            (Warning, "durable writes"),
        ),
        (
            found(|f| f.lock = Ok(StoreLock::Held(Some(7)))),
            (Warning, "store"),
        ),
        (
            found(|f| f.artifacts_open = Ok(Some(true))),
            (Error, "compiled code"),
        ),
        (
            found(|f| f.protocols = Some("other".into())),
            (Error, "protocols"),
        ),
    ];
    for (found, wanted) in cases {
        assert_eq!(found, [wanted]);
    }
    let neither = found(|f| {
        f.trial = Err("no".into());
        f.memory_file = not_looked();
    });
    assert_eq!(neither, [(Error, "contracts"), (Error, "files in memory")]);
}

/// What could not be looked at is said, thing by thing, and is never taken for good: a system that says nothing has findings for all.
#[test]
fn what_is_not_known_is_said() {
    let found = found(|f| {
        f.processors = not_looked();
        f.private_pages = not_looked();
        f.mappings_max = not_looked();
        f.overcommit = not_looked();
        f.huge_memory_files = not_looked();
        f.limits = not_looked();
        f.memory_bytes = not_looked();
        f.disk.file_system = not_looked();
        f.disk.free_bytes = not_looked();
        f.lock = not_looked();
        f.artifacts_open = not_looked();
    });
    assert_eq!(found.len(), 11, "{found:?}");
    assert!(found.iter().all(|(level, _)| *level == Level::Warning));
}

/// Settings that the machine can not keep, and that contradict each other, are found.
#[test]
fn settings_are_held_against_the_machine() {
    let found = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        bad(&judge(&fine(), &settings))
    };
    use Level::{Error, Warning};
    assert_eq!(
        found(|s| s.store.image_cache_bytes = 16 * GIB),
        [(Error, "memory")]
    );
    assert_eq!(
        found(|s| s.store.image_cache_bytes = u64::MAX),
        [(Error, "memory")]
    );
    assert_eq!(
        found(|s| s.log.slack_bytes = 600 * GIB),
        [(Error, "disk space")]
    );
    assert_eq!(found(|s| s.queries.workers = 9), [(Warning, "processors")]);
    assert_eq!(
        found(|s| s.queries.queue_per_client_max = 2_000),
        [(Warning, "settings")]
    );
    assert_eq!(
        found(|s| s.artifacts.keep = false),
        [(Warning, "compiled code")]
    );
    assert_eq!(
        found(|s| s.store.binaries = Some("x".into())),
        [(Warning, "settings")]
    );
    let warm = |s: &mut Settings| {
        s.warm_up.contracts = vec![crostata_abi::ContractId::from_bytes([1; 32])];
        s.warm_up.budget_bytes = GIB;
    };
    assert_eq!(found(warm), [(Warning, "settings")]);
}

/// Texts of the kernel are read as they are on a machine, and what is none is not guessed.
#[test]
fn texts_of_the_kernel_are_read() {
    let text = "\
Limit                     Soft Limit           Hard Limit           Units     \n\
Max cpu time              unlimited            unlimited            seconds   \n\
Max file size             unlimited            unlimited            bytes     \n\
Max stack size            8388608              unlimited            bytes     \n\
Max processes             96365                96365                processes \n\
Max open files            1024                 524288               files     \n\
Max address space         68719476736          unlimited            bytes     \n";
    let limits = kernel::limits(text).unwrap();
    assert_eq!(limits.address_space_bytes, Some(64 * GIB));
    assert_eq!((limits.file_bytes, limits.open_files), (None, Some(1024)));
    assert_eq!(
        (limits.stack_bytes, limits.threads),
        (Some(8 << 20), Some(96_365))
    );
    assert!(kernel::limits("").is_err());
    assert!(kernel::limits(&text.replace("1024 ", "many ")).is_err());

    let memory = "MemTotal:       24684092 kB\nMemFree:        1 kB\nMemAvailable:   18446744073709551615 kB\n";
    assert_eq!(kernel::memory(memory, "MemTotal"), Ok(24_684_092 * 1024));
    assert!(kernel::memory(memory, "MemAvailable").is_err());
    assert!(kernel::memory(memory, "Mem").is_err());
    assert_eq!(
        kernel::chosen("always within_size advise [never] deny force\n"),
        "never"
    );
    assert_eq!(kernel::chosen("never\n"), "never");
}

/// The memory that a container may use is found in its group and those around it.
#[test]
fn limits_of_control_groups_are_found() {
    let root = tempfile::tempdir().unwrap();
    let inner = root.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    let of = |groups: &str| kernel::group_memory(groups, root.path());
    assert_eq!(of("0::/a/b\n"), None);
    std::fs::write(inner.join("memory.max"), "max\n").unwrap();
    assert_eq!(of("0::/a/b\n"), None);
    std::fs::write(root.path().join("a/memory.max"), "4096\n").unwrap();
    assert_eq!(of("12:pids:/x\n0::/a/b\n"), Some(4096));
    std::fs::write(inner.join("memory.max"), "1024\n").unwrap();
    assert_eq!(of("0::/a/b\n"), Some(1024));
    std::fs::write(root.path().join("memory.max"), "512\n").unwrap();
    assert_eq!(
        of("0::/elsewhere\n"),
        Some(512),
        "in a container the root counts"
    );
    assert_eq!(of(""), None);
}

/// The look at a machine finds what is there: the trial runs on each backend that was built and on no other, a store is seen and who holds it, a
/// directory that does not exist yet is judged by the one that it will be in; and nothing is left behind.
#[test]
fn a_look_at_this_machine() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    for backend in [Backend::Native, Backend::Portable] {
        settings.store.backend = backend;
        let built = Backend::BUILT.contains(&backend);
        assert_eq!(trial::trial(&settings).is_ok(), built);
    }
    settings.store.backend = Backend::default();
    settings.store.directory = directory.path().join("not/yet");
    let facts = look(&settings);
    assert_eq!(facts.trial, Ok(()));
    assert_eq!(facts.disk.directory, directory.path());
    assert_eq!(facts.lock, Ok(StoreLock::NoStore));
    assert!(facts.disk.sync.is_ok() && facts.disk.free_bytes.is_ok());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

    settings.store.directory = directory.path().join("store");
    let vm = crate::vm::VM::new(&settings.store.directory).unwrap();
    let own = std::process::id();
    assert_eq!(look(&settings).lock, Ok(StoreLock::Held(Some(own))));
    drop(vm);
    assert_eq!(look(&settings).lock, Ok(StoreLock::Free));
    settings.protocols.push(ProtocolSource {
        fingerprint: Fingerprint([0; 32]),
        file: None,
        allow_list: None,
    });
    assert!(look(&settings).protocols.is_some());
    if cfg!(target_os = "linux") {
        assert!(facts.limits.is_ok() && facts.memory_bytes.is_ok() && facts.mappings_max.is_ok());
    }
}

/// Who may write where compiled code is kept is seen.
#[cfg(unix)]
#[test]
fn directories_open_to_others_are_seen() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let open = |mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory.path(), permissions).unwrap();
        disk::is_open_to_others(directory.path()).unwrap()
    };
    assert_eq!(
        (open(0o755), open(0o775), open(0o757)),
        (Some(false), Some(true), Some(true))
    );
    assert_eq!(disk::is_open_to_others(Path::new("no/such")).unwrap(), None);
}

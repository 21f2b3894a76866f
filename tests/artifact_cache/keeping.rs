//! What is kept where, for how long, and what the embedder can say about it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use crostata::store::files::{Fault, FaultyFiles, Files};
use crostata::{ArtifactConfig, ArtifactDirectory, Config, Protocol, RecompileError, VM};
use crostata_proof::hash::code_hash;

use crate::blocks::*;
use crate::common::*;

/// P5: opened again, the VM has its code from its own directory, compiles nothing, and the store takes no notice.
#[test]
fn a_warm_start_compiles_nothing() {
    let wanted = reference();
    let directory = Directory::new();
    let vm = directory.open();
    assert_eq!(run(&vm), wanted);
    let counters = vm.artifact_counters();
    assert_eq!((counters.compiled, counters.ram_hits), (CODES, 2 * CODES));
    assert_eq!((counters.modules, counters.disk_hits), (CODES, 0));
    assert!(counters.ram_bytes > 0);
    let base = vm.commits()[1];
    drop(vm);

    let own = directory.path().join("artifacts");
    assert_eq!(artifacts(&own).len() as u64, CODES);
    let mode = fs::metadata(own.join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let vm = directory.open();
    let (_, seen) = block(&vm, base, 2);
    assert_eq!(seen, wanted[wanted.len() - seen.len()..]);
    let counters = vm.artifact_counters();
    assert_eq!((counters.compiled, counters.disk_hits), (0, CODES));
    assert!(vm.verify(|_| ()).is_clean());
    vm.checkpoint().unwrap();
    assert_eq!(artifacts(&own).len() as u64, CODES);
}

/// P1, P5: sessions with deadlines run code of their own, which is kept beside the other.
#[test]
fn sessions_with_deadlines_have_artifacts_of_their_own() {
    let cache = Directory::new();
    let compiled = [CODES + 1, 0].map(|wanted| {
        let vm = vm_at(cache.path());
        let (base, _) = first_block(&vm);
        let data = crostata::SessionData::builder().base(base);
        let mut session = vm.session(data.interrupted_after(1_000)).unwrap();
        let added = session.call_raw(id(1), "add", words(&[4]), LIMIT).unwrap();
        assert_eq!(word(&added), 10);
        assert_eq!(vm.artifact_counters().compiled, wanted);
        vm
    });
    assert_eq!(artifacts(cache.path()).len() as u64, CODES + 1);
    let [vm, _] = compiled;
    assert!(vm.remove_module(&code_hash(&numbered(1))));
    assert_eq!(artifacts(cache.path()).len() as u64, CODES - 1);
}

/// P5: opening does nothing with the cache at all.
#[test]
fn opening_does_not_look_at_the_cache() {
    let files = Arc::new(FaultyFiles::new());
    let at = || ArtifactDirectory::Files(files.clone());
    let wanted = run(&VM::ephemeral_with_config(config(at(), 0)).unwrap());
    let before = files.operations();
    assert!(before > 0);
    let vm = VM::ephemeral_with_config(config(at(), 0)).unwrap();
    assert_eq!(files.operations(), before);
    assert_eq!(run(&vm), wanted);
    assert_eq!(vm.artifact_counters().compiled, 0);
}

/// P7: a disk that is full or broken, at whichever operation, is a counter and nothing else.
#[test]
fn a_failing_disk_is_only_counted() {
    let wanted = reference();
    let clean = Arc::new(FaultyFiles::new());
    run(&VM::ephemeral_with_config(config(ArtifactDirectory::Files(clean.clone()), 0)).unwrap());
    let mut counted = 0;
    for fault in [Fault::NoSpace, Fault::Io, Fault::Short, Fault::Cut] {
        for operation in (0..clean.operations()).step_by(3) {
            let files = Arc::new(FaultyFiles::failing(operation, fault));
            let config = config(ArtifactDirectory::Files(files), 0);
            let vm = VM::ephemeral_with_config(config).unwrap();
            assert_eq!(run(&vm), wanted, "{fault:?} at {operation}");
            let counters = vm.artifact_counters();
            counted += counters.write_failures + counters.unreadable;
        }
    }
    assert!(counted > 20, "{counted} of {}", clean.operations());
}

/// P6: memory is bounded in bytes; what was used longest ago goes, and pinned code stays.
#[test]
fn memory_is_bounded_and_pins_hold() {
    let vm = VM::ephemeral_with_config(config(ArtifactDirectory::Nowhere, 0)).unwrap();
    let pinned = code_hash(&numbered(1));
    assert!(vm.pin(pinned) && !vm.pin(pinned));
    let (base, _) = first_block(&vm);
    let counters = vm.artifact_counters();
    assert_eq!((counters.modules, counters.ram_bytes), (1, 0));
    assert!(counters.pinned_bytes > 0);
    assert_eq!(counters.ram_evicted, CODES - 1);
    block(&vm, base, 1);
    let later = vm.artifact_counters();
    assert_eq!((later.ram_hits, later.compiled), (1, 2 * CODES - 1));
    assert!(vm.unpin(pinned) && !vm.unpin(pinned));
    let unpinned = vm.artifact_counters();
    assert_eq!((unpinned.modules, unpinned.pinned_bytes), (0, 0));
    assert_eq!(unpinned.ram_evicted, later.ram_evicted + 1);
}

/// P1: what leaves the cache does not leave the sessions that use it.
#[test]
fn sessions_keep_what_is_evicted_and_removed() {
    let cache = Directory::new();
    let vm = vm_at(cache.path());
    let mut session = fresh(&vm);
    session.deploy(numbered(1), with_id(1), LIMIT).unwrap();
    for number in 2..=CODES {
        session
            .deploy(numbered(number), with_id(number), LIMIT)
            .unwrap();
    }
    assert!(vm.remove_module(&code_hash(&numbered(1))));
    fs::remove_dir_all(cache.path()).unwrap();
    let added = session.call_raw(id(1), "add", words(&[4]), LIMIT).unwrap();
    assert_eq!(word(&added), 10);
    fs::create_dir(cache.path()).unwrap();
}

#[test]
fn removed_code_is_compiled_again_for_every_protocol() {
    let cache = Directory::new();
    let mut other = Protocol::default();
    other.operators.call += 1;
    let config = Config {
        protocols: vec![Protocol::default(), other.clone()],
        ..config(ArtifactDirectory::At(cache.path().into()), u64::MAX)
    };
    let vm = VM::ephemeral_with_config(config).unwrap();
    let (base, _) = first_block(&vm);
    let data = crostata::SessionData::builder().base(base).protocol(other);
    let mut session = vm.session(data).unwrap();
    session.call_raw(id(1), "add", words(&[1]), LIMIT).unwrap();
    drop(session);
    assert_eq!(artifacts(cache.path()).len() as u64, CODES + 1);
    let code = code_hash(&numbered(1));
    assert!(vm.remove_module(&code));
    assert!(!vm.remove_module(&code));
    assert_eq!(artifacts(cache.path()).len() as u64, CODES - 1);
    let before = vm.artifact_counters();
    assert_eq!(before.modules, CODES - 1);
    block(&vm, base, 1);
    let after = vm.artifact_counters();
    assert_eq!(after.compiled, before.compiled + 1);
    assert_eq!(after.missing, before.missing + 1);

    // Anew although everything is there, and for both.
    vm.recompile_module(base, id(1)).unwrap();
    let anew = vm.artifact_counters();
    assert_eq!(anew.compiled, after.compiled + 2);
    assert_eq!((anew.missing, anew.modules), (after.missing, CODES + 1));
    assert_eq!(artifacts(cache.path()).len() as u64, CODES + 1);
    let nobody = vm.recompile_module(base, id(99));
    assert!(matches!(nobody, Err(RecompileError::NoContract { .. })));
}

/// A damaged artifact in the cache is replaced by a recompilation, byte for byte by what it was.
#[test]
fn recompiling_replaces_what_is_on_disk() {
    let cache = Directory::new();
    let vm = vm_at(cache.path());
    let (base, _) = first_block(&vm);
    let victim = artifact(cache.path(), 1);
    let good = fs::read(&victim).unwrap();
    fs::write(&victim, "junk").unwrap();
    vm.recompile_module(base, id(1)).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), good);
    assert_eq!(vm.artifact_counters().damaged, 0);
}

/// P6: the disk is bounded in bytes; what was used longest ago goes, and files of others stay.
#[test]
fn the_disk_is_bounded() {
    let cache = Directory::new();
    first_block(&vm_at(cache.path()));
    let bytes = |number| fs::metadata(artifact(cache.path(), number)).unwrap().len();
    let all: u64 = (1..=CODES).map(bytes).sum();
    let others = ["notes.txt", "log-0000000000000001", "x.artifact", "1.new"];
    for other in others {
        fs::write(cache.path().join(other), vec![1; 1 << 20]).unwrap();
    }
    // Used again, the first is not the oldest any more.
    std::thread::sleep(std::time::Duration::from_millis(30));
    let mut session = fresh(&vm_at(cache.path()));
    session.deploy(numbered(1), with_id(1), LIMIT).unwrap();
    let artifacts_config = ArtifactConfig {
        directory: ArtifactDirectory::At(cache.path().into()),
        disk_bytes_max: all,
        ram_bytes_max: 0,
    };
    let small = Config {
        artifacts: artifacts_config,
        ..Config::default()
    };
    let vm = VM::ephemeral_with_config(small).unwrap();
    let mut session = fresh(&vm);
    session.deploy(numbered(9), with_id(9), LIMIT).unwrap();
    let counters = vm.artifact_counters();
    assert!(counters.disk_evicted >= 1);
    let left = artifacts(cache.path());
    let left_bytes: u64 = left
        .iter()
        .filter(|path| path.file_name().unwrap() != "x.artifact")
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert!(left_bytes <= all, "{left_bytes} of {all}");
    artifact(cache.path(), 1);
    artifact(cache.path(), 9);
    for other in others {
        assert!(cache.path().join(other).exists(), "{other}");
    }
}

/// An artifact that is larger than all that may be kept is not written, and nothing goes for it.
#[test]
fn what_can_not_fit_is_not_written() {
    let files = Arc::new(FaultyFiles::new());
    let artifacts = ArtifactConfig {
        directory: ArtifactDirectory::Files(files.clone()),
        disk_bytes_max: 100,
        ram_bytes_max: u64::MAX,
    };
    let config = Config {
        artifacts,
        ..Config::default()
    };
    let vm = VM::ephemeral_with_config(config).unwrap();
    first_block(&vm);
    assert_eq!(files.names().unwrap(), ["key"]);
    assert_eq!(vm.artifact_counters().write_failures, 0);
}

//! Threads, VMs and processes that use one cache at once.

use std::process::Command;
use std::sync::Barrier;
use std::thread;

use crostata::{ArtifactDirectory, VM};

use crate::blocks::*;
use crate::common::*;

const THREADS: usize = 10;

/// Ten threads that want the same code at once have it compiled once.
#[test]
fn threads_compile_a_code_once() {
    let vm = VM::ephemeral_with_config(config(ArtifactDirectory::Nowhere, u64::MAX)).unwrap();
    let code = crostata::contract_bytecode!("bench");
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut session = fresh(&vm);
                barrier.wait();
                session.deploy(code, with_id(1), LIMIT).unwrap();
            });
        }
    });
    let counters = vm.artifact_counters();
    assert_eq!(counters.compiled, 1);
    assert_eq!(counters.ram_hits + counters.waited, THREADS as u64 - 1);
}

/// P1: sessions in the process's common pool of threads, which take up one another's work while they wait, do not
/// wait for themselves.
#[test]
fn sessions_in_the_common_pool_do_not_wait_for_themselves() {
    use rayon::prelude::*;
    let vm = VM::ephemeral_with_config(config(ArtifactDirectory::Nowhere, 0)).unwrap();
    let (base, _) = first_block(&vm);
    let (_, wanted) = block(&vm, base, 1);
    let all: Vec<Vec<Seen>> = (0..40)
        .into_par_iter()
        .map(|_| {
            let mut session = over(&vm, base);
            // Inside of another parallel piece of work, as the compiler's own is.
            let seen: Vec<_> = (0..4_u32).into_par_iter().map(|_| ()).collect();
            assert_eq!(seen.len(), 4);
            session.call_raw(id(1), "add", words(&[1]), LIMIT).unwrap();
            drop(session);
            block(&vm, base, 1).1
        })
        .collect();
    assert!(all.iter().all(|seen| *seen == wanted));
}

/// P1: VMs that share a directory give what each gives alone, whichever of them writes what.
#[test]
fn vms_share_a_directory() {
    let wanted = reference();
    let cache = Directory::new();
    let path = cache.path().join("made").join("by whoever comes first");
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let vm = vm_at(&path);
                barrier.wait();
                assert_eq!(run(&vm), wanted);
            });
        }
    });
    let vm = vm_at(&path);
    assert_eq!(run(&vm), wanted);
    // Keys that were made at the same moment may have cost some artifacts.
    let again = vm_at(&path);
    assert_eq!(run(&again), wanted);
    assert_eq!(again.artifact_counters().compiled, 0);
}

/// Set in processes that [`processes_share_a_directory`] starts.
const SHARED: &str = "CROSTATA_TEST_SHARED_CACHE";

/// P1: processes that share a directory do not disturb one another, also where they make it at the same moment.
#[test]
fn processes_share_a_directory() {
    if let Some(path) = std::env::var_os(SHARED) {
        assert_eq!(run(&vm_at(path.as_ref())), reference());
        return;
    }
    let cache = Directory::new();
    let start = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "sharing::processes_share_a_directory"])
            .env(SHARED, cache.path());
        command.spawn().unwrap()
    };
    for mut process in [start(), start(), start()] {
        assert!(process.wait().unwrap().success());
    }
    run(&vm_at(cache.path()));
    let vm = vm_at(cache.path());
    run(&vm);
    assert_eq!(vm.artifact_counters().compiled, 0);
}

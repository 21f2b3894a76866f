//! Threads, VMs and processes that use one cache at once.

use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crostata::{ArtifactDirectory, VM};
use crostata_proof::hash::code_hash;

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

/// P1: sessions in a pool of threads that take up one another's work while they wait do not wait for themselves. (If they
/// do, this test does not end.)
///
/// One thread compiles, the other is idle by then and helps it; sessions that want the same code are waiting to be taken up.
#[test]
fn sessions_in_a_pool_do_not_wait_for_themselves() {
    let vm = VM::ephemeral_with_config(config(ArtifactDirectory::Nowhere, u64::MAX)).unwrap();
    let code = crostata::contract_bytecode!("bench");
    let threads = rayon::ThreadPoolBuilder::new().num_threads(2);
    let threads = threads.build().unwrap();
    let deploy = || {
        let mut session = fresh(&vm);
        session.deploy(code, with_id(1), LIMIT).unwrap();
    };
    let rounds = [1, 2, 4, 8, 16, 32, 64, 128];
    for busy_for in rounds {
        vm.remove_module(&code_hash(code));
        threads.in_place_scope(|scope| {
            scope.spawn(|_| deploy());
            scope.spawn(move |_| thread::sleep(Duration::from_millis(busy_for)));
            for _ in 0..4 {
                scope.spawn(|_| deploy());
            }
        });
    }
    assert_eq!(vm.artifact_counters().compiled, rounds.len() as u64);
}

/// A node whose cache was made anew by another process goes on with that one's key.
#[test]
fn a_key_that_another_process_made_is_taken_up() {
    let cache = Directory::new();
    let vm = vm_at(cache.path());
    let (base, _) = first_block(&vm);
    for entry in std::fs::read_dir(cache.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    first_block(&vm_at(cache.path()));
    block(&vm, base, 1);
    let counters = vm.artifact_counters();
    assert_eq!((counters.compiled, counters.disk_hits), (CODES, CODES));
    assert_eq!(counters.foreign, 0);
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

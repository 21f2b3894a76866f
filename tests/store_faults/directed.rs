//! Short histories, each with the disk failing at every one of its operations.

use crostata::store::files::{Fault, MemoryFiles, Unsynced};

use crate::model::Writes;
use crate::process::{Disk, Step, Told, check_and_go_on, run};

/// The youngest commit.
const LAST: u64 = u64::MAX;
const GENESIS: u64 = 0;

fn write(contract: u64, pages: &[(u32, u32)]) -> Vec<Writes> {
    let pages = pages.to_vec();
    vec![Writes { contract, pages }]
}

/// Deploys, branches, finalising, deleting, and a checkpoint.
fn branches() -> Vec<Step> {
    vec![
        Step::Commit(GENESIS, write(1, &[(0, 1), (1, 2)])),
        Step::Commit(1, write(1, &[(1, 3)])),
        Step::Commit(1, write(2, &[(1, 3)])),
        Step::Delete(1),
        Step::Finalise(LAST),
        Step::Checkpoint,
        Step::Commit(LAST, write(1, &[(0, 0), (2, 4)])),
    ]
}

/// Checkpoints that give up segments, a session that outlives them, and states that are stored late.
fn reclaiming() -> Vec<Step> {
    let mut steps = vec![
        Step::Commit(GENESIS, write(1, &[(0, 9), (40, 9), (47, 8)])),
        Step::Hold(LAST),
        Step::Seal(1, write(2, &[(0, 1)])),
    ];
    for round in 1..4 {
        let pages = [(0, round), (1, round), (2, round), (3, round)];
        steps.push(Step::Commit(LAST, write(1, &pages)));
        steps.push(Step::Finalise(LAST));
        steps.push(Step::Seal(LAST, write(3, &[(1, round)])));
        steps.push(Step::Checkpoint);
        steps.push(Step::Store(u64::from(round)));
    }
    steps.push(Step::Store(0));
    steps.push(Step::Release(0));
    steps
}

fn operations(steps: &[Step]) -> u64 {
    let disk = Disk::sound(&MemoryFiles::new());
    assert!(run(&disk, steps, &mut Told::nothing()));
    disk.files.operations()
}

/// Does the steps on a disk that fails at an operation.
fn failed(steps: &[Step], at: u64, fault: Fault) -> (Disk, Told) {
    let disk = Disk::failing(&MemoryFiles::new(), at, fault);
    let mut told = Told::nothing();
    run(&disk, steps, &mut told);
    assert!(disk.has_failed());
    (disk, told)
}

fn cut_everywhere(steps: &[Step]) {
    for at in 0..operations(steps) {
        let (disk, told) = failed(steps, at, Fault::Cut);
        for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Torn(at)] {
            check_and_go_on(&disk.crash(unsynced), &told);
        }
    }
}

/// The process goes on with the VM that it has; then the files are opened again.
fn fail_everywhere(steps: &[Step]) {
    for at in 0..operations(steps) {
        for (fault, unsynced) in [
            (Fault::Io, Unsynced::Lost),
            (Fault::NoSpace, Unsynced::Kept),
            (Fault::Short, Unsynced::Torn(at)),
        ] {
            let (disk, told) = failed(steps, at, fault);
            check_and_go_on(&disk.crash(unsynced), &told);
        }
    }
}

#[test]
fn the_power_may_go_at_every_operation_of_a_tree_of_commits() {
    cut_everywhere(&branches());
}

#[test]
fn the_power_may_go_at_every_operation_of_reclaiming() {
    cut_everywhere(&reclaiming());
}

#[test]
fn every_operation_of_a_tree_of_commits_may_fail() {
    fail_everywhere(&branches());
}

#[test]
fn every_operation_of_reclaiming_may_fail() {
    fail_everywhere(&reclaiming());
}

#[test]
fn reclaiming_gives_up_segments() {
    let disk = Disk::sound(&MemoryFiles::new());
    assert!(run(&disk, &reclaiming(), &mut Told::nothing()));
    let files = disk.crash(Unsynced::Kept);
    assert_eq!(files.bytes("log-0000000000000001"), None);
}

//! P3: short histories with the disk failing at every one of their operations, recovery's own included: what was
//! acknowledged is there, what was not is there wholly or not at all, and everything goes on from there.

use super::model::Change;
use super::process::{Process, Step, Told, check_and_go_on, run};
use super::*;
use crate::state::Commits;
use crate::state::checkpoint::kind;

/// What may be left when the power went at an operation.
fn after_a_cut(at: u64) -> [Unsynced; 4] {
    [
        Unsynced::Lost,
        Unsynced::Kept,
        Unsynced::Torn(at),
        Unsynced::Torn(!at),
    ]
}

/// The youngest commit.
const LAST: u64 = u64::MAX;
const GENESIS: u64 = 0;

pub fn write(contract: u8, pages: &[(u32, u32)]) -> Vec<Change> {
    vec![Change {
        contract,
        fresh: false,
        code: contract % 3,
        wasm_pages: 80,
        pages: pages.to_vec(),
    }]
}

/// A contract with new code and memory, in place of the one that may be there.
fn deploy(contract: u8, code: u8, pages: &[(u32, u32)]) -> Vec<Change> {
    let mut changes = write(contract, pages);
    (changes[0].fresh, changes[0].code) = (true, code);
    changes
}

/// Commits in a line, of which some become final.
fn line() -> Vec<Step> {
    vec![
        Step::Commit(GENESIS, deploy(0, 0, &[(0, 1), (1, 2), (1000, 3)]), 0),
        Step::Commit(LAST, write(0, &[(1, 3), (2, 3)]), 0),
        Step::Finalise(LAST),
        Step::Commit(LAST, write(1, &[(0, 4)]), 5),
        Step::Commit(LAST, write(0, &[(0, 0), (1, 0)]), 0),
        Step::Finalise(1),
        Step::Commit(LAST, write(0, &[(0, 1)]), 0),
    ]
}

/// Several branches, of which some are deleted and one wins; one commit is made again after it was deleted.
fn branches() -> Vec<Step> {
    vec![
        Step::Commit(GENESIS, deploy(0, 0, &[(0, 1)]), 0),
        Step::Commit(GENESIS, deploy(0, 1, &[(0, 2)]), 0),
        Step::Commit(1, write(0, &[(1, 1)]), 0),
        Step::Commit(1, write(0, &[(1, 2)]), 0),
        Step::Commit(3, write(0, &[(2, 2)]), 0),
        Step::Delete(2),
        Step::Checkpoint,
        Step::Commit(1, write(0, &[(1, 1)]), 0),
        Step::Delete(1),
        Step::Finalise(1),
        Step::Commit(LAST, write(0, &[(3, 2)]), 0),
        Step::Finalise(LAST),
    ]
}

/// Checkpoints that give up segments whose content was mostly overwritten.
fn reclaiming() -> Vec<Step> {
    let mut steps = vec![Step::Commit(
        GENESIS,
        deploy(
            0,
            1,
            &[(0, 9), (62, 9), (130, 8), (700, 7), (1200, 6), (1279, 5)],
        ),
        0,
    )];
    for round in 1..6 {
        let pages = [(0, round), (1, round + 1), (63, round), (64 + round, round)];
        steps.push(Step::Commit(LAST, write(0, &pages), 0));
        steps.push(Step::Commit(LAST, deploy(1, round as u8 % 3, &pages), 0));
        steps.push(Step::Finalise(LAST));
        steps.push(Step::Checkpoint);
    }
    steps
}

/// States that are held, or sealed and stored late, while what they were made of is checkpointed, deleted, or final.
fn late() -> Vec<Step> {
    vec![
        Step::Commit(GENESIS, deploy(0, 2, &[(0, 1), (1, 1), (700, 2)]), 0),
        Step::Commit(LAST, write(0, &[(1, 2)]), 0),
        Step::Commit(1, write(0, &[(1, 3)]), 0),
        Step::Hold(2),
        Step::Seal(2, write(0, &[(2, 4)]), 0),
        Step::Seal(4, deploy(2, 1, &[(0, 4)]), 0),
        Step::Seal(3, write(0, &[(2, 4)]), 0),
        Step::Store(1),
        Step::Store(0),
        Step::Finalise(1),
        Step::Checkpoint,
        Step::Store(1),
        Step::Store(2),
        Step::Seal(LAST, write(1, &[(0, 3)]), 0),
        Step::Delete(LAST),
        Step::Checkpoint,
        Step::Store(0),
        Step::Commit(LAST, write(0, &[(5, 1), (7, 2), (11, 3)]), 0),
        Step::Store(3),
        Step::Finalise(LAST),
        Step::Checkpoint,
        Step::Release(0),
    ]
}

/// The same commit from several processes' hands: sealed twice, stored twice, followed by both.
fn twice() -> Vec<Step> {
    vec![
        Step::Commit(GENESIS, deploy(0, 0, &[(0, 1)]), 0),
        Step::Seal(1, write(0, &[(1, 1)]), 0),
        Step::Seal(1, write(0, &[(1, 1)]), 0),
        Step::Seal(3, write(0, &[(2, 1)]), 0),
        Step::Store(0),
        Step::Store(1),
        Step::Store(2),
        Step::Finalise(LAST),
        Step::Checkpoint,
        Step::Commit(LAST, write(0, &[(2, 2)]), 0),
        Step::Finalise(LAST),
        Step::Checkpoint,
    ]
}

/// A history that ends with several branches over a checkpoint.
pub fn branches_at_the_end() -> Vec<Step> {
    let mut steps = reclaiming();
    steps.extend([
        Step::Commit(LAST, write(0, &[(2, 2), (3, 3)]), 0),
        Step::Commit(1, write(2, &[(0, 4), (700, 1)]), 5),
        Step::Commit(2, deploy(3, 2, &[(5, 1)]), 0),
        Step::Checkpoint,
        Step::Commit(LAST, write(1, &[(0, 3)]), 0),
        Step::Delete(2),
        Step::Commit(1, write(0, &[(7, 3)]), 0),
    ]);
    steps
}

/// A commit whose frame is longer than a segment, its meta longer than a block, and written in several parts.
fn large() -> Vec<Step> {
    let pages: Vec<_> = (0..130).map(|page| (page, 1000 + page)).collect();
    vec![
        Step::Commit(GENESIS, deploy(0, 0, &[(0, 1)]), 0),
        Step::Commit(LAST, write(0, &pages), 0),
        Step::Finalise(LAST),
        Step::Checkpoint,
        Step::Commit(LAST, write(0, &[(64, 0), (129, 0)]), 0),
        Step::Finalise(LAST),
        Step::Checkpoint,
    ]
}

fn histories() -> [Vec<Step>; 6] {
    [line(), branches(), reclaiming(), late(), twice(), large()]
}

/// How many operations of a disk the steps take.
fn operations(steps: &[Step]) -> u64 {
    operations_with(SMALL, steps)
}

fn operations_with(config: LogConfig, steps: &[Step]) -> u64 {
    let mut disk = Disk::sound(&MemoryFiles::new());
    disk.config = config;
    assert!(run(&disk, steps, &mut Told::nothing()));
    disk.files.operations()
}

/// A process does the steps on an empty disk that fails at an operation.
fn failed(steps: &[Step], at: u64, fault: Fault) -> (Disk, Told) {
    failed_with(SMALL, steps, at, fault)
}

fn failed_with(config: LogConfig, steps: &[Step], at: u64, fault: Fault) -> (Disk, Told) {
    let mut disk = Disk::failing(&MemoryFiles::new(), at, fault);
    disk.config = config;
    let mut told = Told::nothing();
    run(&disk, steps, &mut told);
    assert!(disk.has_failed());
    (disk, told)
}

#[test]
fn without_faults_all_is_as_the_model_says() {
    for steps in histories() {
        let disk = Disk::sound(&MemoryFiles::new());
        let mut told = Told::nothing();
        let mut process = Process::open(&disk, &mut told).unwrap();
        for step in &steps {
            process.step(step);
            process.check_all();
        }
        drop(process);
        for unsynced in after_a_cut(0) {
            check_and_go_on(&disk.crash(unsynced), &told);
        }
    }
}

#[test]
fn reclaiming_gives_up_segments() {
    let disk = Disk::sound(&MemoryFiles::new());
    run(&disk, &reclaiming(), &mut Told::nothing());
    let files = disk.crash(Unsynced::Kept);
    let mut names = files.names().unwrap();
    names.retain(|name| name.starts_with("log-"));
    let last = names.last().unwrap();
    assert!(*last > format!("log-{:016x}", names.len() + 3), "{names:?}");
    let (commits, _) = Commits::open(Arc::new(files), SMALL).unwrap();
    let store = commits.store();
    let segments = store.segments().into_iter();
    let frames = segments.flat_map(|segment| store.frames(segment.number).unwrap());
    let kinds: Vec<u8> = frames.map(|frame| frame.kind).collect();
    assert!(kinds.contains(&kind::MOVED), "{kinds:?}");
}

#[test]
fn the_power_may_go_at_every_operation() {
    for steps in histories() {
        for at in 0..operations(&steps) {
            let (disk, told) = failed(&steps, at, Fault::Cut);
            for unsynced in after_a_cut(at) {
                check_and_go_on(&disk.crash(unsynced), &told);
            }
        }
    }
}

/// A segment is made and another given up nearly all the time.
#[test]
fn the_power_may_go_at_every_operation_with_a_segment_for_each_frame() {
    for steps in [branches(), late()] {
        for at in 0..operations_with(SMALLEST, &steps) {
            let (disk, told) = failed_with(SMALLEST, &steps, at, Fault::Cut);
            for unsynced in [Unsynced::Kept, Unsynced::Torn(at)] {
                check_and_go_on(&disk.crash(unsynced), &told);
            }
        }
    }
}

/// The process goes on with the handle that it has, then another one opens the same files, with and without a cut.
#[test]
fn every_operation_may_fail() {
    for steps in histories() {
        for at in 0..operations(&steps) {
            for fault in [Fault::Io, Fault::NoSpace] {
                let (disk, told) = failed(&steps, at, fault);
                for unsynced in [Unsynced::Lost, Unsynced::Torn(at)] {
                    check_and_go_on(&disk.crash(unsynced), &told);
                }
                let mut told = told.clone();
                assert!(run(&disk, &line(), &mut told));
                check_and_go_on(&disk.crash(Unsynced::Lost), &told);
            }
        }
    }
}

#[test]
fn short_reads_and_writes_change_nothing() {
    for steps in histories() {
        for at in 0..operations(&steps) {
            let (disk, told) = failed(&steps, at, Fault::Short);
            assert_eq!(told.0.len(), 1);
            check_and_go_on(&disk.crash(Unsynced::Lost), &told);
        }
    }
}

/// The power goes, and again at every operation of recovery and what follows it.
#[test]
fn the_power_may_go_during_recovery() {
    for steps in histories() {
        for at in (0..operations(&steps)).step_by(19) {
            let (disk, told) = failed(&steps, at, Fault::Cut);
            let files = disk.crash(Unsynced::Torn(at));
            cut_again(&files, &told);
        }
    }
}

fn cut_again(files: &MemoryFiles, told: &Told) {
    let after = [Step::Commit(LAST, write(3, &[(0, 2)]), 9), Step::Checkpoint];
    for at in 0.. {
        let disk = Disk::failing(files, at, Fault::Cut);
        let mut told = told.clone();
        run(&disk, &after, &mut told);
        for unsynced in [Unsynced::Lost, Unsynced::Torn(at)] {
            check_and_go_on(&disk.crash(unsynced), &told);
        }
        if !disk.has_failed() {
            return;
        }
    }
}

//! P3 and P5: the log's length follows the state and not its history, and what is retained is there whatever was
//! checkpointed, moved and given up in between.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use common::*;
use crostata::store::files::{Files, MemoryFiles};
use crostata::{Commit, Config, ContractData, LogConfig, Session, SessionData, VM};

/// So little that a handful of commits makes segments, checkpoints, and segments that are given up.
fn small() -> Config {
    Config {
        log: LogConfig {
            segment_bytes: 256 << 10,
            checkpoint_bytes: 100 << 10,
            checkpoint_entries: 20,
            slack_bytes: 0,
            node_cache_bytes: 1 << 20,
        },
        ..Config::default()
    }
}

fn open(files: &MemoryFiles) -> VM {
    VM::with_files(Arc::new(files.clone()), small()).unwrap()
}

fn len_bytes(files: &MemoryFiles) -> usize {
    let names = files.names().unwrap();
    names
        .iter()
        .map(|name| files.bytes(name).unwrap().len())
        .sum()
}

/// A commit that writes `round` into a few pages of contract 1, most of which later rounds overwrite.
fn round(vm: &VM, base: Commit, round: u32) -> Commit {
    let mut session = over(vm, base);
    for step in 0..4 {
        let page = 1 + (round * 7 + step * 5) % 13;
        store(&mut session, id(1), page * 4096, round);
    }
    store(&mut session, id(1), (33 + round % 60) * 4096, round);
    session.commit().unwrap()
}

fn content(vm: &VM, commit: Commit) -> Vec<u32> {
    let mut session = over(vm, commit);
    (0..16)
        .chain(33..93)
        .map(|page| load(&mut session, id(1), page * 4096))
        .collect()
}

#[test]
fn a_long_history_leaves_a_short_log() {
    let files = MemoryFiles::new();
    let mut vm = open(&files);
    let mut session = fresh(&vm);
    deploy_cells(&mut session, 1);
    deploy_cells(&mut session, 2);
    let mut last = session.commit().unwrap();
    drop(session);
    grow(&vm, &mut last);
    let mut longest = 0;
    for number in 1..400 {
        last = round(&vm, last, number);
        vm.finalize_commit(last).unwrap();
        longest = longest.max(len_bytes(&files));
        if number % 37 == 0 {
            let expected = content(&vm, last);
            drop(vm);
            vm = open(&files);
            assert_eq!(vm.recovery().dropped_tail, None);
            assert_eq!((vm.finalized(), vm.commits()), (Some(last), vec![last]));
            assert_eq!(content(&vm, last), expected);
        }
    }
    assert!(longest < 4 << 20, "{longest} bytes");
}

fn grow(vm: &VM, last: &mut Commit) {
    let mut session = over(vm, *last);
    session.call_raw(id(1), "grow", words(&[8]), LIMIT).unwrap();
    *last = session.commit().unwrap();
}

/// The cells of contract 1 that [`fresh_cells`] sets.
fn fresh_cells(vm: &VM, value: u32) -> Session {
    let mut session = fresh(vm);
    deploy_cells(&mut session, 1);
    store(&mut session, id(1), 0, value);
    session
}

/// A node executes a block twice, and goes on from the making that was not stored. What that one keeps in memory must
/// not be taken for something that the log has.
#[test]
fn what_follows_a_second_making_of_a_commit_is_durable() {
    let files = MemoryFiles::new();
    let vm = open(&files);
    let mut first = fresh_cells(&vm, 1);
    let mut second = fresh_cells(&vm, 1);
    let commit = first.commit().unwrap();
    assert_eq!(second.commit().unwrap(), commit);
    store(&mut second, id(1), 4096, 2);
    let child = second.commit().unwrap();
    drop((first, second));
    vm.finalize_commit(child).unwrap();
    vm.checkpoint().unwrap();
    drop(vm);
    let vm = open(&files);
    let mut session = over(&vm, child);
    let cells = [0, 4096].map(|address| load(&mut session, id(1), address));
    assert_eq!((vm.commits(), cells), (vec![child], [1, 2]));
    assert!(vm.verify(|_| ()).is_clean());
}

/// Two ways to one state: by the way, one of them tries a code that no contract runs in the end. What is built over
/// that one's state and stored over the other's must have all its code.
#[test]
fn code_that_was_only_tried_is_no_part_of_a_commit() {
    let files = MemoryFiles::new();
    let vm = open(&files);
    let other = code(&CELLS.replace("nothing", "something"));
    let mut straight = fresh(&vm);
    straight.deploy(&other, with_id(1), LIMIT).unwrap();
    let mut winding = fresh(&vm);
    deploy_cells(&mut winding, 1);
    let data = ContractData::builder();
    let migrated = winding.migrate(id(1), &other, data, LIMIT, |_, _| Ok(()));
    migrated.unwrap();
    let sealed = winding.seal().unwrap();
    assert_eq!(sealed.names(), straight.commit().unwrap());
    deploy_cells(&mut winding, 2);
    let last = winding.commit().unwrap();
    drop((straight, winding, sealed, vm));
    let vm = open(&files);
    assert!(vm.verify(|_| ()).is_clean());
    assert_eq!(load(&mut over(&vm, last), id(2), 0), 0);
}

/// Readers and the verifier see a sound store whatever is checkpointed and given up meanwhile.
#[test]
fn reading_and_verifying_go_on_beside_checkpoints() {
    let vm = open(&MemoryFiles::new());
    let mut session = fresh(&vm);
    deploy_cells(&mut session, 1);
    let mut last = session.commit().unwrap();
    drop(session);
    grow(&vm, &mut last);
    vm.finalize_commit(last).unwrap();
    let done = AtomicBool::new(false);
    let begun = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let verifying = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let report = vm.verify(|_| ());
                assert!(report.is_clean(), "{report:?}");
                begun.fetch_add(1, Ordering::SeqCst);
            }
        });
        let reading = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let base = vm.finalized().unwrap();
                // It may have been outvoted since.
                let Ok(mut session) = vm.session(SessionData::builder().base(base)) else {
                    continue;
                };
                let value = load(&mut session, id(1), 4096 * 33);
                std::thread::yield_now();
                assert_eq!(load(&mut session, id(1), 4096 * 33), value);
                assert_eq!(session.root().unwrap(), base.root);
            }
        });
        for number in 1.. {
            last = round(&vm, last, number);
            vm.finalize_commit(last).unwrap();
            vm.checkpoint().unwrap();
            let enough = number > 60 && begun.load(Ordering::SeqCst) > 10;
            if enough || verifying.is_finished() || reading.is_finished() {
                break;
            }
        }
        done.store(true, Ordering::SeqCst);
    });
}

/// Sessions share the committed pages that are loaded. What is not loaded yet each of them reads from where its own
/// state has it, whichever of them came last: an older one's places may be gone when the older one is.
#[test]
fn a_session_does_not_read_where_another_ones_state_was() {
    let files = MemoryFiles::new();
    let vm = open(&files);
    let mut last = written(&vm, None, 1..48, 1);
    vm.finalize_commit(last).unwrap();
    last = written(&vm, Some(last), 1..46, 2);
    vm.finalize_commit(last).unwrap();
    let mut older = over(&vm, last);
    vm.checkpoint().unwrap();
    let mut session = over(&vm, last);
    session
        .call_raw(id(2), "grow", words(&[40]), LIMIT)
        .unwrap();
    last = session.commit().unwrap();
    drop(session);
    for round in 3..120 {
        // A second contract fills the log with segments of which a part stays live, until they are emptied.
        let mut session = over(&vm, last);
        for step in 0..20 {
            let page = 48 + (round * 131 + step * 37) % 600;
            store(&mut session, id(2), page * 4096, 100 * round + page);
        }
        last = session.commit().unwrap();
        vm.finalize_commit(last).unwrap();
        vm.checkpoint().unwrap();
    }
    let mut newer = over(&vm, last);
    assert_eq!(load(&mut newer, id(1), 4096), 201);
    assert_eq!(load(&mut older, id(1), 4096), 201);
    drop(older);
    assert!(files.bytes("log-0000000000000001").is_none());
    assert_eq!(load(&mut newer, id(1), 4096 * 46), 146);
}

/// A commit that writes these pages of contract 1; the first one deploys it, and contract 2.
fn written(vm: &VM, base: Option<Commit>, pages: std::ops::Range<u32>, value: u32) -> Commit {
    let mut session = match base {
        Some(base) => over(vm, base),
        None => fresh(vm),
    };
    if base.is_none() {
        deploy_cells(&mut session, 1);
        deploy_cells(&mut session, 2);
    }
    // Different ones: a content is stored once.
    pages.for_each(|page| store(&mut session, id(1), page * 4096, 100 * value + page));
    session.commit().unwrap()
}

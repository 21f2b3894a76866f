//! P3 and P5: the log's length follows the state and not its history, and what is retained is there whatever was
//! checkpointed, moved and given up in between.

mod common;

use std::sync::Arc;

use common::*;
use crostata::store::files::{Files, MemoryFiles};
use crostata::{Commit, Config, LogConfig, VM};

/// So little that a handful of commits makes segments, checkpoints, and segments that are given up.
fn small() -> Config {
    Config {
        log: LogConfig {
            segment_bytes: 256 << 10,
            checkpoint_bytes: 100 << 10,
            checkpoint_entries: 20,
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

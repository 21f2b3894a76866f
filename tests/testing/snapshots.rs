//! Chains over real states: a commit of a node's store, which stays as it is to the byte, or an export. What runs on one is what the
//! node would run (P1).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use crostata::testing::{Chain, ContractId};
use crostata::{Commit, ContractData, SessionData, VM, contract_bytecode};

const COUNTER: &[u8] = contract_bytecode!("counter");

/// A store with three commits in a row, of a counter that was incremented before each; the second is final.
fn store(directory: &Path) -> (ContractId, Vec<Commit>) {
    let vm = VM::new(directory).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let counter = session
        .deploy(COUNTER, ContractData::builder(), 1_000_000)
        .unwrap();
    let commits = (0..3).map(|_| {
        session
            .call::<_, ()>(counter, "increment", &(), 1_000_000)
            .unwrap();
        session.commit().unwrap()
    });
    let commits: Vec<Commit> = commits.collect();
    vm.finalize_commit(commits[1]).unwrap();
    (counter, commits)
}

fn value(chain: &mut Chain, counter: ContractId) -> i64 {
    chain.call::<_, i64>(counter, "read_value", &()).value() - 0xfc
}

fn files(directory: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut all = BTreeMap::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let changed = path.metadata().unwrap().modified().unwrap();
            match path.is_dir() {
                true => open.push(path.clone()),
                false => drop(all.insert(
                    path.display().to_string(),
                    (std::fs::read(&path).unwrap(), changed),
                )),
            }
        }
    }
    all
}

/// A chain over a commit runs on from it, and the store is not touched: no byte, no time, no file.
#[test]
fn a_store_is_read_and_never_written() {
    let directory = tempfile::tempdir().unwrap();
    let (counter, commits) = store(directory.path());
    let before = files(directory.path());
    {
        let mut last = Chain::open(directory.path(), Some(&commits[2].id.to_string())).unwrap();
        assert_eq!(last.root(), *commits[2].root.as_bytes());
        assert_eq!(value(&mut last, counter), 3);
        // Two at once: readers do not exclude each other.
        let mut finalised = Chain::open(directory.path(), None).unwrap();
        assert_eq!(value(&mut finalised, counter), 2);
        let root = format!("0x{}", commits[1].root);
        let mut by_root = Chain::open(directory.path(), Some(&root)).unwrap();
        for _ in 0..5 {
            by_root
                .call::<_, ()>(counter, "increment", &())
                .expect_success();
        }
        assert_eq!(value(&mut by_root, counter), 7);
        let second = by_root.deploy(COUNTER).send();
        assert_eq!(value(&mut by_root, second), 0);
        assert_eq!(value(&mut finalised, counter), 2);
    }
    assert!(files(directory.path()) == before, "the directory changed");
}

/// What a chain over a commit gives is what a session of the node gives: root and gas.
#[test]
fn a_snapshot_runs_as_the_node_does() {
    let directory = tempfile::tempdir().unwrap();
    let (counter, commits) = store(directory.path());
    let mut chain = Chain::open(directory.path(), None).unwrap();
    let called = chain.call::<_, ()>(counter, "increment", &());
    let (gas, root) = (called.gas_spent(), chain.root());
    drop(chain);
    drop(called);
    let vm = VM::new(directory.path()).unwrap();
    let mut session = vm.session(SessionData::builder().base(commits[1])).unwrap();
    let receipt = session
        .call::<_, ()>(counter, "increment", &(), 1_000_000)
        .unwrap();
    assert_eq!(
        (gas, root),
        (receipt.gas_spent, *session.root().unwrap().as_bytes())
    );
}

/// An export is a chain's base as well.
#[test]
fn an_export_is_a_base() {
    let directory = tempfile::tempdir().unwrap();
    let (counter, commits) = store(&directory.path().join("store"));
    let file = directory.path().join("state.export");
    let vm = VM::new(directory.path().join("store")).unwrap();
    vm.export(commits[2])
        .unwrap()
        .write_to(std::fs::File::create(&file).unwrap())
        .unwrap();
    let mut chain = Chain::import(&file).unwrap();
    assert_eq!(chain.root(), *commits[2].root.as_bytes());
    assert_eq!(value(&mut chain, counter), 3);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let error = Chain::import(&file).unwrap_err().to_string();
    assert!(error.contains("state.export can not be opened"), "{error}");
}

/// What can not be a base says why, and makes nothing.
#[test]
fn what_is_no_base_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("nowhere");
    let error = Chain::open(&nowhere, None).unwrap_err().to_string();
    assert!(
        error.contains("there is no such directory") && !nowhere.exists(),
        "{error}"
    );
    let error = Chain::open(directory.path(), None).unwrap_err().to_string();
    assert!(error.contains("there is no commit in it"), "{error}");
    let place = directory.path().join("store");
    let (_, commits) = store(&place);
    let unknown = "ab".repeat(32);
    let error = Chain::open(&place, Some(&unknown)).unwrap_err().to_string();
    assert!(
        error.contains(&commits[1].id.to_string()),
        "it lists those there are: {error}"
    );
    let vm = VM::new(&place).unwrap();
    let error = Chain::open(&place, None).unwrap_err().to_string();
    assert!(
        error.contains("is in use") || error.contains("locked"),
        "{error}"
    );
    drop(vm);
    let error = Chain::import(directory.path().join("none"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("No such file"), "{error}");
}

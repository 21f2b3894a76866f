//! Smoke.

use crostata::{ContractData, PageIndex, SessionData, VM};

#[test]
fn counter() {
    let dir = tempfile::tempdir().unwrap();
    let vm = VM::new(dir.path()).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let code = std::fs::read("contracts/artifacts/counter.wasm").unwrap();
    let id = session
        .deploy(&code, ContractData::builder().owner([7; 32]), 1_000_000)
        .unwrap();
    let value = session
        .call::<_, i64>(id, "read_value", &(), 1_000_000)
        .unwrap();
    assert_eq!(value.data, 0xfc);
    println!("{}", value.call_tree);
    let before = session.root();
    session
        .call::<_, ()>(id, "increment", &(), 1_000_000)
        .unwrap();
    assert_ne!(before, session.root());
    let commit = session.commit().unwrap();
    drop(session);
    drop(vm);
    let vm = VM::new(dir.path()).unwrap();
    assert_eq!(vm.commits(), [commit]);
    let mut session = vm.session(SessionData::builder().base(commit)).unwrap();
    assert_eq!(session.root(), commit.root);
    let value = session
        .call::<_, i64>(id, "read_value", &(), 1_000_000)
        .unwrap();
    assert_eq!(value.data, 0xfd);
    assert_eq!(session.root(), commit.root);
    for (page, opening) in session.memory_pages(id).unwrap() {
        let proven = opening.verify(&commit.root, &id, page).unwrap();
        println!("page {page}: {} bytes", opening.encode().len());
        assert_eq!(proven.len(), 4096);
    }
    let _ = PageIndex(0);
}

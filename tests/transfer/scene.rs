//! States to transfer, and the steps of a transfer.

use std::sync::Arc;

use crostata::store::files::{Files, MemoryFiles};
use crostata::{
    Commit, Config, ContractData, Cursor, Export, Import, ImportError, LogConfig, Session, VM,
};

use crostata_proof::hash;

use crate::common::*;

/// Sizes of chunks: an item each, a few pages, several contracts, everything.
pub const SIZES: [u64; 4] = [0, 20_000, 60_000, 1 << 20];

/// A log of which a handful of chunks makes segments, checkpoints, and segments that are given up.
pub fn small() -> Config {
    Config {
        log: LogConfig {
            segment_bytes: 128 << 10,
            checkpoint_bytes: 60 << 10,
            checkpoint_entries: 20,
            slack_bytes: 0,
            node_cache_bytes: 1 << 20,
        },
        ..Config::default()
    }
}

/// A VM over files in memory.
pub fn open(files: &MemoryFiles) -> VM {
    VM::with_files(Arc::new(files.clone()), small()).unwrap()
}

/// How many bytes the files have.
pub fn len_bytes(files: &MemoryFiles) -> usize {
    let names = files.names().unwrap();
    names
        .iter()
        .map(|name| files.bytes(name).unwrap().len())
        .sum()
}

/// A VM with a state of six contracts, 32-bit and 64-bit, of three codes, with pages here and there.
pub fn source() -> (VM, Commit) {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    fill(&mut session);
    let base = session.commit().unwrap();
    let mut session = over(&vm, base);
    change(&mut session);
    let commit = session.commit_with_tag([7; 32]).unwrap();
    drop(session);
    (vm, commit)
}

fn fill(session: &mut Session) {
    for number in 1..=3 {
        deploy_cells(session, number);
    }
    let other = CELLS.replace("(memory.size)", "(i32.mul (memory.size) (i32.const 1))");
    let owner = vec![9; 200];
    let data = ContractData::builder().contract_id(id(4)).owner(owner);
    session.deploy(code(&other), data, LIMIT).unwrap();
    session.deploy(code(CELLS_64), with_id(5), LIMIT).unwrap();
    session.deploy(code(CELLS_64), with_id(6), LIMIT).unwrap();
    session
        .call_raw(id(2), "grow", words(&[60]), LIMIT)
        .unwrap();
    for page in (0..15).chain(33..80).chain([500, 700, 900]) {
        store(session, id(2), page * 4096 + 8, page + 1);
    }
    for page in [3, 33, 40, 47] {
        store(session, id(4), page * 4096, 11 + page);
        store_64(session, 6, u64::from(page) * 4096, page);
    }
}

fn change(session: &mut Session) {
    store(session, id(2), 5 * 4096 + 8, 0); // zeros again
    store(session, id(2), 6 * 4096 + 8, 1000);
    store(session, id(3), 7 * 4096, 1001);
    store(session, id(3), 8 * 4096, 1001); // not the same page as the one before, but the same content
}

/// Two ids at one position of the contract tree (`docs/vectors/vectors.py`).
pub const COLLIDING: [u64; 2] = [1_918_441_929_552_476_960, 738_965_214_712_665_620];

/// The code of the contracts of [`colliding`], and of the others there.
pub fn colliding_codes() -> [Vec<u8>; 2] {
    let size = |shift: u32| format!("(i32.shl (memory.size) (i32.const {shift}))");
    [0, 1].map(|shift| code(&CELLS.replace("(memory.size)", &size(shift))))
}

/// A VM with two contracts of different codes at one position, and some others with pages of zeros.
pub fn colliding(others: u64) -> (VM, Commit) {
    let ids = COLLIDING.map(id);
    assert_eq!(hash::position(&ids[0]), hash::position(&ids[1]));
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    for (contract, code) in ids.into_iter().zip(colliding_codes()) {
        let data = ContractData::builder().contract_id(contract);
        session.deploy(code, data, LIMIT).unwrap();
        for page in 1..=4 {
            store(&mut session, contract, page * 4096, page * 3);
        }
    }
    for number in 1..=others {
        deploy_cells(&mut session, number);
    }
    let commit = session.commit().unwrap();
    drop(session);
    (vm, commit)
}

/// Stores a word in a 64-bit contract.
pub fn store_64(session: &mut Session, number: u64, address: u64, value: u32) {
    let mut argument = address.to_le_bytes().to_vec();
    argument.extend(words(&[value]));
    session
        .call_raw(id(number), "store", argument, LIMIT)
        .unwrap();
}

/// Changes every contract of [`source`]'s state, and others; the commit.
pub fn go_on(vm: &VM, base: Commit) -> Commit {
    let mut session = over(vm, base);
    for number in [1, 2, 3, 4] {
        let value = load(&mut session, id(number), 8 * 4096);
        store(&mut session, id(number), 4096 * number as u32, value + 3);
    }
    store_64(&mut session, 5, 4096, 1);
    deploy_cells(&mut session, 20);
    session.commit().unwrap()
}

/// All chunks, each with where it begins.
pub fn chunks(export: &Export, bytes_max: u64) -> Vec<(Cursor, Vec<u8>)> {
    let mut chunks = Vec::new();
    let mut next = Some(Cursor::Start);
    while let Some(cursor) = next {
        let chunk = export.chunk(&cursor, bytes_max).unwrap();
        assert_eq!(export.chunk(&cursor, bytes_max).unwrap(), chunk);
        chunks.push((cursor, chunk.bytes));
        next = chunk.next;
    }
    chunks
}

/// Accepts chunks from the one that is wanted on.
pub fn accept_all(import: &mut Import, chunks: &[(Cursor, Vec<u8>)]) -> Result<(), ImportError> {
    while let Some(cursor) = import.cursor() {
        let (_, bytes) = chunks.iter().find(|chunk| chunk.0 == cursor).unwrap();
        import.accept(bytes)?;
    }
    Ok(())
}

/// Imports everything that an export has, in chunks of a size.
pub fn import_all(vm: &VM, export: &Export, bytes_max: u64) -> Commit {
    let commit = export.header().commit;
    let mut import = vm.import(commit.id, export.header()).unwrap();
    accept_all(&mut import, &chunks(export, bytes_max)).unwrap();
    import.finish().unwrap()
}

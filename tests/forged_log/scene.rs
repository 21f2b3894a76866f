//! Logs to lie in, and what is done with a log that may lie.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::sync::Arc;

use crostata::store::files::{Files, MemoryFiles};
use crostata::{
    Commit, Config, ContractData, ContractId, LogConfig, PageIndex, ProofItem, Session,
    SessionData, VM,
};

/// Gas for each call.
const GAS: u64 = 1_000_000;

/// The code of a contract whose `store` takes address and value, and whose `load` takes an address.
pub type Code<'c> = &'c [u8];

/// Files with their contents.
pub type Contents = Vec<(String, Vec<u8>)>;

fn config() -> Config {
    Config {
        log: LogConfig {
            segment_bytes: 64 << 10,
            checkpoint_bytes: 1 << 30,
            checkpoint_entries: 1 << 30,
            slack_bytes: 0,
            node_cache_bytes: 1 << 16,
        },
        ..Config::default()
    }
}

fn contract(number: u8) -> ContractId {
    ContractId::from_bytes([number; 32])
}

fn open(files: &MemoryFiles) -> Result<VM, crostata::OpenVmError> {
    VM::with_files(Arc::new(files.clone()), config())
}

fn contents(files: &MemoryFiles) -> Contents {
    let mut names = files.names().unwrap();
    names.sort_unstable();
    let files = names
        .into_iter()
        .filter_map(|name| Some((name.clone(), files.bytes(&name)?)));
    files.filter(|(name, _)| name.starts_with("log-")).collect()
}

fn session(vm: &VM, base: Option<Commit>) -> Session {
    let data = SessionData::builder();
    let session = match base {
        Some(base) => vm.session(data.base(base)),
        None => vm.session(data),
    };
    session.unwrap()
}

fn store(session: &mut Session, number: u8, page: u32, value: u32) {
    let argument = [(page * 4_096).to_le_bytes(), value.to_le_bytes()].concat();
    session
        .call_raw(contract(number), "store", argument, GAS)
        .unwrap();
}

fn write(vm: &VM, base: Commit, round: u32) -> Commit {
    let mut session = session(vm, Some(base));
    for number in [1, 2] {
        for page in [0, 1 + round % 15, 1 + round * 7 % 15, 32 + round % 16] {
            store(&mut session, number, page, round * 100 + page);
        }
    }
    session.commit().unwrap()
}

/// A log of several segments with commits, branches, finalised and deleted ones, and checkpoints.
pub fn branches(code: Code<'_>) -> Contents {
    let files = MemoryFiles::new();
    let vm = open(&files).unwrap();
    let mut first = session(&vm, None);
    for number in [1, 2] {
        let data = ContractData::builder().contract_id(contract(number));
        first.deploy(code, data, GAS).unwrap();
    }
    let mut last = first.commit().unwrap();
    drop(first);
    for round in 1..5 {
        last = write(&vm, last, round);
        vm.finalize_commit(last).unwrap();
        if round % 2 == 0 {
            vm.checkpoint().unwrap();
        }
    }
    let child = write(&vm, last, 20);
    let sibling = write(&vm, last, 21);
    vm.checkpoint().unwrap();
    write(&vm, child, 22);
    vm.delete_commit(write(&vm, sibling, 23)).unwrap();
    drop(vm);
    contents(&files)
}

/// A log in which an import is under way.
pub fn importing(code: Code<'_>) -> Contents {
    let source = MemoryFiles::with(branches(code));
    let source = open(&source).unwrap();
    let commit = *source.commits().last().unwrap();
    let export = source.export(commit).unwrap();
    let files = MemoryFiles::new();
    let vm = open(&files).unwrap();
    let mut import = vm.import(commit, export.header()).unwrap();
    for _ in 0..3 {
        if let Some(cursor) = import.cursor() {
            import
                .accept(&export.chunk(&cursor, 9_000).unwrap().bytes)
                .unwrap();
        }
    }
    drop(import);
    drop(vm);
    contents(&files)
}

/// What came of a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It does not open, with errors of these types.
    Refused,
    /// It opens, and something in it can not be had.
    Unreadable,
    /// Everything that was asked for was there.
    Whole,
}

fn told(error: &dyn StdError) {
    let mut next = Some(error);
    while let Some(error) = next {
        assert!(!error.to_string().is_empty());
        next = error.source();
    }
}

/// Opens a log and does everything with it, executing contracts if so wanted: any answer but a panic will do.
pub fn open_and_use(files: &Contents, executes: bool) -> Outcome {
    let files = MemoryFiles::with(files.clone());
    let vm = match open(&files) {
        Ok(vm) => vm,
        Err(error) => {
            told(&error);
            return Outcome::Refused;
        }
    };
    let report = vm.verify(|_| {});
    report
        .findings
        .iter()
        .for_each(|finding| assert!(!finding.to_string().is_empty()));
    let commits = vm.commits();
    let distinct: BTreeSet<_> = commits.iter().map(|commit| commit.id).collect();
    assert_eq!(distinct.len(), commits.len());
    let readable = commits
        .iter()
        .filter(|commit| use_commit(&vm, **commit, executes).is_ok());
    let is_whole = readable.count() == commits.len() && report.is_clean();
    let _ = vm.checkpoint().map_err(|error| told(&error));
    if let (Some(first), Some(last)) = (commits.first(), commits.last()) {
        let _ = vm.finalize_commit(*last).map_err(|error| told(&error));
        let _ = vm.delete_commit(*first).map_err(|error| told(&error));
        let _ = vm.checkpoint().map_err(|error| told(&error));
    }
    drop(vm);
    let _ = open(&files).map_err(|error| told(&error));
    match is_whole {
        true => Outcome::Whole,
        false => Outcome::Unreadable,
    }
}

fn use_commit(vm: &VM, commit: Commit, executes: bool) -> Result<(), Box<dyn StdError>> {
    for number in [1, 2] {
        vm.prove(commit, &[ProofItem::Contract(contract(number))])?;
        for page in [0, 1, 33, 47] {
            let opening = vm.prove(
                commit,
                &[ProofItem::page(contract(number), PageIndex(page))],
            )?;
            let state = opening.verify(&commit.root)?;
            let _ = state.page(&contract(number), PageIndex(page))?;
        }
    }
    let export = vm.export(commit)?;
    export.chunk(&crostata::Cursor::Start, 10_000)?;
    let mut session = vm.session(SessionData::builder().base(commit))?;
    if executes {
        session.call_raw(contract(1), "load", 4_096u32.to_le_bytes(), GAS)?;
        let argument = [4_096u32.to_le_bytes(), 7u32.to_le_bytes()].concat();
        session.call_raw(contract(2), "store", argument, GAS)?;
    }
    session.root()?;
    session.commit()?;
    Ok(())
}

//! Tests of the store, by promise, and the history they share.

mod crash;
mod damage;
mod directory;
mod round_trip;

use std::sync::Arc;

use crostata_abi::PageIndex;
use crostata_proof::{CodeHash, CommitId, EMPTY, Hash, Root, hash};

use super::files::{Files, MemoryFiles};
use super::{CommitEntry, ContractChange, Entry, OpenError, Page, Recovery, Store, WriteError};

/// One write to a store, with what it brings.
struct Step {
    entry: Entry,
    pages: Vec<(Hash, Box<Page>)>,
    code: Vec<(CodeHash, Vec<u8>)>,
}

impl Step {
    fn commit(number: u8, pages: &[u64], named: &[Hash], code: &[u8]) -> Self {
        let pages: Vec<_> = pages.iter().map(|seed| page(*seed)).collect();
        let leaves = pages.iter().map(|(leaf, _)| leaf).chain(named);
        let leaves = leaves.zip(0..).map(|(leaf, at)| (PageIndex(at), *leaf));
        let change = ContractChange {
            record: vec![number; 40],
            fresh: number == 0,
            pages: leaves.collect(),
        };
        let entry = CommitEntry {
            id: id(number),
            parent: number.checked_sub(1).map_or(id(255), id),
            root: Root::from_bytes([number ^ 0xff; 32]),
            tag: [7; 32],
            protocol: b"protocol".to_vec(),
            contracts: vec![change],
        };
        let code = (!code.is_empty()).then(|| (hash::code_hash(code), code.to_vec()));
        Self {
            entry: Entry::Commit(entry),
            pages,
            code: code.into_iter().collect(),
        }
    }

    fn plain(entry: Entry) -> Self {
        Self {
            entry,
            pages: Vec::new(),
            code: Vec::new(),
        }
    }

    fn write(&self, store: &Store) -> Result<(), WriteError> {
        let pages = self.pages.iter().map(|(leaf, page)| (*leaf, &**page));
        let pages: Vec<(Hash, &Page)> = pages.collect();
        let code: Vec<(CodeHash, &[u8])> = self.code.iter().map(|(k, c)| (*k, &c[..])).collect();
        match &self.entry {
            Entry::Commit(entry) => store.commit(entry, &pages, &code),
            Entry::Finalize(id) => store.finalize(id),
            Entry::Delete(id) => store.delete(id),
        }
    }

    /// Whether everything the step brought can be read and is right.
    fn is_readable(&self, store: &Store) -> bool {
        let page = |(leaf, page): &(Hash, Box<Page>)| store.page(leaf).is_ok_and(|p| p == *page);
        let code = |(key, code): &(CodeHash, Vec<u8>)| store.code(key).is_ok_and(|c| c == *code);
        self.pages.iter().all(page) && self.code.iter().all(code)
    }
}

fn id(number: u8) -> CommitId {
    CommitId::from_bytes([number; 32])
}

/// A page that no other seed gives.
fn page(seed: u64) -> (Hash, Box<Page>) {
    let mut page = Box::new([0; 4096]);
    for (at, word) in page.chunks_exact_mut(8).enumerate() {
        let word_value = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at as u64;
        word.copy_from_slice(&word_value.to_le_bytes());
    }
    (hash::page_leaf(&page), page)
}

/// Commits that share pages and code, that bring none, and others between them.
fn small_history() -> Vec<Step> {
    vec![
        Step::commit(0, &[0, 1], &[EMPTY], b"the first code"),
        Step::commit(1, &[2], &[page(0).0], b""),
        Step::plain(Entry::Finalize(id(0))),
        Step::commit(2, &[], &[EMPTY], b"another code"),
        Step::plain(Entry::Delete(id(2))),
        Step::commit(3, &[3, 1], &[], b"the first code"),
    ]
}

/// A history in which one frame is longer than the log's growth and than one write.
fn large_history() -> Vec<Step> {
    let many: Vec<u64> = (10..310).collect();
    let mut steps = small_history();
    steps.insert(3, Step::commit(9, &many, &[], b"large"));
    steps
}

fn entries(steps: &[Step]) -> Vec<Entry> {
    steps.iter().map(|step| step.entry.clone()).collect()
}

fn open(files: &(impl Files + Clone + 'static)) -> Result<(Store, Recovery), OpenError> {
    Store::open(Arc::new(files.clone()))
}

/// A log of these steps, without the zeros at its end.
fn log_of(steps: &[Step]) -> Vec<u8> {
    let files = MemoryFiles::new();
    let (store, _) = open(&files).unwrap();
    for step in steps {
        step.write(&store).unwrap();
    }
    drop(store);
    let (_, recovery) = open(&files).unwrap();
    let mut log = files.bytes(super::log::FILE_NAME).unwrap();
    log.truncate(recovery.report.end as usize);
    log
}

fn files_with(log: &[u8]) -> MemoryFiles {
    MemoryFiles::with([(super::log::FILE_NAME.to_owned(), log.to_vec())])
}

//! A draft: a snapshot with a session's changes, hashed, and the pages that a commit must store.

use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::tree::page_tree_height;
use crostata_proof::{CodeHash, ContractRecord, EMPTY, Hash, Owner, WordSize, hash};
use rayon::prelude::*;

use super::snapshot::{ContractState, Snapshot};
use super::tree::Tree;
use crate::memory::Page;
use crate::store::ContractChange;

/// From this many pages on, hashing on several threads pays.
const PARALLEL_PAGES_MIN: usize = 100;

/// What a session made of one contract.
#[derive(Debug)]
pub struct ContractDraft {
    /// Its id.
    pub contract: ContractId,
    /// Width of its addresses.
    pub word_size: WordSize,
    /// Hash of its code.
    pub code_hash: CodeHash,
    /// Length of its code in bytes.
    pub code_len_bytes: u64,
    /// Hash of its storage layout.
    pub layout_hash: Hash,
    /// Its owner.
    pub owner: Owner,
    /// Size of its memory in WebAssembly pages.
    pub memory_wasm_pages: u64,
    /// What it was at the session's base, if its memory goes on from there.
    pub base: Option<Arc<ContractState>>,
    /// The pages that may differ from the base, in rising order.
    pub written: Vec<(PageIndex, Box<Page>)>,
}

/// A state that is not committed yet.
#[derive(Debug)]
pub struct Draft {
    /// The state.
    pub snapshot: Snapshot,
    /// What changed in which contract.
    pub changes: Vec<ContractChange>,
    /// The content of pages that are new.
    pub pages: Vec<(Hash, Box<Page>)>,
}

impl Draft {
    /// Applies `contracts` to `base`. Content decides: a page written with what it held is no change.
    pub fn new(base: &Snapshot, contracts: Vec<ContractDraft>) -> Self {
        let mut changes = Vec::new();
        let mut pages = Vec::new();
        let mut states = Vec::new();
        for contract in contracts {
            let (state, change) = apply(contract, &mut pages);
            if let Some(change) = change {
                changes.push(change);
                states.push(Arc::new(state));
            }
        }
        changes.sort_by(|one, other| one.record.cmp(&other.record));
        Self {
            snapshot: base.with(states),
            changes,
            pages,
        }
    }
}

fn hashed(written: Vec<(PageIndex, Box<Page>)>) -> Vec<(PageIndex, Box<Page>, Hash)> {
    let with_leaf = |(index, page): (PageIndex, Box<Page>)| {
        let leaf = hash::page_leaf(&page);
        (index, page, leaf)
    };
    if written.len() < PARALLEL_PAGES_MIN {
        return written.into_iter().map(with_leaf).collect();
    }
    written.into_par_iter().map(with_leaf).collect()
}

fn apply(
    draft: ContractDraft,
    pages: &mut Vec<(Hash, Box<Page>)>,
) -> (ContractState, Option<ContractChange>) {
    let empty = Tree::new(page_tree_height(draft.word_size));
    let base = draft.base.as_ref().map_or(&empty, |base| &base.pages);
    let mut changed = Vec::new();
    for (index, page, leaf) in hashed(draft.written) {
        if *base.get(u64::from(index.0)).unwrap_or(&EMPTY) != leaf {
            changed.push((index, leaf));
            if leaf != EMPTY {
                pages.push((leaf, page));
            }
        }
    }
    let updates: Vec<(u64, Option<Hash>)> = changed
        .iter()
        .map(|(index, leaf)| {
            (
                u64::from(index.0),
                Some(*leaf).filter(|leaf| *leaf != EMPTY),
            )
        })
        .collect();
    let tree = base.with(&updates);
    let record = ContractRecord {
        word_size: draft.word_size,
        contract: draft.contract,
        code_hash: draft.code_hash,
        code_len_bytes: draft.code_len_bytes,
        layout_hash: draft.layout_hash,
        owner: draft.owner,
        memory_wasm_pages: draft.memory_wasm_pages,
        page_root: tree.root(),
    };
    let fresh = draft.base.is_none();
    let same = draft.base.is_some_and(|base| base.record == record);
    let change = ContractChange {
        record: record.encode(),
        fresh,
        pages: changed,
    };
    (ContractState::new(record, tree), (!same).then_some(change))
}

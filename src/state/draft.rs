//! A draft: a snapshot with a session's changes, hashed, and the pages that a commit must store.

use std::collections::BTreeSet;
use std::sync::Arc;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::tree::page_tree_height;
use crostata_proof::{CodeHash, ContractRecord, EMPTY, Hash, Owner, WordSize};

use super::batch::{Batch, Item, Spot};
use super::entry::{CommitEntry, ContractChange};
use super::hashing::{BATCH, LeafHasher};
use super::snapshot::{ContractState, Snapshot};
use super::spread::spread;
use super::tree::{Change, NodeError, Tree};
use crate::memory::{ContractMemory, MemoryError, Page};

/// From this many pages on, hashing on several threads pays.
const PARALLEL_PAGES_MIN: usize = 100;

/// What a session made of one contract.
#[derive(Debug)]
pub struct ContractDraft<'a> {
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
    /// What it was at the session's base, if its memory goes on from there.
    pub base: Option<Arc<ContractState>>,
    /// Its memory.
    pub memory: &'a ContractMemory,
}

/// Why a state has no draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// A page of the session can not be had.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The state below can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// A state that is not committed yet.
pub struct Draft<'a> {
    /// The state. Its new pages are where the session has them, and can not be read through it.
    pub snapshot: Snapshot,
    /// What changed in which contract.
    pub changes: Vec<ContractChange>,
    /// The code of the contracts that changed.
    pub codes: BTreeSet<CodeHash>,
    /// What the snapshot's new pages are in.
    pub(super) batch: Arc<Batch>,
    /// Where the pages are that are not zeros, in the order of the changes.
    pages: Vec<(PageIndex, &'a ContractMemory)>,
}

impl<'a> Draft<'a> {
    /// Applies `contracts` to `base`. Content decides: a page written with what it held is no change.
    ///
    /// # Errors
    /// [`DraftError`] when a page or the state below can not be had.
    pub fn new(base: &Snapshot, mut contracts: Vec<ContractDraft<'a>>) -> Result<Self, DraftError> {
        contracts.sort_by_key(|contract| contract.contract);
        let mut draft = Self {
            snapshot: base.clone(),
            changes: Vec::new(),
            codes: BTreeSet::new(),
            batch: Arc::default(),
            pages: Vec::new(),
        };
        let mut states = Vec::new();
        for contract in contracts {
            states.extend(draft.apply(contract)?);
        }
        draft.snapshot = base.with(states)?;
        Ok(draft)
    }

    /// The pages that changed of contracts that the base has.
    pub fn changed_pages(&self) -> Vec<(ContractId, PageIndex)> {
        let kept = self.changes.iter().filter(|change| !change.fresh);
        let pages = kept.filter_map(|change| {
            let record = ContractRecord::decode(&change.record).ok()?;
            let pages = change.pages.iter();
            Some(pages.map(move |(page, _)| (record.contract, *page)))
        });
        pages.flatten().collect()
    }

    /// The content of the pages that are new, each content once, as the blobs of `entry` are.
    ///
    /// # Errors
    /// [`MemoryError`] when a page can not be had.
    pub(super) fn contents(&self, entry: &CommitEntry) -> Result<Vec<Page>, MemoryError> {
        let pages = self.contents_at(entry);
        let mut contents = Vec::with_capacity(pages.len());
        for (page, memory) in pages {
            contents.push([0; PAGE_BYTES]);
            if let Some(content) = contents.last_mut() {
                memory.copy_page(page, content)?;
            }
        }
        Ok(contents)
    }

    /// Where the session has these contents.
    pub(super) fn contents_at(&self, entry: &CommitEntry) -> Vec<(PageIndex, &'a ContractMemory)> {
        let (numbers, leaves) = entry.page_blobs();
        let mut contents = Vec::with_capacity(leaves.len());
        for (place, number) in self.pages.iter().zip(numbers) {
            if number as usize == contents.len() {
                contents.push(*place);
            }
        }
        contents
    }

    /// Notes what changed in a contract; gives its new state if anything did.
    fn apply(
        &mut self,
        draft: ContractDraft<'a>,
    ) -> Result<Option<Arc<ContractState>>, DraftError> {
        let height = page_tree_height(draft.word_size);
        let empty = Tree::new(height, self.snapshot.nodes().source());
        let base = draft.base.as_ref().map_or(&empty, |base| &base.pages);
        let changed = changed_leaves(base, draft.memory)?;
        let mut index = self.pages.len() as u32;
        let updates: Vec<Change<Spot>> = changed
            .iter()
            .map(|(page, leaf)| page_change(&self.batch, &mut index, *page, *leaf))
            .collect();
        let tree = base.with(&updates)?;
        let record = ContractRecord {
            word_size: draft.word_size,
            contract: draft.contract,
            code_hash: draft.code_hash,
            code_len_bytes: draft.code_len_bytes,
            layout_hash: draft.layout_hash,
            owner: draft.owner,
            memory_wasm_pages: draft.memory.wasm_pages(),
            page_root: tree.root(),
        };
        let fresh = draft.base.is_none();
        if draft.base.is_some_and(|base| base.record == record) {
            return Ok(None);
        }
        let stored = changed.iter().filter(|(_, leaf)| *leaf != EMPTY);
        self.pages
            .extend(stored.map(|(page, _)| (*page, draft.memory)));
        self.codes.insert(record.code_hash);
        self.changes.push(ContractChange {
            record: record.encode(),
            fresh,
            pages: changed,
        });
        Ok(Some(Arc::new(ContractState::new(record, tree))))
    }
}

/// The change of a page tree that a page's new leaf is; the pages that are not zeros are those of the batch, in order.
pub(super) fn page_change(
    batch: &Arc<Batch>,
    index: &mut u32,
    page: PageIndex,
    leaf: Hash,
) -> Change<Spot> {
    let new = (leaf != EMPTY).then(|| {
        let spot = Spot::Fresh(batch.clone(), Item::Page(*index));
        *index += 1;
        (leaf, spot)
    });
    (u64::from(page.0), new)
}

/// The pages of `memory` whose hashes are not those that `base` holds, in rising order.
fn changed_leaves(
    base: &Tree<Spot>,
    memory: &ContractMemory,
) -> Result<Vec<(PageIndex, Hash)>, DraftError> {
    let hasher = LeafHasher::new();
    let changed = |pages: &[PageIndex]| {
        let mut buffer = [[0; PAGE_BYTES]; BATCH];
        let leaves = leaves(&hasher, memory, pages, &mut buffer)?;
        let mut changed = Vec::with_capacity(pages.len());
        for (page, leaf) in pages.iter().zip(leaves) {
            let before = base.get(u64::from(page.0))?;
            if before.map_or(EMPTY, |(before, _)| before) != leaf {
                changed.push((*page, leaf));
            }
        }
        Ok(changed)
    };
    let mut dirty = memory.dirty_pages();
    if base.is_part() {
        dirty = whole_pages(base, memory, dirty)?;
    }
    let batches: Result<Vec<Vec<_>>, DraftError> = match dirty.len() < PARALLEL_PAGES_MIN {
        true => dirty.chunks(BATCH).map(changed).collect(),
        false => {
            let batches: Vec<_> = dirty.chunks(BATCH).collect();
            let batches = spread(batches.len(), |number| changed(batches[number]));
            batches.into_iter().collect()
        }
    };
    Ok(batches?.concat())
}

/// The pages among these that can be hashed. Those of which a witness shows only the head can not: the spill rule alone
/// reached them, and they must be as they were.
fn whole_pages(
    base: &Tree<Spot>,
    memory: &ContractMemory,
    pages: Vec<PageIndex>,
) -> Result<Vec<PageIndex>, DraftError> {
    let mut whole = Vec::with_capacity(pages.len());
    let mut bytes = [0; PAGE_BYTES];
    for page in pages {
        let position = u64::from(page.0);
        match base.get(position)? {
            Some((_, spot)) if spot.witnessed().is_some_and(|head| head.len() < PAGE_BYTES) => {
                memory.copy_page(page, &mut bytes)?;
                if !spot.witnessed().is_some_and(|head| bytes.starts_with(head)) {
                    return Err(base.lacks(position).into());
                }
            }
            _ => whole.push(page),
        }
    }
    Ok(whole)
}

/// The leaves of a batch of pages, which are copied into the buffer.
fn leaves(
    hasher: &LeafHasher,
    memory: &ContractMemory,
    pages: &[PageIndex],
    buffer: &mut [Page],
) -> Result<[Hash; BATCH], MemoryError> {
    for (page, bytes) in pages.iter().zip(&mut *buffer) {
        memory.copy_page(*page, bytes)?;
    }
    let mut leaves = [EMPTY; BATCH];
    hasher.hash(&buffer[..pages.len()], &mut leaves);
    Ok(leaves)
}

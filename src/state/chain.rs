//! A state that is made when it is first needed: the one below it, and a commit's frame to apply.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crostata_abi::ContractId;
use crostata_proof::tree::page_tree_height;
use crostata_proof::{CommitId, ContractRecord, RecordError};

use super::batch::{Batch, Spot};
use super::code::StoredCode;
use super::draft::page_change;
use super::entry::{CommitEntry, ContractChange};
use super::snapshot::{ContractState, Snapshot};
use super::tree::{Change, NodeError, Tree};
use crate::store::{Place, ReadError, Store};

/// Why a retained commit's state can not be had.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Its frame can not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is of no chain of commits.
    #[error("the state was never made")]
    NotMade,
    /// The tree can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Its frame is not that of a commit.
    #[error("the frame of a commit, at byte {offset} of {file}, can not be read as one")]
    Entry {
        /// The file.
        file: String,
        /// Where the frame begins.
        offset: u64,
    },
    /// A contract's record in the frame can not be read.
    #[error("commit {id} holds a contract record that can not be read")]
    Record {
        /// The commit's id.
        id: CommitId,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// A contract changed that did not exist, or its pages do not hash to its record.
    #[error("commit {id} does not fit contract {contract}: its pages do not hash to its record")]
    Pages {
        /// The commit's id.
        id: CommitId,
        /// The contract.
        contract: ContractId,
    },
    /// The state made from the frame has another root than the frame says.
    #[error("commit {id} does not have the root that its frame says")]
    Root {
        /// The commit's id.
        id: CommitId,
    },
}

/// A state, made when it is first needed and kept from then on.
pub struct LazyState {
    made: OnceLock<Snapshot>,
    /// The state below and the frame to apply to it, until the state is made.
    origin: Mutex<Option<(Arc<Self>, Place)>>,
}

impl LazyState {
    /// A state that is there.
    pub fn made(snapshot: Snapshot) -> Self {
        Self {
            made: OnceLock::from(snapshot),
            origin: Mutex::default(),
        }
    }

    /// The state that the frame of a commit makes of another.
    pub fn over(below: Arc<Self>, frame: Place) -> Self {
        Self {
            made: OnceLock::new(),
            origin: Mutex::new(Some((below, frame))),
        }
    }

    /// The state. Costs what changed in the commits below it that were not needed yet.
    ///
    /// # Errors
    /// [`StateError`] when a frame can not be read, or makes no sense.
    pub fn get(self: &Arc<Self>, store: &Store) -> Result<Snapshot, StateError> {
        let mut wanted = vec![self.clone()];
        while let Some(state) = wanted.last() {
            match state.below() {
                Some((below, _)) if below.made.get().is_none() => wanted.push(below),
                _ => {
                    state.make(store)?;
                    wanted.pop();
                }
            }
        }
        // INVARIANT: every state that was wanted is made, and this one was wanted.
        self.made.get().cloned().ok_or(StateError::NotMade)
    }

    fn make(&self, store: &Store) -> Result<(), StateError> {
        let Some((below, frame)) = self.below() else {
            return Ok(());
        };
        if let Some(below) = below.made.get() {
            let made = apply_frame(below, store, frame)?;
            let _ = self.made.set(made); // another thread may have made it, the same
            self.lock().take();
        }
        Ok(())
    }

    fn below(&self) -> Option<(Arc<Self>, Place)> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Arc<Self>, Place)>> {
        self.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LazyState {
    /// One by one: a long chain must not be dropped by recursion.
    fn drop(&mut self) {
        let mut next = self.lock().take();
        while let Some((below, _)) = next {
            next = Arc::into_inner(below).and_then(|below| below.lock().take());
        }
    }
}

fn apply_frame(below: &Snapshot, store: &Store, place: Place) -> Result<Snapshot, StateError> {
    let frame = store.frame(place)?;
    let Some(entry) = CommitEntry::decode(&frame.meta) else {
        let (file, offset) = store.file_of(place);
        return Err(StateError::Entry { file, offset });
    };
    let batch = Arc::new(Batch::stored(&entry, frame.blobs));
    apply(below, &entry, &batch)
}

/// The state that a commit makes of another; what it brings is in the batch.
///
/// # Errors
/// [`StateError`] when the entry does not fit the state.
pub fn apply(
    below: &Snapshot,
    entry: &CommitEntry,
    batch: &Arc<Batch>,
) -> Result<Snapshot, StateError> {
    let mut index = 0;
    let mut contracts = Vec::with_capacity(entry.contracts.len());
    for change in &entry.contracts {
        let contract = apply_contract(below, change, entry.id, batch, &mut index)?;
        contracts.push(Arc::new(contract));
    }
    let snapshot = below
        .with(contracts)?
        .with_code(brought_code(entry, batch))?;
    match snapshot.root() == entry.root {
        true => Ok(snapshot),
        false => Err(StateError::Root { id: entry.id }),
    }
}

/// The code that an entry brings.
pub fn brought_code(entry: &CommitEntry, batch: &Arc<Batch>) -> Vec<StoredCode> {
    let codes = (0..).zip(&entry.code);
    let codes = codes.map(|(index, (hash, len_bytes))| StoredCode {
        hash: *hash,
        len_bytes: *len_bytes,
        spot: Spot::Fresh(batch.clone(), index),
    });
    codes.collect()
}

fn apply_contract(
    below: &Snapshot,
    change: &ContractChange,
    id: CommitId,
    batch: &Arc<Batch>,
    index: &mut u32,
) -> Result<ContractState, StateError> {
    let record = ContractRecord::decode(&change.record);
    let record = record.map_err(|source| StateError::Record { id, source })?;
    let contract = record.contract;
    let misfit = StateError::Pages { id, contract };
    let pages = match (change.fresh, below.get(&contract)?) {
        (true, _) => Tree::new(page_tree_height(record.word_size), below.nodes().source()),
        (false, Some(old)) if old.record.word_size == record.word_size => old.pages.clone(),
        (false, _) => return Err(misfit),
    };
    let bound = record.pages();
    let ascends = change.pages.is_sorted_by(|one, next| one.0 < next.0);
    let fits = change
        .pages
        .last()
        .is_none_or(|last| u64::from(last.0.0) < bound);
    if !ascends || !fits {
        return Err(misfit);
    }
    let updates: Vec<Change<Spot>> = change
        .pages
        .iter()
        .map(|(page, leaf)| page_change(batch, index, *page, *leaf))
        .collect();
    let pages = pages.with(&updates)?;
    match pages.root() == record.page_root {
        true => Ok(ContractState::new(record, pages)),
        false => Err(misfit),
    }
}

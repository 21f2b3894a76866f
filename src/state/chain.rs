//! A state that is made when it is first needed: the one below it, and a commit's frame to apply.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crostata_abi::ContractId;
use crostata_proof::tree::page_tree_height;
use crostata_proof::{CommitId, ContractRecord, Hash, RecordError, Root};

use super::batch::{Batch, Item, Spot};
use super::code::StoredCode;
use super::draft::page_change;
use super::entry::CommitEntry;
use super::snapshot::{ContractState, Origin, Snapshot};
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

/// States that are made from one another without those between.
const GROUP: usize = 64;

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

    /// Whether the state is there and has this origin.
    pub fn is_made_from(&self, origin: &Origin) -> bool {
        let mut made = self.made.get().into_iter();
        made.any(|made| made.origin() == origin)
    }

    /// The state. Costs what the commits say that lie between it and the next one below that is made; of what they
    /// changed several times, only the last is hashed.
    ///
    /// # Errors
    /// [`StateError`] when a frame can not be read, or makes no sense.
    pub fn get(self: &Arc<Self>, store: &Store) -> Result<Snapshot, StateError> {
        loop {
            if let Some(made) = self.made.get() {
                return Ok(made.clone());
            }
            // Another thread may make a state between meanwhile: then the way is shorter, and is walked anew.
            for group in self.chain()?.chunks(GROUP) {
                if !make(group, store)? {
                    break;
                }
            }
        }
    }

    /// The frames that the state will be made from, if it is not made: those of the commits down to the next one
    /// that is.
    pub fn frames(&self) -> Vec<Place> {
        let mut frames = Vec::new();
        let mut next = self.below();
        while let Some((below, frame)) = next {
            frames.push(frame);
            next = below.below();
        }
        frames
    }

    /// The states above the next one that is made, up to this one.
    fn chain(self: &Arc<Self>) -> Result<Vec<Arc<Self>>, StateError> {
        let mut chain = vec![self.clone()];
        let mut next = self.below();
        while let Some((below, _)) = next {
            if below.made.get().is_some() {
                chain.reverse();
                return Ok(chain);
            }
            next = below.below();
            chain.push(below);
        }
        // A state without origin is made, or has just been.
        match self.made.get().is_some() || chain.iter().any(|state| state.made.get().is_some()) {
            true => Ok(Vec::new()),
            false => Err(StateError::NotMade),
        }
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

/// Makes the last of a group of states, each over the one before it; `false` if another thread made one of them meanwhile, and so
/// the last one is not made of the others.
fn make(group: &[Arc<LazyState>], store: &Store) -> Result<bool, StateError> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return Ok(true);
    };
    let Some((below, _)) = first.below() else {
        return Ok(false);
    };
    let Some(below) = below.made.get() else {
        return Err(StateError::NotMade);
    };
    let mut changes = Changes::default();
    for state in group {
        match state.below() {
            Some((_, frame)) => changes.read(store, frame)?,
            None => return Ok(false),
        }
    }
    let _ = last.made.set(changes.apply(below)?); // another thread may have made it, the same
    last.lock().take();
    Ok(true)
}

/// What several commits in a row change, the last change of everything.
#[derive(Default)]
struct Changes {
    contracts: BTreeMap<ContractId, ContractChanges>,
    code: Vec<StoredCode>,
    /// The last commit's id and root.
    last: Option<(CommitId, Root)>,
}

struct ContractChanges {
    record: ContractRecord,
    fresh: bool,
    pages: BTreeMap<u64, Option<(Hash, Spot)>>,
}

impl Changes {
    /// Adds the commit whose frame is at a place.
    fn read(&mut self, store: &Store, place: Place) -> Result<(), StateError> {
        let frame = store.frame(place)?;
        let Some(entry) = CommitEntry::of_frame(&frame) else {
            let (file, offset) = store.file_of(place);
            return Err(StateError::Entry { file, offset });
        };
        let batch = Arc::new(Batch::stored(&entry, frame.blobs));
        self.add(&entry, &batch)
    }

    fn add(&mut self, entry: &CommitEntry, batch: &Arc<Batch>) -> Result<(), StateError> {
        let id = entry.id;
        let mut index = 0;
        for change in &entry.contracts {
            let record = ContractRecord::decode(&change.record);
            let record = record.map_err(|source| StateError::Record { id, source })?;
            let contract = record.contract;
            let changes = self.contracts.remove(&contract);
            let mut changes = match changes.filter(|_| !change.fresh) {
                Some(known) => ContractChanges { record, ..known },
                None => ContractChanges {
                    record,
                    fresh: change.fresh,
                    pages: BTreeMap::new(),
                },
            };
            for (page, leaf) in &change.pages {
                let (position, new) = page_change(batch, &mut index, *page, *leaf);
                changes.pages.insert(position, new);
            }
            self.contracts.insert(contract, changes);
        }
        self.code.extend(brought_code(entry, batch));
        self.last = Some((id, entry.root));
        Ok(())
    }

    /// The state after the last commit.
    fn apply(self, below: &Snapshot) -> Result<Snapshot, StateError> {
        let Some((id, root)) = self.last else {
            return Ok(below.clone());
        };
        let mut contracts = Vec::with_capacity(self.contracts.len());
        for changes in self.contracts.into_values() {
            contracts.push(Arc::new(changes.apply(below, id)?));
        }
        let snapshot = below.with(contracts)?.with_code(self.code)?;
        match snapshot.root() == root {
            true => Ok(snapshot),
            false => Err(StateError::Root { id }),
        }
    }
}

impl ContractChanges {
    fn apply(self, below: &Snapshot, id: CommitId) -> Result<ContractState, StateError> {
        let record = self.record;
        let contract = record.contract;
        let misfit = StateError::Pages { id, contract };
        let pages = match (self.fresh, below.get(&contract)?) {
            (true, _) => Tree::new(page_tree_height(record.word_size), below.nodes().source()),
            (false, Some(old)) if old.record.word_size == record.word_size => old.pages.clone(),
            (false, _) => return Err(misfit),
        };
        let last = self.pages.last_key_value();
        if last.is_some_and(|(position, _)| *position >= record.pages()) {
            return Err(misfit);
        }
        let updates: Vec<Change<Spot>> = self.pages.into_iter().collect();
        let pages = pages.with(&updates)?;
        match pages.root() == record.page_root {
            true => Ok(ContractState::new(record, pages)),
            false => Err(misfit),
        }
    }
}

/// The code that an entry brings.
pub fn brought_code(entry: &CommitEntry, batch: &Arc<Batch>) -> Vec<StoredCode> {
    let codes = (0..).zip(&entry.code);
    let codes = codes.map(|(index, (hash, len_bytes))| StoredCode {
        hash: *hash,
        len_bytes: *len_bytes,
        spot: Spot::Fresh(batch.clone(), Item::Code(index)),
    });
    codes.collect()
}

//! The tree of commits: which are retained, what each holds, and how they come and go.
//!
//! Every change is durable in the store before it is visible here. Commits form a tree under the genesis
//! (the empty state); finalising one folds the path to it and drops every other branch.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crostata_abi::ContractId;
use crostata_proof::tree::page_tree_height;
use crostata_proof::{CodeHash, CommitId, ContractRecord, EMPTY, RecordError, Root, hash};

use super::draft::Draft;
use super::snapshot::{ContractState, Snapshot};
use super::tree::{Change, NoSource, NodeError, Tree};
use crate::memory::MemoryError;
use crate::store::files::Files;
use crate::store::{
    CommitEntry, ContractChange, Entry, OpenError, RecoveryReport, Store, WriteError,
};

/// The parent of the first commits: the empty state, which has no commit.
const GENESIS: CommitId = CommitId::from_bytes([0; 32]);

/// A retained commit: what names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commit {
    /// Its id: keyed hash of parent id, root and tag.
    pub id: CommitId,
    /// The id of the commit it was built on, zeros for the empty state.
    pub parent: CommitId,
    /// The state root.
    pub root: Root,
    /// What the embedder tagged it with, zeros by default.
    pub tag: [u8; 32],
}

/// How a caller names a commit: by its id, or by its root where that is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitRef {
    /// The one commit with this id.
    Id(CommitId),
    /// Any commit, or the only commit, that holds this root.
    Root(Root),
}

impl From<CommitId> for CommitRef {
    fn from(id: CommitId) -> Self {
        Self::Id(id)
    }
}

impl From<Root> for CommitRef {
    fn from(root: Root) -> Self {
        Self::Root(root)
    }
}

impl From<[u8; 32]> for CommitRef {
    fn from(root: [u8; 32]) -> Self {
        Self::Root(Root::from_bytes(root))
    }
}

impl From<Commit> for CommitRef {
    fn from(commit: Commit) -> Self {
        Self::Id(commit.id)
    }
}

impl fmt::Display for CommitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "commit {id}"),
            Self::Root(root) => write!(f, "root {root}"),
        }
    }
}

/// A retained commit with the state it holds.
#[derive(Debug, Clone)]
pub struct Retained {
    /// What names it.
    pub commit: Commit,
    /// The canonical text of the protocol it was executed under.
    pub protocol: Arc<str>,
    /// The state.
    pub snapshot: Snapshot,
    age: u64,
}

/// Why a commit was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// No retained commit is named so.
    #[error("no retained commit is {0}; `VM::commits` lists those that are")]
    Unknown(CommitRef),
    /// Several commits hold the root, and it matters which is meant.
    #[error("several commits hold root {root}; name one of {}", list(ids))]
    Ambiguous {
        /// The root.
        root: Root,
        /// The commits that hold it.
        ids: Vec<CommitId>,
    },
}

fn list(ids: &[CommitId]) -> String {
    let texts: Vec<String> = ids.iter().map(CommitId::to_string).collect();
    texts.join(", ")
}

/// Why a change of the commit tree did not happen. Nothing is lost: the tree is as before.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The commit is not retained, or not clearly named.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The commit that a session was based on is no longer retained, so that nothing can follow it.
    #[error("commit {base} is no longer retained: it was deleted, or another branch was finalised")]
    BaseDropped {
        /// The base.
        base: CommitId,
    },
    /// The finalised commit can not be deleted.
    #[error("commit {id} is the finalised one and can not be deleted")]
    Finalised {
        /// Its id.
        id: CommitId,
    },
    /// The session had a fatal error earlier: what it holds is unknown.
    #[error("the session is unusable since an earlier fatal error; nothing was committed")]
    Poisoned,
    /// The same commit was made under another protocol. Tags tell such commits apart.
    #[error("commit {id} exists, made under another protocol; give this one a tag of its own")]
    OtherProtocol {
        /// Its id.
        id: CommitId,
    },
    /// A migration is running: its session can be committed when it ended.
    #[error("a migration is running; commit after it")]
    Migrating,
    /// A page that the session wrote can not be had.
    #[error("a page that was written can not be read back")]
    Memory(#[source] MemoryError),
    /// The state that the session is based on can not be read.
    #[error(transparent)]
    Node(NodeError),
    /// The store could not make it durable.
    #[error("the change could not be made durable")]
    Write(#[from] WriteError),
}

/// Why a directory's commits could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStateError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// An entry of the log names a commit that is not retained at that point.
    #[error("the log refers to commit {id}, which is not retained there")]
    UnknownCommit {
        /// The commit's id.
        id: CommitId,
    },
    /// A contract's record in the log can not be read.
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
    /// The state rebuilt from the log has another root, or the commit another id, than the log says.
    #[error("commit {id} does not hash to what the log says: root {found} was found")]
    Root {
        /// The commit's id.
        id: CommitId,
        /// The root that its contents have.
        found: Root,
    },
    /// The state below a commit can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The commit's protocol is not text.
    #[error("the protocol of commit {id} is not text")]
    Protocol {
        /// The commit's id.
        id: CommitId,
    },
}

/// The commits of one store.
pub struct Commits {
    store: Arc<Store>,
    held: RwLock<Held>,
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    commits: BTreeMap<CommitId, Arc<Retained>>,
    finalised: Option<CommitId>,
    clock: u64,
}

impl Commits {
    /// Opens the commits in `files`, replaying the log and re-deriving every root from it.
    ///
    /// # Errors
    /// [`OpenStateError`] names what does not fit.
    pub fn open(files: Arc<dyn Files>) -> Result<(Self, RecoveryReport), OpenStateError> {
        let (store, recovery) = Store::open(files)?;
        let mut held = Held::default();
        for entry in recovery.entries {
            held.replay(entry)?;
        }
        let commits = Self {
            store: Arc::new(store),
            held: RwLock::new(held),
            writing: Mutex::new(()),
        };
        Ok((commits, recovery.report))
    }

    /// The store behind the commits.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The retained commits, oldest first.
    pub fn list(&self) -> Vec<Commit> {
        let held = self.read();
        let mut commits: Vec<&Arc<Retained>> = held.commits.values().collect();
        commits.sort_by_key(|retained| retained.age);
        commits.iter().map(|retained| retained.commit).collect()
    }

    /// The finalised commit, if there is one.
    pub fn finalised(&self) -> Option<Commit> {
        let held = self.read();
        let retained = held.commits.get(&held.finalised?)?;
        Some(retained.commit)
    }

    /// A commit that is `wanted`; of several with one root, the oldest.
    ///
    /// # Errors
    /// [`LookupError::Unknown`].
    pub fn any(&self, wanted: CommitRef) -> Result<Arc<Retained>, LookupError> {
        let found = self.read().matching(wanted);
        found.into_iter().next().ok_or(LookupError::Unknown(wanted))
    }

    /// Makes `draft` durable as a child of `parent` and retains it. The same commit again is no error and no work.
    ///
    /// # Errors
    /// [`CommitError::BaseDropped`], or [`CommitError::Write`] when the disk fails.
    pub fn add(
        &self,
        parent: Option<CommitId>,
        draft: &Draft<'_>,
        code: &[(CodeHash, Arc<[u8]>)],
        tag: [u8; 32],
        protocol: &str,
    ) -> Result<Commit, CommitError> {
        let parent = parent.unwrap_or(GENESIS);
        let root = draft.snapshot.root();
        let id = hash::commit_id(&parent, &root, &tag);
        let _writing = self.lock_writing();
        if let Some(retained) = self.read().commits.get(&id) {
            return match *retained.protocol == *protocol {
                true => Ok(retained.commit),
                false => Err(CommitError::OtherProtocol { id }),
            };
        }
        if !self.read().can_extend(&parent) {
            return Err(CommitError::BaseDropped { base: parent });
        }
        let commit = Commit {
            id,
            parent,
            root,
            tag,
        };
        let entry = CommitEntry {
            id,
            parent,
            root,
            tag,
            protocol: protocol.as_bytes().to_vec(),
            contracts: draft.changes.clone(),
        };
        let contents = draft.pages().map_err(CommitError::Memory)?;
        let pages: Vec<_> = contents
            .iter()
            .map(|(leaf, page)| (*leaf, &**page))
            .collect();
        let code: Vec<_> = code.iter().map(|(hash, bytes)| (*hash, &**bytes)).collect();
        self.store.commit(&entry, &pages, &code)?;
        self.write()
            .retain(commit, protocol.into(), draft.snapshot.clone());
        Ok(commit)
    }

    /// Makes a commit final: the path to it is folded, every commit that does not descend from it is dropped.
    /// Finalising the finalised commit again does nothing.
    ///
    /// # Errors
    /// [`CommitError::Lookup`] when it is unknown or ambiguous, [`CommitError::Write`].
    pub fn finalise(&self, wanted: CommitRef) -> Result<Commit, CommitError> {
        let _writing = self.lock_writing();
        let commit = self.read().only(wanted)?.commit;
        if self.read().finalised != Some(commit.id) {
            self.store.finalize(&commit.id)?;
            self.write().finalise(commit.id);
        }
        Ok(commit)
    }

    /// Drops a commit and every commit that descends from it.
    ///
    /// # Errors
    /// [`CommitError::Lookup`], [`CommitError::Finalised`], [`CommitError::Write`].
    pub fn delete(&self, wanted: CommitRef) -> Result<Commit, CommitError> {
        let _writing = self.lock_writing();
        let commit = self.read().only(wanted)?.commit;
        if self.read().finalised == Some(commit.id) {
            return Err(CommitError::Finalised { id: commit.id });
        }
        self.store.delete(&commit.id)?;
        self.write().delete(commit.id);
        Ok(commit)
    }

    // A panic while one of these locks was held would leave the tree as it was before or after the change,
    // never between: each change is one assignment. So a poisoned lock is still good.

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn matching(&self, wanted: CommitRef) -> Vec<Arc<Retained>> {
        let mut found: Vec<Arc<Retained>> = match wanted {
            CommitRef::Id(id) => self.commits.get(&id).cloned().into_iter().collect(),
            CommitRef::Root(root) => self
                .commits
                .values()
                .filter(|retained| retained.commit.root == root)
                .cloned()
                .collect(),
        };
        found.sort_by_key(|retained| retained.age);
        found
    }

    fn only(&self, wanted: CommitRef) -> Result<Arc<Retained>, LookupError> {
        let mut found = self.matching(wanted);
        match (found.pop(), wanted) {
            (None, _) => Err(LookupError::Unknown(wanted)),
            (Some(one), CommitRef::Root(root)) if !found.is_empty() => {
                found.push(one);
                let ids = found.iter().map(|retained| retained.commit.id).collect();
                Err(LookupError::Ambiguous { root, ids })
            }
            (Some(one), _) => Ok(one),
        }
    }

    /// Whether a commit may follow this parent: it is retained, or it is the genesis and nothing is final.
    fn can_extend(&self, parent: &CommitId) -> bool {
        match *parent == GENESIS {
            true => self.finalised.is_none(),
            false => self.commits.contains_key(parent),
        }
    }

    fn retain(&mut self, commit: Commit, protocol: Arc<str>, snapshot: Snapshot) {
        self.clock += 1;
        let retained = Retained {
            commit,
            protocol,
            snapshot,
            age: self.clock,
        };
        self.commits.insert(commit.id, Arc::new(retained));
    }

    fn finalise(&mut self, id: CommitId) {
        let mut kept = self.descendants(id);
        kept.insert(0, id);
        self.commits.retain(|other, _| kept.contains(other));
        self.finalised = Some(id);
    }

    fn delete(&mut self, id: CommitId) {
        let dropped = self.descendants(id);
        self.commits
            .retain(|other, _| *other != id && !dropped.contains(other));
    }

    fn descendants(&self, id: CommitId) -> Vec<CommitId> {
        let mut found = vec![id];
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            let children = self.commits.values().map(|retained| retained.commit);
            found.extend(
                children
                    .filter(|child| child.parent == parent)
                    .map(|child| child.id),
            );
            next += 1;
        }
        found.split_off(1)
    }

    fn replay(&mut self, entry: Entry) -> Result<(), OpenStateError> {
        match entry {
            Entry::Commit(entry) => self.replay_commit(entry),
            Entry::Finalize(id) if self.commits.contains_key(&id) => {
                self.finalise(id);
                Ok(())
            }
            Entry::Delete(id) if self.commits.contains_key(&id) => {
                self.delete(id);
                Ok(())
            }
            Entry::Finalize(id) | Entry::Delete(id) => Err(OpenStateError::UnknownCommit { id }),
        }
    }

    fn replay_commit(&mut self, entry: CommitEntry) -> Result<(), OpenStateError> {
        let (id, parent) = (entry.id, entry.parent);
        if !self.can_extend(&parent) {
            return Err(OpenStateError::UnknownCommit { id: parent });
        }
        let base = self.commits.get(&parent);
        let base = base.map_or_else(Snapshot::default, |parent| parent.snapshot.clone());
        let mut contracts = Vec::with_capacity(entry.contracts.len());
        for change in &entry.contracts {
            contracts.push(Arc::new(replay_contract(&base, change, id)?));
        }
        let snapshot = base.with(contracts)?;
        let found = snapshot.root();
        if found != entry.root || hash::commit_id(&parent, &found, &entry.tag) != id {
            return Err(OpenStateError::Root { id, found });
        }
        let protocol = String::from_utf8(entry.protocol);
        let protocol = protocol.map_err(|_| OpenStateError::Protocol { id })?;
        let commit = Commit {
            id,
            parent,
            root: found,
            tag: entry.tag,
        };
        self.retain(commit, protocol.into(), snapshot);
        Ok(())
    }
}

fn replay_contract(
    base: &Snapshot,
    change: &ContractChange,
    id: CommitId,
) -> Result<ContractState, OpenStateError> {
    let record = ContractRecord::decode(&change.record)
        .map_err(|source| OpenStateError::Record { id, source })?;
    let contract = record.contract;
    let misfit = OpenStateError::Pages { id, contract };
    let pages = match (change.fresh, base.get(&contract)?) {
        (true, _) => Tree::new(page_tree_height(record.word_size), Arc::new(NoSource)),
        (false, Some(old)) if old.record.word_size == record.word_size => old.pages.clone(),
        (false, _) => return Err(misfit),
    };
    let mut updates: Vec<Change<()>> = change
        .pages
        .iter()
        .map(|(page, leaf)| (u64::from(page.0), (*leaf != EMPTY).then_some((*leaf, ()))))
        .collect();
    updates.sort_by_key(|(position, _)| *position);
    updates.dedup_by_key(|(position, _)| *position);
    let bound = record.memory_wasm_pages.saturating_mul(16);
    if updates
        .last()
        .is_some_and(|(position, _)| *position >= bound)
    {
        return Err(misfit);
    }
    let pages = pages.with(&updates)?;
    if pages.root() != record.page_root {
        return Err(misfit);
    }
    Ok(ContractState::new(record, pages))
}

//! The retained commits of a store: how they come, go, and become final.
//!
//! Every change is durable in the log before it is visible here. Commits form a tree under the genesis (the empty
//! state); finalising one folds the path to it and drops every other branch. A commit's state is made when it is first
//! needed. From time to time a checkpoint puts the finalised state's nodes into the log, so that opening begins there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use crostata_proof::hash::Kind;
use crostata_proof::{CommitId, Hash, hash};

use super::chain::StateError;
use super::checkpoint::{self, Checkpoint, CheckpointError, LiveBytes, kind};
use super::config::LogConfig;
use super::counters::{CommitCounters, Counted};
use super::held::{Held, Retained};
use super::naming::{Commit, CommitRef, LookupError};
use super::nodes::Nodes;
use super::reclaim;
use super::recovery::{self, OpenStateError};
use super::snapshot::Snapshot;
use super::tree::NodeError;
use super::verify::{self, VerifyProgress, VerifyReport};
use crate::memory::MemoryError;
use crate::observe::{Observed, Work};
use crate::store::files::Files;
use crate::store::{Place, RecoveryReport, Store, WriteError};

/// Why a change of the commit tree did not happen. Nothing is lost: the tree is as before.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The commit is not retained, or not clearly named.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The commit that a session or block was based on is not retained, so that nothing can follow it.
    #[error(
        "commit {base}, which this one follows, is not retained: if it is a sealed block's, commit that first; else it was deleted, or another branch was finalised"
    )]
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
    /// The session was asked for with a deadline, which makes it a query.
    #[error(
        "the session has a deadline, and what depends on a clock is never committed or sealed; ask for one without"
    )]
    Query,
    /// The session was asked for with a profile: its code is not what blocks run.
    #[error(
        "the session is profiled, and runs code that no block runs: do the same in a session without a profile, and commit that"
    )]
    Profiled,
    /// The same commit was made under another protocol. Tags tell such commits apart.
    #[error("commit {id} exists, made under another protocol; give this one a tag of its own")]
    OtherProtocol {
        /// Its id.
        id: CommitId,
    },
    /// A commit is being imported: nothing else can be committed until that is finished or given up.
    #[error("commit {id} is being imported; finish that, or give it up")]
    Importing {
        /// The id of what is imported.
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
    Node(#[from] NodeError),
    /// The state of a retained commit can not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store could not make it durable.
    #[error("the change could not be made durable")]
    Write(#[from] WriteError),
}

/// The commits of one store.
pub struct Commits {
    config: LogConfig,
    pub(super) store: Arc<Store>,
    nodes: Arc<Nodes>,
    held: RwLock<Held>,
    writing: Mutex<Writing>,
    /// What was written.
    pub(super) counted: Counted,
    observed: Observed,
    /// Who imports has the other end.
    pub(super) import: Mutex<Weak<()>>,
}

/// What only who changes the commits needs.
pub(super) struct Writing {
    /// Where the last checkpoint is.
    pub begin: Option<Place>,
    /// The state of the last checkpoint.
    pub base: Snapshot,
    /// What the segments hold of it.
    pub live: LiveBytes,
    /// The protocols whose texts the log has since then.
    pub protocols: BTreeMap<Hash, Arc<str>>,
    /// How much was written since.
    pub bytes: u64,
    pub frames: u64,
}

impl Commits {
    /// Opens the commits in `files`.
    ///
    /// # Errors
    /// [`OpenStateError`] names what does not fit.
    pub fn open(
        files: Arc<dyn Files>,
        config: LogConfig,
    ) -> Result<(Self, RecoveryReport), OpenStateError> {
        let recovered = recovery::open(files, &config)?;
        let commits = Self {
            config,
            store: recovered.store,
            nodes: recovered.nodes,
            held: RwLock::new(recovered.held),
            writing: Mutex::new(recovered.writing),
            counted: Counted::default(),
            observed: Observed::default(),
            import: Mutex::default(),
        };
        Ok((commits, recovered.report))
    }

    /// The same commits, with somebody who is told of work.
    pub fn observed_by(mut self, observed: Observed) -> Self {
        self.observed = observed;
        self
    }

    /// Who is told of work.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// What was written so far, and what there is now.
    pub fn counters(&self) -> CommitCounters {
        let retained = self.read().commits.len() as u64;
        let segments = self.store.segments();
        CommitCounters {
            retained,
            segments: segments.len() as u64,
            log_bytes: segments.iter().map(|segment| segment.len_bytes).sum(),
            ..self.counted.read()
        }
    }

    /// Bytes of tree nodes that are kept in memory.
    pub fn node_bytes(&self) -> u64 {
        self.nodes.kept_bytes()
    }

    /// The store behind the commits.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The state without contracts.
    pub fn empty(&self) -> Snapshot {
        Snapshot::empty(self.nodes.clone())
    }

    /// The nodes of their trees.
    pub(super) fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }

    /// The retained commits, oldest first.
    pub fn list(&self) -> Vec<Commit> {
        let commits = self.read().by_age();
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

    /// The state of a retained commit.
    ///
    /// # Errors
    /// [`StateError`] when it can not be read.
    pub fn state(&self, retained: &Retained) -> Result<Snapshot, StateError> {
        retained.state.get(&self.store)
    }

    /// The empty state.
    ///
    /// # Errors
    /// None in fact: it is always there.
    pub fn genesis(&self) -> Result<Snapshot, StateError> {
        let genesis = self.read().genesis.clone();
        genesis.get(&self.store)
    }

    /// Makes a commit final: the path to it is folded, every commit that does not descend from it is dropped.
    /// Finalising the finalised commit again does nothing.
    ///
    /// # Errors
    /// [`CommitError::Lookup`] when it is unknown or ambiguous, [`CommitError::Write`].
    pub fn finalise(&self, wanted: CommitRef) -> Result<Commit, CommitError> {
        let _observing = self.observed.during(Work::Finalise);
        let mut writing = self.lock_writing();
        let commit = self.read().only(wanted)?.commit;
        if self.read().finalised != Some(commit.id) {
            self.note(&mut writing, kind::FINALIZE, commit.id)?;
            self.write().finalise(commit.id);
            self.counted.finalised.count();
            self.checkpoint_if_due(&mut writing);
        }
        Ok(commit)
    }

    /// Drops a commit and every commit that descends from it.
    ///
    /// # Errors
    /// [`CommitError::Lookup`], [`CommitError::Finalised`], [`CommitError::Write`].
    pub fn delete(&self, wanted: CommitRef) -> Result<Commit, CommitError> {
        let _observing = self.observed.during(Work::Delete);
        let mut writing = self.lock_writing();
        let commit = self.read().only(wanted)?.commit;
        if self.read().finalised == Some(commit.id) {
            return Err(CommitError::Finalised { id: commit.id });
        }
        self.note(&mut writing, kind::DELETE, commit.id)?;
        self.write().delete(commit.id);
        self.counted.deleted.count();
        self.checkpoint_if_due(&mut writing);
        Ok(commit)
    }

    /// Makes a checkpoint now: what was finalised since the last one becomes the base that opening begins with, and
    /// segments that hold nothing any more are given up.
    ///
    /// # Errors
    /// [`CheckpointError`]; the commits are as before.
    pub fn checkpoint(&self) -> Result<(), CheckpointError> {
        let mut writing = self.lock_writing();
        self.make_checkpoint(&mut writing)
    }

    /// Derives every retained commit's root from the bytes on disk. `told` hears of the progress, from any thread.
    ///
    /// Changes wait while the log is read from its last checkpoint on, and go on while the rest is.
    pub fn verify(&self, told: &(dyn Fn(VerifyProgress) + Sync)) -> VerifyReport {
        let (log, expected) = {
            let writing = self.lock_writing();
            let cache_bytes = self.config.node_cache_bytes;
            let log = recovery::reread(&self.store, writing.begin, cache_bytes);
            (log, verify::Names::of(&self.read()))
        };
        verify::verify(&self.store, log, &expected, told)
    }

    /// The state of the last checkpoint, and what it counted.
    #[cfg(test)]
    pub(super) fn last_checkpoint(&self) -> (Snapshot, LiveBytes) {
        let writing = self.lock_writing();
        (writing.base.clone(), writing.live.clone())
    }

    fn note(&self, writing: &mut Writing, kind: u8, id: CommitId) -> Result<(), WriteError> {
        let mut writer = self.store.writer()?;
        writer.write(kind, id.as_bytes(), &[], true)?;
        writer.sync()?;
        writing.count(0);
        Ok(())
    }

    /// A checkpoint that fails takes nothing back: what was asked for is durable. If the disk refused to write, the
    /// next change says so.
    fn checkpoint_if_due(&self, writing: &mut Writing) {
        if self.is_checkpoint_due(writing) {
            let _ = self.make_checkpoint(writing);
        }
    }

    pub(super) fn is_checkpoint_due(&self, writing: &Writing) -> bool {
        let bytes = writing.bytes >= self.config.checkpoint_bytes;
        bytes || writing.frames >= self.config.checkpoint_entries
    }

    pub(super) fn make_checkpoint(&self, writing: &mut Writing) -> Result<(), CheckpointError> {
        let (retained, finalised, import) = {
            let held = self.read();
            (held.by_age(), held.finalised, held.import.clone())
        };
        let base = retained.iter().find(|one| Some(one.commit.id) == finalised);
        let snapshot = match (&import, base) {
            (Some(import), _) => import.state.get(&self.store)?,
            (None, Some(base)) => self.state(base)?,
            (None, None) => self.genesis()?,
        };
        let pinned = retained.iter().filter_map(|one| one.frame);
        let pinned = pinned.map(Place::segment).collect();
        let frames = retained
            .iter()
            .filter(|one| Some(one.commit.id) != finalised);
        let protocols = retained.iter().map(|one| one.protocol.clone());
        let imported = import.iter().map(|import| import.head.protocol.clone());
        let protocols: BTreeSet<_> = protocols.chain(imported).collect();
        let next = Checkpoint {
            base: base.map(|base| (base.commit, base.protocol.clone())),
            import: import.map(|import| import.head),
            snapshot,
            retained: frames.filter_map(|one| one.frame).collect(),
            protocols: protocols.into_iter().collect(),
            live: LiveBytes::default(),
        };
        let next = self.write_checkpoint(writing, next, &pinned)?;
        let held = self.read().rebased(&next);
        *self.write() = held;
        Ok(())
    }

    /// Makes a checkpoint durable, and the base of everything from here on: as it is given, with its nodes in the log
    /// and `live` counted. Segments in `pinned` are not emptied.
    pub(super) fn write_checkpoint(
        &self,
        writing: &mut Writing,
        next: Checkpoint,
        pinned: &BTreeSet<u32>,
    ) -> Result<Checkpoint, CheckpointError> {
        let _observing = self.observed.during(Work::Checkpoint);
        let made = self.write_uncounted(writing, next, pinned);
        match &made {
            Ok(_) => self.counted.checkpoints.count(),
            Err(_) => self.counted.checkpoint_failures.count(),
        }
        made
    }

    fn write_uncounted(
        &self,
        writing: &mut Writing,
        mut next: Checkpoint,
        pinned: &BTreeSet<u32>,
    ) -> Result<Checkpoint, CheckpointError> {
        let mut writer = self.store.writer()?;
        let bounds = (writing.bytes, self.config.slack_bytes);
        let victims = reclaim::victims(&self.store, &writing.live, pinned, bounds);
        let state = reclaim::empty(&next.snapshot, &victims, &mut writer)?;
        next.live = writing.live.clone();
        checkpoint::forget_replaced(&writing.base, &state, &mut next.live)?;
        let saved = checkpoint::save(&state, &mut writer, &mut next.live)?;
        writer.sync()?;
        next.snapshot = saved.snapshot(&self.nodes);
        let place = writer.write(kind::CHECKPOINT, &next.encode(), &[], false)?;
        writer.sync()?;
        writer.set_start(place);
        drop(writer);
        self.store.retire(&next.unneeded(&self.store, place))?;
        next.snapshot = saved.snapshot(&self.nodes);
        *writing = Writing::at(&next, place);
        Ok(next)
    }

    // A panic while one of these locks was held would leave the tree as it was before or after the change,
    // never between: each change is one assignment. So a poisoned lock is still good.

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lock_writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    /// After the checkpoint at a place.
    pub fn at(checkpoint: &Checkpoint, place: Place) -> Self {
        Self {
            begin: Some(place),
            base: checkpoint.snapshot.clone(),
            live: checkpoint.live.clone(),
            protocols: checkpoint.protocols.iter().cloned().map(hashed).collect(),
            bytes: 0,
            frames: 0,
        }
    }

    /// Notes that the log has a protocol's text.
    pub fn know(&mut self, protocol: Arc<str>) {
        self.protocols.extend([hashed(protocol)]);
    }

    /// Counts a frame.
    pub fn count(&mut self, len_bytes: u64) {
        self.bytes = self.bytes.saturating_add(len_bytes);
        self.frames += 1;
    }
}

/// What an entry names a protocol by.
pub(super) fn protocol_hash(text: &str) -> Hash {
    hash::keyed(Kind::Protocol, text.as_bytes())
}

fn hashed(protocol: Arc<str>) -> (Hash, Arc<str>) {
    (protocol_hash(&protocol), protocol)
}

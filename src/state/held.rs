//! The tree of retained commits, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crostata_proof::CommitId;

use super::chain::LazyState;
use super::checkpoint::Checkpoint;
use super::naming::{Commit, CommitRef, GENESIS, LookupError};
use super::transfer::Importing;
use crate::store::Place;

/// A retained commit.
#[derive(Clone)]
pub struct Retained {
    /// What names it.
    pub commit: Commit,
    /// The canonical text of the protocol it was executed under.
    pub protocol: Arc<str>,
    /// Where its frame is; none for the base, whose frame is not needed any more.
    pub(super) frame: Option<Place>,
    /// Its state.
    pub(super) state: Arc<LazyState>,
    pub(super) age: u64,
}

/// All retained commits.
pub struct Held {
    pub commits: BTreeMap<CommitId, Arc<Retained>>,
    pub finalised: Option<CommitId>,
    /// The empty state.
    pub genesis: Arc<LazyState>,
    /// The import that is not finished. While there is one, there are no commits.
    pub import: Option<Importing>,
    clock: u64,
}

impl Held {
    /// No commits over the empty state.
    pub fn new(genesis: Arc<LazyState>) -> Self {
        Self {
            commits: BTreeMap::new(),
            finalised: None,
            genesis,
            import: None,
            clock: 0,
        }
    }

    /// What a checkpoint says, without the commits that it names the frames of.
    pub fn at(checkpoint: &Checkpoint) -> Self {
        let mut held = Self::new(checkpoint.genesis());
        if let Some((commit, protocol)) = &checkpoint.base {
            let state = Arc::new(LazyState::made(checkpoint.snapshot.clone()));
            held.retain(*commit, protocol.clone(), None, state);
            held.finalised = Some(commit.id);
        }
        held.import = checkpoint.importing();
        held
    }

    /// The retained commits, oldest first: parents before children.
    pub fn by_age(&self) -> Vec<Arc<Retained>> {
        let mut commits: Vec<_> = self.commits.values().cloned().collect();
        commits.sort_by_key(|retained| retained.age);
        commits
    }

    /// The commits that are meant, oldest first.
    pub fn matching(&self, wanted: CommitRef) -> Vec<Arc<Retained>> {
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

    /// The one commit that is meant.
    ///
    /// # Errors
    /// [`LookupError`] if there is none, or are several.
    pub fn only(&self, wanted: CommitRef) -> Result<Arc<Retained>, LookupError> {
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

    /// The state that a commit with this parent follows, if one may: the parent is retained, or it is the genesis and
    /// nothing is final.
    pub fn parent_state(&self, parent: &CommitId) -> Option<Arc<LazyState>> {
        match *parent == GENESIS {
            true => self.finalised.is_none().then(|| self.genesis.clone()),
            false => self.commits.get(parent).map(|parent| parent.state.clone()),
        }
    }

    /// Adds a commit, the youngest of all.
    pub fn retain(
        &mut self,
        commit: Commit,
        protocol: Arc<str>,
        frame: Option<Place>,
        state: Arc<LazyState>,
    ) {
        self.clock += 1;
        let retained = Retained {
            commit,
            protocol,
            frame,
            state,
            age: self.clock,
        };
        self.commits.insert(commit.id, Arc::new(retained));
    }

    /// Keeps a commit and what descends from it.
    pub fn finalise(&mut self, id: CommitId) {
        let mut kept = self.descendants(id);
        kept.push(id);
        kept.sort_unstable();
        self.commits
            .retain(|other, _| kept.binary_search(other).is_ok());
        self.finalised = Some(id);
    }

    /// Drops a commit and what descends from it.
    pub fn delete(&mut self, id: CommitId) {
        for id in self.descendants(id) {
            self.commits.remove(&id);
        }
        self.commits.remove(&id);
    }

    /// The same commits over a checkpoint's state: states are made anew, from what the checkpoint keeps.
    pub fn rebased(&self, checkpoint: &Checkpoint) -> Self {
        let base = Arc::new(LazyState::made(checkpoint.snapshot.clone()));
        let mut next = Self::new(checkpoint.genesis());
        next.finalised = self.finalised;
        next.import = checkpoint.importing();
        for retained in self.by_age() {
            let commit = retained.commit;
            let is_base = self.finalised == Some(commit.id);
            let (state, frame) = match (is_base, retained.frame) {
                (false, Some(frame)) => match next.parent_state(&commit.parent) {
                    Some(below) => (Arc::new(LazyState::over(below, frame)), Some(frame)),
                    None => continue, // INVARIANT: parents are older, and retained as long as their children
                },
                _ => (base.clone(), None),
            };
            next.retain(commit, retained.protocol.clone(), frame, state);
        }
        next
    }

    /// Costs the retained commits, once.
    fn descendants(&self, id: CommitId) -> Vec<CommitId> {
        let mut children: BTreeMap<CommitId, Vec<CommitId>> = BTreeMap::new();
        for retained in self.commits.values() {
            let commit = &retained.commit;
            children.entry(commit.parent).or_default().push(commit.id);
        }
        let mut found = vec![id];
        let mut next = 0;
        while let Some(parent) = found.get(next) {
            found.extend(children.remove(parent).unwrap_or_default());
            next += 1;
        }
        found.split_off(1)
    }
}

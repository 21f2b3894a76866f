//! Sealed states, and what a session may be based on.

use std::fmt;
use std::sync::Arc;

use crostata_proof::{CodeHash, CommitId, Root};
use tempfile::TempDir;

use super::error::{Error, Fatal};
use super::recording::Recorded;
use super::run::Session;
use super::runtime::Runtime;
use crate::observe::Work;
use crate::state::{Commit, CommitError, CommitRef, Commits, SealedState, Snapshot};

/// What a session made of its base, executed and hashed but not durable: everything is in memory.
///
/// Executing a proposed block, voting for its root, and storing it only once it is decided takes one execution.
/// Dropping it drops the state for free, unless sessions based on it live on.
#[derive(Clone)]
pub struct Sealed {
    pub(crate) state: SealedState,
    commits: Arc<Commits>,
    _directory: Option<Arc<TempDir>>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sealed").field(&self.state.commit()).finish()
    }
}

impl Sealed {
    /// What names the commit that [`commit`](Self::commit) makes: id, parent, root, tag.
    pub fn names(&self) -> Commit {
        self.state.commit()
    }

    /// The id that the commit will have.
    pub fn id(&self) -> CommitId {
        self.names().id
    }

    /// The state root.
    pub fn root(&self) -> Root {
        self.names().root
    }

    /// Makes the state durable and retains it as a commit. Doing so again is no error and no work.
    ///
    /// What it follows must be committed before.
    ///
    /// # Errors
    /// [`CommitError::BaseDropped`] when what it follows is not retained, or not committed yet;
    /// [`CommitError::OtherProtocol`]; [`CommitError::Write`] when the disk fails. It can be tried again.
    pub fn commit(&self) -> Result<Commit, CommitError> {
        let _observing = self.commits.observed().during(Work::Commit);
        self.commits.store_sealed(&self.state)
    }
}

/// What a session starts from.
#[derive(Debug, Clone)]
pub enum Base {
    /// A retained commit.
    Commit(CommitRef),
    /// A sealed state, durable or not.
    Sealed(Sealed),
}

impl From<CommitRef> for Base {
    fn from(commit: CommitRef) -> Self {
        Self::Commit(commit)
    }
}

impl From<Commit> for Base {
    fn from(commit: Commit) -> Self {
        Self::Commit(commit.into())
    }
}

impl From<CommitId> for Base {
    fn from(id: CommitId) -> Self {
        Self::Commit(id.into())
    }
}

impl From<Root> for Base {
    fn from(root: Root) -> Self {
        Self::Commit(root.into())
    }
}

impl From<[u8; 32]> for Base {
    fn from(root: [u8; 32]) -> Self {
        Self::Commit(root.into())
    }
}

impl From<Sealed> for Base {
    fn from(sealed: Sealed) -> Self {
        Self::Sealed(sealed)
    }
}

impl From<&Sealed> for Base {
    fn from(sealed: &Sealed) -> Self {
        Self::Sealed(sealed.clone())
    }
}

impl Session {
    /// Ends what the session has done so far as a state of its own, in memory. The session goes on from there.
    ///
    /// Costs hashing and copying of the pages that were written since the base.
    ///
    /// # Errors
    /// As [`commit`](Self::commit), but for the disk, which is not touched.
    pub fn seal(&mut self) -> Result<Sealed, CommitError> {
        self.seal_with_tag([0; 32])
    }

    /// Seals under a tag, the embedder's block digest for example, that tells states with one root apart.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_with_tag(&mut self, tag: [u8; 32]) -> Result<Sealed, CommitError> {
        let (sealed, recorded) = self.seal_state(tag)?;
        self.end_recording(recorded);
        self.follow(sealed.id(), sealed.state.snapshot().clone())?;
        Ok(sealed)
    }

    /// Makes the session's state durable as a child of its base. The session goes on from there.
    ///
    /// The same changes on the same base give the same commit, whichever session makes it. Since the session goes on from
    /// its commit, committing again makes a child, with the same root if nothing changed: name it by its id then.
    ///
    /// # Errors
    /// [`CommitError`]; nothing is lost then, and the session is as before.
    pub fn commit(&mut self) -> Result<Commit, CommitError> {
        self.commit_with_tag([0; 32])
    }

    /// Commits under a tag, the embedder's block digest for example, that tells commits with one root apart.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn commit_with_tag(&mut self, tag: [u8; 32]) -> Result<Commit, CommitError> {
        let runtime = self.ready()?;
        let _observing = runtime.shared().observed.during(Work::Commit);
        let draft = self.draft().map_err(to_commit_error)?;
        let (code, protocol) = (self.new_code(), runtime.protocol_text().clone());
        let commits = runtime.commits();
        let recorded = self.ended_recording(&draft).map_err(to_commit_error)?;
        let (commit, snapshot) = commits.commit(self.base, &draft, &code, tag, protocol)?;
        self.end_recording(recorded);
        self.follow(commit.id, snapshot)?;
        Ok(commit)
    }

    fn seal_state(&mut self, tag: [u8; 32]) -> Result<(Sealed, Option<Recorded<()>>), CommitError> {
        let runtime = self.ready()?;
        let _observing = runtime.shared().observed.during(Work::Seal);
        let draft = self.draft().map_err(to_commit_error)?;
        let (code, protocol) = (self.new_code(), runtime.protocol_text().clone());
        let commits = runtime.commits().clone();
        let recorded = self.ended_recording(&draft).map_err(to_commit_error)?;
        let state = commits.seal(self.base, &draft, &code, tag, protocol)?;
        let sealed = Sealed {
            state,
            commits,
            _directory: self.directory.clone(),
        };
        Ok((sealed, recorded))
    }

    /// The runtime, if what the session holds can become a state now.
    fn ready(&mut self) -> Result<Arc<Runtime>, CommitError> {
        if self.is_held() {
            return Err(CommitError::Migrating);
        }
        let context = self.context_mut().map_err(to_commit_error)?;
        match (context.data.is_query(), context.data.profiled) {
            (true, _) => Err(CommitError::Query),
            (false, true) => Err(CommitError::Profiled),
            (false, false) => Ok(context.runtime.clone()),
        }
    }

    fn new_code(&self) -> Vec<(CodeHash, Arc<[u8]>)> {
        let code = self.code.iter();
        code.map(|(hash, code)| (*hash, code.clone())).collect()
    }

    /// Makes a state of this session's own its base.
    fn follow(&mut self, id: CommitId, snapshot: Snapshot) -> Result<(), CommitError> {
        self.did.sealed += 1;
        self.hand_over_counts();
        self.release_all().map_err(to_commit_error)?;
        self.go_on_from(id, snapshot).map_err(to_commit_error)
    }

    fn go_on_from(&mut self, commit: CommitId, snapshot: Snapshot) -> Result<(), Error> {
        self.leave_lanes()?;
        let runner = self.runner_mut()?;
        let ids: Vec<_> = runner.host().contracts.keys().copied().collect();
        for id in ids {
            if let Some(memory) = runner.memory_mut(&id) {
                memory.rebase();
            }
            if let Some(contract) = runner.host_mut().contracts.get_mut(&id) {
                contract.base = snapshot.get(&id).map_err(Fatal::from)?;
            }
        }
        runner.host_mut().base = snapshot;
        self.base = Some(commit);
        self.code.clear();
        Ok(())
    }
}

fn to_commit_error(error: Error) -> CommitError {
    match error {
        Error::Fatal(Fatal::Memory(source)) => CommitError::Memory(source),
        Error::Fatal(Fatal::Node(source)) => CommitError::Node(source),
        Error::Timeout => CommitError::Query,
        _ => CommitError::Poisoned,
    }
}

//! From a session's draft to a state that has a name: kept in memory, or written at once.

use std::io;
use std::sync::Arc;

use crostata_abi::{PAGE_BYTES, PageIndex};
use crostata_proof::{CodeHash, CommitId, hash};

use super::batch::{Batch, Blobs, Held as HeldBytes, code_len_bytes, put_code};
use super::chain::{LazyState, brought_code};
use super::checkpoint::{kind, write_entry};
use super::commits::{CommitError, Commits, protocol_hash};
use super::draft::Draft;
use super::entry::CommitEntry;
use super::naming::{Commit, GENESIS};
use super::snapshot::{Origin, Snapshot};
use crate::memory::ContractMemory;
use crate::observe::Work;

/// A state that is executed and hashed and is not durable: everything is in memory, and is dropped for free.
///
/// It can be stored later, once or several times, without being executed again.
#[derive(Clone)]
pub struct SealedState(Arc<Sealed>);

struct Sealed {
    named: Named,
    held: Arc<HeldBytes>,
}

/// A state with all that names it, but not what it brings.
struct Named {
    commit: Commit,
    protocol: Arc<str>,
    entry: CommitEntry,
    batch: Arc<Batch>,
    /// Of the state that it changes.
    below: Origin,
    snapshot: Snapshot,
}

/// The code that a state brings, in the order of its entry.
type NewCode = Vec<Arc<[u8]>>;

/// What a draft brings, read where the session has it.
struct DraftBlobs<'a> {
    pages: Vec<(PageIndex, &'a ContractMemory)>,
    code: &'a [Arc<[u8]>],
}

impl SealedState {
    /// What will name it.
    pub fn commit(&self) -> Commit {
        self.0.named.commit
    }

    /// The canonical text of the protocol it was executed under.
    pub fn protocol(&self) -> &Arc<str> {
        &self.0.named.protocol
    }

    /// The state.
    pub fn snapshot(&self) -> &Snapshot {
        &self.0.named.snapshot
    }
}

impl Blobs for DraftBlobs<'_> {
    fn len_bytes(&self) -> u64 {
        self.pages.len() as u64 * PAGE_BYTES as u64 + code_len_bytes(self.code)
    }

    fn put(&self, put: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut content = [0; PAGE_BYTES];
        for (page, memory) in &self.pages {
            // They were read a moment ago, to be hashed.
            memory
                .copy_page(*page, &mut content)
                .map_err(io::Error::other)?;
            put(&content)?;
        }
        put_code(self.code, put)
    }
}

impl Commits {
    /// Keeps everything of `draft` in memory, as what follows `parent`; nothing is written.
    ///
    /// # Errors
    /// [`CommitError`] when a page or the state below can not be read.
    pub fn seal(
        &self,
        parent: Option<CommitId>,
        draft: &Draft<'_>,
        code: &[(CodeHash, Arc<[u8]>)],
        tag: [u8; 32],
        protocol: Arc<str>,
    ) -> Result<SealedState, CommitError> {
        let (named, code) = name(parent, draft, code, tag, protocol)?;
        let pages = draft.contents(&named.entry).map_err(CommitError::Memory)?;
        let held = Arc::new(HeldBytes { pages, code });
        named.batch.hold(held.clone());
        Ok(SealedState(Arc::new(Sealed { named, held })))
    }

    /// Makes what `draft` is durable as what follows `parent`, and retains it; what it is from here on. The same commit
    /// again is no error and no work.
    ///
    /// # Errors
    /// As [`store_sealed`](Self::store_sealed), or when the state below can not be read.
    pub fn commit(
        &self,
        parent: Option<CommitId>,
        draft: &Draft<'_>,
        code: &[(CodeHash, Arc<[u8]>)],
        tag: [u8; 32],
        protocol: Arc<str>,
    ) -> Result<(Commit, Snapshot), CommitError> {
        let (named, code) = name(parent, draft, code, tag, protocol)?;
        let blobs = DraftBlobs {
            pages: draft.contents_at(&named.entry),
            code: &code,
        };
        if self.make_durable(&named, &blobs)? {
            return Ok((named.commit, named.snapshot));
        }
        // Nothing was written of this making of it, and nothing is kept.
        let retained = self.any(named.commit.id.into())?;
        Ok((named.commit, self.state(&retained)?))
    }

    /// Makes a sealed state durable and retains it. The same commit again is no error and no work.
    ///
    /// # Errors
    /// [`CommitError::BaseDropped`] when its parent is not retained, or [`CommitError::Write`] when the disk fails.
    pub fn store_sealed(&self, sealed: &SealedState) -> Result<Commit, CommitError> {
        self.make_durable(&sealed.0.named, &*sealed.0.held)?;
        Ok(sealed.commit())
    }

    /// Whether it was written: not if it is retained already.
    fn make_durable(&self, named: &Named, bytes: &dyn Blobs) -> Result<bool, CommitError> {
        let commit = named.commit;
        let mut writing = self.lock_writing();
        if let Some(import) = self.importing() {
            let id = import.commit.id;
            return Err(CommitError::Importing { id });
        }
        if let Some(retained) = self.read().commits.get(&commit.id) {
            return match retained.protocol == named.protocol {
                true => Ok(false),
                false => Err(CommitError::OtherProtocol { id: commit.id }),
            };
        }
        let Some(parent) = self.read().parent_state(&commit.parent) else {
            let base = commit.parent;
            return Err(CommitError::BaseDropped { base });
        };
        let meta = named.entry.encode();
        let appending = self.observed().during(Work::Append);
        let mut writer = self.store.writer()?;
        if !writing.protocols.contains_key(&named.entry.protocol) {
            writer.write(kind::PROTOCOL, named.protocol.as_bytes(), &[], false)?;
        }
        let (frame, blobs) = write_entry(&mut writer, kind::COMMIT, &meta, bytes)?;
        drop(appending);
        let syncing = self.observed().during(Work::Sync);
        writer.sync()?;
        drop(syncing);
        drop(writer);
        let len_bytes = meta.len() as u64 + bytes.len_bytes();
        writing.count(len_bytes);
        self.counted.committed.count();
        self.counted.committed_bytes.add(len_bytes);
        writing.know(named.protocol.clone());
        named.batch.written(blobs);
        // What was made over another making of the parent may name what only that one has in memory.
        let state = match parent.is_made_from(&named.below) {
            true => LazyState::made(named.snapshot.clone()),
            false => LazyState::over(parent, frame),
        };
        let protocol = named.protocol.clone();
        self.write()
            .retain(commit, protocol, Some(frame), Arc::new(state));
        Ok(true)
    }
}

/// Names what a draft makes of `parent`; with the code that is new there, in the order of the entry.
fn name(
    parent: Option<CommitId>,
    draft: &Draft<'_>,
    code: &[(CodeHash, Arc<[u8]>)],
    tag: [u8; 32],
    protocol: Arc<str>,
) -> Result<(Named, NewCode), CommitError> {
    let parent = parent.unwrap_or(GENESIS);
    let root = draft.snapshot.root();
    let id = hash::commit_id(&parent, &root, &tag);
    // Not what nobody runs: commits of one id must bring the same code, whatever was tried while they were made.
    let mut new_code = Vec::new();
    for (hash, bytes) in code.iter().filter(|(hash, _)| draft.codes.contains(hash)) {
        if !draft.snapshot.has_code(hash)? {
            new_code.push((*hash, bytes.clone()));
        }
    }
    new_code.sort_by_key(|(hash, _)| *hash);
    let lengths = new_code
        .iter()
        .map(|(hash, bytes)| (*hash, bytes.len() as u64));
    let entry = CommitEntry {
        id,
        parent,
        root,
        tag,
        protocol: protocol_hash(&protocol),
        contracts: draft.changes.clone(),
        code: lengths.collect(),
    };
    let batch = draft.batch.clone();
    batch.lay_out(&entry);
    let snapshot = draft.snapshot.with_code(brought_code(&entry, &batch))?;
    let named = Named {
        commit: Commit {
            id,
            parent,
            root,
            tag,
        },
        protocol,
        entry,
        batch,
        below: draft.snapshot.origin().clone(),
        snapshot: snapshot.sealed(),
    };
    Ok((
        named,
        new_code.into_iter().map(|(_, bytes)| bytes).collect(),
    ))
}

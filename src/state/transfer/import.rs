//! Importing: the state so far, and what a verified chunk makes of it.
//!
//! The state so far is a state like any other: it has the contracts that came, of the last one perhaps the first pages
//! only, under a record whose page root is theirs. A chunk is to it what a commit is to its parent, and so is its frame,
//! which opening applies as it applies commits:
//!
//! | bytes | field |
//! |---|---|
//! | 41 | where the next chunk begins: a cursor, or 3 and zeros if nothing is missing |
//! | | an entry (`entry`): the imported commit's id and protocol, zeros for parent and tag, the root of the state so far |

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use crostata_proof::tree::page_tree_height;
use crostata_proof::{CodeHash, ContractRecord};

use super::cursor::Cursor;
use super::error::{ChunkError, ImportError};
use super::header::TransferHeader;
use super::verify::{Brought, Verified, verify};
use crate::memory::Page;
use crate::state::batch::{Batch, Blobs, Held as HeldBytes, Spot};
use crate::state::chain::{LazyState, brought_code};
use crate::state::checkpoint::{Checkpoint, LiveBytes, kind, write_entry};
use crate::state::commits::{Commits, Writing, protocol_hash};
use crate::state::draft::page_change;
use crate::state::entry::{CommitEntry, ContractChange};
use crate::state::held::Held;
use crate::state::naming::{Commit, CommitRef, GENESIS};
use crate::state::snapshot::{ContractState, Snapshot};
use crate::state::tree::{Change, NodeError, Tree};

/// The most bytes of a chunk that is taken: more than the longest that is made, for code that alone is longer.
pub const ACCEPTED_BYTES_MAX: u64 = 64 << 20;

/// What stands for a cursor when nothing is missing.
const COMPLETE: u8 = 3;

/// What is imported, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportHead {
    /// The commit.
    pub commit: Commit,
    /// The canonical text of its protocol.
    pub protocol: Arc<str>,
    /// Where the next chunk begins; none when everything is there.
    pub cursor: Option<Cursor>,
}

/// An import that is not finished.
#[derive(Clone)]
pub struct Importing {
    /// What is imported, and how far that is.
    pub head: ImportHead,
    /// The state so far.
    pub state: Arc<LazyState>,
}

/// The right to change an import, for one at a time.
pub struct ImportHandle(#[expect(dead_code, reason = "alive as long as the handle is")] Arc<()>);

/// Where a chunk begins, or that none does, as it is in frames.
pub fn encode_next(next: Option<&Cursor>) -> [u8; Cursor::BYTES] {
    next.map_or_else(
        || {
            let mut bytes = [0; Cursor::BYTES];
            bytes[0] = COMPLETE;
            bytes
        },
        Cursor::to_bytes,
    )
}

/// What [`encode_next`] made these bytes of; `Some(None)` if nothing is missing.
#[expect(clippy::option_option, reason = "unreadable, nothing, or a cursor")]
pub fn decode_next(bytes: &[u8; Cursor::BYTES]) -> Option<Option<Cursor>> {
    match *bytes == encode_next(None) {
        true => Some(None),
        false => Cursor::from_bytes(bytes).map(Some),
    }
}

/// Where the next chunk begins after that of a frame, and the bytes of its entry.
pub fn decode_frame(meta: &[u8]) -> Option<(Option<Cursor>, &[u8])> {
    let (next, entry) = meta.split_first_chunk()?;
    Some((decode_next(next)?, entry))
}

impl Importing {
    /// At the place where a checkpoint's head says it is.
    pub fn at(head: ImportHead, snapshot: Snapshot) -> Self {
        let state = Arc::new(LazyState::made(snapshot));
        Self { head, state }
    }
}

impl Commits {
    /// Takes the right to import, which one at a time has.
    ///
    /// # Errors
    /// [`ImportError::InUse`].
    pub fn import_handle(&self) -> Result<ImportHandle, ImportError> {
        let mut taken = self.import.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.upgrade().is_some() {
            return Err(ImportError::InUse);
        }
        let handle = Arc::new(());
        *taken = Arc::downgrade(&handle);
        Ok(ImportHandle(handle))
    }

    /// The import that is not finished, if there is one.
    pub fn importing(&self) -> Option<ImportHead> {
        self.read()
            .import
            .as_ref()
            .map(|import| import.head.clone())
    }

    /// Goes on with the import of a commit, or begins it; an unfinished one of another is given up.
    ///
    /// # Errors
    /// [`ImportError::OtherCommit`], [`ImportError::NotEmpty`], or that the disk fails.
    pub fn begin_import(
        &self,
        _handle: &ImportHandle,
        wanted: CommitRef,
        header: &TransferHeader,
    ) -> Result<(), ImportError> {
        let commit = header.commit;
        if !header.is_of(wanted) {
            let (found, root) = (commit.id, commit.root);
            return Err(ImportError::OtherCommit {
                wanted,
                found,
                root,
            });
        }
        let mut writing = self.lock_writing();
        let (commits, import) = {
            let held = self.read();
            (held.commits.len(), held.import.clone())
        };
        if commits > 0 {
            return Err(ImportError::NotEmpty { commits });
        }
        let goes_on = |import: Importing| {
            import.head.commit == commit && *import.head.protocol == header.protocol
        };
        if import.is_some_and(goes_on) {
            return Ok(());
        }
        let head = ImportHead {
            commit,
            protocol: header.protocol.as_str().into(),
            cursor: Some(Cursor::Start),
        };
        self.go_on_from(&mut writing, Some(head))
    }

    /// Gives up the import that is not finished.
    ///
    /// # Errors
    /// [`ImportError::None`] if there is none, or that the disk fails.
    pub fn discard_import(&self, _handle: &ImportHandle) -> Result<(), ImportError> {
        let mut writing = self.lock_writing();
        match self.importing() {
            Some(_) => self.go_on_from(&mut writing, None),
            None => Err(ImportError::None),
        }
    }

    /// From the empty state, with this import or none.
    fn go_on_from(
        &self,
        writing: &mut Writing,
        head: Option<ImportHead>,
    ) -> Result<(), ImportError> {
        let empty = Snapshot::empty(self.nodes().clone());
        self.replace_all(writing, None, head, empty)
    }

    /// Makes a checkpoint of a state that no commit made the base of everything.
    fn replace_all(
        &self,
        writing: &mut Writing,
        base: Option<(Commit, Arc<str>)>,
        import: Option<ImportHead>,
        snapshot: Snapshot,
    ) -> Result<(), ImportError> {
        let of_base = base.iter().map(|(_, protocol)| protocol.clone());
        let of_import = import.iter().map(|head| head.protocol.clone());
        let next = Checkpoint {
            protocols: of_base.chain(of_import).collect(),
            base,
            import,
            snapshot,
            retained: Vec::new(),
            live: LiveBytes::default(),
        };
        let made = self.write_checkpoint(writing, next, &BTreeSet::new())?;
        *self.write() = Held::at(&made);
        Ok(())
    }

    /// Verifies a chunk and adds it to the state so far; where the next one begins.
    ///
    /// It is durable after [`sync_import`](Self::sync_import), after the next checkpoint, or when the import is finished.
    ///
    /// # Errors
    /// [`ImportError::Chunk`] when it is not what is wanted: nothing happened then.
    pub fn import_chunk(
        &self,
        _handle: &ImportHandle,
        bytes: &[u8],
    ) -> Result<Option<Cursor>, ImportError> {
        let head = self.importing().ok_or(ImportError::None)?;
        let wanted = head.cursor.ok_or(ImportError::Complete)?;
        let (len_bytes, max_bytes) = (bytes.len() as u64, ACCEPTED_BYTES_MAX);
        if len_bytes > max_bytes {
            return Err(ChunkError::TooLong {
                len_bytes,
                max_bytes,
            }
            .into());
        }
        let chunk = verify(&head.commit.root, &wanted, bytes)?;
        let mut writing = self.lock_writing();
        let import = self.read().import.clone().ok_or(ImportError::None)?;
        let state = import.state.get(self.store())?;
        let step = Step::new(&state, &head, &chunk)?;
        let len_bytes = step.write(self, chunk.next.as_ref())?;
        writing.count(len_bytes);
        self.write().import = Some(Importing {
            head: ImportHead {
                cursor: chunk.next,
                ..head
            },
            state: Arc::new(LazyState::made(step.snapshot)),
        });
        if self.is_checkpoint_due(&writing) {
            self.make_checkpoint(&mut writing)?;
        }
        Ok(chunk.next)
    }

    /// Makes everything that was accepted durable.
    ///
    /// # Errors
    /// [`ImportError::Write`].
    pub fn sync_import(&self, _handle: &ImportHandle) -> Result<(), ImportError> {
        let _writing = self.lock_writing();
        Ok(self.store().writer()?.sync()?)
    }

    /// Makes the imported commit the finalised one, durably and at once.
    ///
    /// # Errors
    /// [`ImportError::Incomplete`] when something is missing, or that the disk fails.
    pub fn finish_import(&self, _handle: &ImportHandle) -> Result<Commit, ImportError> {
        let mut writing = self.lock_writing();
        let import = self.read().import.clone().ok_or(ImportError::None)?;
        let commit = import.head.commit;
        if let Some(cursor) = import.head.cursor {
            return Err(ImportError::Incomplete { cursor });
        }
        let state = import.state.get(self.store())?;
        if state.root() != commit.root {
            return Err(ImportError::Root { commit: commit.id });
        }
        let base = Some((commit, import.head.protocol));
        self.replace_all(&mut writing, base, None, state)?;
        Ok(commit)
    }
}

/// What a chunk makes of the state so far.
struct Step {
    entry: CommitEntry,
    batch: Arc<Batch>,
    held: Arc<HeldBytes>,
    snapshot: Snapshot,
}

impl Step {
    fn new(state: &Snapshot, head: &ImportHead, chunk: &Verified<'_>) -> Result<Self, ImportError> {
        let code = new_code(state, &chunk.contracts)?;
        let batch = Arc::<Batch>::default();
        let mut index = 0;
        let (mut contracts, mut changes) = (Vec::new(), Vec::new());
        for brought in &chunk.contracts {
            let contract = applied(state, brought, &batch, &mut index)?;
            changes.push(ContractChange {
                record: contract.record.encode(),
                fresh: brought.begins,
                pages: brought
                    .pages
                    .iter()
                    .map(|(page, leaf, _)| (*page, *leaf))
                    .collect(),
            });
            contracts.push(Arc::new(contract));
        }
        let snapshot = state.with(contracts)?;
        let lengths = code.iter().map(|(hash, bytes)| (*hash, bytes.len() as u64));
        let entry = CommitEntry {
            id: head.commit.id,
            parent: GENESIS,
            root: snapshot.root(),
            tag: [0; 32],
            protocol: protocol_hash(&head.protocol),
            contracts: changes,
            code: lengths.collect(),
        };
        let held = Arc::new(HeldBytes {
            pages: contents(&entry, &chunk.contracts),
            code: code.into_iter().map(|(_, bytes)| bytes.into()).collect(),
        });
        batch.lay_out(&entry);
        batch.hold(held.clone());
        let snapshot = snapshot.with_code(brought_code(&entry, &batch))?;
        Ok(Self {
            entry,
            batch,
            held,
            snapshot,
        })
    }

    /// Writes the frame; how long it is.
    fn write(&self, commits: &Commits, next: Option<&Cursor>) -> Result<u64, ImportError> {
        let mut meta = encode_next(next).to_vec();
        meta.extend_from_slice(&self.entry.encode());
        let mut writer = commits.store().writer()?;
        let (_, blobs) = write_entry(&mut writer, kind::IMPORTED, &meta, &*self.held)?;
        drop(writer);
        self.batch.written(blobs);
        Ok(meta.len() as u64 + self.held.len_bytes())
    }
}

/// The code that a chunk brings, by hash. What no contract has brought before must be there, and nothing else.
fn new_code<'a>(
    state: &Snapshot,
    contracts: &[Brought<'a>],
) -> Result<Vec<(CodeHash, &'a [u8])>, ImportError> {
    let mut new: Vec<(CodeHash, &[u8])> = Vec::new();
    for brought in contracts.iter().filter(|brought| brought.begins) {
        let (contract, code) = (brought.record.contract, brought.record.code_hash);
        let is_known = new.iter().any(|(hash, _)| *hash == code) || state.has_code(&code)?;
        match (brought.code, is_known) {
            (Some(bytes), false) => new.push((code, bytes)),
            (None, true) => {}
            (Some(_), true) => return Err(ChunkError::CodeRepeated { contract, code }.into()),
            (None, false) => return Err(ChunkError::CodeMissing { contract, code }.into()),
        }
    }
    new.sort_by_key(|(hash, _)| *hash);
    Ok(new)
}

/// A contract after a chunk.
fn applied(
    state: &Snapshot,
    brought: &Brought<'_>,
    batch: &Arc<Batch>,
    index: &mut u32,
) -> Result<ContractState, NodeError> {
    let record = &brought.record;
    let before = match brought.begins {
        true => None,
        false => state.get(&record.contract)?,
    };
    let empty = || Tree::new(page_tree_height(record.word_size), state.nodes().source());
    let pages = before.map_or_else(empty, |before| before.pages.clone());
    let changes = brought.pages.iter();
    let changes: Vec<Change<Spot>> = changes
        .map(|(page, leaf, _)| page_change(batch, index, *page, *leaf))
        .collect();
    let pages = pages.with(&changes)?;
    let page_root = pages.root();
    let record = ContractRecord {
        page_root,
        ..record.clone()
    };
    Ok(ContractState::new(record, pages))
}

/// The pages, each content once, as the blobs of the entry are.
fn contents(entry: &CommitEntry, contracts: &[Brought<'_>]) -> Vec<Page> {
    let (numbers, leaves) = entry.page_blobs();
    let mut contents: Vec<Page> = Vec::with_capacity(leaves.len());
    let pages = contracts.iter().flat_map(|brought| &brought.pages);
    for ((_, _, page), number) in pages.zip(numbers) {
        if number as usize == contents.len() {
            contents.push(**page);
        }
    }
    contents
}

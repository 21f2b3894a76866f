//! Opening: the commits that the log's frames make, from its last checkpoint on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crostata_abi::PAGE_BYTES;
use crostata_proof::{CommitId, hash};

use super::batch::stored_len_bytes;
use super::chain::LazyState;
use super::checkpoint::{Checkpoint, LiveBytes, kind};
use super::commits::Writing;
use super::config::LogConfig;
use super::entry::CommitEntry;
use super::held::Held;
use super::naming::Commit;
use super::nodes::Nodes;
use super::snapshot::Snapshot;
use super::transfer::{self, ImportHead, Importing};
use crate::store::files::Files;
use crate::store::{
    Contents, Frame, Limits, OpenError, Place, ReadError, RecoveryReport, Store, WriteError,
};

/// Why a directory's commits could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStateError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store can not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A frame that the last checkpoint names can not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A frame of the log matches its checksum and makes no sense.
    #[error("the frame at byte {offset} of {file} can not be read: its kind is {kind}")]
    Frame {
        /// The file.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// What it says it is.
        kind: u8,
    },
    /// An entry of the log names a commit that is not retained at that point.
    #[error("the log refers to commit {id}, which is not retained there")]
    UnknownCommit {
        /// The commit's id.
        id: CommitId,
    },
    /// A commit's id is not that of its parent, root and tag.
    #[error("commit {id} does not have the id of its parent, root and tag")]
    Id {
        /// The commit's id.
        id: CommitId,
    },
    /// The log does not say what the commit's protocol is.
    #[error("the log does not have the protocol of commit {id}")]
    Protocol {
        /// The commit's id.
        id: CommitId,
    },
}

/// What opening gives.
pub struct Recovered {
    pub store: Arc<Store>,
    pub nodes: Arc<Nodes>,
    pub held: Held,
    pub writing: Writing,
    pub report: RecoveryReport,
}

/// Opens the store in `files` and reads its commits.
///
/// # Errors
/// [`OpenStateError`].
pub fn open(files: Arc<dyn Files>, config: &LogConfig) -> Result<Recovered, OpenStateError> {
    let usual = Limits::default();
    let limits = Limits {
        segment_bytes: config.segment_bytes,
        // Zeros behind a segment's end would only be cut off again.
        growth_bytes: usual
            .growth_bytes
            .min(config.segment_bytes)
            .max(PAGE_BYTES as u64),
        ..usual
    };
    let (store, recovery) = Store::open_with(files, &CommitContents, limits)?;
    let store = Arc::new(store);
    let mut replay = Replay::new(&store, config.node_cache_bytes);
    for frame in since_checkpoint(&recovery.frames) {
        replay.frame(frame)?;
    }
    if let Some(begin) = replay.writing.begin {
        store.writer()?.set_start(begin);
    }
    let mut report = recovery.report;
    report.orphans.extend(store.settle(&replay.needed)?);
    Ok(Recovered {
        store,
        nodes: replay.nodes,
        held: replay.held,
        writing: replay.writing,
        report,
    })
}

/// What the log says, read again while the store is open.
pub struct Reread {
    /// The state of the last checkpoint.
    pub base: Snapshot,
    /// What the segments hold of it.
    pub live: LiveBytes,
    pub held: Held,
}

/// Reads the log again from its last checkpoint on, which is at `begin`. Nobody may write meanwhile.
///
/// # Errors
/// As [`open`].
pub fn reread(
    store: &Arc<Store>,
    begin: Option<Place>,
    node_cache_bytes: u64,
) -> Result<Reread, OpenStateError> {
    let mut replay = Replay::new(store, node_cache_bytes);
    let first = begin.map_or(0, Place::segment);
    let segments = store.segments().into_iter();
    for segment in segments.filter(|segment| segment.number >= first) {
        for frame in store.frames(segment.number)? {
            if Some(frame.place) >= begin {
                replay.frame(&frame)?;
            }
        }
    }
    Ok(Reread {
        base: replay.writing.base,
        live: replay.writing.live,
        held: replay.held,
    })
}

/// The frames from the last checkpoint on. What an earlier one names may be gone.
fn since_checkpoint(frames: &[Frame]) -> &[Frame] {
    let is_checkpoint = |frame: &Frame| frame.kind == kind::CHECKPOINT;
    let begin = frames.iter().rposition(is_checkpoint).unwrap_or(0);
    frames.get(begin..).unwrap_or_default()
}

/// The commits as they were after each frame.
struct Replay {
    store: Arc<Store>,
    nodes: Arc<Nodes>,
    held: Held,
    writing: Writing,
    /// The segments that something is in.
    needed: BTreeSet<u32>,
}

impl Replay {
    /// Before the first frame.
    fn new(store: &Arc<Store>, node_cache_bytes: u64) -> Self {
        let nodes = Nodes::new(store.clone(), node_cache_bytes);
        let genesis = Snapshot::empty(nodes.clone());
        let segments = store.segments().into_iter();
        Self {
            store: store.clone(),
            held: Held::new(Arc::new(LazyState::made(genesis.clone()))),
            writing: Writing {
                begin: None,
                base: genesis,
                live: LiveBytes::default(),
                protocols: BTreeMap::new(),
                bytes: 0,
                frames: 0,
            },
            needed: segments.map(|segment| segment.number).collect(),
            nodes,
        }
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), OpenStateError> {
        let len_bytes = frame.meta.len() as u64 + frame.blobs_len;
        match frame.kind {
            kind::COMMIT => self.commit(frame)?,
            kind::FINALIZE => {
                let id = self.known(frame)?;
                self.held.finalise(id);
            }
            kind::DELETE => {
                let id = self.known(frame)?;
                self.held.delete(id);
            }
            kind::CHECKPOINT => return self.checkpoint(frame),
            kind::PROTOCOL => match str::from_utf8(&frame.meta) {
                Ok(text) => self.writing.know(text.into()),
                Err(_) => return Err(self.unreadable(frame)),
            },
            kind::IMPORTED => self.imported(frame)?,
            kind::NODES | kind::MOVED => {}
            _ => return Err(self.unreadable(frame)),
        }
        self.writing.count(len_bytes);
        Ok(())
    }

    fn commit(&mut self, frame: &Frame) -> Result<(), OpenStateError> {
        let Some(head) = CommitEntry::decode_head(&frame.meta) else {
            return Err(self.unreadable(frame));
        };
        let commit = Commit {
            id: head.id,
            parent: head.parent,
            root: head.root,
            tag: head.tag,
        };
        let id = commit.id;
        if hash::commit_id(&commit.parent, &commit.root, &commit.tag) != id {
            return Err(OpenStateError::Id { id });
        }
        let Some(below) = self.held.parent_state(&commit.parent) else {
            return Err(OpenStateError::UnknownCommit { id: commit.parent });
        };
        let protocol = self.writing.protocols.get(&head.protocol);
        let protocol = protocol.cloned().ok_or(OpenStateError::Protocol { id })?;
        let state = LazyState::over(below, frame.place);
        self.held
            .retain(commit, protocol, Some(frame.place), Arc::new(state));
        Ok(())
    }

    /// A chunk of the commit that is being imported.
    fn imported(&mut self, frame: &Frame) -> Result<(), OpenStateError> {
        let chunk = transfer::decode_frame(&frame.meta);
        let chunk = chunk.and_then(|(next, entry)| Some((next, CommitEntry::decode_head(entry)?)));
        let import = self.held.import.take();
        let (Some((cursor, head)), Some(import)) = (chunk, import) else {
            return Err(self.unreadable(frame));
        };
        if head.id != import.head.commit.id {
            return Err(self.unreadable(frame));
        }
        self.held.import = Some(Importing {
            head: ImportHead {
                cursor,
                ..import.head
            },
            state: Arc::new(LazyState::over(import.state, frame.place)),
        });
        Ok(())
    }

    fn known(&self, frame: &Frame) -> Result<CommitId, OpenStateError> {
        let Ok(id) = <[u8; 32]>::try_from(&*frame.meta) else {
            return Err(self.unreadable(frame));
        };
        let id = CommitId::from_bytes(id);
        match self.held.commits.contains_key(&id) {
            true => Ok(id),
            false => Err(OpenStateError::UnknownCommit { id }),
        }
    }

    /// Begins anew with what a checkpoint says.
    fn checkpoint(&mut self, frame: &Frame) -> Result<(), OpenStateError> {
        let Some(checkpoint) = Checkpoint::decode(&frame.meta, &self.nodes) else {
            return Err(self.unreadable(frame));
        };
        self.writing = Writing::at(&checkpoint, frame.place);
        self.needed = checkpoint.needed(&self.store, frame.place);
        self.held = Held::at(&checkpoint);
        for place in &checkpoint.retained {
            let frame = self.retained(*place)?;
            self.commit(&frame)?;
        }
        Ok(())
    }

    fn retained(&self, place: Place) -> Result<Frame, OpenStateError> {
        let frame = self.store.frame(place)?;
        match frame.kind {
            kind::COMMIT => Ok(frame),
            _ => Err(self.unreadable(&frame)),
        }
    }

    fn unreadable(&self, frame: &Frame) -> OpenStateError {
        let (file, offset) = self.store.file_of(frame.place);
        let kind = frame.kind;
        OpenStateError::Frame { file, offset, kind }
    }
}

/// Tells whether the pages and the code of a commit are those that it names.
struct CommitContents;

impl Contents for CommitContents {
    fn whole(
        &self,
        frame: &Frame,
        read: &mut dyn FnMut(Place, &mut [u8]) -> Result<(), ReadError>,
    ) -> Result<bool, ReadError> {
        if !matches!(frame.kind, kind::COMMIT | kind::MOVED | kind::IMPORTED) {
            return Ok(frame.blobs_len == 0);
        }
        let Some(entry) = CommitEntry::of_frame(frame) else {
            return Ok(false);
        };
        let mut next = Some(frame.blobs);
        let mut page = [0; PAGE_BYTES];
        for leaf in entry.page_blobs().1 {
            let Some(place) = next else { return Ok(false) };
            read(place, &mut page)?;
            if hash::page_leaf(&page) != leaf {
                return Ok(false);
            }
            next = place.plus(PAGE_BYTES as u64);
        }
        for (code_hash, len_bytes) in &entry.code {
            let (Some(place), true) = (next, *len_bytes <= frame.blobs_len) else {
                return Ok(false);
            };
            let mut code = vec![0; *len_bytes as usize];
            read(place, &mut code)?;
            if hash::code_hash(&code) != *code_hash {
                return Ok(false);
            }
            next = place.plus(stored_len_bytes(*len_bytes));
        }
        Ok(true)
    }
}

//! Checkpoints: the finalised state's nodes in the log, and a frame that says where to begin reading.
//!
//! | bytes | field of the frame |
//! |---|---|
//! | 1 | 1 if a commit is finalised; 2 if one is being imported, and the base is what there is of its state; else 0, and the base is the empty state |
//! | 32 each | if 1 or 2: its id, parent's id, root, tag |
//! | 32 | if 1 or 2: the hash of its protocol |
//! | 32 + 41 | if 2: the root of what there is, and where the next chunk begins (`transfer`) |
//! | | the top link of the contract tree (`nodes`) |
//! | 32 | the root of the tree of code |
//! | | its top link |
//! | 4 | number of protocols of retained commits; for each: |
//! | 4 + n | its text: length, bytes |
//! | 4 | number of other retained commits; for each: |
//! | 8 | the place of its frame; parents come before children |
//! | 4 | number of segments that hold something of the base; for each: |
//! | 4 + 8 | number of the segment, bytes in it that are pages, nodes or code of the base |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crostata_abi::{ContractId, PAGE_BYTES};
use crostata_proof::tree::CONTRACT_TREE_HEIGHT;
use crostata_proof::{CommitId, EMPTY, Hash, Root};

use super::batch::{Blobs, CODE_ALIGNMENT, Spot};
use super::chain::LazyState;
use super::code::{CODE_TREE_HEIGHT, CodeBucket};
use super::commits::protocol_hash;
use super::naming::Commit;
use super::nodes::{NODE_LEN_BYTES, Nodes, TreeId, decode_top, encode_node, encode_top};
use super::pages::ReadPageError;
use super::reader::{Reader, put_bytes, put_len};
use super::snapshot::{Bucket, ContractState, Snapshot};
use super::transfer::{ImportHead, Importing, decode_next, encode_next};
use super::tree::{Gone, Keeper, Node, NodeError, NodePlace};
use crate::store::{Place, ReadError, Store, WriteError, Writer};

/// The kinds of frames.
pub mod kind {
    /// A commit (`entry`).
    pub const COMMIT: u8 = 1;
    /// A commit became final: its id.
    pub const FINALIZE: u8 = 2;
    /// A commit and all above it were deleted: its id.
    pub const DELETE: u8 = 3;
    /// Nodes of the base: its blobs are nodes, each behind 4 bytes of length and 12 zeros, and followed by zeros up to
    /// a multiple of 16 bytes.
    pub const NODES: u8 = 4;
    /// A checkpoint.
    pub const CHECKPOINT: u8 = 5;
    /// The text of a protocol, which later entries name by its hash.
    pub const PROTOCOL: u8 = 7;
    /// Pages and code of the base, out of a segment that is given up (`reclaim`).
    pub const MOVED: u8 = 6;
    /// A chunk of a commit that is being imported (`transfer`).
    pub const IMPORTED: u8 = 8;
}

/// What the base of a checkpoint is.
const NOTHING: u8 = 0;
const FINALISED: u8 = 1;
const IMPORTING: u8 = 2;

/// The most bytes of nodes in one frame.
const NODES_FRAME_BYTES: u64 = 4 << 20;

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A page or code of the state can not be read.
    #[error(transparent)]
    Page(#[from] ReadPageError),
    /// The state can not be read.
    #[error(transparent)]
    State(#[from] super::chain::StateError),
    /// The state's nodes can not be read.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The store can not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store can not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// How many bytes of the base each segment holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveBytes(pub BTreeMap<u32, u64>);

impl LiveBytes {
    pub fn add(&mut self, place: Place, len_bytes: u64) {
        *self.0.entry(place.segment()).or_default() += len_bytes;
    }

    pub fn remove(&mut self, place: Place, len_bytes: u64) {
        if let Some(bytes) = self.0.get_mut(&place.segment()) {
            *bytes = bytes.saturating_sub(len_bytes);
            if *bytes == 0 {
                self.0.remove(&place.segment());
            }
        }
    }
}

/// What a checkpoint's frame says.
pub struct Checkpoint {
    /// The finalised commit and its protocol.
    pub base: Option<(Commit, Arc<str>)>,
    /// The import that is not finished, if there is one.
    pub import: Option<ImportHead>,
    /// The finalised state, what there is of the imported one, or the empty one.
    pub snapshot: Snapshot,
    /// The protocols of the retained commits.
    pub protocols: Vec<Arc<str>>,
    /// The frames of the other retained commits.
    pub retained: Vec<Place>,
    /// What the segments hold of the state.
    pub live: LiveBytes,
}

impl Checkpoint {
    /// The bytes of the frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match (&self.base, &self.import) {
            (Some((commit, protocol)), _) => {
                out.push(FINALISED);
                encode_base(commit, protocol, &mut out);
            }
            (None, Some(import)) => {
                out.push(IMPORTING);
                encode_base(&import.commit, &import.protocol, &mut out);
                out.extend_from_slice(self.snapshot.root().as_bytes());
                out.extend_from_slice(&encode_next(import.cursor.as_ref()));
            }
            (None, None) => out.push(NOTHING),
        }
        encode_top(self.snapshot.contracts(), &mut out);
        out.extend_from_slice(&self.snapshot.code_tree().root());
        encode_top(self.snapshot.code_tree(), &mut out);
        put_len(&mut out, self.protocols.len());
        for protocol in &self.protocols {
            put_bytes(&mut out, protocol.as_bytes());
        }
        put_len(&mut out, self.retained.len());
        for place in &self.retained {
            out.extend_from_slice(&place.to_u64().to_le_bytes());
        }
        put_len(&mut out, self.live.0.len());
        for (segment, bytes) in &self.live.0 {
            out.extend_from_slice(&segment.to_le_bytes());
            out.extend_from_slice(&bytes.to_le_bytes());
        }
        out
    }

    /// The checkpoint with these bytes.
    pub fn decode(bytes: &[u8], nodes: &Arc<Nodes>) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let what = reader.u8()?;
        let named = match what {
            NOTHING => None,
            FINALISED | IMPORTING => Some(decode_base(&mut reader)?),
            _ => return None,
        };
        let (mut root, mut cursor) = (EMPTY, None);
        match (what, &named) {
            (FINALISED, Some((commit, _))) => root = commit.root.to_bytes(),
            (IMPORTING, _) => (root, cursor) = (reader.array()?, decode_next(&reader.array()?)?),
            _ => {}
        }
        let contracts = decode_top(&mut reader, CONTRACT_TREE_HEIGHT, root, nodes)?;
        let code_root = reader.array()?;
        let code = decode_top(&mut reader, CODE_TREE_HEIGHT, code_root, nodes)?;
        let protocols = reader.list(4, |reader| {
            let text = str::from_utf8(reader.bytes()?).ok()?;
            Some(Arc::<str>::from(text))
        })?;
        let named = match named {
            None => None,
            Some((commit, wanted)) => {
                let mut known = protocols.iter();
                let protocol = known.find(|text| protocol_hash(text) == wanted)?;
                Some((commit, protocol.clone()))
            }
        };
        let (base, import) = match (what, named) {
            (IMPORTING, Some((commit, protocol))) => {
                let head = ImportHead {
                    commit,
                    protocol,
                    cursor,
                };
                (None, Some(head))
            }
            (_, base) => (base, None),
        };
        let checkpoint = Self {
            base,
            import,
            protocols,
            snapshot: Snapshot::of(contracts, code, nodes.clone()),
            retained: reader.list(8, |reader| reader.u64().map(Place::from_u64))?,
            live: LiveBytes(
                reader
                    .list(12, |reader| Some((reader.u32()?, reader.len_in_segment()?)))?
                    .into_iter()
                    .collect(),
            ),
        };
        reader.end(checkpoint)
    }
}

impl Checkpoint {
    /// The empty state. A new one: an older one would keep all segments that were given up since.
    pub fn genesis(&self) -> Arc<LazyState> {
        Arc::new(LazyState::made(match (&self.base, &self.import) {
            (None, None) => self.snapshot.clone(),
            _ => Snapshot::empty(self.snapshot.nodes().clone()),
        }))
    }

    /// The import that is not finished, at the checkpoint.
    pub fn importing(&self) -> Option<Importing> {
        let head = self.import.clone()?;
        Some(Importing::at(head, self.snapshot.clone()))
    }

    /// The segments that are needed: for the base, for the frames of retained commits, and from the checkpoint on.
    pub fn needed(&self, store: &Store, place: Place) -> BTreeSet<u32> {
        let live = self.live.0.keys().copied();
        let frames = self.retained.iter().map(|frame| frame.segment());
        let later = store.segments().into_iter().map(|segment| segment.number);
        let later = later.filter(|number| *number >= place.segment());
        live.chain(frames).chain(later).collect()
    }

    /// The segments that are not needed any more.
    pub fn unneeded(&self, store: &Store, place: Place) -> Vec<u32> {
        let needed = self.needed(store, place);
        let segments = store.segments().into_iter().map(|segment| segment.number);
        segments.filter(|number| !needed.contains(number)).collect()
    }
}

fn encode_base(commit: &Commit, protocol: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(commit.id.as_bytes());
    out.extend_from_slice(commit.parent.as_bytes());
    out.extend_from_slice(commit.root.as_bytes());
    out.extend_from_slice(&commit.tag);
    out.extend_from_slice(&protocol_hash(protocol));
}

fn decode_base(reader: &mut Reader<'_>) -> Option<(Commit, Hash)> {
    let commit = Commit {
        id: CommitId::from_bytes(reader.array()?),
        parent: CommitId::from_bytes(reader.array()?),
        root: Root::from_bytes(reader.array()?),
        tag: reader.array()?,
    };
    Some((commit, reader.array()?))
}

/// Writes the frame of an entry: where it is, and where its blobs are.
///
/// # Errors
/// [`WriteError`].
pub fn write_entry(
    writer: &mut Writer<'_>,
    kind: u8,
    meta: &[u8],
    blobs: &dyn Blobs,
) -> Result<(Place, Place), WriteError> {
    let len_bytes = blobs.len_bytes();
    let place = writer.blobs_place(meta.len() as u64, len_bytes)?;
    let frame = writer.write_from(kind, meta, len_bytes, &mut |put| blobs.put(put))?;
    Ok((frame, place))
}

/// Writes the nodes of a snapshot that are in memory only; the snapshot with all nodes in the log. Not durable yet.
///
/// # Errors
/// [`CheckpointError`] when something can not be read or written.
pub fn save(
    snapshot: &Snapshot,
    writer: &mut Writer<'_>,
    live: &mut LiveBytes,
) -> Result<SavedTrees, CheckpointError> {
    let mut saver = Saver {
        writer,
        live,
        nodes: snapshot.nodes().clone(),
        buffer: Vec::new(),
        begin: None,
    };
    let nodes = snapshot.nodes().source();
    let contracts = snapshot
        .contracts()
        .save(&mut ContractKeeper(&mut saver), nodes.clone())?;
    let code = snapshot
        .code_tree()
        .save(&mut CodeKeeper(&mut saver), nodes)?;
    saver.flush()?;
    Ok(SavedTrees { contracts, code })
}

/// The trees of a snapshot whose nodes are all in the log.
pub struct SavedTrees {
    contracts: super::tree::Tree<Bucket>,
    code: super::tree::Tree<CodeBucket>,
}

impl SavedTrees {
    /// A snapshot with a lease of its own.
    pub fn snapshot(&self, nodes: &Arc<Nodes>) -> Snapshot {
        Snapshot::of(self.contracts.clone(), self.code.clone(), nodes.clone())
    }
}

/// Gathers nodes into frames.
struct Saver<'a, 'w> {
    writer: &'a mut Writer<'w>,
    live: &'a mut LiveBytes,
    nodes: Arc<Nodes>,
    buffer: Vec<u8>,
    /// Where the gathered bytes will be.
    begin: Option<Place>,
}

impl Saver<'_, '_> {
    fn put(&mut self, bytes: &[u8]) -> Result<NodePlace, CheckpointError> {
        if (self.buffer.len() + NODE_LEN_BYTES + bytes.len()) as u64 > NODES_FRAME_BYTES {
            self.flush()?;
        }
        let begin = match self.begin {
            Some(begin) => begin,
            None => self.writer.blobs_place(0, NODES_FRAME_BYTES)?,
        };
        self.begin = Some(begin);
        let len = self.buffer.len() + NODE_LEN_BYTES;
        let place = begin.plus(len as u64).ok_or(WriteError::TooLong {
            len_bytes: len as u64,
        })?;
        self.buffer
            .extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.buffer.resize(len, 0);
        self.buffer.extend_from_slice(bytes);
        let padded = self.buffer.len().next_multiple_of(CODE_ALIGNMENT as usize);
        self.buffer.resize(padded, 0);
        self.live.add(place, bytes.len() as u64);
        Ok(NodePlace {
            at: place.to_u64(),
            len_bytes: bytes.len() as u32,
        })
    }

    fn flush(&mut self) -> Result<(), CheckpointError> {
        if self.begin.take().is_some() {
            self.writer
                .write(kind::NODES, &[], &[&self.buffer], false)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// The place of something that is to be part of the base.
    fn settle(&mut self, spot: &Spot, len_bytes: u64) -> Result<Spot, CheckpointError> {
        let place = spot.place().ok_or(ReadPageError::NotWritten)?;
        if !matches!(spot, Spot::Stored(_)) {
            self.live.add(place, len_bytes);
        }
        Ok(Spot::Stored(place))
    }
}

struct ContractKeeper<'s, 'a, 'w>(&'s mut Saver<'a, 'w>);

impl Keeper<Bucket> for ContractKeeper<'_, '_, '_> {
    type Error = CheckpointError;

    fn node(&mut self, node: &Node<Bucket>) -> Result<NodePlace, CheckpointError> {
        self.0.put(&encode_node(TreeId::Contracts, node))
    }

    fn leaf(&mut self, bucket: &Bucket) -> Result<Bucket, CheckpointError> {
        let contracts = bucket.contracts().iter();
        let contracts = contracts.map(|state| self.contract(state));
        Ok(Bucket::of(contracts.collect::<Result<_, _>>()?))
    }
}

impl ContractKeeper<'_, '_, '_> {
    fn contract(&mut self, state: &ContractState) -> Result<Arc<ContractState>, CheckpointError> {
        let nodes = self.0.nodes.source();
        let contract = state.record.contract;
        let mut keeper = PageKeeper {
            saver: self.0,
            contract,
        };
        let pages = state.pages.save(&mut keeper, nodes)?;
        Ok(Arc::new(state.with_pages(pages)))
    }
}

struct PageKeeper<'s, 'a, 'w> {
    saver: &'s mut Saver<'a, 'w>,
    contract: ContractId,
}

impl Keeper<Spot> for PageKeeper<'_, '_, '_> {
    type Error = CheckpointError;

    fn node(&mut self, node: &Node<Spot>) -> Result<NodePlace, CheckpointError> {
        self.saver
            .put(&encode_node(TreeId::Pages(self.contract), node))
    }

    fn leaf(&mut self, spot: &Spot) -> Result<Spot, CheckpointError> {
        self.saver.settle(spot, PAGE_BYTES as u64)
    }
}

struct CodeKeeper<'s, 'a, 'w>(&'s mut Saver<'a, 'w>);

impl Keeper<CodeBucket> for CodeKeeper<'_, '_, '_> {
    type Error = CheckpointError;

    fn node(&mut self, node: &Node<CodeBucket>) -> Result<NodePlace, CheckpointError> {
        self.0.put(&encode_node(TreeId::Code, node))
    }

    fn leaf(&mut self, bucket: &CodeBucket) -> Result<CodeBucket, CheckpointError> {
        let mut codes = bucket.codes().to_vec();
        for code in &mut codes {
            code.spot = self.0.settle(&code.spot, code.len_bytes)?;
        }
        Ok(CodeBucket::of(codes))
    }
}

/// Takes out of `live` what `old` has in the log and `new` has not.
///
/// # Errors
/// [`NodeError`] when the trees can not be read.
pub fn forget_replaced(
    old: &Snapshot,
    new: &Snapshot,
    live: &mut LiveBytes,
) -> Result<(), NodeError> {
    let mut gone = Forget(live);
    old.contracts().replaced(new.contracts(), &mut gone)?;
    old.code_tree().replaced(new.code_tree(), &mut gone)
}

struct Forget<'a>(&'a mut LiveBytes);

impl Forget<'_> {
    fn forget_node(&mut self, place: NodePlace) {
        let at = Place::from_u64(place.at);
        self.0.remove(at, u64::from(place.len_bytes));
    }
}

impl Gone<Bucket> for Forget<'_> {
    type Error = NodeError;

    fn node(&mut self, place: NodePlace) -> Result<(), NodeError> {
        self.forget_node(place);
        Ok(())
    }

    fn leaf(&mut self, old: &Bucket, new: Option<&Bucket>) -> Result<(), NodeError> {
        for state in old.contracts() {
            let next = new.and_then(|new| new.find(&state.record.contract));
            match next {
                Some(next) => state.pages.replaced(&next.pages, self)?,
                None => state.pages.replaced(&state.pages.emptied(), self)?,
            }
        }
        Ok(())
    }
}

impl Gone<Spot> for Forget<'_> {
    type Error = NodeError;

    fn node(&mut self, place: NodePlace) -> Result<(), NodeError> {
        self.forget_node(place);
        Ok(())
    }

    fn leaf(&mut self, old: &Spot, new: Option<&Spot>) -> Result<(), NodeError> {
        if let Spot::Stored(place) = old
            && !matches!(new, Some(Spot::Stored(kept)) if kept == place)
        {
            self.0.remove(*place, PAGE_BYTES as u64);
        }
        Ok(())
    }
}

impl Gone<CodeBucket> for Forget<'_> {
    type Error = NodeError;

    fn node(&mut self, place: NodePlace) -> Result<(), NodeError> {
        self.forget_node(place);
        Ok(())
    }

    fn leaf(&mut self, old: &CodeBucket, new: Option<&CodeBucket>) -> Result<(), NodeError> {
        for code in old.codes() {
            let next = new.and_then(|new| new.find(&code.hash));
            let next = next.and_then(|next| next.spot.place());
            if let Spot::Stored(place) = code.spot
                && next != Some(place)
            {
                self.0.remove(place, code.len_bytes);
            }
        }
        Ok(())
    }
}

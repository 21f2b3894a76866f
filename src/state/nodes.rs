//! The tree's nodes on disk: their bytes, and a cache of those that were read.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | which tree: 1 contracts, 2 code, 3 pages |
//! | 32 | the contract whose pages they are; zeros in the other trees |
//! | 1 | level |
//! | 8 | a position below the node |
//! | 8 | mask: bit `i` set if child `i` exists |
//! | 32 each | the hashes of the children that exist, at the node's level |
//! | | then the children that exist: at level 0 leaves, above it links |
//!
//! A link is a byte that tells what follows: 0 for a leaf, then its position (8), hash (32) and the leaf; 1 for a
//! node, then its place (8), length in bytes (4), level (1) and a position below it (8); 2 for nothing, which only the
//! top of a tree is.
//! The leaf of a page is the place of its bytes (8). That of the contract tree is a counted list of contracts, each
//! its record (4 + n) and the top link of its page tree. That of the code tree is a counted list of codes, each its
//! hash (32), length in bytes (8) and place (8).
//!
//! No checksum is needed: what a node holds decides its hash, which the node above holds. What it does not decide,
//! the places, leads to bytes that are checked themselves.

use std::sync::{Arc, Weak};

use crostata_abi::ContractId;
use crostata_proof::tree::{lift, page_tree_height};
use crostata_proof::{CodeHash, ContractRecord, Hash};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::batch::Spot;
use super::code::{CodeBucket, StoredCode};
use super::reader::{Reader, put_bytes, put_len};
use super::snapshot::{Bucket, ContractState};
use super::tree::{Children, Link, Node, NodePlace, NodeReason, NodeSource, Tree};
use crate::store::{Frame, Place, ReadError, Store};

/// Which tree a node is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeId {
    /// The contract tree.
    Contracts,
    /// The tree of code.
    Code,
    /// A contract's pages.
    Pages(ContractId),
}

/// The bytes of a node before its hashes.
pub const NODE_HEAD_LEN: usize = 1 + 32 + 1 + 8 + 8;

/// No node is longer: 64 buckets of records. A link that says more is damaged.
const NODE_LEN_MAX: u32 = 16 << 20;

const LINK_LEAF: u8 = 0;
const LINK_NODE: u8 = 1;
const LINK_NONE: u8 = 2;

/// What a tree's leaves are on disk.
pub trait Stored: Sized {
    /// Writes the leaf, of which everything is in the log.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads a leaf.
    fn decode(reader: &mut Reader<'_>, nodes: &Arc<Nodes>) -> Option<Self>;

    /// Whether the leaf has this hash, as far as the leaf itself can tell.
    fn matches(&self, hash: &Hash) -> bool;
}

impl Stored for Spot {
    fn encode(&self, out: &mut Vec<u8>) {
        put_place(out, self.place());
    }

    fn decode(reader: &mut Reader<'_>, _nodes: &Arc<Nodes>) -> Option<Self> {
        Some(Self::Stored(Place::from_u64(reader.u64()?)))
    }

    /// The page is checked when it is read.
    fn matches(&self, _hash: &Hash) -> bool {
        true
    }
}

impl Stored for Bucket {
    fn encode(&self, out: &mut Vec<u8>) {
        put_len(out, self.contracts().len());
        for state in self.contracts() {
            put_bytes(out, &state.record.encode());
            encode_top(&state.pages, out);
        }
    }

    fn decode(reader: &mut Reader<'_>, nodes: &Arc<Nodes>) -> Option<Self> {
        let contracts = reader.list(4 + 1, |reader| {
            let record = ContractRecord::decode(reader.bytes()?).ok()?;
            let height = page_tree_height(record.word_size);
            let pages = decode_top(reader, height, record.page_root, nodes)?;
            Some(Arc::new(ContractState::new(record, pages)))
        })?;
        Some(Self::of(contracts))
    }

    fn matches(&self, hash: &Hash) -> bool {
        self.hash() == *hash
    }
}

impl Stored for CodeBucket {
    fn encode(&self, out: &mut Vec<u8>) {
        put_len(out, self.codes().len());
        for code in self.codes() {
            out.extend_from_slice(code.hash.as_bytes());
            out.extend_from_slice(&code.len_bytes.to_le_bytes());
            put_place(out, code.spot.place());
        }
    }

    fn decode(reader: &mut Reader<'_>, _nodes: &Arc<Nodes>) -> Option<Self> {
        let codes = reader.list(32 + 8 + 8, |reader| {
            Some(StoredCode {
                hash: CodeHash::from_bytes(reader.array()?),
                len_bytes: reader.len_in_segment()?,
                spot: Spot::Stored(Place::from_u64(reader.u64()?)),
            })
        })?;
        Some(Self::of(codes))
    }

    fn matches(&self, hash: &Hash) -> bool {
        self.hash() == *hash
    }
}

fn put_place(out: &mut Vec<u8>, place: Option<Place>) {
    // Trees are saved when everything they name is in the log; a place of zeros names a segment's header, where no
    // bytes match any hash.
    out.extend_from_slice(&place.map_or(0, Place::to_u64).to_le_bytes());
}

/// The bytes of a node whose children are in the log.
pub fn encode_node<L: Stored>(tree: TreeId, node: &Node<L>) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    let (kind, contract) = match tree {
        TreeId::Contracts => (1, [0; 32]),
        TreeId::Code => (2, [0; 32]),
        TreeId::Pages(contract) => (3, *contract.as_bytes()),
    };
    out.push(kind);
    out.extend_from_slice(&contract);
    out.push(node.level() as u8);
    out.extend_from_slice(&node.position().to_le_bytes());
    out.extend_from_slice(&node.mask().to_le_bytes());
    out.extend_from_slice(node.hashes().as_flattened());
    match node.children() {
        Children::Leaves(leaves) => leaves.iter().for_each(|leaf| leaf.encode(&mut out)),
        Children::Links(links) => links.iter().for_each(|link| encode_link(link, &mut out)),
    }
    out
}

/// Which tree a node is of, its level and a position below it.
pub fn node_head(bytes: &[u8]) -> Option<(TreeId, u32, u64)> {
    let mut reader = Reader::new(bytes);
    let (kind, contract) = (reader.u8()?, reader.array()?);
    let tree = match kind {
        1 => TreeId::Contracts,
        2 => TreeId::Code,
        3 => TreeId::Pages(ContractId::from_bytes(contract)),
        _ => return None,
    };
    Some((tree, u32::from(reader.u8()?), reader.u64()?))
}

fn decode_node<L: Stored>(bytes: &[u8], height: u32, nodes: &Arc<Nodes>) -> Option<Node<L>> {
    let (_, level, position) = node_head(bytes)?;
    let mut reader = Reader::new(bytes);
    reader.take(NODE_HEAD_LEN - 8)?;
    let mask = reader.u64()?;
    let count = mask.count_ones() as usize;
    if count < 2 || level >= height {
        return None;
    }
    let (hashes, _) = reader.take(count * 32)?.as_chunks();
    let children = match level {
        0 => {
            let leaves = hashes.iter().map(|hash| {
                let leaf = L::decode(&mut reader, nodes)?;
                leaf.matches(hash).then_some(leaf)
            });
            Children::Leaves(leaves.collect::<Option<_>>()?)
        }
        _ => {
            let links = hashes.iter().map(|hash| {
                let link = decode_link(&mut reader, nodes)??;
                has_hash(&link, level, hash).then_some(link)
            });
            Children::Links(links.collect::<Option<_>>()?)
        }
    };
    let node = Node::new(height, level, position, mask, hashes.into(), children);
    // Hashes do not tell where a node is, so a position that is not checked would hide what is there.
    reader.end(node).filter(Node::has_children_below)
}

/// Whether a leaf that is the only one below a place of a node has the hash that is known there. Nodes are checked
/// when they are read.
fn has_hash<L: Stored>(link: &Link<L>, level: u32, hash: &Hash) -> bool {
    match link {
        Link::Leaf { at, hash: leaf, .. } => lift(*leaf, *at, 0, level) == *hash,
        _ => link.level() < Some(level),
    }
}

fn encode_link<L: Stored>(link: &Link<L>, out: &mut Vec<u8>) {
    match link {
        Link::Leaf { at, hash, leaf } => {
            out.push(LINK_LEAF);
            out.extend_from_slice(&at.to_le_bytes());
            out.extend_from_slice(hash);
            leaf.encode(out);
        }
        Link::Stored {
            place,
            level,
            position,
        } => {
            out.push(LINK_NODE);
            out.extend_from_slice(&place.at.to_le_bytes());
            out.extend_from_slice(&place.len_bytes.to_le_bytes());
            out.push(*level as u8);
            out.extend_from_slice(&position.to_le_bytes());
        }
        // INVARIANT: a tree is encoded after it was saved, which leaves no node in memory.
        Link::Node(_) => out.push(LINK_NONE),
    }
}

/// A link; `Some(None)` for nothing.
#[expect(clippy::option_option, reason = "unreadable, nothing, or a link")]
fn decode_link<L: Stored>(reader: &mut Reader<'_>, nodes: &Arc<Nodes>) -> Option<Option<Link<L>>> {
    Some(match reader.u8()? {
        LINK_LEAF => {
            let (at, hash) = (reader.u64()?, reader.array()?);
            let leaf = L::decode(reader, nodes)?;
            leaf.matches(&hash)
                .then_some(Some(Link::Leaf { at, hash, leaf }))?
        }
        LINK_NODE => Some(Link::Stored {
            place: NodePlace {
                at: reader.u64()?,
                len_bytes: reader.u32()?,
            },
            level: u32::from(reader.u8()?),
            position: reader.u64()?,
        }),
        LINK_NONE => None,
        _ => return None,
    })
}

/// The top of a saved tree.
pub fn encode_top<L: Stored + Clone>(tree: &Tree<L>, out: &mut Vec<u8>) {
    match tree.top() {
        Some(link) => encode_link(link, out),
        None => out.push(LINK_NONE),
    }
}

/// The tree with this top and root.
pub fn decode_top<L: Stored + Clone>(
    reader: &mut Reader<'_>,
    height: u32,
    root: Hash,
    nodes: &Arc<Nodes>,
) -> Option<Tree<L>>
where
    Nodes: NodeSource<L>,
{
    let link = decode_link(reader, nodes)?;
    Tree::from_top(height, root, link, nodes.source())
}

/// Bytes before a node in its frame: its length, and zeros.
pub const NODE_LEN_BYTES: usize = 16;

/// Where the nodes in a frame of nodes are.
///
/// # Errors
/// [`ReadError`] when the frame can not be read.
pub fn nodes_in(store: &Store, frame: &Frame) -> Result<Vec<NodePlace>, ReadError> {
    let mut places = Vec::new();
    let mut at = 0;
    let next = |at: u64| frame.blobs.plus(at).filter(|_| at < frame.blobs_len);
    while let Some(head) = next(at) {
        let mut len = [0; 4];
        store.read(head, &mut len)?;
        let len_bytes = u32::from_le_bytes(len);
        let Some(place) = head.plus(NODE_LEN_BYTES as u64) else {
            break;
        };
        places.push(NodePlace {
            at: place.to_u64(),
            len_bytes,
        });
        let len = NODE_LEN_BYTES as u64 + u64::from(len_bytes);
        at += len.next_multiple_of(NODE_LEN_BYTES as u64);
    }
    Ok(places)
}

/// Which tree the node at a place is of, its level and a position below it; none if there is no node.
///
/// # Errors
/// [`ReadError`] when it can not be read.
pub fn read_node_head(
    store: &Store,
    place: NodePlace,
) -> Result<Option<(TreeId, u32, u64)>, ReadError> {
    let mut head = [0; NODE_HEAD_LEN];
    store.read(Place::from_u64(place.at), &mut head)?;
    Ok(node_head(&head))
}

/// A node of any of the trees.
#[derive(Clone)]
enum CachedNode {
    Contracts(Arc<Node<Bucket>>),
    Code(Arc<Node<CodeBucket>>),
    Pages(Arc<Node<Spot>>),
}

/// Counts a node by what it has on disk and a little more.
#[derive(Clone)]
struct ByLength;

impl Weighter<NodePlace, CachedNode> for ByLength {
    fn weight(&self, place: &NodePlace, _node: &CachedNode) -> u64 {
        u64::from(place.len_bytes) * 2
    }
}

/// The nodes of one store, read when they are needed and kept up to a number of bytes.
pub struct Nodes {
    store: Arc<Store>,
    cache: Cache<NodePlace, CachedNode, ByLength>,
    source: Arc<Source>,
}

impl Nodes {
    /// The nodes in `store`, with a cache of about `cache_bytes`.
    pub fn new(store: Arc<Store>, cache_bytes: u64) -> Arc<Self> {
        let node_bytes = 4096;
        let count = (cache_bytes / node_bytes) as usize;
        Arc::new_cyclic(|itself| Self {
            store,
            cache: Cache::with_weighter(count, cache_bytes, ByLength),
            source: Arc::new(Source(itself.clone())),
        })
    }

    /// What trees have their nodes from. It does not keep the nodes: a tree that is among them would keep itself. Who
    /// reads trees holds a snapshot, which does.
    pub fn source(&self) -> Arc<Source> {
        self.source.clone()
    }

    /// What the nodes that are kept count for.
    pub fn kept_bytes(&self) -> u64 {
        self.cache.weight()
    }

    /// The store that they are in.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The bytes of a node.
    fn read(&self, place: NodePlace) -> Result<Vec<u8>, NodeReason> {
        if place.len_bytes > NODE_LEN_MAX {
            return Err("no node is that long".into());
        }
        let at = Place::from_u64(place.at);
        Ok(self.store.read_vec(at, u64::from(place.len_bytes))?)
    }

    fn load<L: Stored>(&self, place: NodePlace, height: u32) -> Result<Arc<Node<L>>, NodeReason> {
        let bytes = self.read(place)?;
        let nodes = self.source.0.upgrade().ok_or(CLOSED)?;
        let node = decode_node(&bytes, height, &nodes);
        node.map(Arc::new).ok_or_else(|| {
            let (file, offset) = self.store.file_of(Place::from_u64(place.at));
            format!("{file} is damaged at byte {offset}: no node is there").into()
        })
    }
}

/// The nodes of a store, as long as they are there.
pub struct Source(Weak<Nodes>);

const CLOSED: &str = "the store is closed";

impl<L> NodeSource<L> for Source
where
    Nodes: NodeSource<L>,
{
    fn node(&self, at: NodePlace, height: u32) -> Result<Arc<Node<L>>, NodeReason> {
        let nodes = self.0.upgrade().ok_or(CLOSED)?;
        NodeSource::<L>::node(&*nodes, at, height)
    }
}

impl NodeSource<Bucket> for Nodes {
    fn node(&self, at: NodePlace, height: u32) -> Result<Arc<Node<Bucket>>, NodeReason> {
        if let Some(CachedNode::Contracts(node)) = self.cache.get(&at) {
            return Ok(node);
        }
        let node = self.load(at, height)?;
        self.cache.insert(at, CachedNode::Contracts(node.clone()));
        Ok(node)
    }
}

impl NodeSource<CodeBucket> for Nodes {
    fn node(&self, at: NodePlace, height: u32) -> Result<Arc<Node<CodeBucket>>, NodeReason> {
        if let Some(CachedNode::Code(node)) = self.cache.get(&at) {
            return Ok(node);
        }
        let node = self.load(at, height)?;
        self.cache.insert(at, CachedNode::Code(node.clone()));
        Ok(node)
    }
}

impl NodeSource<Spot> for Nodes {
    fn node(&self, at: NodePlace, height: u32) -> Result<Arc<Node<Spot>>, NodeReason> {
        if let Some(CachedNode::Pages(node)) = self.cache.get(&at) {
            return Ok(node);
        }
        let node = self.load(at, height)?;
        self.cache.insert(at, CachedNode::Pages(node.clone()));
        Ok(node)
    }
}

//! The live Merkle tree: what a state's root is computed from.
//!
//! A persistent radix tree over `u64` positions. Its roots and paths are those of the 4-ary tree of
//! `docs/format.md`; it keeps three 4-ary levels together in one [`Node`] of up to 64 children, of which it holds
//! the children's hashes and computes the rest when it needs it: copying a node is one copy, hashing it fills the
//! vector units, and reading it from a disk is one read. A chain of lone nodes is not kept: its hash is kept by the
//! node above it.
//!
//! A changed tree shares every untouched node with the one it came from, which stays as it was; cloning costs
//! nothing. Nodes that a [`NodeSource`] keeps are had from it when they are first needed and checked against the
//! hash that the node above them holds.
//!
//! Of a state that a witness shows there is a [part](Tree::part): positions with their leaves, and the hashes beside them.
//!
//! It never knows what its leaves mean. Recursion is as deep as the tree is high at most. A property test holds
//! roots and paths equal to those of `dusk_merkle::Tree` over the same leaves.

mod change;
mod difference;
mod fold;
mod leaves;
mod load;
mod node;
mod part;
mod path;
mod replaced;
mod save;
#[cfg(test)]
mod tests;
mod visit;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crostata_proof::tree::{has_position, lift};
use crostata_proof::{EMPTY, Hash};

pub use self::change::Change;
pub use self::node::{Children, Link, Node};
pub use self::part::{NotWitnessed, PartLeaf, PartOf};
pub use self::replaced::Gone;
pub use self::save::Keeper;
pub use self::visit::Visitor;

use self::node::{Entry, contains, slot};
use self::part::{NOWHERE, Part};
use crate::store::Place;

/// Where a node source keeps a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodePlace {
    /// Where it begins.
    pub at: u64,
    /// How long it is.
    pub len_bytes: u32,
}

/// What keeps nodes that are not in a tree's own memory.
pub trait NodeSource<L>: Send + Sync {
    /// The node at a place, of a tree of this height. The tree checks that it has the hash it should have.
    ///
    /// # Errors
    /// When it can not be had.
    fn node(&self, at: NodePlace, tree_height: u32) -> Result<Arc<Node<L>>, NodeReason>;
}

/// Why a node source has no node, in its own words.
pub type NodeReason = Box<dyn Error + Send + Sync>;

/// Why a node of a tree could not be had.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It could not be read.
    #[error("the node of the state tree at {} can not be had", Place::from_u64(place.at))]
    Unreadable {
        /// Where it should be.
        place: NodePlace,
        /// What went wrong below.
        #[source]
        reason: NodeReason,
    },
    /// What was read is not the node that the one above it names.
    #[error("the node of the state tree at {} does not have the hash it should have", Place::from_u64(place.at))]
    Mismatch {
        /// Where it is.
        place: NodePlace,
    },
    /// The state is the part that a witness shows, and this is not in it.
    #[error("the witness does not have it")]
    NotWitnessed(#[source] NotWitnessed),
}

/// A Merkle tree over `4^height` positions, most of them empty.
pub struct Tree<L> {
    height: u32,
    top: Option<Entry<L>>,
    root: Hash,
    source: Arc<dyn NodeSource<L>>,
    /// All that is known, if it is not the whole tree.
    part: Option<Arc<Part<L>>>,
}

impl<L: Clone> Clone for Tree<L> {
    fn clone(&self) -> Self {
        Self {
            height: self.height,
            top: self.top.clone(),
            root: self.root,
            source: self.source.clone(),
            part: self.part.clone(),
        }
    }
}

impl<L> fmt::Debug for Tree<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree")
            .field("height", &self.height)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl<L: Clone> Tree<L> {
    /// The empty tree of this height (at most 31).
    pub fn new(height: u32, source: Arc<dyn NodeSource<L>>) -> Self {
        debug_assert!(height <= 31, "positions have 62 bits");
        Self {
            height,
            top: None,
            root: EMPTY,
            source,
            part: None,
        }
    }

    /// The tree of this height and root whose highest link this is; none if they can not belong together.
    pub fn from_top(
        height: u32,
        root: Hash,
        top: Option<Link<L>>,
        source: Arc<dyn NodeSource<L>>,
    ) -> Option<Self> {
        let fits = match &top {
            None => root == EMPTY,
            Some(Link::Leaf { at, hash, .. }) => lift(*hash, *at, 0, height) == root,
            Some(_) => root != EMPTY,
        };
        let fits = fits
            && top
                .as_ref()
                .is_none_or(|top| has_position(height, top.position()));
        let hash = root;
        let top = top.map(|link| Entry { hash, height, link });
        fits.then_some(Self {
            height,
            top,
            root,
            source,
            part: None,
        })
    }

    /// The tree without leaves, of the same height and source.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self::new(self.height, self.source.clone())
    }

    /// The highest link: a leaf, or the node that all leaves are below.
    pub fn top(&self) -> Option<&Link<L>> {
        self.top.as_ref().map(|top| &top.link)
    }

    /// The root, [`EMPTY`] for a tree without leaves. It was computed when the tree was made.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The leaf at `position`, with its hash.
    ///
    /// # Errors
    /// [`NodeError`] when a node on the way can not be had.
    pub fn get(&self, position: u64) -> Result<Option<(Hash, L)>, NodeError> {
        if let Some(part) = &self.part {
            return part.get(position);
        }
        let Some(top) = &self.top else {
            return Ok(None);
        };
        if let Link::Leaf { at, hash, leaf } = &top.link {
            return Ok((*at == position).then(|| (*hash, leaf.clone())));
        }
        let mut node = self.node(&top.link, top.height, top.hash)?;
        loop {
            if !contains(node.level(), node.position(), position) {
                return Ok(None);
            }
            let slot = slot(position, node.level());
            let Some((hash, child)) = node.child(slot) else {
                return Ok(None);
            };
            node = match child {
                node::Child::Leaf(leaf) => return Ok(Some((hash, leaf.clone()))),
                node::Child::Link(Link::Leaf { at, hash, leaf }) => {
                    return Ok((*at == position).then(|| (*hash, leaf.clone())));
                }
                node::Child::Link(link) => self.node(link, node.level(), hash)?,
            };
        }
    }

    /// The node behind a link whose subtree of this height should have this hash.
    fn node(&self, link: &Link<L>, height: u32, hash: Hash) -> Result<Arc<Node<L>>, NodeError> {
        let place = match link {
            Link::Node(node) => return Ok(node.clone()),
            Link::Stored { place, .. } => *place,
            // INVARIANT: who calls has looked at leaves already; no source keeps a node at this place.
            Link::Leaf { .. } => NOWHERE,
        };
        if let Some(part) = &self.part {
            return Err(part.lacks(link.position()));
        }
        let node = self.source.node(place, self.height);
        let node = node.map_err(|reason| NodeError::Unreadable { place, reason })?;
        let there = contains(node.level(), node.position(), link.position());
        match there && node.entry_hash(height) == hash && link.level() == Some(node.level()) {
            true => Ok(node),
            false => Err(NodeError::Mismatch { place }),
        }
    }
}

//! A node: up to 64 children on three levels of the 4-ary tree.

use std::sync::Arc;

use crostata_proof::Hash;
use crostata_proof::tree::lift;

use super::NodePlace;
use super::fold::fold;

/// Levels of the 4-ary tree in one node.
pub const NODE_LEVELS: u32 = 3;

/// Children that a node has at most.
pub const NODE_CHILDREN: usize = 64;

/// Which child of the node at `level` leads to `position`.
pub(super) fn slot(position: u64, level: u32) -> usize {
    (position >> (2 * level)) as usize % NODE_CHILDREN
}

/// Whether the node at `level` that `one` lies below has `other` below it too.
pub(super) fn contains(level: u32, one: u64, other: u64) -> bool {
    above(one ^ other, level) == 0
}

/// What of a position says which node at `level` it lies below, and nothing else: zero for the highest node.
fn above(position: u64, level: u32) -> u64 {
    let below = 2 * (level + NODE_LEVELS);
    let above = position.checked_shr(below).map(|digits| digits << below);
    above.unwrap_or(0)
}

/// A node of several children. What it has no child for is EMPTY.
#[derive(Debug)]
pub struct Node<L> {
    /// The height of the children's hashes, a multiple of [`NODE_LEVELS`].
    level: u32,
    /// The height of the node's own hash.
    height: u32,
    hash: Hash,
    /// A position below the node, whichever.
    position: u64,
    /// Which of the children exist.
    mask: u64,
    /// The hashes of the children that exist, each carried up to the node's level.
    hashes: Box<[Hash]>,
    children: Children<L>,
}

/// The children of a node that exist, in order.
#[derive(Debug, Clone)]
pub enum Children<L> {
    /// At level 0: leaves, whose positions are those of their places.
    Leaves(Box<[L]>),
    /// Above: links to what is below, which may be far below.
    Links(Box<[Link<L>]>),
}

/// A child of a node.
pub(super) enum Child<'a, L> {
    Leaf(&'a L),
    Link(&'a Link<L>),
}

/// What is below: a leaf, or the highest node that has several children.
#[derive(Debug, Clone)]
pub enum Link<L> {
    /// The only leaf of its subtree.
    Leaf {
        /// Its position.
        at: u64,
        /// Its own hash.
        hash: Hash,
        /// The leaf.
        leaf: L,
    },
    /// A node in memory.
    Node(Arc<Node<L>>),
    /// A node that the tree's source keeps.
    Stored {
        /// Where.
        place: NodePlace,
        /// Its level.
        level: u32,
        /// A position below it.
        position: u64,
    },
}

/// A subtree on its way into a node: a link, and the hash of the subtree at some height.
#[derive(Debug, Clone)]
pub(super) struct Entry<L> {
    pub hash: Hash,
    pub height: u32,
    pub link: Link<L>,
}

impl<L> Node<L> {
    /// A node of a tree of height `tree_height`, at `level`, above `position`.
    ///
    /// `mask` has a bit per child, in the order of `hashes` and `children`; there are two at least.
    pub fn new(
        tree_height: u32,
        level: u32,
        position: u64,
        mask: u64,
        hashes: Box<[Hash]>,
        children: Children<L>,
    ) -> Self {
        debug_assert_eq!(mask.count_ones() as usize, hashes.len());
        let height = tree_height.min(level + NODE_LEVELS);
        Self {
            level,
            height,
            hash: fold(mask, &hashes, height - level),
            position,
            mask,
            hashes,
            children,
        }
    }

    /// The height of the children's hashes.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// A position below the node, whichever.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Which of the children exist.
    pub fn mask(&self) -> u64 {
        self.mask
    }

    /// The hashes of the children that exist, each carried up to the node's level.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The children that exist, in order.
    pub fn children(&self) -> &Children<L> {
        &self.children
    }

    /// Whether what the links say of their positions is below this node, each in its child's place.
    pub fn has_children_below(&self) -> bool {
        let Children::Links(links) = &self.children else {
            return true;
        };
        let existing = (0..NODE_CHILDREN).filter(|slot| self.mask >> slot & 1 == 1);
        let digits = 2 * self.level;
        existing
            .zip(links)
            .all(|(slot, link)| (link.position() ^ self.child_position(slot)) >> digits == 0)
    }

    /// The same node with children that have the same hashes.
    pub(super) fn with_children<C>(&self, children: Children<C>) -> Node<C> {
        Node {
            level: self.level,
            height: self.height,
            hash: self.hash,
            position: self.position,
            mask: self.mask,
            hashes: self.hashes.clone(),
            children,
        }
    }

    /// The height of the node's own hash.
    pub(super) fn height(&self) -> u32 {
        self.height
    }

    /// The hash of the subtree of this height that has this node and nothing else below it.
    pub(super) fn entry_hash(&self, height: u32) -> Hash {
        lift(self.hash, self.position, self.height, height)
    }

    /// How many children come before that of a slot.
    pub(super) fn rank(&self, slot: usize) -> usize {
        (self.mask & ((1 << slot) - 1)).count_ones() as usize
    }

    /// A child that exists, with its hash at the node's level.
    pub(super) fn child(&self, slot: usize) -> Option<(Hash, Child<'_, L>)> {
        if self.mask >> slot & 1 == 0 {
            return None;
        }
        let at = self.rank(slot);
        let child = match &self.children {
            Children::Leaves(leaves) => Child::Leaf(leaves.get(at)?),
            Children::Links(links) => Child::Link(links.get(at)?),
        };
        Some((*self.hashes.get(at)?, child))
    }

    /// The position of the first leaf place below a child.
    pub(super) fn child_position(&self, slot: usize) -> u64 {
        above(self.position, self.level) | (slot as u64) << (2 * self.level)
    }
}

impl<L: Clone> Node<L> {
    /// What is below child `slot`, with its hash at the node's level.
    pub(super) fn entry(&self, slot: usize) -> Option<Entry<L>> {
        let (hash, child) = self.child(slot)?;
        let link = match child {
            Child::Link(link) => link.clone(),
            Child::Leaf(leaf) => Link::Leaf {
                at: self.child_position(slot),
                hash,
                leaf: leaf.clone(),
            },
        };
        let height = self.level;
        Some(Entry { hash, height, link })
    }
}

impl<L> Link<L> {
    /// A position below the link.
    pub fn position(&self) -> u64 {
        match self {
            Self::Leaf { at, .. } => *at,
            Self::Node(node) => node.position,
            Self::Stored { position, .. } => *position,
        }
    }

    /// The level of a node; a leaf has none.
    pub fn level(&self) -> Option<u32> {
        match self {
            Self::Leaf { .. } => None,
            Self::Node(node) => Some(node.level),
            Self::Stored { level, .. } => Some(*level),
        }
    }
}

impl<L> Entry<L> {
    /// The lone leaf of a subtree.
    pub fn leaf(at: u64, hash: Hash, leaf: L) -> Self {
        let link = Link::Leaf { at, hash, leaf };
        let height = 0;
        Self { hash, height, link }
    }

    pub fn node(node: Node<L>) -> Self {
        let (hash, height) = (node.hash, node.height);
        let link = Link::Node(Arc::new(node));
        Self { hash, height, link }
    }

    /// The hash of the subtree of this height, which has nothing else below it.
    pub fn lifted(&self, height: u32) -> Hash {
        lift(self.hash, self.link.position(), self.height, height)
    }
}

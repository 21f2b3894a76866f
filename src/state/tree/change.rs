//! Making a changed tree: only the nodes above the changes are made anew.

use std::borrow::Cow;
use std::sync::Arc;

use crostata_proof::tree::has_position;
use crostata_proof::{EMPTY, Hash};

use super::node::{Child, Entry, NODE_CHILDREN, NODE_LEVELS, slot};
use super::{Children, Link, Node, NodeError, Tree};
use crate::state::spread::spread;

/// A change of a tree: the new leaf at a position with its hash, which is never [`EMPTY`], or `None` to remove what
/// is there.
pub type Change<L> = (u64, Option<(Hash, L)>);

/// What the child in a slot of a node becomes.
type Changed<L> = (usize, Option<Entry<L>>);

/// From this many changes on, computing subtrees on several threads pays.
const PARALLEL_CHANGES_MIN: usize = 256;

impl<L: Clone + Send + Sync> Tree<L> {
    /// The tree with these changes; this one stays as it is.
    ///
    /// Positions should ascend, each once; otherwise they are sorted first, and the last change of a position
    /// counts. Costs the changed positions times the nodes above each, never the size of the tree.
    ///
    /// # Errors
    /// [`NodeError`] when a node on the way can not be had.
    pub fn with(&self, changes: &[Change<L>]) -> Result<Self, NodeError> {
        let changes = in_order(changes);
        if let Some(part) = self.changed_part(&changes)? {
            return Ok(part);
        }
        debug_assert!(changes.iter().all(|c| has_position(self.height, c.0)));
        let top = self.apply(self.top.clone(), &changes)?;
        let root = top.as_ref().map_or(EMPTY, |top| top.lifted(self.height));
        Ok(Self {
            height: self.height,
            top,
            root,
            source: self.source.clone(),
            part: None,
        })
    }

    /// The subtree `old` with `changes`, all of which belong below it or beside it.
    ///
    /// Each step down is to a lower level, since the positions of one child share one more digit.
    fn apply(
        &self,
        old: Option<Entry<L>>,
        changes: &[Change<L>],
    ) -> Result<Option<Entry<L>>, NodeError> {
        let ([first, ..], [.., last]) = (changes, changes) else {
            return Ok(old);
        };
        let link = old.as_ref().map(|old| &old.link);
        let Some(level) = node_level(link, first.0, last.0) else {
            let leaf = first.1.clone();
            return Ok(leaf.map(|(hash, leaf)| Entry::leaf(first.0, hash, leaf)));
        };
        let old = self.slots(old, level)?;
        let entries = self.apply_slots(&old, level, changes)?;
        Ok(self.join(level, first.0, &old, entries))
    }

    /// What a node at `level` has below it that consists of `old` and nothing else.
    pub(super) fn slots(&self, old: Option<Entry<L>>, level: u32) -> Result<Slots<L>, NodeError> {
        Ok(match old {
            None => Slots::None,
            Some(old) if old.link.level() == Some(level) => {
                Slots::Node(self.node(&old.link, old.height, old.hash)?)
            }
            Some(mut old) => {
                old.hash = self.hash_at(&old, level)?;
                old.height = level;
                Slots::Lone(slot(old.link.position(), level), old)
            }
        })
    }

    /// The children that change, as they become.
    fn apply_slots(
        &self,
        old: &Slots<L>,
        level: u32,
        changes: &[Change<L>],
    ) -> Result<Vec<Changed<L>>, NodeError> {
        let groups = changes.chunk_by(|one, next| slot(one.0, level) == slot(next.0, level));
        let apply = |group: &[Change<L>]| {
            let at = slot(group[0].0, level);
            let child = self.apply(old.get(at), group)?;
            Ok((at, child))
        };
        match level > 0 && changes.len() >= PARALLEL_CHANGES_MIN {
            true => {
                let groups: Vec<_> = groups.collect();
                let changed = spread(groups.len(), |number| apply(groups[number]));
                changed.into_iter().collect()
            }
            false => groups.map(apply).collect(),
        }
    }

    /// The subtree of a node at `level` with the old children and the changed ones: nothing, the lone child itself,
    /// or a node.
    fn join(
        &self,
        level: u32,
        position: u64,
        old: &Slots<L>,
        mut changed: Vec<Changed<L>>,
    ) -> Option<Entry<L>> {
        let mask = changed.iter().fold(old.mask(), |mask, (at, child)| {
            let bit = 1 << at;
            if child.is_some() {
                mask | bit
            } else {
                mask & !bit
            }
        });
        changed.retain(|(_, child)| child.is_some());
        if mask.count_ones() < 2 {
            let lone = mask.checked_ilog2()? as usize;
            let new = changed.pop().and_then(|(_, child)| child);
            return new.or_else(|| old.get(lone));
        }
        let (hashes, children) = match old {
            Slots::Node(node) if node.mask() == mask => replace(node, changed),
            _ => {
                let mut hashes = Vec::with_capacity(mask.count_ones() as usize);
                let children = match level {
                    0 => Children::Leaves(collect(mask, level, old, changed, &mut hashes, to_leaf)),
                    _ => Children::Links(collect(mask, level, old, changed, &mut hashes, to_link)),
                };
                (hashes.into_boxed_slice(), children)
            }
        };
        let node = Node::new(self.height, level, position, mask, hashes, children);
        Some(Entry::node(node))
    }
}

/// The children of a node with some of them changed and none come or gone, and their hashes: copied as a whole.
fn replace<L: Clone>(node: &Node<L>, changed: Vec<Changed<L>>) -> (Box<[Hash]>, Children<L>) {
    let mut hashes: Box<[Hash]> = node.hashes().into();
    let mut children = node.children().clone();
    for (at, new) in changed {
        let rank = node.rank(at);
        let (Some(new), Some(hash)) = (new, hashes.get_mut(rank)) else {
            continue; // INVARIANT: a child that goes changes the mask
        };
        *hash = new.lifted(node.level());
        match (&mut children, new.link) {
            (Children::Leaves(leaves), Link::Leaf { leaf, .. }) => leaves[rank] = leaf,
            (Children::Links(links), link) => links[rank] = link,
            (Children::Leaves(_), _) => {} // INVARIANT: below a node at level 0 are leaves
        }
    }
    (hashes, children)
}

/// The children of a node in the making, in order; their hashes go to `hashes`.
fn collect<L: Clone, C>(
    mask: u64,
    level: u32,
    old: &Slots<L>,
    changed: Vec<Changed<L>>,
    hashes: &mut Vec<Hash>,
    make: impl Fn(Child<'_, L>) -> Option<C>,
) -> Box<[C]> {
    let mut changed = changed.into_iter().peekable();
    let mut children = Vec::with_capacity(hashes.capacity());
    for at in (0..NODE_CHILDREN).filter(|at| mask >> at & 1 == 1) {
        let (hash, child) = match changed.next_if(|(slot, _)| *slot == at) {
            Some((_, Some(new))) => (new.lifted(level), make(Child::Link(&new.link))),
            _ => match old {
                Slots::Node(node) => match node.child(at) {
                    Some((hash, child)) => (hash, make(child)),
                    None => continue,
                },
                Slots::Lone(_, lone) => (lone.hash, make(Child::Link(&lone.link))),
                Slots::None => continue,
            },
        };
        hashes.push(hash);
        children.extend(child);
    }
    children.into_boxed_slice()
}

fn to_link<L: Clone>(child: Child<'_, L>) -> Option<Link<L>> {
    match child {
        Child::Link(link) => Some(link.clone()),
        Child::Leaf(_) => None,
    }
}

fn to_leaf<L: Clone>(child: Child<'_, L>) -> Option<L> {
    match child {
        Child::Leaf(leaf) | Child::Link(Link::Leaf { leaf, .. }) => Some(leaf.clone()),
        Child::Link(_) => None,
    }
}

/// The children of a node that is about to change.
pub(super) enum Slots<L> {
    None,
    /// One child, with its hash at the node's level.
    Lone(usize, Entry<L>),
    Node(Arc<Node<L>>),
}

impl<L: Clone> Slots<L> {
    pub(super) fn mask(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Lone(slot, _) => 1 << slot,
            Self::Node(node) => node.mask(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<Entry<L>> {
        match self {
            Self::None => None,
            Self::Lone(slot, entry) => (*slot == at).then(|| entry.clone()),
            Self::Node(node) => node.entry(at),
        }
    }
}

/// The level of the lowest node that has the link and all positions from `first` to `last` below it; none if there
/// is a single position.
fn node_level<L>(link: Option<&Link<L>>, first: u64, last: u64) -> Option<u32> {
    let (low, high) = match link {
        None => (first, last),
        Some(link) => (first.min(link.position()), last.max(link.position())),
    };
    let fork = fork(low, high).map(|level| level - level % NODE_LEVELS);
    link.and_then(Link::level).max(fork)
}

/// The level of the lowest 4-ary node that has both positions below it; none if they are the same.
pub(super) fn fork(one: u64, other: u64) -> Option<u32> {
    (one ^ other).checked_ilog2().map(|bit| bit / 2)
}

/// The changes by ascending position, each position once.
fn in_order<L: Clone>(changes: &[Change<L>]) -> Cow<'_, [Change<L>]> {
    if changes.is_sorted_by(|one, next| one.0 < next.0) {
        return Cow::Borrowed(changes);
    }
    let mut sorted: Vec<_> = changes.iter().rev().cloned().collect();
    sorted.sort_by_key(|change| change.0); // stable: of one position the last change comes first
    sorted.dedup_by_key(|change| change.0);
    Cow::Owned(sorted)
}

//! Where two trees differ: subtrees with the same hash are not looked into.

use crostata_proof::tree::lift;

use super::change::fork;
use super::node::{Entry, Link, NODE_CHILDREN, NODE_LEVELS};
use super::{NodeError, Tree};

/// A position whose leaf is not the same in two trees.
#[derive(Debug, Clone)]
pub struct Differing<L> {
    /// The position.
    pub position: u64,
    /// The leaf in the first tree.
    pub one: Option<L>,
    /// The leaf in the other.
    pub other: Option<L>,
}

impl<L: Clone + Send + Sync> Tree<L> {
    /// The positions whose leaves differ, in rising order. Costs the ways to them, never the size of the trees.
    ///
    /// A lower tree is compared as the first subtree of a tree as high as the other.
    ///
    /// # Errors
    /// [`NodeError`] when a node on the ways can not be had.
    pub fn difference(&self, other: &Self) -> Result<Vec<Differing<L>>, NodeError> {
        let height = self.height.max(other.height);
        let comparing = Comparing { one: self, other };
        let mut found = Vec::new();
        comparing.entries(self.whole(height), other.whole(height), &mut found)?;
        Ok(found)
    }

    /// Everything, with the hash at a height that is not below the tree's own: what is at the top may be far below that.
    fn whole(&self, height: u32) -> Option<Entry<L>> {
        let link = self.top.as_ref()?.link.clone();
        let hash = lift(self.root, 0, self.height, height);
        Some(Entry { hash, height, link })
    }
}

/// Two trees.
struct Comparing<'a, L> {
    one: &'a Tree<L>,
    other: &'a Tree<L>,
}

impl<L: Clone + Send + Sync> Comparing<'_, L> {
    /// Compares subtrees in the same place, whose hashes are of the same height.
    fn entries(
        &self,
        one: Option<Entry<L>>,
        other: Option<Entry<L>>,
        found: &mut Vec<Differing<L>>,
    ) -> Result<(), NodeError> {
        let is_same = match (&one, &other) {
            (None, None) => true,
            (Some(one), Some(other)) => one.hash == other.hash,
            _ => false,
        };
        if is_same {
            return Ok(());
        }
        let Some(level) = fork_level(one.as_ref(), other.as_ref()) else {
            found.extend(leaf(one, other));
            return Ok(());
        };
        let (one, other) = (self.one.slots(one, level)?, self.other.slots(other, level)?);
        for slot in (0..NODE_CHILDREN).filter(|slot| (one.mask() | other.mask()) >> slot & 1 == 1) {
            self.entries(one.get(slot), other.get(slot), found)?;
        }
        Ok(())
    }
}

/// The level of the lowest node that has all of both below it; none if there is one leaf place in all.
fn fork_level<L>(one: Option<&Entry<L>>, other: Option<&Entry<L>>) -> Option<u32> {
    let level = |entry: Option<&Entry<L>>| entry.and_then(|entry| entry.link.level());
    let apart = one.zip(other).and_then(|(one, other)| {
        let level = fork(one.link.position(), other.link.position())?;
        Some(level - level % NODE_LEVELS)
    });
    level(one).max(level(other)).max(apart)
}

/// One leaf place of both.
fn leaf<L>(one: Option<Entry<L>>, other: Option<Entry<L>>) -> Option<Differing<L>> {
    let take = |entry: Option<Entry<L>>| match entry?.link {
        Link::Leaf { at, leaf, .. } => Some((at, leaf)),
        // INVARIANT: nodes have a level, and were looked into.
        Link::Node(_) | Link::Stored { .. } => None,
    };
    let (one, other) = (take(one), take(other));
    let position = one.as_ref().or(other.as_ref()).map(|(at, _)| *at)?;
    Some(Differing {
        position,
        one: one.map(|(_, leaf)| leaf),
        other: other.map(|(_, leaf)| leaf),
    })
}

//! The siblings on the way from a position to the root.

use crostata_proof::tree::{child_index, lift};
use crostata_proof::{ARITY, EMPTY, Hash, TreePath};

use super::change::fork;
use super::node::{Entry, contains, slot};
use super::{Link, NodeError, Tree};

impl<L: Clone> Tree<L> {
    /// The siblings on the way from `position` to the root, whether or not a leaf is there.
    ///
    /// A position that the tree does not have gives a path that refuses to fold.
    ///
    /// # Errors
    /// [`NodeError`] when a node on the way can not be had.
    pub fn path(&self, position: u64) -> Result<TreePath, NodeError> {
        Ok(TreePath::from_levels(position, &self.levels(position)?))
    }

    /// The children of each node on the way to `position`, from the parents of leaves up. What is there for the child
    /// that the way itself goes through means nothing.
    ///
    /// # Errors
    /// [`NodeError`] when a node on the way can not be had.
    pub fn levels(&self, position: u64) -> Result<Vec<[Hash; ARITY]>, NodeError> {
        let mut levels = vec![[EMPTY; ARITY]; self.height as usize];
        let mut next = self.top.clone();
        while let Some(entry) = next {
            next = self.siblings(&entry, position, &mut levels)?;
        }
        Ok(levels)
    }

    /// Enters what this subtree adds to the siblings of `position`; gives the one further down.
    fn siblings(
        &self,
        entry: &Entry<L>,
        position: u64,
        levels: &mut [[Hash; ARITY]],
    ) -> Result<Option<Entry<L>>, NodeError> {
        let other = entry.link.position();
        let level = entry.link.level();
        if level.is_some_and(|level| contains(level, other, position)) {
            let node = self.node(&entry.link, entry.height, entry.hash)?;
            node.levels(position, levels);
            return Ok(node.entry(slot(position, node.level())));
        }
        if let Some(level) = fork(position, other)
            && let Some(children) = levels.get_mut(level as usize)
        {
            children[child_index(other, level)] = self.hash_at(entry, level)?;
        }
        Ok(None)
    }

    /// The hash of a subtree at a height that may be below the one it is known at.
    pub(super) fn hash_at(&self, entry: &Entry<L>, height: u32) -> Result<Hash, NodeError> {
        if height >= entry.height {
            return Ok(entry.lifted(height));
        }
        match &entry.link {
            Link::Leaf { at, hash, .. } => Ok(lift(*hash, *at, 0, height)),
            link => Ok(self
                .node(link, entry.height, entry.hash)?
                .entry_hash(height)),
        }
    }
}

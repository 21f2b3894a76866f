//! The leaves of a tree, one after another.

use std::sync::Arc;

use crostata_proof::Hash;

use super::node::{Entry, contains, slot};
use super::{Link, Node, NodeError, Tree};

impl<L: Clone> Tree<L> {
    /// The leaves in the order of their positions, each with its hash. Ends after an error.
    pub fn leaves(&self) -> Leaves<'_, L> {
        Leaves {
            tree: self,
            entry: self.top.clone(),
            stack: Vec::new(),
        }
    }

    /// The leaves from position `first` on, in the order of their positions, each with its hash.
    ///
    /// # Errors
    /// [`NodeError`] when a node on the way to `first` can not be had.
    pub fn leaves_from(&self, first: u64) -> Result<Leaves<'_, L>, NodeError> {
        let mut leaves = self.leaves();
        while let Some(entry) = leaves.entry.take() {
            let (position, level) = (entry.link.position(), entry.link.level());
            let Some(level) = level.filter(|level| contains(*level, position, first)) else {
                // All of the subtree is on one side of `first`, or it is a leaf, which may be there.
                leaves.entry = (position >= first).then_some(entry);
                break;
            };
            leaves.descend(&entry)?;
            leaves.enter(slot(first, level));
        }
        Ok(leaves)
    }
}

/// An iterator over the leaves of a tree.
pub struct Leaves<'a, L> {
    tree: &'a Tree<L>,
    /// What comes next.
    entry: Option<Entry<L>>,
    /// The nodes above, each with its children that are still to come.
    stack: Vec<(Arc<Node<L>>, u64)>,
}

impl<L: Clone> Leaves<'_, L> {
    fn descend(&mut self, entry: &Entry<L>) -> Result<(), NodeError> {
        let node = self.tree.node(&entry.link, entry.height, entry.hash)?;
        let mask = node.mask();
        self.stack.push((node, mask));
        Ok(())
    }

    /// Goes into the child in `slot` of the node that was descended to, and leaves out those before it.
    fn enter(&mut self, slot: usize) {
        if let Some((node, left)) = self.stack.last_mut() {
            let up_to = u64::MAX >> (63 - slot as u32 % u64::BITS);
            *left &= !up_to;
            self.entry = node.entry(slot);
        }
    }

    fn next_entry(&mut self) -> Option<Entry<L>> {
        loop {
            let (node, left) = self.stack.last_mut()?;
            if *left != 0 {
                let slot = left.trailing_zeros() as usize;
                *left &= *left - 1;
                return node.entry(slot);
            }
            self.stack.pop();
        }
    }
}

impl<L: Clone> Iterator for Leaves<'_, L> {
    type Item = Result<(u64, Hash, L), NodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = self.entry.take().or_else(|| self.next_entry())?;
            if let Link::Leaf { at, hash, leaf } = entry.link {
                return Some(Ok((at, hash, leaf)));
            }
            if let Err(error) = self.descend(&entry) {
                self.stack.clear();
                return Some(Err(error));
            }
        }
    }
}

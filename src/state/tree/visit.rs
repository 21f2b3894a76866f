//! Showing a tree's every node and leaf, on all threads.

use crostata_proof::Hash;
use rayon::prelude::*;

use super::node::Entry;
use super::{Link, NodeError, NodePlace, Tree};

/// Who is shown a tree. Called from several threads, in no order.
pub trait Visitor<L>: Sync {
    /// A node that the source keeps, which has the hash that is known above it.
    fn node(&self, place: NodePlace);

    /// A leaf.
    fn leaf(&self, position: u64, hash: Hash, leaf: &L);

    /// A node that can not be had. What is below it is not shown.
    fn damage(&self, error: NodeError);
}

impl<L: Clone + Send + Sync> Tree<L> {
    /// Shows the whole tree. What was in memory before is not kept longer for it, nor is what is read.
    pub fn visit(&self, visitor: &impl Visitor<L>) {
        if let Some(top) = &self.top {
            self.visit_entry(top, visitor);
        }
    }

    fn visit_entry(&self, entry: &Entry<L>, visitor: &impl Visitor<L>) {
        if let Link::Leaf { at, hash, leaf } = &entry.link {
            return visitor.leaf(*at, *hash, leaf);
        }
        let node = match self.node(&entry.link, entry.height, entry.hash) {
            Ok(node) => node,
            Err(error) => return visitor.damage(error),
        };
        if let Link::Stored { place, .. } = &entry.link {
            visitor.node(*place);
        }
        (0..u64::BITS as usize)
            .into_par_iter()
            .filter_map(|slot| node.entry(slot))
            .for_each(|entry| self.visit_entry(&entry, visitor));
    }
}

//! Taking a node back from the source, so that the tree will be saved with it anew, elsewhere.

use super::node::{Entry, contains, slot};
use super::{Children, Link, NodeError, NodePlace, Tree};

impl<L: Clone> Tree<L> {
    /// The same tree with the node at `place` in memory, and those above it; none if the tree has no such node.
    ///
    /// # Errors
    /// [`NodeError`] when a node on the way can not be had.
    pub fn with_node_loaded(
        &self,
        place: NodePlace,
        level: u32,
        position: u64,
    ) -> Result<Option<Self>, NodeError> {
        let Some(top) = &self.top else {
            return Ok(None);
        };
        let top = self.load(top, place, level, position)?;
        Ok(top.map(|top| Self {
            top: Some(top),
            ..self.clone()
        }))
    }

    fn load(
        &self,
        entry: &Entry<L>,
        place: NodePlace,
        level: u32,
        position: u64,
    ) -> Result<Option<Entry<L>>, NodeError> {
        let Some(own) = entry.link.level() else {
            return Ok(None);
        };
        if own < level || !contains(own, entry.link.position(), position) {
            return Ok(None);
        }
        let found = matches!(&entry.link, Link::Stored { place: at, .. } if *at == place);
        if own == level && !found {
            return Ok(None);
        }
        let mut node = self.node(&entry.link, entry.height, entry.hash)?;
        if !found {
            let at = slot(position, own);
            let Some(child) = node.entry(at) else {
                return Ok(None);
            };
            let Some(child) = self.load(&child, place, level, position)? else {
                return Ok(None);
            };
            let Children::Links(links) = node.children() else {
                return Ok(None);
            };
            let mut links = links.clone();
            let rank = (node.mask() & ((1 << at) - 1)).count_ones() as usize;
            if let Some(link) = links.get_mut(rank) {
                *link = child.link;
            }
            node = node.with_children(Children::Links(links)).into();
        }
        let link = Link::Node(node);
        Ok(Some(Entry {
            link,
            ..entry.clone()
        }))
    }
}

//! What of a tree another one, made from it, does not have any more.

use super::node::{Entry, contains, slot};
use super::{Link, NodeError, NodePlace, Tree};

/// Who is told what is gone.
pub trait Gone<L> {
    /// Why it can not go on.
    type Error: From<NodeError>;

    /// A node that the source keeps is not part of the newer tree.
    ///
    /// # Errors
    /// What ends the walk.
    fn node(&mut self, place: NodePlace) -> Result<(), Self::Error>;

    /// A leaf was in a node that is gone; `new` is what is at its position now.
    ///
    /// # Errors
    /// What ends the walk.
    fn leaf(&mut self, old: &L, new: Option<&L>) -> Result<(), Self::Error>;
}

impl<L: Clone> Tree<L> {
    /// Tells `gone` what this tree has and `newer` has not. Costs what differs, times the height.
    ///
    /// # Errors
    /// What `gone` gives, or that a node can not be had.
    pub fn replaced<G: Gone<L>>(&self, newer: &Self, gone: &mut G) -> Result<(), G::Error> {
        match &self.top {
            Some(top) => self.walk(newer, top, newer.top.clone(), gone),
            None => Ok(()),
        }
    }

    /// `new` is what the newer tree has around or below the place of `old`.
    fn walk<G: Gone<L>>(
        &self,
        newer: &Self,
        old: &Entry<L>,
        new: Option<Entry<L>>,
        gone: &mut G,
    ) -> Result<(), G::Error> {
        let level = old.link.level();
        let position = old.link.position();
        let new = newer.descend(new, level, position)?;
        let place = match &old.link {
            Link::Leaf { at, leaf, .. } => {
                let new = new.and_then(|new| match new.link {
                    Link::Leaf {
                        at: other, leaf, ..
                    } if other == *at => Some(leaf),
                    _ => None,
                });
                return gone.leaf(leaf, new.as_ref());
            }
            Link::Stored { place, .. } => Some(*place),
            Link::Node(_) => None,
        };
        if let Some(place) = place {
            let kept = new.as_ref().map(|new| &new.link);
            if matches!(kept, Some(Link::Stored { place: kept, .. }) if *kept == place) {
                return Ok(());
            }
            gone.node(place)?;
        }
        let node = self.node(&old.link, old.height, old.hash)?;
        for at in (0..u64::BITS as usize).filter(|at| node.mask() >> at & 1 == 1) {
            let new = newer.below(new.as_ref(), node.level(), at)?;
            if let Some(old) = node.entry(at) {
                self.walk(newer, &old, new, gone)?;
            }
        }
        Ok(())
    }

    /// The highest subtree of `entry` that has `position` and is not above `level`.
    fn descend(
        &self,
        mut entry: Option<Entry<L>>,
        level: Option<u32>,
        position: u64,
    ) -> Result<Option<Entry<L>>, NodeError> {
        while let Some(found) = &entry
            && found.link.level() > level
        {
            let node = self.node(&found.link, found.height, found.hash)?;
            entry = match contains(node.level(), node.position(), position) {
                true => node.entry(slot(position, node.level())),
                false => None,
            };
        }
        Ok(entry)
    }

    /// What `entry`, which is not above `level`, has below child `at` of a node there.
    fn below(
        &self,
        entry: Option<&Entry<L>>,
        level: u32,
        at: usize,
    ) -> Result<Option<Entry<L>>, NodeError> {
        let Some(entry) = entry else {
            return Ok(None);
        };
        if entry.link.level() == Some(level) {
            return Ok(self.node(&entry.link, entry.height, entry.hash)?.entry(at));
        }
        let there = slot(entry.link.position(), level) == at;
        Ok(there.then(|| entry.clone()))
    }
}

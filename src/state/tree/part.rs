//! A part of a tree, as a witness shows it: some positions with what is there, and the hashes beside the ways from them to the root.
//!
//! It answers for these positions, and gives the root of the tree with other leaves at them. Whatever else is asked of it is
//! [`NotWitnessed`]. Changing it costs the positions that it has, not the height times those that change.
//!
//! What holds: who made it has checked that the leaves and paths fold to the root.

use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::{EMPTY, Hash, TreePaths};

use super::node::Entry;
use super::{Change, Link, NodeError, NodePlace, Tree};

/// Which tree it is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartOf {
    /// The contract tree.
    Contracts,
    /// A contract's pages.
    Pages(ContractId),
}

/// What was wanted of a state of which a witness shows a part, and is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWitnessed {
    /// What is at a position of the contract tree.
    #[error("what is at position {position} of the contract tree")]
    Position {
        /// The position.
        position: u64,
    },
    /// A page.
    #[error("page {page} of contract {contract}")]
    Page {
        /// The contract.
        contract: ContractId,
        /// The page.
        page: PageIndex,
    },
}

/// A position with what is there: the leaf's hash, EMPTY if there is none.
#[derive(Debug, Clone)]
pub struct PartLeaf<L> {
    /// The position.
    pub position: u64,
    /// The hash of what is there.
    pub hash: Hash,
    /// What is there.
    pub leaf: Option<L>,
}

/// Some positions of a tree, ascending, and the ways from them to the root.
#[derive(Debug)]
pub(super) struct Part<L> {
    of: PartOf,
    /// From this position on there is surely nothing.
    end: u64,
    leaves: Vec<PartLeaf<L>>,
    paths: Option<Arc<TreePaths>>,
}

impl<L: Clone> Tree<L> {
    /// The tree of this root, which has the height and source of `self`, of which these positions are known, in ascending order, and
    /// that nothing is at `end` and behind. Without paths it can not be changed.
    #[must_use]
    pub fn part(
        &self,
        of: PartOf,
        root: Hash,
        end: u64,
        leaves: Vec<PartLeaf<L>>,
        paths: Option<TreePaths>,
    ) -> Self {
        debug_assert!(leaves.is_sorted_by(|one, next| one.position < next.position));
        let paths = paths.map(Arc::new);
        self.over_part(
            Part {
                of,
                end,
                leaves,
                paths,
            },
            root,
        )
    }

    fn over_part(&self, part: Part<L>, root: Hash) -> Self {
        // Whoever walks the tree from its top finds that there is no node.
        let link = Link::Stored {
            place: NOWHERE,
            level: self.height,
            position: 0,
        };
        let top = Entry {
            hash: root,
            height: self.height,
            link,
        };
        Self {
            height: self.height,
            top: Some(top),
            root,
            source: self.source.clone(),
            part: Some(Arc::new(part)),
        }
    }

    /// That a position is not among those known.
    pub fn lacks(&self, position: u64) -> NodeError {
        let lacks = |part: &Arc<Part<L>>| part.lacks(position);
        self.part
            .as_ref()
            .map_or(NodeError::Mismatch { place: NOWHERE }, lacks)
    }

    /// Whether it is a part.
    pub fn is_part(&self) -> bool {
        self.part.is_some()
    }

    /// The part with these changes; none if the tree is a whole one.
    pub(super) fn changed_part(&self, changes: &[Change<L>]) -> Result<Option<Self>, NodeError> {
        let Some(part) = &self.part else {
            return Ok(None);
        };
        if changes.is_empty() {
            return Ok(Some(self.clone()));
        }
        let (part, root) = part.with(changes)?;
        Ok(Some(self.over_part(part, root)))
    }
}

/// The place of a node that no source has.
pub(super) const NOWHERE: NodePlace = NodePlace {
    at: u64::MAX,
    len_bytes: 0,
};

impl<L: Clone> Part<L> {
    /// The leaf at a position, with its hash.
    pub fn get(&self, position: u64) -> Result<Option<(Hash, L)>, NodeError> {
        let found = match self.find(position) {
            Ok(at) => &self.leaves[at],
            Err(_) if position >= self.end => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(found.leaf.clone().map(|leaf| (found.hash, leaf)))
    }

    /// That a position is not among those known.
    pub fn lacks(&self, position: u64) -> NodeError {
        NodeError::NotWitnessed(match self.of {
            PartOf::Contracts => NotWitnessed::Position { position },
            PartOf::Pages(contract) => NotWitnessed::Page {
                contract,
                page: PageIndex(position as u32),
            },
        })
    }

    fn find(&self, position: u64) -> Result<usize, NodeError> {
        let found = self
            .leaves
            .binary_search_by_key(&position, |leaf| leaf.position);
        found.map_err(|_| self.lacks(position))
    }

    fn with(&self, changes: &[Change<L>]) -> Result<(Self, Hash), NodeError> {
        let mut leaves = self.leaves.clone();
        for (position, new) in changes {
            let leaf = &mut leaves[self.find(*position)?];
            (leaf.hash, leaf.leaf) = match new.clone() {
                Some((hash, new)) => (hash, Some(new)),
                None => (EMPTY, None),
            };
        }
        let hashes: Vec<(u64, Hash)> = leaves
            .iter()
            .map(|leaf| (leaf.position, leaf.hash))
            .collect();
        let root = self.paths.as_ref().map(|paths| paths.fold(&hashes));
        let Some(Ok(root)) = root else {
            // INVARIANT: whoever gave paths has folded the same positions before.
            return Err(self.lacks(changes[0].0));
        };
        let part = Self {
            leaves,
            paths: self.paths.clone(),
            ..*self
        };
        Ok((part, root))
    }
}

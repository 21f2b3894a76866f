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
use super::{Change, Link, NodeError, NodePlace, NodeSource, Tree};

/// Which tree it is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartOf {
    /// The contract tree.
    Contracts,
    /// A contract's pages.
    Pages(ContractId),
    /// The tree of code.
    Code,
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
    /// Code.
    #[error("the code at position {position} of the tree of code")]
    Code {
        /// The first bits of its hash.
        position: u64,
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
    leaves: Vec<PartLeaf<L>>,
    paths: Arc<TreePaths>,
}

impl<L: Clone> Tree<L> {
    /// The tree of this root of which these positions are known, in ascending order, and nothing else.
    pub fn part(
        of: PartOf,
        root: Hash,
        leaves: Vec<PartLeaf<L>>,
        paths: TreePaths,
        source: Arc<dyn NodeSource<L>>,
    ) -> Self {
        debug_assert!(leaves.is_sorted_by(|one, next| one.position < next.position));
        let height = paths.height();
        let paths = Arc::new(paths);
        Self::over_part(Part { of, leaves, paths }, height, root, source)
    }

    fn over_part(part: Part<L>, height: u32, root: Hash, source: Arc<dyn NodeSource<L>>) -> Self {
        // Whoever walks the tree from its top finds that there is no node.
        let link = Link::Stored {
            place: NOWHERE,
            level: height,
            position: 0,
        };
        Self {
            height,
            top: Some(Entry {
                hash: root,
                height,
                link,
            }),
            root,
            source,
            part: Some(Arc::new(part)),
        }
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
        let source = self.source.clone();
        Ok(Some(Self::over_part(part, self.height, root, source)))
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
        let found = &self.leaves[self.find(position)?];
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
            PartOf::Code => NotWitnessed::Code { position },
        })
    }

    fn find(&self, position: u64) -> Result<usize, NodeError> {
        let found = self.leaves.binary_search_by_key(&position, |leaf| leaf.position);
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
        let hashes: Vec<(u64, Hash)> = leaves.iter().map(|leaf| (leaf.position, leaf.hash)).collect();
        // The same positions were folded before: only of a tree without any, which is never changed, there is no path.
        let root = self.paths.fold(&hashes);
        let root = root.map_err(|_| self.lacks(changes[0].0))?;
        let (of, paths) = (self.of, self.paths.clone());
        Ok((Self { of, leaves, paths }, root))
    }
}

//! The way from a leaf of a tree to its root: the siblings at each level.
//!
//! A path does not say whose it is: whoever folds it gives position and leaf, so that a proof can
//! not choose its own. An [`EMPTY`] leaf folds like any other, which proves absence.

use alloc::vec::Vec;

use thiserror::Error;

use crate::{ARITY, EMPTY, Hash, hash, tree};

/// The siblings on the way from a leaf to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreePath {
    /// Per level, from the leaf's parent to the root: which siblings exist.
    bitmaps: Vec<u8>,
    /// The siblings that exist, in the order of the bitmaps.
    siblings: Vec<Hash>,
}

/// Why a path does not lead from a position to a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathError {
    /// The tree has no such position.
    #[error("a tree of height {height} has no position {position}")]
    Position {
        /// The position asked for.
        position: u64,
        /// The height of the path.
        height: u32,
    },
    /// The path has a sibling where it itself runs.
    #[error("at level {level} the path has a sibling in its own place")]
    OwnPlace {
        /// The level, 0 for the leaf's parent.
        level: u32,
    },
    /// There are no positions, or they do not ascend.
    #[error("the positions are none, or do not ascend")]
    Order,
    /// There are more or fewer siblings than on the ways of these positions.
    #[error("the paths are those of other positions")]
    Shape,
}

/// Why bytes are not an opening of `dusk_merkle` that could be a path here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MerkleOpeningError {
    /// They are too many or too few for the tree's height.
    #[error(
        "{found_bytes} bytes are no opening in a tree of this height: that has {expected_bytes}"
    )]
    Length {
        /// How many bytes there are.
        found_bytes: usize,
        /// How many an opening has.
        expected_bytes: usize,
    },
    /// It is the opening of another position.
    #[error("at level {level} the opening leads to another position")]
    Position {
        /// The level, 0 for the leaf's parent.
        level: u32,
    },
    /// A node in it is not what its children hash to.
    #[error("the hashes in the opening do not lead from its leaf to its root")]
    Hashes,
    /// The tree has no such position.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl TreePath {
    /// The path of `position` in a tree whose nodes on the way have these children, from the leaf's
    /// parent to the root. What stands in the path's own place does not matter.
    pub fn from_levels(position: u64, levels: &[[Hash; ARITY]]) -> Self {
        let (mut bitmaps, mut siblings) = (Vec::with_capacity(levels.len()), Vec::new());
        for (level, children) in (0..).zip(levels) {
            let own = tree::child_index(position, level);
            let mut bitmap = 0;
            for (at, child) in children.iter().enumerate() {
                if at != own && *child != EMPTY {
                    bitmap |= 1 << at;
                    siblings.push(*child);
                }
            }
            bitmaps.push(bitmap);
        }
        Self { bitmaps, siblings }
    }

    /// The height of the tree that the path runs through.
    pub fn height(&self) -> u32 {
        self.bitmaps.len() as u32
    }

    /// Per level from the leaf's parent up: which siblings exist, and they.
    pub(crate) fn levels(&self) -> impl Iterator<Item = (u8, &[Hash])> {
        let mut siblings = &*self.siblings;
        self.bitmaps.iter().map(move |bitmap| {
            let count = (bitmap.count_ones() as usize).min(siblings.len());
            let (own, rest) = siblings.split_at(count);
            siblings = rest;
            (*bitmap, own)
        })
    }

    /// The root of the tree that has `leaf` at `position` and these siblings.
    ///
    /// # Errors
    /// [`PathError`] if the path can not be that position's.
    pub fn fold(&self, position: u64, leaf: Hash) -> Result<Hash, PathError> {
        self.walk(position, leaf, |_| {})
    }

    /// The same path as the bytes of a `dusk_merkle::Opening<_, HEIGHT, 4>` (its `to_var_bytes`).
    ///
    /// Root, then per level from the root down all four children, then per level from the root
    /// down the index of the child as a `u32`, little-endian.
    ///
    /// # Errors
    /// [`PathError`] if the path can not be that position's.
    pub fn to_merkle_opening(&self, position: u64, leaf: Hash) -> Result<Vec<u8>, PathError> {
        let mut levels = Vec::with_capacity(self.bitmaps.len());
        let root = self.walk(position, leaf, |children| levels.push(*children))?;
        let mut bytes = Vec::with_capacity(32 + levels.len() * (ARITY * 32 + 4));
        bytes.extend_from_slice(&root);
        for children in levels.iter().rev() {
            bytes.extend_from_slice(children.as_flattened());
        }
        for level in (0..self.height()).rev() {
            let index = tree::child_index(position, level) as u32;
            bytes.extend_from_slice(&index.to_le_bytes());
        }
        Ok(bytes)
    }

    /// The path, root and leaf that the bytes of a `dusk_merkle::Opening<_, HEIGHT, 4>` (its `to_var_bytes`) are of, whose
    /// aggregate is the one of `docs/format.md`: the other way of [`to_merkle_opening`](Self::to_merkle_opening).
    ///
    /// # Errors
    /// [`MerkleOpeningError`] if the bytes are not those of an opening of that position in a tree of this height, or its hashes do
    /// not lead to its root.
    pub fn from_merkle_opening(
        height: u32,
        position: u64,
        bytes: &[u8],
    ) -> Result<(Self, Hash), MerkleOpeningError> {
        if !tree::has_position(height, position) {
            return Err(PathError::Position { position, height }.into());
        }
        let expected_bytes = 32 + height as usize * (ARITY * 32 + 4);
        if bytes.len() != expected_bytes {
            let found_bytes = bytes.len();
            return Err(MerkleOpeningError::Length {
                found_bytes,
                expected_bytes,
            });
        }
        let (hashes, indices) = bytes.split_at(32 * (1 + height as usize * ARITY));
        let (hashes, _) = hashes.as_chunks::<32>();
        let (nodes, _) = hashes[1..].as_chunks::<ARITY>();
        let (indices, _) = indices.as_chunks::<4>();
        for (level, index) in (0..height).rev().zip(indices) {
            if u32::from_le_bytes(*index) as usize != tree::child_index(position, level) {
                return Err(MerkleOpeningError::Position { level });
            }
        }
        let levels: Vec<[Hash; ARITY]> = nodes.iter().rev().copied().collect();
        let leaf = levels
            .first()
            .map_or(hashes[0], |lowest| lowest[tree::child_index(position, 0)]);
        let path = Self::from_levels(position, &levels);
        match path.to_merkle_opening(position, leaf)? == bytes {
            true => Ok((path, leaf)),
            false => Err(MerkleOpeningError::Hashes),
        }
    }

    /// Climbs from the leaf to the root, showing each node's children on the way.
    fn walk(
        &self,
        position: u64,
        leaf: Hash,
        mut visit: impl FnMut(&[Hash; ARITY]),
    ) -> Result<Hash, PathError> {
        let height = self.height();
        if !tree::has_position(height, position) {
            return Err(PathError::Position { position, height });
        }
        let mut siblings = self.siblings.iter();
        let mut hash = leaf;
        for (level, bitmap) in (0..).zip(&self.bitmaps) {
            let own = tree::child_index(position, level);
            if bitmap & (1 << own) != 0 {
                return Err(PathError::OwnPlace { level });
            }
            let mut children = siblings_of(*bitmap, &mut siblings);
            children[own] = hash;
            visit(&children);
            hash = hash::node(&children);
        }
        Ok(hash)
    }
}

/// The children of one node: the next siblings where the bitmap says, EMPTY elsewhere.
fn siblings_of<'a>(bitmap: u8, siblings: &mut impl Iterator<Item = &'a Hash>) -> [Hash; ARITY] {
    core::array::from_fn(|at| match bitmap & (1 << at) {
        0 => EMPTY,
        _ => *siblings.next().unwrap_or(&EMPTY),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> TreePath {
        let levels = [
            [[1; 32], EMPTY, [3; 32], EMPTY],
            [EMPTY; ARITY],
            [[4; 32], [5; 32], [6; 32], EMPTY],
        ];
        TreePath::from_levels(0b11_00_01, &levels)
    }

    #[test]
    fn folding_rebuilds_the_nodes() {
        let (leaf, position) = ([2; 32], 0b11_00_01);
        let low = hash::node(&[[1; 32], leaf, [3; 32], EMPTY]);
        let middle = hash::node(&[low, EMPTY, EMPTY, EMPTY]);
        let root = hash::node(&[[4; 32], [5; 32], [6; 32], middle]);
        assert_eq!(path().fold(position, leaf), Ok(root));
        let opening = path().to_merkle_opening(position, leaf).unwrap();
        assert_eq!(opening[..32], root);
        assert_eq!(opening.len(), (1 + 3 * 4) * 32 + 3 * 4);
    }

    /// P7: a position that is not the path's is a typed error, never a panic.
    #[test]
    fn other_positions_are_errors_or_other_roots() {
        let leaf = [2; 32];
        let (position, height) = (64, 3);
        let outside = Err(PathError::Position { position, height });
        assert_eq!(path().fold(position, leaf), outside);
        let level = 0;
        let own_place = Err(PathError::OwnPlace { level });
        assert_eq!(path().fold(0b11_00_10, leaf), own_place);
        assert_ne!(path().fold(0b11_10_01, leaf), path().fold(0b11_00_01, leaf));
    }
}

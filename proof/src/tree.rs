//! The shape of the state's trees, shared by whoever builds them and whoever verifies them.
//!
//! A tree has arity 4. The level of a node counts from the leaves: level 0 is the parents of leaves.
//! A hash at height `h` belongs to the subtree of `4^h` positions; leaves are at height 0.
//! Nothing here stores a tree.

use crate::record::WordSize;
use crate::{ARITY, EMPTY, Hash, hash};

/// Height of the tree of contracts: positions have 62 bits.
pub const CONTRACT_TREE_HEIGHT: u32 = 31;

/// Height of the page tree of a 32-bit memory (2^20 pages, 4 GiB).
pub const PAGE_TREE_HEIGHT_32: u32 = 10;

/// Height of the page tree of a 64-bit memory (2^30 pages, 4 TiB).
pub const PAGE_TREE_HEIGHT_64: u32 = 15;

/// Height of the page tree of a contract with this word size.
pub const fn page_tree_height(word_size: WordSize) -> u32 {
    match word_size {
        WordSize::W32 => PAGE_TREE_HEIGHT_32,
        WordSize::W64 => PAGE_TREE_HEIGHT_64,
    }
}

/// True if a tree of this height (at most 31) has this position.
pub const fn has_position(height: u32, position: u64) -> bool {
    height > CONTRACT_TREE_HEIGHT || position >> (2 * height) == 0
}

/// Which child of its ancestor at `level` the subtree that holds `position` is.
pub const fn child_index(position: u64, level: u32) -> usize {
    if level > CONTRACT_TREE_HEIGHT {
        return 0;
    }
    ((position >> (2 * level)) & (ARITY as u64 - 1)) as usize
}

/// Carries the hash of the one non-empty subtree at height `from_level` up to height `to_level`,
/// through ancestors that have no other child. EMPTY stays EMPTY.
///
/// The subtree is the one that holds `position`. One compression per level.
pub fn lift(hash: Hash, position: u64, from_level: u32, to_level: u32) -> Hash {
    (from_level..to_level).fold(hash, |hash, level| {
        let mut children = [EMPTY; ARITY];
        children[child_index(position, level)] = hash;
        hash::node(&children)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_is_total() {
        assert_eq!(child_index(0b11_01_10, 0), 2);
        assert_eq!(child_index(0b11_01_10, 1), 1);
        assert_eq!(child_index(0b11_01_10, 2), 3);
        assert_eq!(child_index(u64::MAX, 31), 3);
        assert_eq!(child_index(u64::MAX, 40), 0);
        assert!(has_position(31, (1 << 62) - 1));
        assert!(!has_position(31, 1 << 62));
        assert!(!has_position(0, 1));
        assert!(has_position(0, 0));
    }

    #[test]
    fn lifting_is_wrapping_in_lone_nodes() {
        let leaf = [9; 32];
        let parent = hash::node(&[EMPTY, EMPTY, leaf, EMPTY]);
        assert_eq!(lift(leaf, 6, 0, 0), leaf);
        assert_eq!(lift(leaf, 6, 0, 1), parent);
        assert_eq!(
            lift(leaf, 6, 0, 2),
            hash::node(&[EMPTY, parent, EMPTY, EMPTY])
        );
        assert_eq!(lift(EMPTY, 6, 0, 9), EMPTY);
    }
}

//! Proofs of a run of leaves: the hashes beside it, on both sides, that fold with it to the root of a tree.
//!
//! A run goes from a position, where there may be no leaf, to a leaf, its last. Everything before the run and behind it
//! stands as the siblings on the ways from its two ends to the root; everything between is computed from the leaves
//! alone, so that none can be left out.
//!
//! | bytes | field |
//! |---|---|
//! | h | per level from 0 a byte: bit `i` is set if child `i` of the node on the way to the first position is on the list, bit `4 + i` if child `i` of the node on the way to the last is |
//! | 32 per set bit | the hashes, level by level from 0, in the order of the bits |
//!
//! Of the first way only children before the one that the way goes through are listed, of the last only children behind.
//! No hash is EMPTY.

use crostata_proof::tree::child_index;
use crostata_proof::{ARITY, EMPTY, Hash, hash};

use crate::state::reader::Reader;
use crate::state::tree::{NodeError, Tree};

/// The hashes beside a run of leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edges {
    /// The bits of each level.
    masks: Vec<u8>,
    hashes: Vec<Hash>,
}

impl Edges {
    /// The most bytes that the edges in a tree of this height take.
    pub const fn len_bytes_max(height: u32) -> usize {
        height as usize * (1 + 2 * (ARITY - 1) * 32)
    }

    /// No hashes: the run is all that a tree of this height has.
    pub fn none(height: u32) -> Self {
        Self {
            masks: vec![0; height as usize],
            hashes: Vec::new(),
        }
    }

    /// What is beside the run of `tree` from `first` to `last`.
    ///
    /// # Errors
    /// [`NodeError`] when the tree can not be read.
    pub fn of<L: Clone>(tree: &Tree<L>, first: u64, last: u64) -> Result<Self, NodeError> {
        let mut edges = Self::default();
        let (left, right) = (tree.levels(first)?, tree.levels(last)?);
        for (level, (left, right)) in (0..).zip(left.iter().zip(&right)) {
            let before = 0..child_index(first, level);
            let behind = child_index(last, level) + 1..ARITY;
            let before = before.map(|at| (at, left[at]));
            let behind = behind.map(|at| (ARITY + at, right[at]));
            let mut mask = 0;
            for (bit, hash) in before.chain(behind).filter(|(_, hash)| *hash != EMPTY) {
                mask |= 1 << bit;
                edges.hashes.push(hash);
            }
            edges.masks.push(mask);
        }
        Ok(edges)
    }

    /// Whether nothing follows the run.
    pub fn end_there(&self) -> bool {
        self.masks.iter().all(|mask| mask >> ARITY == 0)
    }

    /// Whether nothing is beside the run.
    pub fn are_none(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Writes them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.masks);
        out.extend_from_slice(self.hashes.as_flattened());
    }

    /// Reads those of a run in a tree of this height.
    pub fn decode(reader: &mut Reader<'_>, height: u32) -> Option<Self> {
        let masks = reader.take(height as usize)?.to_vec();
        let count: u32 = masks.iter().map(|mask| mask.count_ones()).sum();
        let (hashes, _) = reader.take(count as usize * 32)?.as_chunks();
        let hashes = hashes.to_vec();
        Some(Self { masks, hashes })
    }

    /// The root of the tree that has the leaves, which ascend, from position `first` on, and these edges; none if the
    /// edges can not be those of that run, or there is no leaf.
    pub fn fold(&self, first: u64, leaves: &[(u64, Hash)]) -> Option<Hash> {
        let (last, _) = *leaves.last()?;
        let mut row = leaves.to_vec();
        let mut rest = &self.hashes[..];
        for (level, mask) in (0..).zip(&self.masks) {
            let (before, behind) = (mask & 15, mask >> ARITY);
            let left_fits = before >> child_index(first, level) == 0;
            let right_fits = behind & ((2 << child_index(last, level)) - 1) == 0;
            if !left_fits || !right_fits {
                return None;
            }
            let mut whole = listed(first >> (2 * level), before, &mut rest)?;
            whole.append(&mut row);
            whole.append(&mut listed(last >> (2 * level), behind, &mut rest)?);
            let parents = whole.chunk_by(|one, next| one.0 >> 2 == next.0 >> 2);
            row = parents.map(node).collect();
        }
        match &row[..] {
            [(_, root)] => Some(*root),
            _ => None,
        }
    }
}

/// The children with these bits of the parent of the node numbered `beside`, with the next hashes; none if one is EMPTY.
fn listed(beside: u64, bits: u8, hashes: &mut &[Hash]) -> Option<Vec<(u64, Hash)>> {
    let (own, rest) = hashes.split_at_checked(bits.count_ones() as usize)?;
    *hashes = rest;
    let parent = beside - beside % ARITY as u64;
    let slots = (0..ARITY).filter(|slot| bits >> slot & 1 == 1);
    let numbers = slots.map(|slot| parent + slot as u64);
    own.iter()
        .all(|hash| *hash != EMPTY)
        .then(|| numbers.zip(own.iter().copied()).collect())
}

/// The node above some children of one parent.
fn node(children: &[(u64, Hash)]) -> (u64, Hash) {
    let mut present = [EMPTY; ARITY];
    for (at, hash) in children {
        present[*at as usize % ARITY] = *hash;
    }
    let above = children.first().map_or(0, |(at, _)| at >> 2);
    (above, hash::node(&present))
}

#[cfg(test)]
mod tests;

//! The tree of `docs/format.md`, word for word: hashes everything each time, keeps nothing but leaves.

#![allow(dead_code)] // no test file uses all of it

pub mod mutation;
pub mod sample;
pub mod state;

use std::collections::BTreeMap;

use crostata_proof::tree::child_index;
use crostata_proof::{ARITY, EMPTY, Hash, TreePath, hash};

/// Leaves by position, in a tree of this height.
#[derive(Debug, Clone)]
pub struct Tree {
    height: u32,
    leaves: BTreeMap<u64, Hash>,
    root: Hash,
}

impl Tree {
    pub fn new(height: u32) -> Self {
        Self {
            height,
            leaves: BTreeMap::new(),
            root: EMPTY,
        }
    }

    pub fn with(mut self, changes: &[(u64, Option<Hash>)]) -> Self {
        for (position, leaf) in changes {
            match leaf {
                Some(leaf) => self.leaves.insert(*position, *leaf),
                None => self.leaves.remove(position),
            };
        }
        self.root = self.hash(self.height, 0);
        self
    }

    pub fn root(&self) -> Hash {
        self.root
    }

    pub fn path(&self, position: u64) -> TreePath {
        let levels: Vec<_> = (0..self.height)
            .map(|level| {
                let node = position.checked_shr(2 * (level + 1)).unwrap_or(0);
                let own = child_index(position, level);
                self.children(level, node, |at| at != own)
            })
            .collect();
        TreePath::from_levels(position, &levels)
    }

    /// The hash at a height, of the node of this number among its height.
    fn hash(&self, height: u32, number: u64) -> Hash {
        let first = number << (2 * height);
        let last = first + ((1 << (2 * height)) - 1);
        match (self.leaves.range(first..=last).next(), height) {
            (None, _) => EMPTY,
            (Some((_, leaf)), 0) => *leaf,
            _ => hash::node(&self.children(height - 1, number, |_| true)),
        }
    }

    /// The children that are wanted; EMPTY for others.
    fn children(&self, level: u32, parent: u64, wanted: impl Fn(usize) -> bool) -> [Hash; ARITY] {
        std::array::from_fn(|at| match wanted(at) {
            true => self.hash(level, 4 * parent + at as u64),
            false => EMPTY,
        })
    }
}

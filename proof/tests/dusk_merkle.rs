//! P4: roots, and inclusion openings of leaves, are byte for byte those of `dusk_merkle`, and paths are made of its openings again.
//! That the VM's own tree agrees too is for `src/state/tree/tests.rs` to say.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::Tree;
use crostata_proof::{ARITY, EMPTY, Hash, MerkleOpeningError, TreePath, TreePaths, hash};
use dusk_bytes::Serializable;
use dusk_merkle::{Aggregate, Opening};
use proptest::prelude::*;

/// A hash as `dusk_merkle` wants its items: four EMPTY make EMPTY, anything else a node.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Item(Hash);

impl Aggregate<ARITY> for Item {
    const EMPTY_SUBTREE: Self = Item(EMPTY);

    fn aggregate(items: [&Self; ARITY]) -> Self {
        Item(hash::node(&items.map(|item| item.0)))
    }
}

impl Serializable<32> for Item {
    type Error = dusk_bytes::Error;

    fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    fn from_bytes(bytes: &[u8; 32]) -> Result<Self, Self::Error> {
        Ok(Item(*bytes))
    }
}

type Leaves = BTreeMap<u64, Hash>;

/// Leaves near each other, near both ends, and anywhere.
fn leaves(height: u32) -> impl Strategy<Value = Leaves> {
    let last = (1_u64 << (2 * height)) - 1;
    let near = 70.min(last);
    let position = prop_oneof![4 => 0..=near, 1 => last - near..=last, 2 => 0..=last];
    let leaf = (1..255_u8).prop_map(|byte| [byte; 32]);
    prop::collection::btree_map(position, leaf, 1..30)
}

fn ours(height: u32, leaves: &Leaves) -> Tree {
    let changes: Vec<_> = leaves.iter().map(|(at, leaf)| (*at, Some(*leaf))).collect();
    Tree::new(height).with(&changes)
}

fn openings_agree<const HEIGHT: usize>(leaves: &Leaves) -> Result<(), TestCaseError> {
    let ours = ours(HEIGHT as u32, leaves);
    let mut theirs = dusk_merkle::Tree::<Item, HEIGHT, ARITY>::new();
    for (position, leaf) in leaves {
        theirs.insert(*position, Item(*leaf));
    }
    prop_assert_eq!(ours.root(), theirs.root().0);
    for (position, leaf) in leaves {
        let path = ours.path(*position);
        let bytes = path.to_merkle_opening(*position, *leaf);
        let opening = theirs.opening(*position).unwrap();
        prop_assert_eq!(bytes.as_ref(), Ok(&opening.to_var_bytes::<32>()));
        let read = Opening::<Item, HEIGHT, ARITY>::from_slice(&bytes.unwrap()).unwrap();
        prop_assert!(read.verify(Item(*leaf)));
        let bytes = opening.to_var_bytes::<32>();
        let back = TreePath::from_merkle_opening(HEIGHT as u32, *position, &bytes);
        prop_assert_eq!(back, Ok((path, *leaf)));
        let elsewhere = TreePath::from_merkle_opening(HEIGHT as u32, position ^ 1, &bytes);
        prop_assert_eq!(elsewhere, Err(MerkleOpeningError::Position { level: 0 }));
    }
    Ok(())
}

/// The paths of all positions together lead to the root, and with other leaves to that of the changed tree.
fn paths_agree(height: u32, leaves: &Leaves, chosen: &Leaves) -> Result<(), TestCaseError> {
    let tree = ours(height, leaves);
    let paths: Vec<_> = chosen.keys().map(|at| (*at, tree.path(*at))).collect();
    let merged = TreePaths::merge(height, &paths);
    let old = chosen
        .keys()
        .map(|at| (*at, leaves.get(at).copied().unwrap_or(EMPTY)));
    prop_assert_eq!(merged.fold(&old.collect::<Vec<_>>()), Ok(tree.root()));
    let new: Vec<_> = chosen.iter().map(|(at, leaf)| (*at, *leaf)).collect();
    let changes: Vec<_> = new.iter().map(|(at, leaf)| (*at, Some(*leaf))).collect();
    prop_assert_eq!(merged.fold(&new), Ok(tree.with(&changes).root()));
    let removed: Vec<_> = chosen.keys().map(|at| (*at, EMPTY)).collect();
    let changes: Vec<_> = chosen.keys().map(|at| (*at, None)).collect();
    let tree = ours(height, leaves).with(&changes);
    prop_assert_eq!(merged.fold(&removed), Ok(tree.root()));
    Ok(())
}

/// Every byte of an opening counts.
#[test]
fn changed_openings_are_no_paths() {
    let leaves: Leaves = [(5, [1; 32]), (6, [2; 32]), (200, [3; 32])].into();
    let opening = ours(4, &leaves)
        .path(6)
        .to_merkle_opening(6, [2; 32])
        .unwrap();
    for at in 0..opening.len() {
        for mask in [1, 0x80, 0xff] {
            let mut changed = opening.clone();
            changed[at] ^= mask;
            let path = TreePath::from_merkle_opening(4, 6, &changed);
            assert!(path.is_err(), "byte {at}");
        }
        assert!(TreePath::from_merkle_opening(4, 6, &opening[..at]).is_err());
    }
    assert!(TreePath::from_merkle_opening(5, 6, &opening).is_err());
    assert!(TreePath::from_merkle_opening(4, 256, &opening).is_err());
}

/// Failures are printed with what is needed to repeat them.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn height_4(leaves in leaves(4), chosen in leaves(4)) {
        openings_agree::<4>(&leaves)?;
        paths_agree(4, &leaves, &chosen)?;
    }

    #[test]
    fn height_10_a_32_bit_memory(leaves in leaves(10), chosen in leaves(10)) {
        openings_agree::<10>(&leaves)?;
        paths_agree(10, &leaves, &chosen)?;
    }

    #[test]
    fn height_15_a_64_bit_memory(leaves in leaves(15), chosen in leaves(15)) {
        openings_agree::<15>(&leaves)?;
        paths_agree(15, &leaves, &chosen)?;
    }

    #[test]
    fn height_31_the_contracts(leaves in leaves(31), chosen in leaves(31)) {
        openings_agree::<31>(&leaves)?;
        paths_agree(31, &leaves, &chosen)?;
    }
}

//! P4: a run of leaves passes with its edges if it is all that the tree has there, and not otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::state::tree::{Node, NodePlace, NodeReason, NodeSource};

/// No nodes are kept anywhere.
struct Nowhere;

impl NodeSource<Hash> for Nowhere {
    fn node(&self, _at: NodePlace, _height: u32) -> Result<Arc<Node<Hash>>, NodeReason> {
        Err("nothing is kept".into())
    }
}

fn tree_of(leaves: &BTreeMap<u64, Hash>) -> Tree<Hash> {
    let changes = leaves.iter().map(|(at, leaf)| (*at, Some((*leaf, *leaf))));
    let changes: Vec<_> = changes.collect();
    Tree::new(10, Arc::new(Nowhere)).with(&changes).unwrap()
}

/// Leaves near the beginning, near the end, and anywhere.
fn leaves() -> impl Strategy<Value = BTreeMap<u64, Hash>> {
    let last = (1_u64 << 20) - 1;
    let position = prop_oneof![4 => 0..80_u64, 1 => last - 70..=last, 1 => 0..=last];
    let leaf = (1..6_u8).prop_map(|byte| [byte; 32]);
    prop::collection::btree_map(position, leaf, 1..40)
}

fn edges(masks: &[u8], hashes: &[Hash]) -> Edges {
    let mut all = masks.to_vec();
    all.resize(10, 0);
    Edges {
        masks: all,
        hashes: hashes.to_vec(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_passes_whole_and_not_otherwise(
        leaves in leaves(),
        first in any::<prop::sample::Index>(),
        count in 1..12_usize,
        gap in 0..3_u64,
        chosen in any::<prop::sample::Index>(),
    ) {
        let tree = tree_of(&leaves);
        let positions: Vec<u64> = leaves.keys().copied().collect();
        let at = first.index(positions.len());
        let before = at.checked_sub(1).map_or(0, |at| positions[at] + 1);
        let first = positions[at].saturating_sub(gap).max(before);
        let run = leaves.range(first..).take(count);
        let run: Vec<_> = run.map(|(at, leaf)| (*at, *leaf)).collect();
        let (last, _) = run[run.len() - 1];
        let edges = Edges::of(&tree, first, last).unwrap();
        prop_assert_eq!(edges.fold(first, &run), Some(tree.root()));
        prop_assert_eq!(edges.end_there(), positions.last() == Some(&last));

        let mut bytes = Vec::new();
        edges.encode(&mut bytes);
        prop_assert!(bytes.len() <= Edges::len_bytes_max(10));
        let mut reader = Reader::new(&bytes);
        let decoded = Edges::decode(&mut reader, 10);
        prop_assert_eq!(decoded.as_ref(), Some(&edges));
        prop_assert_eq!(reader.left(), 0);

        let chosen = chosen.index(run.len());
        let mut without = run.clone();
        without.remove(chosen);
        prop_assert_ne!(edges.fold(first, &without), Some(tree.root()));
        let mut changed = run.clone();
        changed[chosen].1[31] ^= 1;
        prop_assert_ne!(edges.fold(first, &changed), Some(tree.root()));
        if let Some((at, leaf)) = leaves.range(last + 1..).next() {
            let longer = [&run[..], &[(*at, *leaf)]].concat();
            prop_assert_ne!(edges.fold(first, &longer), Some(tree.root()));
        }
    }
}

/// A list with a child inside the run would make the root, so where children may be listed is checked.
#[test]
fn nothing_inside_a_run_is_listed() {
    let leaves = [(0, [1; 32]), (1, [2; 32]), (2, [3; 32]), (9, [4; 32])];
    let root = tree_of(&leaves.into()).root();
    assert_eq!(edges(&[], &[]).fold(0, &leaves), Some(root));
    assert_eq!(edges(&[1], &[[1; 32]]).fold(1, &leaves[1..]), Some(root));
    assert_eq!(edges(&[1], &[[1; 32]]).fold(0, &leaves[1..]), None);
    let above = hash::node(&[EMPTY, [4; 32], EMPTY, EMPTY]);
    let behind = edges(&[4 << 4, 4 << 4], &[[3; 32], above]);
    assert_eq!(behind.fold(0, &leaves[..2]), Some(root));
    let further = [leaves[0], leaves[1], (3, [5; 32])];
    assert_eq!(behind.fold(0, &further), None);
    // Two paths down to the same child: once as listed, once as computed.
    let twice = edges(&[2 << 4, 4 << 4], &[[2; 32], above]);
    assert_eq!(twice.fold(0, &leaves[..2]), None);
}

/// One encoding: nothing EMPTY is listed, and no run is empty.
#[test]
fn what_is_not_there_is_not_listed() {
    let leaf = (1, [2; 32]);
    let root = tree_of(&[leaf].into()).root();
    assert_eq!(edges(&[], &[]).fold(1, &[leaf]), Some(root));
    assert_eq!(edges(&[1], &[EMPTY]).fold(1, &[leaf]), None);
    assert_eq!(edges(&[4 << 4], &[EMPTY]).fold(1, &[leaf]), None);
    assert_eq!(edges(&[], &[]).fold(0, &[]), None);
}

//! P4: roots, and inclusion openings of leaves, are byte for byte those of `dusk_merkle`, and paths are made of its openings again.
//! That the VM's own tree agrees too is for `src/state/tree/tests.rs` to say.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::Tree;
use common::sample::{FIRST, SECOND, sample};
use common::state::Item as Wanted;
use crostata_proof::{
    ARITY, EMPTY, Hash, MerkleOpeningError, ProvenContract, ProvenPage, ProvenPosition,
    StateProofBuilder, TreePath, TreePaths, hash,
};
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
    let old: Vec<_> = old.collect();
    prop_assert_eq!(merged.fold(&old), Ok(tree.root()));
    for (position, path) in &paths {
        prop_assert_eq!(merged.path(&old, *position), Ok(path.clone()));
    }
    let other = (0..).find(|at| !chosen.contains_key(at)).unwrap();
    prop_assert!(merged.path(&old, other).is_err());
    let new: Vec<_> = chosen.iter().map(|(at, leaf)| (*at, *leaf)).collect();
    let changes: Vec<_> = new.iter().map(|(at, leaf)| (*at, Some(*leaf))).collect();
    prop_assert_eq!(merged.fold(&new), Ok(tree.with(&changes).root()));
    let removed: Vec<_> = chosen.keys().map(|at| (*at, EMPTY)).collect();
    let changes: Vec<_> = chosen.keys().map(|at| (*at, None)).collect();
    let tree = ours(height, leaves).with(&changes);
    prop_assert_eq!(merged.fold(&removed), Ok(tree.root()));
    Ok(())
}

/// `dusk_merkle` verifies the opening of these bytes for the leaf, and they lead to the root.
fn is_opening<const HEIGHT: usize>(bytes: &[u8], leaf: Hash, root: Hash) -> bool {
    let opening = Opening::<Item, HEIGHT, ARITY>::from_slice(bytes).unwrap();
    opening.verify(Item(leaf)) && opening.root().0 == root
}

/// What one proof shows of several contracts and pages is an opening each; and of these the same proof is made.
#[test]
fn proofs_become_openings_and_are_made_of_them() {
    let state = sample();
    let items = [
        Wanted::Page(FIRST, 6),
        Wanted::Page(FIRST, 0),
        Wanted::Record(SECOND),
    ];
    let proof = state.prove(&items);
    let proven = proof.clone().verify(&state.root()).unwrap();
    let mut builder = StateProofBuilder::new();
    let leaf = |position: &ProvenPosition| (position.position(), position.leaf());
    let leaves: Vec<_> = proven.positions().iter().map(leaf).collect();
    for position in proven.positions() {
        let (at, leaf) = (position.position(), position.leaf());
        let path = proven.paths().path(&leaves, at).unwrap();
        let bytes = path.to_merkle_opening(at, leaf).unwrap();
        assert!(is_opening::<31>(&bytes, leaf, state.root().to_bytes()));
        let back = TreePath::from_merkle_opening(31, at, &bytes).unwrap();
        let members = position.members().iter();
        let members = members.map(|member| (*member.contract(), *member.record_hash()));
        builder.position(at, back.0, members.collect());
        for contract in position
            .members()
            .iter()
            .filter_map(|member| member.shown())
        {
            builder.record(contract.record().clone());
            reopen_pages(&mut builder, contract);
        }
    }
    assert_eq!(builder.build(), proof);
}

fn reopen_pages(builder: &mut StateProofBuilder, contract: &ProvenContract) {
    let (record, pages) = (contract.record(), contract.pages());
    let leaf = |page: &ProvenPage| (u64::from(page.index().0), page.leaf());
    let leaves: Vec<_> = pages.iter().map(leaf).collect();
    for page in pages {
        let at = u64::from(page.index().0);
        let path = contract.paths().unwrap().path(&leaves, at).unwrap();
        let bytes = path.to_merkle_opening(at, page.leaf()).unwrap();
        assert!(is_opening::<10>(&bytes, page.leaf(), record.page_root));
        let (path, leaf) = TreePath::from_merkle_opening(10, at, &bytes).unwrap();
        assert_eq!(leaf, page.leaf());
        let content = Box::new(*page.bytes().unwrap());
        builder.page(&record.contract, page.index(), path, content, page.chunks());
    }
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

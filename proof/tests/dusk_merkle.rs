//! P4: roots and inclusion openings of the live tree are, byte for byte, those of `dusk_merkle`
//! under insertion, overwriting and removal, at every height the state uses.

#[path = "../../src/state/tree.rs"]
mod tree;

use std::collections::BTreeMap;

use crostata_proof::{ARITY, EMPTY, Hash, hash};
use dusk_bytes::Serializable;
use dusk_merkle::Aggregate;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

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

type Batch = Vec<tree::Change<Hash>>;

/// Positions near each other, near both ends, and anywhere.
fn position(height: u32) -> impl Strategy<Value = u64> {
    let last = (1u64 << (2 * height)) - 1;
    let near = 70.min(last);
    prop_oneof![4 => 0..=near, 1 => last - near..=last, 2 => 0..=last]
}

/// A leaf in two cases of three, else a removal. Few values, so that some overwrite the same.
fn leaf() -> impl Strategy<Value = Option<Hash>> {
    prop_oneof![2 => (1..5u8).prop_map(|byte| Some([byte; 32])), 1 => Just(None)]
}

fn batches(height: u32) -> impl Strategy<Value = Vec<Batch>> {
    let batch = prop::collection::vec((position(height), leaf()), 0..12);
    prop::collection::vec(batch, 1..8)
}

fn runs_agree<const HEIGHT: usize>(batches: Vec<Batch>) -> Result<(), TestCaseError> {
    let mut ours = tree::Tree::new(HEIGHT as u32);
    let mut theirs = dusk_merkle::Tree::<Item, HEIGHT, ARITY>::new();
    let mut model = BTreeMap::new();
    for batch in batches {
        let before = (ours.clone(), model.clone());
        ours = ours.with(&batch);
        for (position, leaf) in batch {
            match leaf {
                Some(leaf) => {
                    theirs.insert(position, Item(leaf));
                    model.insert(position, leaf);
                }
                None => {
                    theirs.remove(position);
                    model.remove(&position);
                }
            }
        }
        prop_assert_eq!(ours.root(), theirs.root().0);
        leaves_agree(&ours, &model)?;
        leaves_agree(&before.0, &before.1)?;
        openings_agree(&ours, &theirs, &model)?;
    }
    Ok(())
}

fn leaves_agree(ours: &tree::Tree<Hash>, model: &BTreeMap<u64, Hash>) -> Result<(), TestCaseError> {
    prop_assert!(ours.iter().eq(model.iter().map(|(at, leaf)| (*at, leaf))));
    prop_assert_eq!(ours.iter().count(), model.len());
    Ok(())
}

/// Every leaf's opening is dusk-merkle's; every neighbour's absence folds to the root as well.
fn openings_agree<const HEIGHT: usize>(
    ours: &tree::Tree<Hash>,
    theirs: &dusk_merkle::Tree<Item, HEIGHT, ARITY>,
    model: &BTreeMap<u64, Hash>,
) -> Result<(), TestCaseError> {
    for (position, leaf) in model {
        prop_assert_eq!(ours.get(*position), Some(leaf));
        let path = ours.path(*position);
        prop_assert_eq!(path.fold(*position, *leaf), Ok(ours.root()));
        let opening = path.to_merkle_opening(*position, *leaf).ok();
        let expected = theirs.opening(*position);
        prop_assert!(expected.is_some());
        prop_assert_eq!(
            opening,
            expected.map(|opening| opening.to_var_bytes::<32>())
        );
        let neighbour = position ^ 2;
        if !model.contains_key(&neighbour) {
            prop_assert_eq!(ours.get(neighbour), None);
            let absent = ours.path(neighbour).fold(neighbour, EMPTY);
            prop_assert_eq!(absent, Ok(ours.root()));
        }
    }
    Ok(())
}

/// Failures are printed, and their seeds kept in a file beside this one that is run first.
fn config() -> Config {
    Config {
        cases: 48,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn height_4(batches in batches(4)) {
        runs_agree::<4>(batches)?;
    }

    #[test]
    fn height_10_a_32_bit_memory(batches in batches(10)) {
        runs_agree::<10>(batches)?;
    }

    #[test]
    fn height_15_a_64_bit_memory(batches in batches(15)) {
        runs_agree::<15>(batches)?;
    }

    #[test]
    fn height_31_the_contracts(batches in batches(31)) {
        runs_agree::<31>(batches)?;
    }
}

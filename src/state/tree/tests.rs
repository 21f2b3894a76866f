//! P4: roots and inclusion openings of the live tree are, byte for byte, those of `dusk_merkle`
//! under insertion, overwriting and removal, at every height the state uses.
//! P2 and P5: trees share what did not change, and have no more nodes than branches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crostata_proof::{ARITY, hash};
use dusk_bytes::Serializable;
use dusk_merkle::Aggregate;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use serde_json::Value;

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

/// A leaf's content is its hash.
type Batch = Vec<(u64, Option<Hash>)>;

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
    let mut ours = empty(HEIGHT as u32);
    let kept = Kept::default();
    let mut theirs = dusk_merkle::Tree::<Item, HEIGHT, ARITY>::new();
    let mut model = BTreeMap::new();
    for batch in batches {
        let before = (ours.clone(), model.clone());
        ours = with(&ours, &batch);
        if batch.len() % 3 == 0 {
            ours = save(&ours, &kept);
        }
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
        differences_agree((&before.0, &before.1), (&ours, &model))?;
        differences_agree((&ours, &model), (&empty(HEIGHT as u32), &BTreeMap::new()))?;
        openings_agree(&ours, &theirs, &model)?;
    }
    Ok(())
}

fn leaves_agree(ours: &Tree<Hash>, model: &BTreeMap<u64, Hash>) -> Result<(), TestCaseError> {
    let found: Result<Vec<_>, _> = ours.leaves().collect();
    let found = found.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let expected = model.iter().map(|(at, leaf)| (*at, *leaf, *leaf));
    prop_assert!(found.into_iter().eq(expected));
    let near = model
        .keys()
        .flat_map(|at| [at.saturating_sub(1), *at, at + 1]);
    for first in near.chain([0, 64, u64::MAX >> 2]) {
        let found = ours.leaves_from(first).unwrap().map(|leaf| leaf.unwrap().0);
        let expected = model.range(first..).map(|(at, _)| *at);
        prop_assert!(found.eq(expected), "from {}", first);
    }
    Ok(())
}

/// A tree, and what is in it.
type Modelled<'a> = (&'a Tree<Hash>, &'a BTreeMap<u64, Hash>);

/// The difference of two trees is that of their leaves one by one, in order, from either side.
fn differences_agree(one: Modelled<'_>, other: Modelled<'_>) -> Result<(), TestCaseError> {
    let positions: BTreeSet<u64> = one.1.keys().chain(other.1.keys()).copied().collect();
    let leaves = |at: &u64| (*at, one.1.get(at).copied(), other.1.get(at).copied());
    let expected: Vec<_> = positions
        .iter()
        .map(leaves)
        .filter(|leaf| leaf.1 != leaf.2)
        .collect();
    let told = |one: &Tree<Hash>, other: &Tree<Hash>| {
        let found = one.difference(other);
        let found = found.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let found = found.into_iter();
        Ok::<Vec<_>, TestCaseError>(found.map(|at| (at.position, at.one, at.other)).collect())
    };
    prop_assert_eq!(&told(one.0, other.0)?, &expected);
    let turned: Vec<_> = expected
        .into_iter()
        .map(|(at, one, other)| (at, other, one))
        .collect();
    prop_assert_eq!(told(other.0, one.0)?, turned);
    prop_assert!(told(one.0, one.0)?.is_empty());
    Ok(())
}

/// Counts the nodes that are read.
struct Counted(Kept, AtomicUsize);

impl NodeSource<Hash> for Counted {
    fn node(&self, at: NodePlace, tree_height: u32) -> Result<Arc<Node<Hash>>, NodeReason> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.node(at, tree_height)
    }
}

/// P5: the difference of large trees costs the ways to what differs, also where one is higher than the other, as the memory of a contract that
/// migrated to another width; trees that are the same cost nothing.
#[test]
fn a_difference_costs_what_differs() {
    for height in [10, 15] {
        let kept = Kept::default();
        let large = tree_of_height(10, (0..20_000).map(|at| at * 37));
        let changed = tree_of_height(height, (0..20_000).map(|at| at * 37));
        let mut batch = vec![(37, Some([9; 32])), (38, Some([9; 32])), (74, None)];
        batch.extend((height > 10).then_some((1 << 21, Some([9; 32]))));
        let changed = save(&with(&changed, &batch), &kept);
        let large = save(&large, &kept);
        let counted = Arc::new(Counted(kept, AtomicUsize::new(0)));
        let stored = |tree: &Tree<Hash>| {
            let top = tree.top().cloned();
            Tree::from_top(tree.height, tree.root(), top, counted.clone()).unwrap()
        };
        let (large, changed) = (stored(&large), stored(&changed));
        assert!(large.difference(&large.clone()).unwrap().is_empty());
        assert_eq!(counted.1.load(Ordering::Relaxed), 0);
        let expected = batch.iter().map(|(at, _)| *at);
        let found: Vec<_> = large.difference(&changed).unwrap();
        assert!(found.iter().map(|at| at.position).eq(expected.clone()));
        let turned: Vec<_> = changed.difference(&large).unwrap();
        assert!(turned.iter().map(|at| at.position).eq(expected));
        let reads = counted.1.load(Ordering::Relaxed);
        assert!((4..40).contains(&reads), "{reads} at {height}");
    }
}

/// A tree in which each of these batches was kept, and what is in it.
fn kept_tree(height: u32, batches: Vec<Batch>) -> (Tree<Hash>, BTreeMap<u64, Hash>) {
    let kept = Kept::default();
    let (mut tree, mut model) = (empty(height), BTreeMap::new());
    for batch in batches {
        tree = save(&with(&tree, &batch), &kept);
        for (at, leaf) in batch {
            match leaf {
                Some(leaf) => model.insert(at, leaf),
                None => model.remove(&at),
            };
        }
    }
    (tree, model)
}

/// Trees of two heights: what both have, and what each has besides.
fn heights_agree(low: u32, high: u32) -> Result<(), TestCaseError> {
    let parts = (batches(low), batches(low), batches(high));
    let result = TestRunner::new(config()).run(&parts, |(both, one, other)| {
        let one = kept_tree(low, [both.clone(), one].concat());
        let other = kept_tree(high, [both, other].concat());
        differences_agree((&one.0, &one.1), (&other.0, &other.1))
    });
    result.map_err(|error| TestCaseError::fail(format!("{low} and {high}: {error}")))
}

/// P4: memories of contracts that changed their width are compared leaf for leaf, at whatever heights.
#[test]
fn trees_of_other_heights_are_compared_too() {
    for (low, high) in [(10, 15), (1, 31), (5, 6)] {
        heights_agree(low, high).unwrap();
    }
}

/// Keeps nodes in memory, as a store keeps them on disk.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Arc<Node<Hash>>>>>);

impl Keeper<Hash> for Kept {
    type Error = NodeReason;

    fn node(&mut self, node: &Node<Hash>) -> Result<NodePlace, NodeReason> {
        let mut kept = self.0.lock().unwrap();
        kept.push(Arc::new(node.with_children(match node.children() {
            Children::Leaves(leaves) => Children::Leaves(leaves.clone()),
            Children::Links(links) => Children::Links(links.clone()),
        })));
        Ok(NodePlace {
            at: kept.len() as u64 - 1,
            len_bytes: 0,
        })
    }

    fn leaf(&mut self, leaf: &Hash) -> Result<Hash, NodeReason> {
        Ok(*leaf)
    }
}

impl NodeSource<Hash> for Kept {
    fn node(&self, at: NodePlace, _tree_height: u32) -> Result<Arc<Node<Hash>>, NodeReason> {
        let kept = self.0.lock().unwrap();
        kept.get(at.at as usize)
            .cloned()
            .ok_or("no such place".into())
    }
}

fn save(tree: &Tree<Hash>, kept: &Kept) -> Tree<Hash> {
    tree.save(&mut kept.clone(), Arc::new(kept.clone()))
        .unwrap()
}

/// P7: a node that is not the one that the tree names is noticed, whatever is asked.
#[test]
fn swapped_nodes_are_noticed() {
    let kept = Kept::default();
    let tree = save(&tree_of((0..1_000).map(|at| at * 5)), &kept);
    let count = kept.0.lock().unwrap().len();
    assert!(count > 70, "{count} nodes are kept");
    kept.0.lock().unwrap().swap(3, 4);
    let wrong = |position: u64| matches!(tree.get(position), Err(NodeError::Mismatch { .. }));
    let positions: Vec<u64> = (0..1_000)
        .map(|at| at * 5)
        .filter(|at| wrong(*at))
        .collect();
    assert!((20..30).contains(&positions.len()), "{positions:?}");
    assert!(tree.path(positions[0]).is_err());
    assert!(tree.with(&[(positions[0], None)]).is_err());
    assert_eq!(tree.leaves().filter(Result::is_err).count(), 1);
    kept.0.lock().unwrap().clear();
    assert!(matches!(tree.get(0), Err(NodeError::Unreadable { .. })));
}

/// Every leaf's opening is dusk-merkle's; every neighbour's absence folds to the root as well.
fn openings_agree<const HEIGHT: usize>(
    ours: &Tree<Hash>,
    theirs: &dusk_merkle::Tree<Item, HEIGHT, ARITY>,
    model: &BTreeMap<u64, Hash>,
) -> Result<(), TestCaseError> {
    for (position, leaf) in model {
        prop_assert_eq!(get(ours, *position), Some(*leaf));
        let siblings = path(ours, *position);
        prop_assert_eq!(siblings.fold(*position, *leaf), Ok(ours.root()));
        let opening = siblings.to_merkle_opening(*position, *leaf).ok();
        let expected = theirs.opening(*position);
        prop_assert!(expected.is_some());
        prop_assert_eq!(
            opening,
            expected.map(|opening| opening.to_var_bytes::<32>())
        );
        let neighbour = position ^ 2;
        if !model.contains_key(&neighbour) {
            prop_assert_eq!(get(ours, neighbour), None);
            let absent = path(ours, neighbour).fold(neighbour, EMPTY);
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

/// The source of trees that are in memory whole.
struct NoSource;

impl NodeSource<Hash> for NoSource {
    fn node(&self, _at: NodePlace, _tree_height: u32) -> Result<Arc<Node<Hash>>, NodeReason> {
        Err("nothing keeps nodes here".into())
    }
}

fn empty(height: u32) -> Tree<Hash> {
    Tree::new(height, Arc::new(NoSource))
}

fn with(tree: &Tree<Hash>, batch: &[(u64, Option<Hash>)]) -> Tree<Hash> {
    let changes: Vec<_> = batch
        .iter()
        .map(|(at, leaf)| (*at, leaf.map(|leaf| (leaf, leaf))))
        .collect();
    tree.with(&changes).unwrap()
}

fn get(tree: &Tree<Hash>, position: u64) -> Option<Hash> {
    let found = tree.get(position).unwrap();
    found.map(|(hash, leaf)| {
        assert_eq!(hash, leaf);
        leaf
    })
}

fn path(tree: &Tree<Hash>, position: u64) -> crostata_proof::TreePath {
    tree.path(position).unwrap()
}

fn positions(tree: &Tree<Hash>) -> Vec<u64> {
    tree.leaves().map(|leaf| leaf.unwrap().0).collect()
}

fn tree_of(positions: impl IntoIterator<Item = u64>) -> Tree<Hash> {
    tree_of_height(31, positions)
}

fn tree_of_height(height: u32, positions: impl IntoIterator<Item = u64>) -> Tree<Hash> {
    let batch: Vec<_> = positions
        .into_iter()
        .map(|position| (position, Some([position as u8 | 1; 32])))
        .collect();
    with(&empty(height), &batch)
}

/// P4: the roots and openings of the conformance vectors.
#[test]
fn vectors() {
    let text = std::fs::read_to_string("docs/vectors/vectors.json").unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let cases = vectors["tree"].as_array().unwrap();
    assert!(cases.len() > 3);
    for case in cases {
        let leaves = case["leaves"].as_array().unwrap();
        let leaves: Vec<_> = leaves
            .iter()
            .map(|leaf| (number(&leaf[0]), Some(bytes(&leaf[1]).try_into().unwrap())))
            .collect();
        let tree = with(&empty(number(&case["height"]) as u32), &leaves);
        assert_eq!(tree.root().to_vec(), bytes(&case["root"]));
        if let Some(opening) = case.get("merkle_opening") {
            let position = number(&opening["position"]);
            let leaf = get(&tree, position).unwrap();
            let found = path(&tree, position).to_merkle_opening(position, leaf);
            assert_eq!(found, Ok(bytes(&opening["bytes"])));
        }
    }
}

fn number(value: &Value) -> u64 {
    let text = value.as_str().map(|text| text.parse().unwrap());
    value.as_u64().or(text).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// P4: the root depends on the leaves, not on the order in which they came.
#[test]
fn order_does_not_show() {
    let at_once = tree_of([0, 1, 2, 63, 64, 200]);
    let mut one_by_one = empty(31);
    for position in [200, 1, 64, 0, 2, 63] {
        one_by_one = with(&one_by_one, &[(position, Some([position as u8 | 1; 32]))]);
    }
    assert_eq!(at_once.root(), one_by_one.root());
    assert_eq!(tree_of([64, 2, 0, 200, 63, 1]).root(), at_once.root());
    let last_wins = with(&at_once, &[(5, Some([9; 32])), (1, None), (5, None)]);
    assert_eq!(last_wins.root(), tree_of([0, 2, 63, 64, 200]).root());
}

/// P2: a tree that others were made from is as it was, and removal leaves no trace.
#[test]
fn older_trees_stay() {
    let old = tree_of([3, 7, 90]);
    let new = with(
        &old,
        &[(3, None), (7, None), (8, Some([1; 32])), (90, None)],
    );
    assert_eq!(old.root(), tree_of([3, 7, 90]).root());
    assert_eq!((positions(&old).len(), positions(&new).len()), (3, 1));
    assert_eq!((get(&new, 7), get(&new, 8)), (None, Some([1; 32])));
    let none = with(&new, &[(8, None), (9, None)]);
    assert!(positions(&none).is_empty());
    assert_eq!(none.root(), EMPTY);
}

fn nodes(link: &Link<Hash>, found: &mut Vec<Arc<Node<Hash>>>) {
    let Link::Node(node) = link else { return };
    assert!(node.mask().count_ones() >= 2, "a lone child needs no node");
    found.push(node.clone());
    if let Children::Links(links) = node.children() {
        links.iter().for_each(|link| nodes(link, found));
    }
}

fn nodes_of(tree: &Tree<Hash>) -> Vec<Arc<Node<Hash>>> {
    let mut found = Vec::new();
    nodes(&tree.top.as_ref().unwrap().link, &mut found);
    found
}

/// P5: a change makes the nodes above it anew and shares all others.
#[test]
fn cost_follows_the_change() {
    let tree = tree_of((0..10_000).map(|at| at * 977));
    let batch = [
        (977, Some([2; 32])),
        (978, Some([3; 32])),
        (5_000 * 977, None),
    ];
    let changed = with(&tree, &batch);
    assert_eq!(positions(&changed).len(), 10_000);
    let old = nodes_of(&tree);
    let new = nodes_of(&changed);
    let fresh = new
        .iter()
        .filter(|new| !old.iter().any(|old| Arc::ptr_eq(old, new)));
    let fresh = fresh.count();
    assert!(
        fresh <= 3 * 31 / 3,
        "{fresh} of {} nodes are new",
        new.len()
    );
}

/// P5: nodes follow the leaves, also after leaves have gone; chains of lone nodes cost nothing.
#[test]
fn only_branching_nodes_are_kept() {
    let spread = (0..200).map(|at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2);
    let full = tree_of(spread.clone());
    let removals: Vec<_> = spread.skip(2).map(|position| (position, None)).collect();
    for tree in [
        full.clone(),
        with(&full, &removals[20..]),
        with(&full, &removals),
    ] {
        assert!(nodes_of(&tree).len() < positions(&tree).len());
    }
}

/// P7: positions that the tree does not have are refused where a path is folded.
#[test]
fn foreign_positions_do_not_panic() {
    let tree = with(&empty(2), &[(3, Some([1; 32]))]);
    assert_eq!(get(&tree, u64::MAX), None);
    assert!(path(&tree, 16).fold(16, EMPTY).is_err());
    assert!(path(&tree, u64::MAX).fold(u64::MAX, EMPTY).is_err());
}

#[test]
fn leaves_come_in_order() {
    let expected = [0, 5, 17, 18, 19, 1 << 40, (1 << 62) - 1];
    assert_eq!(positions(&tree_of(expected)), expected);
}

/// A run of positions that fills nodes, besides others: as contracts write.
fn dense() -> impl Strategy<Value = Batch> {
    (0..5_000_u64, 1..300_u64, 1..5_u64, 1..9_u8).prop_map(|(start, len, step, byte)| {
        let run = (0..len).map(|at| (start + at * step, Some([byte; 32])));
        run.collect()
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn runs_of_pages(batches in prop::collection::vec(dense(), 1..4)) {
        runs_agree::<10>(batches)?;
    }

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

//! The live Merkle tree: what a state's root is computed from, in memory.
//!
//! A persistent 4-ary radix tree over `u64` positions with branching nodes only: a chain of lone
//! nodes is not stored, its hash is kept by the branch above it. A changed tree shares every
//! untouched branch with the one it came from, which stays as it was; cloning costs nothing.
//!
//! It never reads a store and never knows what its leaves mean. Recursion is as deep as the tree is
//! high at most. Its roots and paths are those of `dusk_merkle::Tree` over the same leaves
//! (a property test holds them equal).

use std::borrow::Cow;
use std::sync::Arc;

use crostata_proof::tree::{child_index, has_position, lift};
use crostata_proof::{ARITY, EMPTY, Hash, TreePath, hash};

/// What a tree holds at a position.
pub trait Leaf: Clone + Send + Sync {
    /// The hash of the leaf, never [`EMPTY`]: a leaf that is EMPTY is one that is not there.
    fn hash(&self) -> Hash;
}

impl Leaf for Hash {
    fn hash(&self) -> Hash {
        *self
    }
}

/// A change of a tree: the new leaf at a position, or `None` to remove what is there.
pub type Change<L> = (u64, Option<L>);

/// A Merkle tree of arity 4 over `4^height` positions, most of them empty.
#[derive(Debug, Clone)]
pub struct Tree<L> {
    height: u32,
    top: Option<Link<L>>,
    root: Hash,
}

/// A subtree that is not empty: a leaf, or the highest node of it that has several children.
#[derive(Debug, Clone)]
enum Link<L> {
    Leaf(u64, L),
    Branch(Arc<Branch<L>>),
}

/// A node with two to four children.
#[derive(Debug)]
struct Branch<L> {
    /// 0 for a parent of leaves.
    level: u32,
    /// A position below the branch, whichever.
    position: u64,
    children: [Option<Link<L>>; ARITY],
    /// The hashes of the children's places: each child's hash carried up to just below this level.
    lifted: [Hash; ARITY],
}

impl<L: Leaf> Tree<L> {
    /// The empty tree of this height (at most 31).
    pub fn new(height: u32) -> Self {
        debug_assert!(height <= 31, "positions have 62 bits");
        Self {
            height,
            top: None,
            root: EMPTY,
        }
    }

    /// The root, [`EMPTY`] for a tree without leaves. It was computed when the tree was made.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The leaf at `position`.
    pub fn get(&self, position: u64) -> Option<&L> {
        let mut link = self.top.as_ref()?;
        loop {
            match link {
                Link::Leaf(at, leaf) => return (*at == position).then_some(leaf),
                Link::Branch(branch) => {
                    link = branch.children[child_index(position, branch.level)].as_ref()?;
                }
            }
        }
    }

    /// The tree with these changes; this one stays as it is.
    ///
    /// Positions should ascend, each once; otherwise they are sorted first, and the last change of a
    /// position counts. Costs the changed positions times the branches above each, never the size
    /// of the tree.
    #[must_use]
    pub fn with(&self, changes: &[Change<L>]) -> Self {
        let changes = in_order(changes);
        debug_assert!(changes.iter().all(|c| has_position(self.height, c.0)));
        let top = apply(self.top.as_ref(), &changes);
        let root = top.as_ref().map_or(EMPTY, |top| top.lifted(self.height));
        let height = self.height;
        Self { height, top, root }
    }

    /// The siblings on the way from `position` to the root, whether or not a leaf is there.
    ///
    /// A position that the tree does not have gives a path that refuses to fold.
    pub fn path(&self, position: u64) -> TreePath {
        let mut levels = vec![[EMPTY; ARITY]; self.height as usize];
        let mut next = self.top.as_ref();
        while let Some(link) = next {
            next = link.siblings(position, &mut levels);
        }
        TreePath::from_levels(position, &levels)
    }

    /// The leaves in the order of their positions.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &L)> {
        let mut stack: Vec<&Link<L>> = self.top.iter().collect();
        std::iter::from_fn(move || {
            loop {
                match stack.pop()? {
                    Link::Leaf(position, leaf) => return Some((*position, leaf)),
                    Link::Branch(branch) => stack.extend(branch.children.iter().rev().flatten()),
                }
            }
        })
    }
}

impl<L: Leaf> Link<L> {
    /// A position below this link.
    fn position(&self) -> u64 {
        match self {
            Self::Leaf(position, _) => *position,
            Self::Branch(branch) => branch.position,
        }
    }

    /// The level of a branch; a leaf has none.
    fn level(&self) -> Option<u32> {
        match self {
            Self::Leaf(..) => None,
            Self::Branch(branch) => Some(branch.level),
        }
    }

    /// The hash of the subtree of this height that holds this link and nothing else.
    fn lifted(&self, height: u32) -> Hash {
        match self {
            Self::Leaf(position, leaf) => lift(leaf.hash(), *position, 0, height),
            Self::Branch(branch) => {
                let hash = hash::node(&branch.lifted);
                lift(hash, branch.position, branch.level + 1, height)
            }
        }
    }

    /// What is at child `at` of a node at `level`, of which this link is all there is.
    fn child(&self, level: u32, at: usize) -> Option<&Self> {
        match self {
            Self::Branch(branch) if branch.level == level => branch.children[at].as_ref(),
            _ => (child_index(self.position(), level) == at).then_some(self),
        }
    }

    /// Enters what this link adds to the siblings of `position`; gives the link further down.
    fn siblings(&self, position: u64, levels: &mut [[Hash; ARITY]]) -> Option<&Self> {
        match (fork(position, self.position()), self) {
            (fork, Self::Branch(branch)) if fork <= Some(branch.level) => {
                *levels.get_mut(branch.level as usize)? = branch.lifted;
                branch.children[child_index(position, branch.level)].as_ref()
            }
            (Some(level), _) => {
                let place = levels.get_mut(level as usize)?;
                place[child_index(self.position(), level)] = self.lifted(level);
                None
            }
            (None, _) => None,
        }
    }
}

/// The level of the lowest node that has both positions below it; none if they are the same.
fn fork(one: u64, other: u64) -> Option<u32> {
    (one ^ other).checked_ilog2().map(|bit| bit / 2)
}

/// The changes by ascending position, each position once.
fn in_order<L: Clone>(changes: &[Change<L>]) -> Cow<'_, [Change<L>]> {
    if changes.is_sorted_by(|one, next| one.0 < next.0) {
        return Cow::Borrowed(changes);
    }
    let mut sorted: Vec<_> = changes.iter().rev().cloned().collect();
    sorted.sort_by_key(|change| change.0); // stable: of one position the last change comes first
    sorted.dedup_by_key(|change| change.0);
    Cow::Owned(sorted)
}

/// From this many changes on, computing subtrees on several threads pays.
const PARALLEL_CHANGES_MIN: usize = 128;

/// A child of a node, and what its hash is just below the node.
type Child<L> = (Option<Link<L>>, Hash);

/// The subtree `link` with `changes`, all of which belong below it or beside it.
///
/// Each step down is to a lower level, since the positions of one child share one more digit.
fn apply<L: Leaf>(link: Option<&Link<L>>, changes: &[Change<L>]) -> Option<Link<L>> {
    let ([first, ..], [.., last]) = (changes, changes) else {
        return link.cloned();
    };
    let Some(level) = node_level(link, first.0, last.0) else {
        return first.1.clone().map(|leaf| Link::Leaf(first.0, leaf));
    };
    let mut rest = changes;
    let parts: [&[Change<L>]; ARITY] = std::array::from_fn(|at| {
        let here = rest.partition_point(|change| child_index(change.0, level) <= at);
        let (own, later) = rest.split_at(here);
        rest = later;
        own
    });
    let child = |at: usize| apply_child(link, level, at, parts[at]);
    let children = match changes.len() < PARALLEL_CHANGES_MIN {
        true => std::array::from_fn(child),
        false => {
            let ((first, second), (third, fourth)) = rayon::join(
                || rayon::join(|| child(0), || child(1)),
                || rayon::join(|| child(2), || child(3)),
            );
            [first, second, third, fourth]
        }
    };
    join(level, children)
}

/// Child `at` of the node at `level` that `link` becomes.
fn apply_child<L: Leaf>(
    link: Option<&Link<L>>,
    level: u32,
    at: usize,
    changes: &[Change<L>],
) -> Child<L> {
    let child = apply(link.and_then(|link| link.child(level, at)), changes);
    let lifted = match (&child, link) {
        (None, _) => EMPTY,
        (_, Some(Link::Branch(old))) if old.level == level && changes.is_empty() => old.lifted[at],
        (Some(child), _) => child.lifted(level),
    };
    (child, lifted)
}

/// The level of the lowest node that has the link and all positions from `first` to `last` below
/// it; none if there is a single position.
fn node_level<L: Leaf>(link: Option<&Link<L>>, first: u64, last: u64) -> Option<u32> {
    let Some(link) = link else {
        return fork(first, last);
    };
    let (low, high) = (first.min(link.position()), last.max(link.position()));
    link.level().max(fork(low, high))
}

/// The subtree with these children at `level`: nothing, the lone child itself, or a branch.
fn join<L: Leaf>(level: u32, children: [Child<L>; ARITY]) -> Option<Link<L>> {
    let lifted = children.each_ref().map(|(_, lifted)| *lifted);
    let mut children = children.map(|(child, _)| child);
    if children.iter().flatten().count() < 2 {
        return children.iter_mut().find_map(Option::take);
    }
    let position = children.iter().flatten().next()?.position();
    Some(Link::Branch(Arc::new(Branch {
        level,
        position,
        lifted,
        children,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A leaf that counts how often trees ask for its hash.
    #[derive(Clone)]
    struct Counted(Hash, Arc<AtomicU32>);

    impl Leaf for Counted {
        fn hash(&self) -> Hash {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0
        }
    }

    fn tree_of(positions: impl IntoIterator<Item = u64>) -> Tree<Hash> {
        let changes: Vec<_> = positions
            .into_iter()
            .map(|position| (position, Some([position as u8 | 1; 32])))
            .collect();
        Tree::new(31).with(&changes)
    }

    /// P4: the root depends on the leaves, not on the order in which they came.
    #[test]
    fn order_does_not_show() {
        let at_once = tree_of([0, 1, 2, 63, 64, 200]);
        let mut one_by_one = Tree::new(31);
        for position in [200, 1, 64, 0, 2, 63] {
            one_by_one = one_by_one.with(&[(position, Some([position as u8 | 1; 32]))]);
        }
        assert_eq!(at_once.root(), one_by_one.root());
        assert_eq!(tree_of([64, 2, 0, 200, 63, 1]).root(), at_once.root());
        let last_wins = at_once.with(&[(5, Some([9; 32])), (1, None), (5, None)]);
        assert_eq!(last_wins.root(), tree_of([0, 2, 63, 64, 200]).root());
    }

    /// P2: a tree that others were made from is as it was, and removal leaves no trace.
    #[test]
    fn older_trees_stay() {
        let old = tree_of([3, 7, 90]);
        let new = old.with(&[(3, None), (7, None), (8, Some([1; 32])), (90, None)]);
        assert_eq!(old.root(), tree_of([3, 7, 90]).root());
        assert_eq!((old.iter().count(), new.iter().count()), (3, 1));
        assert_eq!((new.get(7), new.get(8)), (None, Some(&[1; 32])));
        let none = new.with(&[(8, None), (9, None)]);
        assert_eq!(none.iter().count(), 0);
        assert_eq!(none.root(), EMPTY);
    }

    /// P5: a change asks for the hashes of what changed and of a neighbour it moves, no others.
    #[test]
    fn cost_follows_the_change() {
        let count = Arc::new(AtomicU32::new(0));
        let leaf = |byte| Some(Counted([byte; 32], count.clone()));
        let all: Vec<_> = (0..10_000).map(|at| (at * 977, leaf(1))).collect();
        let tree = Tree::new(31).with(&all);
        count.store(0, Ordering::Relaxed);
        let changed = tree.with(&[(977, leaf(2)), (978, leaf(3)), (5_000 * 977, None)]);
        assert!(
            count.load(Ordering::Relaxed) <= 4,
            "{} hashes",
            count.load(Ordering::Relaxed)
        );
        assert_eq!(changed.iter().count(), 10_000);
        count.store(0, Ordering::Relaxed);
        assert_eq!(
            (changed.root(), changed.iter().count()),
            (changed.clone().root(), 10_000)
        );
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    fn branches(link: &Link<Hash>) -> u64 {
        let Link::Branch(branch) = link else { return 0 };
        let children = branch.children.iter().flatten();
        assert!(
            children.clone().count() >= 2,
            "a lone child needs no branch"
        );
        1 + children.map(branches).sum::<u64>()
    }

    /// P5: branches follow the leaves, also after leaves have gone; chains of lone nodes cost nothing.
    #[test]
    fn only_branching_nodes_are_kept() {
        let spread = (0..200).map(|at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 2);
        let full = tree_of(spread.clone());
        let removals: Vec<_> = spread.skip(2).map(|position| (position, None)).collect();
        for tree in [
            full.clone(),
            full.with(&removals[20..]),
            full.with(&removals),
        ] {
            let top = tree.top.as_ref().unwrap();
            assert!(branches(top) < tree.iter().count() as u64);
        }
    }

    /// P7: positions that the tree does not have are refused where a path is folded.
    #[test]
    fn foreign_positions_do_not_panic() {
        let tree = Tree::<Hash>::new(2).with(&[(3, Some([1; 32]))]);
        assert_eq!(tree.get(u64::MAX), None);
        assert!(tree.path(16).fold(16, EMPTY).is_err());
        assert!(tree.path(u64::MAX).fold(u64::MAX, EMPTY).is_err());
    }

    #[test]
    fn leaves_come_in_order() {
        let positions = [0, 5, 17, 18, 19, 1 << 40, (1 << 62) - 1];
        let found: Vec<_> = tree_of(positions).iter().map(|(at, _)| at).collect();
        assert_eq!(found, positions);
    }
}

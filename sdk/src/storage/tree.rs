//! A B+tree of bytes over nodes: entries in the leaves, by ascending keys.
//!
//! A full node is split at its middle; at the ends of the map there, so that keys that come in order fill their nodes. A node that
//! gets less than half full is merged with a neighbour, if both fit into one. So of any two neighbours under one parent either both together
//! are more than a node holds, or one of them is half full: nodes are a quarter full on average at least, about 70 % with keys in random
//! order, and a map has O(log n) levels whatever was done to it. A leaf without entries is given up, and an empty map has no root.

use crate::boundary::nodes::{NodeId, Nodes};

use super::nodes::{Shape, count, level};

/// Levels that the lookups of proofs go through, and more than any map in a memory has.
pub const LEVELS_MAX: usize = 32;

/// Where an entry is.
#[derive(Clone, Copy)]
pub struct Place {
    pub leaf: NodeId,
    pub index: usize,
}

/// Nodes above a leaf, from the root down, each with the number of the child that was taken.
pub struct Way {
    steps: [Option<(NodeId, usize)>; LEVELS_MAX],
    len: usize,
}

impl Way {
    pub const fn new() -> Self {
        Self {
            steps: [None; LEVELS_MAX],
            len: 0,
        }
    }

    pub fn push(&mut self, node: NodeId, child: usize) {
        self.steps[self.len] = Some((node, child));
        self.len += 1;
    }

    pub fn pop(&mut self) -> Option<(NodeId, usize)> {
        self.len = self.len.checked_sub(1)?;
        self.steps[self.len]
    }
}

/// The entry under `key`.
pub fn find(nodes: &Nodes, shape: Shape, key: &[u8]) -> Option<Place> {
    let mut leaf = nodes.root()?;
    loop {
        let node = nodes.node(leaf);
        if level(node) == 0 {
            let index = shape.search(node, key).ok()?;
            return Some(Place { leaf, index });
        }
        leaf = shape.child(node, shape.child_of(node, key));
    }
}

/// As [`find`], for an entry that will be changed: its leaf is said to be written before it is read. `is_small`: the root is a leaf, as far as
/// one can tell.
pub fn find_to_change(
    nodes: &mut Nodes,
    shape: Shape,
    key: &[u8],
    is_small: bool,
) -> Option<Place> {
    let mut node = nodes.root()?;
    if is_small {
        nodes.will_write(node);
    }
    while level(nodes.node(node)) > 0 {
        let bytes = nodes.node(node);
        let child = shape.child(bytes, shape.child_of(bytes, key));
        if level(bytes) == 1 {
            nodes.will_write(child);
        }
        node = child;
    }
    let index = shape.search(nodes.node(node), key).ok()?;
    Some(Place { leaf: node, index })
}

/// Which ends of the map a place is at.
#[derive(Clone, Copy)]
struct Ends {
    first: bool,
    last: bool,
}

impl Ends {
    /// Those of place `index` of `count` in a node at these ends.
    fn at(self, index: usize, count: usize) -> Self {
        Self {
            first: self.first && index == 0,
            last: self.last && index == count,
        }
    }

    /// Where to split a node of `count` keys in which something is put at these ends.
    fn middle(self, count: usize) -> usize {
        match self {
            Self { last: true, .. } => count,
            Self { first: true, .. } => 0,
            _ => count / 2,
        }
    }
}

/// What became of an insertion.
pub struct Inserted {
    pub place: Place,
    /// Whether the key was there already.
    pub existed: bool,
    /// The node that stands behind the one that was full.
    new: Option<NodeId>,
}

/// The entry under `key`, put in if there was none; its value is then whatever was there before.
/// `is_small` as in [`find_to_change`].
pub fn insert(nodes: &mut Nodes, shape: Shape, key: &[u8], is_small: bool) -> Inserted {
    let root = nodes.root().unwrap_or_else(|| {
        let root = nodes.allocate();
        nodes.set_root(Some(root));
        root
    });
    if is_small {
        nodes.will_write(root);
    }
    let ends = Ends {
        first: true,
        last: true,
    };
    let inserted = insert_below(nodes, shape, root, ends, key);
    if let Some(new) = inserted.new {
        raise_root(nodes, shape, root, new);
    }
    inserted
}

/// As deep as the tree has levels.
fn insert_below(nodes: &mut Nodes, shape: Shape, node: NodeId, ends: Ends, key: &[u8]) -> Inserted {
    let bytes = nodes.node(node);
    if level(bytes) == 0 {
        return insert_into_leaf(nodes, shape, node, ends, key);
    }
    let index = shape.child_of(bytes, key);
    let ends = ends.at(index, count(bytes));
    let child = shape.child(bytes, index);
    if level(bytes) == 1 {
        nodes.will_write(child);
    }
    let mut inserted = insert_below(nodes, shape, child, ends, key);
    if let Some(new) = inserted.new {
        inserted.new = insert_child(nodes, shape, node, ends, index, new);
    }
    inserted
}

fn insert_into_leaf(
    nodes: &mut Nodes,
    shape: Shape,
    leaf: NodeId,
    ends: Ends,
    key: &[u8],
) -> Inserted {
    let bytes = nodes.node(leaf);
    let (index, existed) = match shape.search(bytes, key) {
        Ok(index) => (index, true),
        Err(index) => (index, false),
    };
    let (mut place, mut new) = (Place { leaf, index }, None);
    if !existed {
        if shape.is_full(bytes) {
            let ends = ends.at(index, count(bytes));
            let right = nodes.allocate();
            place = split_leaf(nodes, shape, place, ends, right);
            new = Some(right);
        }
        shape.insert_entry(nodes.node_mut(place.leaf), place.index, key);
    }
    Inserted {
        place,
        existed,
        new,
    }
}

/// Moves a part of a full leaf to an empty one behind it; gives where the place came to be. Neither leaf is empty with an entry there.
fn split_leaf(nodes: &mut Nodes, shape: Shape, place: Place, ends: Ends, new: NodeId) -> Place {
    let Place { leaf, index } = place;
    let (left, right) = nodes.pair_mut(leaf, new);
    let at = ends.middle(count(left));
    shape.split_leaf(left, right, at);
    match index < at || at == 0 {
        true => place,
        false => Place {
            leaf: new,
            index: index - at,
        },
    }
}

/// Puts a new node behind child `index` of a node; gives the one behind this node if it was full.
fn insert_child(
    nodes: &mut Nodes,
    shape: Shape,
    node: NodeId,
    ends: Ends,
    index: usize,
    child: NodeId,
) -> Option<NodeId> {
    let (mut target, mut index, mut new) = (node, index, None);
    if shape.is_full(nodes.node(node)) {
        let right = nodes.allocate();
        let (left, bytes) = nodes.pair_mut(node, right);
        // The key at `at` goes up, so that there is one.
        let at = ends.middle(count(left)).min(count(left) - 1);
        shape.split_inner(left, bytes, at);
        if index > at {
            (target, index) = (right, index - at - 1);
        }
        new = Some(right);
    }
    let (target, bytes) = nodes.pair_mut(target, child);
    shape.insert_child(target, index, shape.separator(bytes), child);
    new
}

fn raise_root(nodes: &mut Nodes, shape: Shape, left: NodeId, right: NodeId) {
    let level = level(nodes.node(left)) + 1;
    assert!(usize::from(level) < LEVELS_MAX, "a map has too many levels");
    let root = nodes.allocate();
    let (bytes, behind) = nodes.pair_mut(root, right);
    shape.make_root(bytes, level, left, shape.separator(behind), right);
    nodes.set_root(Some(root));
}

/// What a removal did to a node.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Nothing: only nodes below it lost something.
    None,
    /// It has a key less.
    Key,
    /// It has nothing left.
    All,
}

/// Takes the entry under `key` out, after `reader` saw its value. `is_small` as in [`find_to_change`].
pub fn remove<R>(
    nodes: &mut Nodes,
    shape: Shape,
    key: &[u8],
    is_small: bool,
    reader: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    let root = nodes.root()?;
    let Place { leaf, index } = find_to_change(nodes, shape, key, is_small)?;
    let value = reader(shape.value(nodes.node(leaf), index));
    match remove_below(nodes, shape, root, key) {
        Loss::None => {}
        Loss::Key => lower_root(nodes, shape, root),
        Loss::All => {
            nodes.release(root);
            nodes.set_root(None);
        }
    }
    Some(value)
}

/// Takes an entry out that is there. As deep as the tree has levels.
fn remove_below(nodes: &mut Nodes, shape: Shape, node: NodeId, key: &[u8]) -> Loss {
    let bytes = nodes.node(node);
    if level(bytes) == 0 {
        return remove_from_leaf(nodes, shape, node, key);
    }
    let index = shape.child_of(bytes, key);
    let child = shape.child(bytes, index);
    match remove_below(nodes, shape, child, key) {
        Loss::None => Loss::None,
        Loss::Key => merge_around(nodes, shape, node, index),
        Loss::All => {
            nodes.release(child);
            if count(nodes.node(node)) == 0 {
                return Loss::All;
            }
            shape.remove_child(nodes.node_mut(node), index);
            Loss::Key
        }
    }
}

fn remove_from_leaf(nodes: &mut Nodes, shape: Shape, leaf: NodeId, key: &[u8]) -> Loss {
    let bytes = nodes.node_mut(leaf);
    let Ok(index) = shape.search(bytes, key) else {
        return Loss::None;
    };
    shape.remove_entry(bytes, index);
    match count(bytes) {
        0 => Loss::All,
        _ => Loss::Key,
    }
}

/// Takes roots with one child away.
fn lower_root(nodes: &mut Nodes, shape: Shape, mut root: NodeId) {
    while level(nodes.node(root)) > 0 && count(nodes.node(root)) == 0 {
        let child = shape.child(nodes.node(root), 0);
        nodes.release(root);
        root = child;
    }
    nodes.set_root(Some(root));
}

/// Merges a child that is less than half full with neighbours, where both fit into one node.
fn merge_around(nodes: &mut Nodes, shape: Shape, parent: NodeId, mut index: usize) -> Loss {
    let mut loss = Loss::None;
    if index > 0 && is_sparse(nodes, shape, parent, index) && merge(nodes, shape, parent, index - 1)
    {
        index -= 1;
        loss = Loss::Key;
    }
    let last = count(nodes.node(parent));
    if index < last && is_sparse(nodes, shape, parent, index) && merge(nodes, shape, parent, index)
    {
        loss = Loss::Key;
    }
    loss
}

fn is_sparse(nodes: &Nodes, shape: Shape, parent: NodeId, index: usize) -> bool {
    let child = shape.child(nodes.node(parent), index);
    !shape.is_half_full(nodes.node(child))
}

/// Merges child `index` of a node with the next one, if both fit into one node. Their children that become neighbours are looked at
/// in turn.
fn merge(nodes: &mut Nodes, shape: Shape, parent: NodeId, index: usize) -> bool {
    let above = nodes.node(parent);
    let (left, right) = (shape.child(above, index), shape.child(above, index + 1));
    if !shape.fit_together(nodes.node(left), nodes.node(right)) {
        return false;
    }
    let is_inner = level(nodes.node(left)) > 0;
    let end = count(nodes.node(left));
    if is_inner {
        let (into, above) = nodes.pair_mut(left, parent);
        shape.set_key(into, end, shape.key(above, index));
    }
    let (into, from) = nodes.pair_mut(left, right);
    shape.append(into, from);
    nodes.release(right);
    shape.remove_child(nodes.node_mut(parent), index + 1);
    if is_inner {
        merge(nodes, shape, left, end);
    }
    true
}

/// Gives up every node, and their memory.
pub fn clear(nodes: &mut Nodes, shape: Shape) {
    if let Some(root) = nodes.root() {
        nodes.set_root(None);
        release_all(nodes, shape, root);
    }
    nodes.free_released();
}

/// As deep as the tree has levels.
fn release_all(nodes: &mut Nodes, shape: Shape, node: NodeId) {
    if level(nodes.node(node)) > 0 {
        for index in 0..=count(nodes.node(node)) {
            let child = shape.child(nodes.node(node), index);
            release_all(nodes, shape, child);
        }
    }
    nodes.release(node);
}

/// Checks everything that holds between operations; gives the number of entries.
#[cfg(test)]
pub fn check(nodes: &Nodes, shape: Shape) -> u64 {
    nodes
        .root()
        .map_or(0, |root| check_node(nodes, shape, root, None, None))
}

#[cfg(test)]
fn check_node(
    nodes: &Nodes,
    shape: Shape,
    id: NodeId,
    low: Option<&[u8]>,
    high: Option<&[u8]>,
) -> u64 {
    let node = nodes.node(id);
    let keys: alloc::vec::Vec<_> = (0..count(node)).map(|at| shape.key(node, at)).collect();
    assert!(keys.is_sorted_by(|one, next| one < next));
    assert!(low.is_none_or(|low| keys.first().is_none_or(|key| low <= *key)));
    assert!(high.is_none_or(|high| keys.last().is_none_or(|key| *key < high)));
    if level(node) == 0 {
        assert!(!keys.is_empty(), "a leaf without entries");
        return keys.len() as u64;
    }
    let mut entries = 0;
    for index in 0..=keys.len() {
        let child = shape.child(node, index);
        assert_eq!(level(nodes.node(child)), level(node) - 1);
        if index > 0 {
            let pair = [shape.child(node, index - 1), child].map(|id| nodes.node(id));
            let is_good = !shape.fit_together(pair[0], pair[1])
                || pair.iter().any(|node| shape.is_half_full(node));
            assert!(is_good, "neighbours that are almost empty");
        }
        let low = index.checked_sub(1).map(|before| keys[before]).or(low);
        let high = keys.get(index).copied().or(high);
        entries += check_node(nodes, shape, child, low, high);
    }
    entries
}

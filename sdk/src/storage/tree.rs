//! A B+tree of bytes over nodes: entries in the leaves, by ascending keys, in nodes that are half full on average at least.
//!
//! Two neighbours under one parent never fit into one node, so a map has O(log n) levels whatever was done to it: a full node
//! passes what is too much on to a neighbour, and is split in two only between full neighbours; a node that lost something is merged with a
//! neighbour where they fit. Splits are in the middle or, for a key that comes at an end, there: keys that come in order fill their
//! nodes. A leaf without entries is given up, and an empty map has no root.

use crate::boundary::nodes::{NodeId, Nodes};

use super::nodes::{Shape, count, level};
use super::spill;
use super::values::KEY_BYTES_MAX;

/// Levels that the lookups of proofs go through, and more than any map in a memory has.
pub const LEVELS_MAX: usize = 32;

/// An entry, or where one would be.
#[derive(Clone, Copy)]
pub struct Place {
    pub leaf: NodeId,
    pub index: usize,
}

/// The nodes above a leaf, from the root down, each with the number of the child that was taken.
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

    fn last(&self) -> Option<(NodeId, usize)> {
        self.steps[self.len.checked_sub(1)?]
    }
}

/// A key on its way to the level above.
pub struct Separator {
    bytes: [u8; KEY_BYTES_MAX],
    len: usize,
}

impl Separator {
    pub fn new(key: &[u8]) -> Self {
        let mut bytes = [0; KEY_BYTES_MAX];
        bytes[..key.len()].copy_from_slice(key);
        let len = key.len();
        Self { bytes, len }
    }

    pub fn key(&self) -> &[u8] {
        &self.bytes[..self.len]
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

/// The way from `root` to the leaf where `key` is (`Ok`) or belongs (`Err`).
fn way(nodes: &Nodes, shape: Shape, root: NodeId, key: &[u8]) -> (Way, Result<Place, Place>) {
    let mut way = Way::new();
    let mut leaf = root;
    loop {
        let node = nodes.node(leaf);
        if level(node) == 0 {
            let place = |index| Place { leaf, index };
            return (way, shape.search(node, key).map(place).map_err(place));
        }
        let child = shape.child_of(node, key);
        way.push(leaf, child);
        leaf = shape.child(node, child);
    }
}

/// Puts an entry in. If the key is there already, gives its place and changes nothing.
pub fn insert(nodes: &mut Nodes, shape: Shape, key: &[u8], value: &[u8]) -> Option<Place> {
    let root = nodes.root().unwrap_or_else(|| {
        let root = nodes.allocate();
        nodes.set_root(Some(root));
        root
    });
    let (way, place) = way(nodes, shape, root, key);
    match place {
        Ok(place) => return Some(place),
        Err(place) => insert_at(nodes, shape, way, place, key, value),
    }
    None
}

fn insert_at(
    nodes: &mut Nodes,
    shape: Shape,
    mut way: Way,
    place: Place,
    key: &[u8],
    value: &[u8],
) {
    if !shape.is_full(nodes.node(place.leaf)) {
        return shape.insert_entry(nodes.node_mut(place.leaf), place.index, key, value);
    }
    if let Some((parent, child)) = way.last()
        && spill::leaf(nodes, shape, parent, child, place, key, value)
    {
        return;
    }
    let (mut separator, mut new) = split_leaf(nodes, shape, place, key, value);
    while let Some((node, index)) = way.pop() {
        if !shape.is_full(nodes.node(node)) {
            return shape.insert_child(nodes.node_mut(node), index, separator.key(), new);
        }
        if let Some((parent, child)) = way.last()
            && spill::inner(nodes, shape, parent, child, index, separator.key(), new)
        {
            return;
        }
        (separator, new) = split_inner(nodes, shape, node, index, &separator, new);
    }
    raise_root(nodes, shape, &separator, new);
}

/// Where to split a node of `count` keys that gets one more at `index`.
fn middle(count: usize, index: usize) -> usize {
    match index {
        0 => 0,
        index if index == count => count,
        _ => count / 2,
    }
}

/// Splits a full leaf and puts the entry in; gives the new leaf behind it, and its first key.
fn split_leaf(
    nodes: &mut Nodes,
    shape: Shape,
    place: Place,
    key: &[u8],
    value: &[u8],
) -> (Separator, NodeId) {
    let Place { leaf, index } = place;
    let new = nodes.allocate();
    let (left, right) = nodes.pair_mut(leaf, new);
    let at = middle(count(left), index);
    shape.split_leaf(left, right, at);
    if index < at || at == 0 {
        shape.insert_entry(left, index, key, value);
    } else {
        shape.insert_entry(right, index - at, key, value);
    }
    (Separator::new(shape.key(right, 0)), new)
}

/// Splits a full node and puts the key and the child behind it in; gives the new node, and the key in front of it.
fn split_inner(
    nodes: &mut Nodes,
    shape: Shape,
    node: NodeId,
    index: usize,
    separator: &Separator,
    child: NodeId,
) -> (Separator, NodeId) {
    let new = nodes.allocate();
    let (left, right) = nodes.pair_mut(node, new);
    // The key at `at` goes up, so that there is one.
    let at = middle(count(left), index).min(count(left) - 1);
    let above = Separator::new(shape.key(left, at));
    shape.split_inner(left, right, at);
    if index <= at {
        shape.insert_child(left, index, separator.key(), child);
    } else {
        shape.insert_child(right, index - at - 1, separator.key(), child);
    }
    (above, new)
}

fn raise_root(nodes: &mut Nodes, shape: Shape, separator: &Separator, right: NodeId) {
    let Some(left) = nodes.root() else {
        return; // what was split had a root
    };
    let level = level(nodes.node(left)) + 1;
    assert!(usize::from(level) < LEVELS_MAX, "a map has too many levels");
    let root = nodes.allocate();
    shape.make_root(nodes.node_mut(root), level, left, separator.key(), right);
    nodes.set_root(Some(root));
}

/// Takes the entry under `key` out, after `reader` saw its value.
pub fn remove<R>(
    nodes: &mut Nodes,
    shape: Shape,
    key: &[u8],
    reader: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    let (way, place) = way(nodes, shape, nodes.root()?, key);
    let Place { leaf, index } = place.ok()?;
    let value = reader(shape.value(nodes.node(leaf), index));
    shape.remove_entry(nodes.node_mut(leaf), index);
    shrink(nodes, shape, way, leaf);
    Some(value)
}

/// Merges nodes and gives nodes up from `node`, which lost a key, upwards.
fn shrink(nodes: &mut Nodes, shape: Shape, mut way: Way, mut node: NodeId) {
    let mut is_gone = count(nodes.node(node)) == 0;
    while let Some((parent, child)) = way.pop() {
        if is_gone {
            nodes.release(node);
            is_gone = count(nodes.node(parent)) == 0;
            if !is_gone {
                shape.remove_child(nodes.node_mut(parent), child);
            }
        } else if !merge_around(nodes, shape, parent, child) {
            return;
        }
        node = parent;
    }
    if is_gone {
        nodes.release(node);
        return nodes.set_root(None);
    }
    lower_root(nodes, shape, node);
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

/// Merges a child with a neighbour, if both fit into one node.
fn merge_around(nodes: &mut Nodes, shape: Shape, parent: NodeId, child: usize) -> bool {
    let last = count(nodes.node(parent));
    (child > 0 && merge(nodes, shape, parent, child - 1))
        || (child < last && merge(nodes, shape, parent, child))
}

/// Merges child `left` of a node with the next one, if both fit into one node. Their children that become neighbours
/// are looked at in turn.
pub fn merge(nodes: &mut Nodes, shape: Shape, parent: NodeId, left: usize) -> bool {
    let above = nodes.node(parent);
    let (one, other) = (shape.child(above, left), shape.child(above, left + 1));
    if !shape.fit_together(nodes.node(one), nodes.node(other)) {
        return false;
    }
    let separator = Separator::new(shape.key(above, left));
    let (into, from) = nodes.pair_mut(one, other);
    let (is_inner, end) = (level(into) > 0, count(into));
    match is_inner {
        false => shape.merge_leaves(into, from),
        true => shape.merge_inner(into, separator.key(), from),
    }
    nodes.release(other);
    shape.remove_child(nodes.node_mut(parent), left + 1);
    if is_inner {
        merge(nodes, shape, one, end);
    }
    true
}

/// Gives up every node below and including the root.
pub fn clear(nodes: &mut Nodes, shape: Shape) {
    let Some(root) = nodes.root() else {
        return;
    };
    nodes.set_root(None);
    release_all(nodes, shape, root);
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
            let before = nodes.node(shape.child(node, index - 1));
            let fit = shape.fit_together(before, nodes.node(child));
            assert!(!fit, "neighbours that fit into one node");
        }
        let low = index.checked_sub(1).map(|before| keys[before]).or(low);
        let high = keys.get(index).copied().or(high);
        entries += check_node(nodes, shape, child, low, high);
    }
    entries
}

//! The nodes above a vector's leaves. They are for proofs only: the vector itself finds its leaves by their numbers.
//!
//! Every node but those at the end of a level has all the children that it has room for, so that the nodes are a function of the number of leaves:
//! with `c` children, `h` levels stand over up to `c^h` leaves. One leaf has none.

use crate::boundary::nodes::{NodeId, Nodes};

use super::nodes::{Shape, count};

/// Levels above so many leaves.
fn height(shape: Shape, leaves: u64) -> u32 {
    let (mut height, mut under) = (0, 1);
    while under < leaves {
        under *= shape.children_max() as u64;
        height += 1;
    }
    height
}

/// Leaves under a full node of this level.
fn leaves_under(shape: Shape, level: u32) -> u64 {
    (shape.children_max() as u64).pow(level)
}

/// Puts leaf `number`, whose first key is `key`, behind those below it.
pub fn link(nodes: &mut Nodes, shape: Shape, number: u64, leaf: NodeId, key: &[u8]) {
    let Some(root) = nodes.root() else {
        return nodes.set_root(Some(leaf));
    };
    let height = height(shape, number);
    if number == leaves_under(shape, height) {
        let branch = branch(nodes, shape, height, leaf);
        let top = nodes.allocate();
        let level = (height + 1) as u16; // a few
        shape.make_root(nodes.node_mut(top), level, root, key, branch);
        return nodes.set_root(Some(top));
    }
    let (mut node, mut level) = (root, height);
    while !number.is_multiple_of(leaves_under(shape, level - 1)) {
        let bytes = nodes.node(node);
        node = shape.child(bytes, count(bytes));
        level -= 1;
    }
    let branch = branch(nodes, shape, level - 1, leaf);
    let bytes = nodes.node_mut(node);
    shape.insert_child(bytes, count(bytes), key, branch);
}

/// A leaf under new nodes up to a level, each with one child.
fn branch(nodes: &mut Nodes, shape: Shape, level: u32, leaf: NodeId) -> NodeId {
    let mut top = leaf;
    for level in 1..=level {
        let node = nodes.allocate();
        shape.make_lone(nodes.node_mut(node), level as u16, top);
        top = node;
    }
    top
}

/// Leaves the first `kept` of `leaves` leaves.
pub fn truncate(nodes: &mut Nodes, shape: Shape, leaves: u64, kept: u64) {
    let Some(root) = nodes.root() else { return };
    let (mut node, mut level) = (root, height(shape, leaves));
    if kept == 0 {
        release_all(nodes, shape, node, level);
        return nodes.set_root(None);
    }
    let height = height(shape, kept);
    while level > height {
        let first = shape.child(nodes.node(node), 0);
        release_behind(nodes, shape, node, level, 0);
        nodes.release(node);
        (node, level) = (first, level - 1);
    }
    nodes.set_root(Some(node));
    while level > 0 {
        let last = (kept - 1) / leaves_under(shape, level - 1) % shape.children_max() as u64;
        let last = last as usize; // below the number of children
        release_behind(nodes, shape, node, level, last);
        if last < count(nodes.node(node)) {
            shape.truncate(nodes.node_mut(node), last);
        }
        (node, level) = (shape.child(nodes.node(node), last), level - 1);
    }
}

/// Gives up the nodes under the children behind `last`.
fn release_behind(nodes: &mut Nodes, shape: Shape, node: NodeId, level: u32, last: usize) {
    if level > 1 {
        for index in last + 1..=count(nodes.node(node)) {
            let child = shape.child(nodes.node(node), index);
            release_all(nodes, shape, child, level - 1);
        }
    }
}

/// Gives up a node and those under it, but not the leaves. As deep as there are levels.
fn release_all(nodes: &mut Nodes, shape: Shape, node: NodeId, level: u32) {
    if level > 0 {
        let first = shape.child(nodes.node(node), 0);
        release_all(nodes, shape, first, level - 1);
        release_behind(nodes, shape, node, level, 0);
        nodes.release(node);
    }
}

/// The number of nodes.
#[cfg(test)]
pub fn len(nodes: &Nodes, shape: Shape, leaves: u64) -> usize {
    fn below(nodes: &Nodes, shape: Shape, node: NodeId, level: u32) -> usize {
        if level == 0 {
            return 0;
        }
        let children = 0..=count(nodes.node(node));
        let children = children.map(|index| shape.child(nodes.node(node), index));
        1 + children
            .map(|child| below(nodes, shape, child, level - 1))
            .sum::<usize>()
    }
    let height = height(shape, leaves);
    nodes
        .root()
        .map_or(0, |root| below(nodes, shape, root, height))
}

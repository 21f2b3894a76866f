//! What a full node does with one more key: a neighbour that is not full takes one from it.
//!
//! The node itself stays full, so that neither of its neighbours ever fits into one node with it.

use crate::boundary::nodes::{NodeId, Nodes};

use super::nodes::{Shape, count};
use super::tree::{self, Place, Separator};

/// The neighbours of child `child` of a node, each with the number of the key between.
fn neighbours(nodes: &Nodes, shape: Shape, parent: NodeId, child: usize) -> [Option<NodeId>; 2] {
    let above = nodes.node(parent);
    let left = child.checked_sub(1).map(|left| shape.child(above, left));
    let right = (child < count(above)).then(|| shape.child(above, child + 1));
    [left, right].map(|node| node.filter(|node| !shape.is_full(nodes.node(*node))))
}

/// Puts an entry into the full leaf that is child `child` of a node, if a neighbour can take one in exchange.
pub fn leaf(
    nodes: &mut Nodes,
    shape: Shape,
    parent: NodeId,
    child: usize,
    place: Place,
    key: &[u8],
    value: &[u8],
) -> bool {
    let (separator, index) = match neighbours(nodes, shape, parent, child) {
        [Some(left), _] => (
            leaf_to_left(nodes, shape, left, place, key, value),
            child - 1,
        ),
        [None, Some(right)] => (leaf_to_right(nodes, shape, right, place, key, value), child),
        [None, None] => return false,
    };
    shape.set_key(nodes.node_mut(parent), index, separator.key());
    true
}

/// Gives the first key of the leaf as it is afterwards.
fn leaf_to_left(
    nodes: &mut Nodes,
    shape: Shape,
    left: NodeId,
    place: Place,
    key: &[u8],
    value: &[u8],
) -> Separator {
    let (left, own) = nodes.pair_mut(left, place.leaf);
    let end = count(left);
    match place.index.checked_sub(1) {
        None => shape.insert_entry(left, end, key, value),
        Some(index) => {
            shape.insert_entry(left, end, shape.key(own, 0), shape.value(own, 0));
            shape.remove_entry(own, 0);
            shape.insert_entry(own, index, key, value);
        }
    }
    Separator::new(shape.key(own, 0))
}

/// Gives the first key of the leaf on the right.
fn leaf_to_right(
    nodes: &mut Nodes,
    shape: Shape,
    right: NodeId,
    place: Place,
    key: &[u8],
    value: &[u8],
) -> Separator {
    let (right, own) = nodes.pair_mut(right, place.leaf);
    let last = count(own) - 1;
    if place.index > last {
        shape.insert_entry(right, 0, key, value);
    } else {
        shape.insert_entry(right, 0, shape.key(own, last), shape.value(own, last));
        shape.remove_entry(own, last);
        shape.insert_entry(own, place.index, key, value);
    }
    Separator::new(shape.key(right, 0))
}

/// Puts key `index` and the child behind it into the full node that is child `child` of another, if a neighbour can take a child
/// in exchange.
pub fn inner(
    nodes: &mut Nodes,
    shape: Shape,
    parent: NodeId,
    child: usize,
    index: usize,
    key: &[u8],
    new: NodeId,
) -> bool {
    let own = shape.child(nodes.node(parent), child);
    let neighbours = neighbours(nodes, shape, parent, child);
    let between = match neighbours {
        [Some(_), _] => child - 1,
        [None, Some(_)] => child,
        [None, None] => return false,
    };
    let down = Separator::new(shape.key(nodes.node(parent), between));
    // What comes to a neighbour has a neighbour there that it may fit into one node with.
    let up = match neighbours {
        [Some(left), _] => {
            let end = count(nodes.node(left));
            let up = inner_to_left(nodes, shape, [left, own], &down, index, key, new);
            tree::merge(nodes, shape, left, end);
            up
        }
        [None, Some(right)] => {
            let up = inner_to_right(nodes, shape, [right, own], &down, index, key, new);
            tree::merge(nodes, shape, right, 0);
            up
        }
        [None, None] => return false,
    };
    shape.set_key(nodes.node_mut(parent), between, up.key());
    true
}

/// The key `down` between both nodes goes to the left one; gives the one that takes its place.
fn inner_to_left(
    nodes: &mut Nodes,
    shape: Shape,
    [left, own]: [NodeId; 2],
    down: &Separator,
    index: usize,
    key: &[u8],
    new: NodeId,
) -> Separator {
    let (left, own) = nodes.pair_mut(left, own);
    let end = count(left);
    shape.insert_child(left, end, down.key(), shape.child(own, 0));
    match index.checked_sub(1) {
        None => {
            shape.set_child(own, 0, new);
            Separator::new(key)
        }
        Some(index) => {
            let up = Separator::new(shape.key(own, 0));
            shape.remove_child(own, 0);
            shape.insert_child(own, index, key, new);
            up
        }
    }
}

/// The key `down` between both nodes goes to the right one; gives the one that takes its place.
fn inner_to_right(
    nodes: &mut Nodes,
    shape: Shape,
    [right, own]: [NodeId; 2],
    down: &Separator,
    index: usize,
    key: &[u8],
    new: NodeId,
) -> Separator {
    let (right, own) = nodes.pair_mut(right, own);
    let count = count(own);
    if index == count {
        shape.insert_first_child(right, new, down.key());
        return Separator::new(key);
    }
    let up = Separator::new(shape.key(own, count - 1));
    shape.insert_first_child(right, shape.child(own, count), down.key());
    shape.remove_child(own, count);
    shape.insert_child(own, index, key, new);
    up
}

//! Places of entries one after the other.

use crate::boundary::nodes::{NodeId, Nodes};

use super::nodes::{Shape, count, level};
use super::tree::{Place, Way};

/// The places of a tree from one on, by ascending keys. It does not allocate.
pub struct Places<'a> {
    nodes: &'a Nodes,
    shape: Shape,
    way: Way,
    next: Option<Place>,
}

impl<'a> Places<'a> {
    /// All places.
    pub fn all(nodes: &'a Nodes, shape: Shape) -> Self {
        let mut places = Self::none(nodes, shape);
        if let Some(root) = nodes.root() {
            places.descend(root);
        }
        places
    }

    /// Those of keys that are not below `key`; without `key` itself if `is_behind`.
    pub fn from_key(nodes: &'a Nodes, shape: Shape, key: &[u8], is_behind: bool) -> Self {
        let mut places = Self::none(nodes, shape);
        let Some(mut leaf) = nodes.root() else {
            return places;
        };
        while level(nodes.node(leaf)) > 0 {
            let node = nodes.node(leaf);
            let child = shape.child_of(node, key);
            places.way.push(leaf, child);
            leaf = shape.child(node, child);
        }
        let index = match shape.search(nodes.node(leaf), key) {
            Ok(index) => index + usize::from(is_behind),
            Err(index) => index,
        };
        places.go_to(leaf, index);
        places
    }

    const fn none(nodes: &'a Nodes, shape: Shape) -> Self {
        Self {
            nodes,
            shape,
            way: Way::new(),
            next: None,
        }
    }

    /// The key at a place.
    pub fn key(&self, place: Place) -> &'a [u8] {
        self.shape.key(self.nodes.node(place.leaf), place.index)
    }

    /// Goes to a place in a leaf, or behind it.
    fn go_to(&mut self, leaf: NodeId, index: usize) {
        match index < count(self.nodes.node(leaf)) {
            true => self.next = Some(Place { leaf, index }),
            false => self.ascend(),
        }
    }

    /// Goes to the first place below `node`.
    fn descend(&mut self, mut node: NodeId) {
        while level(self.nodes.node(node)) > 0 {
            self.way.push(node, 0);
            node = self.shape.child(self.nodes.node(node), 0);
        }
        self.next = Some(Place {
            leaf: node,
            index: 0,
        });
    }

    /// Goes to the first place behind the leaf that was last gone to.
    fn ascend(&mut self) {
        self.next = None;
        while let Some((parent, child)) = self.way.pop() {
            let node = self.nodes.node(parent);
            if child < count(node) {
                self.way.push(parent, child + 1);
                return self.descend(self.shape.child(node, child + 1));
            }
        }
    }
}

impl Iterator for Places<'_> {
    type Item = Place;

    fn next(&mut self) -> Option<Place> {
        let place = self.next?;
        self.go_to(place.leaf, place.index + 1);
        Some(place)
    }
}

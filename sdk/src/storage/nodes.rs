//! What the bytes of one node mean, and how one is changed.
//!
//! | bytes | content |
//! |---|---|
//! | 0..2 | number of keys, `u16` little-endian |
//! | 2..4 | level, `u16` little-endian: 0 for a leaf, otherwise one more than that of its children |
//! | 4..8 | zeros |
//! | 8.. | room for as many keys as fit, ascending |
//! | behind | room for their values; above the leaves for the addresses of children, one more than keys |
//!
//! Child `i` holds the keys below key `i` and not below key `i - 1`. What lies in unused room means nothing.

use crate::boundary::nodes::{NODE_BYTES, NodeBytes, NodeId};

const HEAD_BYTES: usize = 8;
const CHILD_BYTES: usize = 8;

/// Sizes of keys and values of a map.
#[derive(Clone, Copy)]
pub struct Shape {
    key_bytes: usize,
    value_bytes: usize,
}

/// Where the keys of a node and what goes with them lie.
#[derive(Clone, Copy)]
struct Room {
    keys_max: usize,
    key_bytes: usize,
    /// Bytes of a value or child.
    part_bytes: usize,
}

impl Room {
    const fn key(self, index: usize) -> usize {
        HEAD_BYTES + index * self.key_bytes
    }

    const fn part(self, index: usize) -> usize {
        self.key(self.keys_max) + index * self.part_bytes
    }
}

impl Shape {
    /// Stops the build where keys and values do not fit into nodes.
    pub const fn new(key_bytes: usize, value_bytes: usize) -> Self {
        let shape = Self {
            key_bytes,
            value_bytes,
        };
        assert!(key_bytes > 0, "the keys of a map have one byte at least");
        assert!(
            shape.room(1).keys_max >= 3,
            "the keys of a map are too large: at most 325 bytes"
        );
        assert!(
            shape.room(0).keys_max >= 2,
            "keys and values of a map are too large: at most 504 bytes together"
        );
        shape
    }

    /// Entries that a leaf has room for.
    pub const fn entries_max(self) -> usize {
        self.room(0).keys_max
    }

    /// Children that a node above the leaves has room for.
    pub const fn children_max(self) -> usize {
        self.room(1).keys_max + 1
    }

    const fn room(self, level: u16) -> Room {
        let parts = NODE_BYTES - HEAD_BYTES;
        let key_bytes = self.key_bytes;
        match level {
            0 => Room {
                keys_max: parts / (key_bytes + self.value_bytes),
                key_bytes,
                part_bytes: self.value_bytes,
            },
            _ => Room {
                keys_max: (parts - CHILD_BYTES) / (key_bytes + CHILD_BYTES),
                key_bytes,
                part_bytes: CHILD_BYTES,
            },
        }
    }

    fn room_of(self, node: &NodeBytes) -> Room {
        self.room(level(node))
    }

    pub fn is_full(self, node: &NodeBytes) -> bool {
        count(node) == self.room_of(node).keys_max
    }

    /// Whether a node has as much as the halves of a full one.
    pub fn is_half_full(self, node: &NodeBytes) -> bool {
        // One key goes up where a node above the leaves is split.
        let gone = usize::from(level(node) > 0);
        count(node) >= (self.room_of(node).keys_max - gone) / 2
    }

    /// Whether both nodes, neighbours of one level, fit into one.
    pub fn fit_together(self, left: &NodeBytes, right: &NodeBytes) -> bool {
        let separator = usize::from(level(left) > 0);
        count(left) + count(right) + separator <= self.room_of(left).keys_max
    }

    pub fn key(self, node: &NodeBytes, index: usize) -> &[u8] {
        &node[HEAD_BYTES + index * self.key_bytes..][..self.key_bytes]
    }

    pub fn value(self, leaf: &NodeBytes, index: usize) -> &[u8] {
        &leaf[self.room(0).part(index)..][..self.value_bytes]
    }

    pub fn value_mut(self, leaf: &mut NodeBytes, index: usize) -> &mut [u8] {
        &mut leaf[self.room(0).part(index)..][..self.value_bytes]
    }

    pub fn child(self, node: &NodeBytes, index: usize) -> NodeId {
        let mut bytes = [0; CHILD_BYTES];
        bytes.copy_from_slice(&node[self.room(1).part(index)..][..CHILD_BYTES]);
        NodeId::from_bytes(bytes)
    }

    /// The place of `key`, or where it belongs.
    pub fn search(self, node: &NodeBytes, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, count(node));
        while low < high {
            let middle = (low + high) / 2;
            match self.key(node, middle).cmp(key) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Equal => return Ok(middle),
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Which child of a node holds the key, if any does.
    pub fn child_of(self, node: &NodeBytes, key: &[u8]) -> usize {
        match self.search(node, key) {
            Ok(index) => index + 1,
            Err(index) => index,
        }
    }

    /// Puts a key into a leaf that is not full, with room for its value.
    pub fn insert_entry(self, leaf: &mut NodeBytes, index: usize, key: &[u8]) {
        let (room, count) = (self.room(0), count(leaf));
        self.insert_key(leaf, index, key);
        leaf.copy_within(room.part(index)..room.part(count), room.part(index + 1));
        leaf[room.part(index)..room.part(index + 1)].fill(0);
    }

    /// Puts a key behind the last of a leaf that is not full. The room of its value is left as it is.
    pub fn append_key(self, leaf: &mut NodeBytes, key: &[u8]) {
        let count = count(leaf);
        self.set_key(leaf, count, key);
        set_count(leaf, count + 1);
    }

    /// Leaves the first `len` keys of a node, with what belongs to them. Writes nothing if there are no more.
    pub fn truncate(self, node: &mut NodeBytes, len: usize) {
        if len < count(node) {
            set_count(node, len);
        }
    }

    /// Puts a key and the child behind it into a node that is not full.
    pub fn insert_child(self, node: &mut NodeBytes, index: usize, key: &[u8], child: NodeId) {
        let (room, parts) = (self.room(1), count(node) + 1);
        self.insert_key(node, index, key);
        node.copy_within(room.part(index + 1)..room.part(parts), room.part(index + 2));
        self.set_child(node, index + 1, child);
    }

    fn insert_key(self, node: &mut NodeBytes, index: usize, key: &[u8]) {
        let (room, count) = (self.room_of(node), count(node));
        node.copy_within(room.key(index)..room.key(count), room.key(index + 1));
        self.set_key(node, index, key);
        set_count(node, count + 1);
    }

    /// Takes the entry at `index` out of a leaf.
    pub fn remove_entry(self, leaf: &mut NodeBytes, index: usize) {
        let parts = count(leaf);
        self.remove(leaf, index, index, parts);
    }

    /// Takes child `index` out of a node, and a key next to it. The node has two children at least.
    pub fn remove_child(self, node: &mut NodeBytes, index: usize) {
        let parts = count(node) + 1;
        self.remove(node, index.saturating_sub(1), index, parts);
    }

    fn remove(self, node: &mut NodeBytes, index: usize, part: usize, parts: usize) {
        let (room, count) = (self.room_of(node), count(node));
        node.copy_within(room.key(index + 1)..room.key(count), room.key(index));
        node.copy_within(room.part(part + 1)..room.part(parts), room.part(part));
        set_count(node, count - 1);
    }

    pub fn set_key(self, node: &mut NodeBytes, index: usize, key: &[u8]) {
        node[HEAD_BYTES + index * self.key_bytes..][..self.key_bytes].copy_from_slice(key);
    }

    pub fn set_child(self, node: &mut NodeBytes, index: usize, child: NodeId) {
        node[self.room(1).part(index)..][..CHILD_BYTES].copy_from_slice(&child.to_bytes());
    }

    /// Moves the entries from `at` on into an empty leaf.
    pub fn split_leaf(self, left: &mut NodeBytes, right: &mut NodeBytes, at: usize) {
        let (room, count) = (self.room(0), count(left));
        copy(left, room.key(at)..room.key(count), right, room.key(0));
        copy(left, room.part(at)..room.part(count), right, room.part(0));
        set_head(right, count - at, 0);
        set_count(left, at);
    }

    /// Moves what is behind key `at` into an empty node, for which the key itself becomes the [`separator`](Self::separator).
    /// The new node keeps a room free until then.
    pub fn split_inner(self, left: &mut NodeBytes, right: &mut NodeBytes, at: usize) {
        let (room, count) = (self.room(1), count(left));
        copy(left, room.key(at + 1)..room.key(count), right, room.key(0));
        copy(
            left,
            room.part(at + 1)..room.part(count + 1),
            right,
            room.part(0),
        );
        copy(
            left,
            room.key(at)..room.key(at + 1),
            right,
            room.key(room.keys_max - 1),
        );
        set_head(right, count - at - 1, level(left));
        set_count(left, at);
    }

    /// The key that belongs in front of a node that came out of a split: a leaf's first one; above, the one kept in its last room.
    pub fn separator(self, node: &NodeBytes) -> &[u8] {
        match level(node) {
            0 => self.key(node, 0),
            _ => self.key(node, self.room(1).keys_max - 1),
        }
    }

    /// Appends all of a node to its left neighbour. Above the leaves, the key between them is already behind the last one there.
    pub fn append(self, left: &mut NodeBytes, right: &NodeBytes) {
        let (room, added) = (self.room_of(left), count(right));
        let inner = usize::from(level(left) > 0);
        let before = count(left) + inner;
        copy(right, room.key(0)..room.key(added), left, room.key(before));
        copy(
            right,
            room.part(0)..room.part(added + inner),
            left,
            room.part(before),
        );
        set_count(left, before + added);
    }

    /// Makes an empty node have one child.
    pub fn make_lone(self, node: &mut NodeBytes, level: u16, child: NodeId) {
        set_head(node, 0, level);
        self.set_child(node, 0, child);
    }

    /// Makes an empty node the root over two.
    pub fn make_root(
        self,
        root: &mut NodeBytes,
        level: u16,
        left: NodeId,
        key: &[u8],
        right: NodeId,
    ) {
        self.make_lone(root, level, left);
        self.insert_child(root, 0, key, right);
    }
}

/// Makes a leaf have no entries.
pub fn make_empty(leaf: &mut NodeBytes) {
    set_head(leaf, 0, 0);
}

pub fn count(node: &NodeBytes) -> usize {
    usize::from(u16::from_le_bytes([node[0], node[1]]))
}

pub fn level(node: &NodeBytes) -> u16 {
    u16::from_le_bytes([node[2], node[3]])
}

fn set_count(node: &mut NodeBytes, count: usize) {
    node[..2].copy_from_slice(&(count as u16).to_le_bytes()); // a node has room for fewer
}

fn set_head(node: &mut NodeBytes, count: usize, level: u16) {
    set_count(node, count);
    node[2..4].copy_from_slice(&level.to_le_bytes());
}

fn copy(from: &NodeBytes, range: core::ops::Range<usize>, to: &mut NodeBytes, at: usize) {
    to[at..at + range.len()].copy_from_slice(&from[range]);
}

//! The memory of a vector's leaves: segments of which each is as large as all before it and one leaf group more, so that
//! a leaf is found by its number and none ever moves.
//!
//! | segment | leaves | their numbers |
//! |---|---|---|
//! | 0 | 4 | 0..4 |
//! | 1 | 8 | 4..12 |
//! | `s` | `4 << s` | from `4 * (2^s - 1)` on |
//!
//! A leaf is a [node](super::nodes): 1,016 bytes at a multiple of 1,024. A segment's leaves lie side by side. Space for leaves that are not used
//! yet is reserved only: no page of it is touched.

use core::alloc::Layout;
use core::num::NonZeroU64;

use super::nodes::{NODE_ALIGN, NODE_BYTES, NodeBytes, NodeId};

/// Leaves of the first segment: a page of 4 KiB.
const FIRST: u64 = 4;
/// Segments that there can be: 64 GiB of leaves.
const SEGMENTS: usize = 24;

/// The leaves of one vector.
#[repr(C)]
pub struct Segments {
    /// How many leaves are there to be read: those of lower numbers.
    len: u64,
    starts: [Option<NodeId>; SEGMENTS],
}

impl Segments {
    pub const fn new() -> Self {
        Self {
            len: 0,
            starts: [None; SEGMENTS],
        }
    }

    /// The number of leaves.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Where a leaf is, for the nodes above it.
    pub fn id(&self, number: u64) -> NodeId {
        assert!(number < self.len, "a vector has lost a leaf");
        let (segment, offset) = place(number);
        match self.starts[segment] {
            Some(start) => start.after(offset),
            None => panic!("a vector has lost a segment"),
        }
    }

    pub fn leaf(&self, number: u64) -> &NodeBytes {
        // SAFETY: `id` gives only leaves that `append` has initialised; they change through `&mut self` only.
        unsafe { &*self.id(number).pointer() }
    }

    pub fn leaf_mut(&mut self, number: u64) -> &mut NodeBytes {
        // SAFETY: as in `leaf`; and no other reference into these leaves lives while `self` is borrowed.
        unsafe { &mut *self.id(number).pointer() }
    }

    /// Adds a leaf of zeros.
    pub fn append(&mut self) {
        let (segment, offset) = place(self.len);
        let start = *self.starts[segment].get_or_insert_with(|| allocate(segment));
        // SAFETY: the place lies in the segment, which was allocated for it, and nobody has had a reference to it.
        unsafe { start.after(offset).pointer().write_bytes(0, 1) };
        self.len += 1;
    }

    /// Gives all memory back.
    pub fn free(&mut self) {
        self.len = 0;
        for (segment, start) in self.starts.iter_mut().enumerate() {
            if let Some(start) = start.take() {
                // SAFETY: the segment was allocated with this layout; no leaf of it can be had any more.
                unsafe { alloc::alloc::dealloc(start.pointer().cast(), layout(segment)) };
            }
        }
    }
}

/// The segment of a leaf, and which of its leaves it is.
fn place(number: u64) -> (usize, u64) {
    let segment = (number / FIRST + 1).ilog2();
    let before = FIRST * ((1 << segment) - 1);
    (segment as usize, number - before)
}

/// As for nodes, the last eight bytes are left to the allocator.
fn layout(segment: usize) -> Layout {
    let len = ((FIRST << segment) as usize).saturating_mul(NODE_ALIGN);
    match Layout::from_size_align(len - (NODE_ALIGN - NODE_BYTES), NODE_ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("a vector is too large for the memory"),
    }
}

/// A segment whose bytes are not initialised.
fn allocate(segment: usize) -> NodeId {
    let layout = layout(segment);
    // SAFETY: the layout has a size.
    let start = unsafe { alloc::alloc::alloc(layout) };
    match NonZeroU64::new(start.expose_provenance() as u64) {
        Some(address) => NodeId::at(address),
        None => alloc::alloc::handle_alloc_error(layout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: leaves of different numbers never share a byte, also across segments, and stay where they are.
    #[test]
    fn leaves_lie_apart_and_never_move() {
        let mut segments = Segments::new();
        let mut ids = alloc::vec::Vec::new();
        for number in 0..100 {
            segments.append();
            segments.leaf_mut(number).fill(number as u8 + 1);
            ids.push(segments.id(number));
        }
        for number in 0..100 {
            assert_eq!(segments.id(number), ids[number as usize]);
            assert!(
                segments
                    .leaf(number)
                    .iter()
                    .all(|byte| *byte == number as u8 + 1)
            );
        }
        segments.free();
        assert_eq!(segments.len(), 0);
    }

    #[test]
    fn places_follow_each_other() {
        let found: alloc::vec::Vec<_> = [0, 3, 4, 11, 12, 27, 28].map(place).into();
        assert_eq!(
            found,
            [(0, 0), (0, 3), (1, 0), (1, 7), (2, 0), (2, 15), (3, 0)]
        );
    }

    #[test]
    #[should_panic(expected = "lost a leaf")]
    fn there_are_no_leaves_but_those_appended() {
        let mut segments = Segments::new();
        segments.append();
        segments.leaf(1);
    }
}

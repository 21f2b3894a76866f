//! The memory of a map's nodes, of a queue's, and of those above a vector's leaves.
//!
//! A node is 1,016 bytes at a multiple of 1,024, so that it lies in one chunk of the proofs; the other eight are where allocators keep the
//! size of what follows. Nodes that were given up are kept for the next that is needed: freed one by one, they would leave
//! gaps that no aligned node fits into.
//!
//! What makes it safe: ids come from [`Nodes::allocate`] of the same `Nodes`, possibly through the bytes of a node, and are
//! not used after [`Nodes::release`]. The storage types, which alone use this module, keep to that. (A vector's nodes also hold ids of its
//! leaves, which it reads through [`Segments`](super::segments::Segments) only.)

use core::alloc::Layout;
use core::num::NonZeroU64;

/// Bytes of a node.
pub const NODE_BYTES: usize = 1_016;
/// What its address is a multiple of.
pub const NODE_ALIGN: usize = 1_024;

/// The contents of a node.
pub type NodeBytes = [u8; NODE_BYTES];

/// A node: its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct NodeId(NonZeroU64);

impl NodeId {
    /// The id that a node's bytes hold.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        match NonZeroU64::new(u64::from_le_bytes(bytes)) {
            Some(address) => Self(address),
            None => panic!("a map has lost a node"),
        }
    }

    /// What a node's bytes hold.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_le_bytes()
    }

    /// The node at this address.
    pub(super) const fn at(address: NonZeroU64) -> Self {
        Self(address)
    }

    /// The node so many places behind this one.
    pub(super) fn after(self, nodes: u64) -> Self {
        Self(self.0.saturating_add(nodes * NODE_ALIGN as u64))
    }

    pub(super) fn pointer(self) -> *mut NodeBytes {
        core::ptr::with_exposed_provenance_mut(self.0.get() as usize)
    }
}

/// The nodes of one map. Its first 8 bytes are the root's address, 0 without a root: the format of proofs says so.
#[repr(C)]
pub struct Nodes {
    root: Option<NodeId>,
    /// The first of the nodes given up; each begins with the address of the next, or 0.
    released: Option<NodeId>,
}

impl Nodes {
    pub const fn new() -> Self {
        Self {
            root: None,
            released: None,
        }
    }

    pub const fn root(&self) -> Option<NodeId> {
        self.root
    }

    pub const fn set_root(&mut self, root: Option<NodeId>) {
        self.root = root;
    }

    /// A node of which only the first 8 bytes are zeros for sure.
    pub fn allocate(&mut self) -> NodeId {
        let id = match self.take_released() {
            Some(id) => id,
            None => allocate(),
        };
        self.node_mut(id)[..8].fill(0);
        id
    }

    /// Gives a node up.
    pub fn release(&mut self, id: NodeId) {
        let next = self.released.map_or([0; 8], NodeId::to_bytes);
        self.node_mut(id)[..8].copy_from_slice(&next);
        self.released = Some(id);
    }

    fn take_released(&mut self) -> Option<NodeId> {
        let id = self.released?;
        let mut next = [0; 8];
        next.copy_from_slice(&self.node(id)[..8]);
        self.released = NonZeroU64::new(u64::from_le_bytes(next)).map(NodeId);
        Some(id)
    }

    /// How many nodes were given up.
    #[cfg(test)]
    pub fn released_len(&self) -> usize {
        let follow = |id: &NodeId| {
            let mut next = [0; 8];
            next.copy_from_slice(&self.node(*id)[..8]);
            NonZeroU64::new(u64::from_le_bytes(next)).map(NodeId)
        };
        core::iter::successors(self.released, follow).count()
    }

    /// Frees the nodes that were given up.
    pub fn free_released(&mut self) {
        while let Some(id) = self.take_released() {
            // SAFETY: the node was allocated with this layout, and nothing holds its id any more.
            unsafe { alloc::alloc::dealloc(id.pointer().cast(), LAYOUT) };
        }
    }

    pub fn node(&self, id: NodeId) -> &NodeBytes {
        // SAFETY: the id is of an allocated node of these, whose bytes are initialised; they change through `&mut self` only.
        unsafe { &*id.pointer() }
    }

    pub fn node_mut(&mut self, id: NodeId) -> &mut NodeBytes {
        // SAFETY: as in `node`; and no other reference into these nodes lives while `self` is borrowed.
        unsafe { &mut *id.pointer() }
    }

    /// Says that a node will be written, before it is read: see [`will_write`].
    pub fn will_write(&mut self, id: NodeId) {
        will_write(&mut self.node_mut(id)[0]);
    }

    /// Two different nodes at once.
    pub fn pair_mut(&mut self, one: NodeId, other: NodeId) -> (&mut NodeBytes, &mut NodeBytes) {
        assert!(one != other, "a map has a node twice");
        // SAFETY: as in `node_mut`; different nodes do not overlap.
        unsafe { (&mut *one.pointer(), &mut *other.pointer()) }
    }
}

/// Says that the page of this value will be written, before anything there is read. A page costs gas when it is first read and when
/// it is first written; what is written already costs nothing to read.
#[inline]
pub fn will_write<T: Copy>(value: &mut T) {
    let place: *mut T = value;
    // SAFETY: the place is that of a reference, and gets the value that it has. (Volatile, because nothing changes.)
    unsafe { place.write_volatile(place.read_volatile()) };
}

const LAYOUT: Layout = match Layout::from_size_align(NODE_BYTES, NODE_ALIGN) {
    Ok(layout) => layout,
    Err(_) => panic!("the alignment is a power of two"),
};

fn allocate() -> NodeId {
    // SAFETY: the layout has a size.
    let start = unsafe { alloc::alloc::alloc_zeroed(LAYOUT) };
    match NonZeroU64::new(start.expose_provenance() as u64) {
        Some(address) => NodeId::at(address),
        None => alloc::alloc::handle_alloc_error(LAYOUT),
    }
}

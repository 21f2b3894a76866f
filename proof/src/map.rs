//! Lookups in the maps that the SDK keeps in a contract's memory: `docs/format.md`, "Maps in memory".
//!
//! Whoever makes a proof and whoever verifies one run the same lookup, over bytes that they read through
//! [`MemoryBytes`]. The memory is the contract's and may hold anything: a lookup ends after at most 32 nodes, and what is no map
//! is a typed error.

use alloc::vec::Vec;

use thiserror::Error;

/// Bytes that a declared map takes up in the state: the address of its root node.
pub const HEADER_BYTES: u64 = 8;
/// Bytes of a node, and what its address is a multiple of: those of a BLAKE3 chunk.
pub const NODE_BYTES: usize = 1_024;
/// Bytes of a node that hold something; the rest is the allocator's.
pub const NODE_BYTES_USED: usize = 1_016;
/// Levels of nodes that a map can have.
pub const LEVELS_MAX: usize = 32;

const HEAD_BYTES: usize = 8;
const CHILD_BYTES: usize = 8;
/// Entries that a leaf must have room for.
const ENTRIES_MIN: usize = 2;
/// Keys that an inner node must have room for.
const KEYS_MIN: usize = 3;

/// Reads a contract's memory.
pub trait MemoryBytes {
    /// Why a read fails.
    type Error;

    /// Fills `bytes` with those at `address`.
    ///
    /// # Errors
    /// If they are not all there.
    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), Self::Error>;
}

/// Why a memory has no map where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MapError {
    /// The address of a node is not a multiple of 1,024.
    #[error("there can be no node of a map at the address {address}")]
    Address {
        /// The address.
        address: u64,
    },
    /// A node does not lie one level below its parent, or the root lies too high.
    #[error("the node at {address} is on level {found}, {expected} is possible")]
    Level {
        /// Its address.
        address: u64,
        /// The level that it states.
        found: u16,
        /// The level below its parent's, or the highest.
        expected: u16,
    },
    /// A node holds more than it has room for.
    #[error("the node at {address} states {found} keys, at most {expected} are possible")]
    Count {
        /// Its address.
        address: u64,
        /// The keys that it states.
        found: u16,
        /// How many it has room for.
        expected: u16,
    },
    /// The keys of a node do not ascend.
    #[error("key {at} of the node at {address} is out of order")]
    Order {
        /// Its address.
        address: u64,
        /// Which key, from 0.
        at: usize,
    },
}

/// Where keys, values and children lie in the nodes of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    key_bytes: usize,
    value_bytes: usize,
}

impl Shape {
    /// The shape for keys and values of these sizes; `None` if they are too large for nodes, or keys have no bytes.
    pub const fn new(key_bytes: u64, value_bytes: u64) -> Option<Self> {
        if key_bytes == 0 || key_bytes > 1 << 16 || value_bytes > 1 << 16 {
            return None;
        }
        let (key_bytes, value_bytes) = (key_bytes as usize, value_bytes as usize);
        let shape = Self {
            key_bytes,
            value_bytes,
        };
        if shape.entries_max() < ENTRIES_MIN || shape.keys_max() < KEYS_MIN {
            return None;
        }
        Some(shape)
    }

    /// Entries that a leaf has room for.
    pub const fn entries_max(&self) -> usize {
        (NODE_BYTES_USED - HEAD_BYTES) / (self.key_bytes + self.value_bytes)
    }

    /// Keys that a node above the leaves has room for; it has one child more.
    pub const fn keys_max(&self) -> usize {
        (NODE_BYTES_USED - HEAD_BYTES - CHILD_BYTES) / (self.key_bytes + CHILD_BYTES)
    }

    const fn count_max(&self, level: u16) -> usize {
        match level {
            0 => self.entries_max(),
            _ => self.keys_max(),
        }
    }

    const fn key_at(&self, index: usize) -> usize {
        HEAD_BYTES + index * self.key_bytes
    }

    const fn value_at(&self, index: usize) -> usize {
        HEAD_BYTES + self.entries_max() * self.key_bytes + index * self.value_bytes
    }

    const fn child_at(&self, index: usize) -> usize {
        HEAD_BYTES + self.keys_max() * self.key_bytes + index * CHILD_BYTES
    }
}

/// A node that was read and found to be one.
struct Node<'a> {
    shape: Shape,
    level: u16,
    count: usize,
    bytes: &'a [u8; NODE_BYTES],
}

impl<'a> Node<'a> {
    fn new(shape: Shape, address: u64, bytes: &'a [u8; NODE_BYTES]) -> Result<Self, MapError> {
        let [count_low, count_high, level_low, level_high, ..] = *bytes;
        let count = u16::from_le_bytes([count_low, count_high]);
        let level = u16::from_le_bytes([level_low, level_high]);
        let expected = shape.count_max(level);
        if usize::from(count) > expected {
            return Err(MapError::Count {
                address,
                found: count,
                expected: expected as u16, // at most 1,008
            });
        }
        let node = Self {
            shape,
            level,
            count: usize::from(count),
            bytes,
        };
        match (1..node.count).find(|at| node.key(at - 1) >= node.key(*at)) {
            Some(at) => Err(MapError::Order { address, at }),
            None => Ok(node),
        }
    }

    fn part(&self, at: usize, len: usize) -> &'a [u8] {
        // INVARIANT: a shape places everything inside the node, for counts within its bounds.
        self.bytes.get(at..at + len).unwrap_or_default()
    }

    fn key(&self, index: usize) -> &'a [u8] {
        self.part(self.shape.key_at(index), self.shape.key_bytes)
    }

    fn value(&self, index: usize) -> &'a [u8] {
        self.part(self.shape.value_at(index), self.shape.value_bytes)
    }

    fn child(&self, index: usize) -> u64 {
        let bytes = self.part(self.shape.child_at(index), CHILD_BYTES);
        bytes.try_into().map_or(0, u64::from_le_bytes)
    }

    /// The place of `key`, or the number of keys below it.
    fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let below = (0..self.count)
            .find(|index| self.key(*index) >= key)
            .unwrap_or(self.count);
        match below < self.count && self.key(below) == key {
            true => Ok(below),
            false => Err(below),
        }
    }
}

/// The bytes of the value under `key` in the map whose header is at `header`; `None` if it has no such key.
///
/// Reads the header and then whole nodes, from the root down. The inner error: the memory has no map there.
///
/// # Errors
/// Those of the memory.
pub fn find<M: MemoryBytes>(
    memory: &mut M,
    shape: Shape,
    header: u64,
    key: &[u8],
) -> Result<Result<Option<Vec<u8>>, MapError>, M::Error> {
    let mut root = [0; HEADER_BYTES as usize];
    memory.read(header, &mut root)?;
    let root = u64::from_le_bytes(root);
    if root == 0 {
        return Ok(Ok(None));
    }
    let mut next = Step {
        address: root,
        level: None,
    };
    loop {
        if let Err(error) = check_address(next.address) {
            return Ok(Err(error));
        }
        let mut bytes = [0; NODE_BYTES];
        memory.read(next.address, &mut bytes)?;
        match next.take(shape, &bytes, key) {
            Ok(Taken::Node(child)) => next = child,
            Ok(Taken::End(value)) => return Ok(Ok(value)),
            Err(error) => return Ok(Err(error)),
        }
    }
}

const fn check_address(address: u64) -> Result<(), MapError> {
    match address != 0 && address.is_multiple_of(NODE_BYTES as u64) {
        true => Ok(()),
        false => Err(MapError::Address { address }),
    }
}

/// A node on the way to a key.
struct Step {
    address: u64,
    /// Its level; the root's is only known to be possible.
    level: Option<u16>,
}

/// Where a node leads to.
enum Taken {
    Node(Step),
    End(Option<Vec<u8>>),
}

impl Step {
    fn take(&self, shape: Shape, bytes: &[u8; NODE_BYTES], key: &[u8]) -> Result<Taken, MapError> {
        let node = Node::new(shape, self.address, bytes)?;
        let expected = self.level.unwrap_or(node.level.min(LEVELS_MAX as u16 - 1));
        if node.level != expected {
            return Err(MapError::Level {
                address: self.address,
                found: node.level,
                expected,
            });
        }
        let place = node.search(key);
        Ok(match node.level.checked_sub(1) {
            None => Taken::End(place.ok().map(|index| node.value(index).to_vec())),
            // The keys of a child are not below the key in front of it.
            level => Taken::Node(Step {
                address: node.child(place.map_or_else(|below| below, |index| index + 1)),
                level,
            }),
        })
    }
}

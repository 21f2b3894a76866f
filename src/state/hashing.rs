//! Many hashes at once: page leaves, and nodes of the tree.
//!
//! BLAKE3 hashes a page as four chunks of 1 KiB, two parents and a root (BLAKE3 paper, section 2.4). One page alone
//! keeps four lanes of a vector unit busy, which may have sixteen; the same chunk of sixteen pages keeps all busy. A
//! node of four children is one chunk of 128 bytes, which alone uses a single lane. The results are those of
//! [`crostata_proof::hash`] one by one: tests hold them equal.
//!
//! This uses blake3's `platform` module, which is public and undocumented: the version is pinned exactly.

use blake3::platform::Platform;
use blake3::{CHUNK_LEN, IncrementCounter, OUT_LEN};
use crostata_abi::PAGE_BYTES;
use crostata_proof::hash::{self, Kind};
use crostata_proof::{ARITY, EMPTY, Hash};

use crate::memory::Page;

/// Pages, or nodes, hashed together: as many as the widest vector units have lanes.
pub const BATCH: usize = 16;

const CHUNKS: usize = PAGE_BYTES / CHUNK_LEN;
const PARENT_LEN: usize = 2 * OUT_LEN;
const NODE_LEN: usize = ARITY * OUT_LEN;

// The domain flags of the paper's table 3.
const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 1 << 1;
const PARENT: u8 = 1 << 2;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// BLAKE3 under one key, for inputs of one length.
struct ManyHasher {
    platform: Platform,
    key: [u32; 8],
}

/// The chaining values of the same part of each member of a batch.
type Values = [[u8; OUT_LEN]; BATCH];

impl ManyHasher {
    fn new(key: &[u8; 32]) -> Self {
        let (words, _) = key.as_chunks::<4>();
        Self {
            platform: Platform::detect(),
            key: std::array::from_fn(|at| u32::from_le_bytes(words[at])),
        }
    }

    fn hash<const LEN: usize>(
        &self,
        inputs: &[&[u8; LEN]],
        counter: u64,
        flags: u8,
        flags_start: u8,
        flags_end: u8,
    ) -> Values {
        let mut values = [[0; OUT_LEN]; BATCH];
        self.platform.hash_many(
            inputs,
            &self.key,
            counter,
            IncrementCounter::No,
            KEYED_HASH | flags,
            flags_start,
            flags_end,
            values.as_flattened_mut(),
        );
        values
    }
}

/// Hashes nodes of four children, up to [`BATCH`] at once.
pub struct NodeHasher(ManyHasher);

impl NodeHasher {
    /// For this machine.
    pub fn new() -> Self {
        Self(ManyHasher::new(hash::node_key(0b1111)))
    }

    /// The hashes of `nodes`, of which there are at most [`BATCH`], each at its place in `out`.
    pub fn hash(&self, nodes: &[(usize, &[Hash; ARITY])], out: &mut [Hash]) {
        let mut inputs: [&[u8; NODE_LEN]; BATCH] = [&[0; NODE_LEN]; BATCH];
        for ((_, children), input) in nodes.iter().zip(&mut inputs) {
            if let Some(bytes) = children.as_flattened().first_chunk() {
                *input = bytes;
            }
        }
        let inputs = &inputs[..nodes.len().min(BATCH)];
        let hashes = self.0.hash(inputs, 0, 0, CHUNK_START, CHUNK_END | ROOT);
        for ((at, _), hash) in nodes.iter().zip(hashes) {
            if let Some(out) = out.get_mut(*at) {
                *out = hash;
            }
        }
    }
}

/// Hashes pages, up to [`BATCH`] at once.
pub struct LeafHasher(ManyHasher);

impl LeafHasher {
    /// For this machine.
    pub fn new() -> Self {
        Self(ManyHasher::new(Kind::PageLeaf.key()))
    }

    /// The leaves of `pages`, of which there are at most [`BATCH`], in `leaves`: [`EMPTY`] for pages of zeros.
    pub fn hash(&self, pages: &[Page], leaves: &mut [Hash]) {
        let pages = &pages[..pages.len().min(BATCH).min(leaves.len())];
        let chunks: [Values; CHUNKS] = std::array::from_fn(|chunk| self.chunks(pages, chunk));
        let count = pages.len();
        let left = self.parents(&chunks[0], &chunks[1], count, PARENT);
        let right = self.parents(&chunks[2], &chunks[3], count, PARENT);
        let roots = self.parents(&left, &right, count, PARENT | ROOT);
        for ((leaf, root), page) in leaves.iter_mut().zip(roots).zip(pages) {
            *leaf = match *page == [0; PAGE_BYTES] {
                true => EMPTY,
                false => root,
            };
        }
    }

    /// One chunk of every page.
    fn chunks(&self, pages: &[Page], chunk: usize) -> Values {
        let chunks = pages.iter();
        let inputs: Vec<&[u8; CHUNK_LEN]> = chunks
            .map(|page| &page.as_chunks::<CHUNK_LEN>().0[chunk])
            .collect();
        self.0
            .hash(&inputs, chunk as u64, 0, CHUNK_START, CHUNK_END)
    }

    /// The parents of two values for every page.
    fn parents(&self, left: &Values, right: &Values, count: usize, flags: u8) -> Values {
        let mut blocks = [[0; PARENT_LEN]; BATCH];
        for ((block, left), right) in blocks.iter_mut().zip(left).zip(right) {
            block[..OUT_LEN].copy_from_slice(left);
            block[OUT_LEN..].copy_from_slice(right);
        }
        let inputs: Vec<&[u8; PARENT_LEN]> = blocks[..count].iter().collect();
        self.0.hash(&inputs, 0, flags, 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crostata_proof::hash::page_leaf;
    use proptest::prelude::*;

    fn page() -> impl Strategy<Value = Page> {
        let bytes = prop::collection::vec(any::<u8>(), 1..64);
        (bytes, 0..PAGE_BYTES).prop_map(|(bytes, at)| {
            let mut page = [0; PAGE_BYTES];
            for (offset, byte) in bytes.iter().enumerate() {
                page[(at + 61 * offset) % PAGE_BYTES] = *byte;
            }
            page
        })
    }

    proptest! {
        /// P1: a page's leaf does not depend on how many are hashed with it.
        #[test]
        fn leaves_are_those_of_single_pages(
            mut pages in prop::collection::vec(page(), 0..=BATCH),
            empty in 0..BATCH,
        ) {
            if let Some(page) = pages.get_mut(empty) {
                *page = [0; PAGE_BYTES];
            }
            let mut leaves = [[7; 32]; BATCH];
            LeafHasher::new().hash(&pages, &mut leaves);
            for (page, leaf) in pages.iter().zip(leaves) {
                prop_assert_eq!(page_leaf(page), leaf);
            }
        }

        /// P1: the same for nodes.
        #[test]
        fn nodes_are_those_of_single_nodes(
            nodes in prop::collection::vec(any::<[[u8; 32]; ARITY]>(), 0..=BATCH),
        ) {
            let mut hashes = [[7; 32]; BATCH];
            let placed: Vec<_> = (0..).zip(&nodes).collect();
            NodeHasher::new().hash(&placed, &mut hashes);
            for (node, hash) in nodes.iter().zip(hashes) {
                prop_assert_eq!(hash::node(node), hash);
            }
        }
    }
}

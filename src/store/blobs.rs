//! Where the pages and the code are: the index in memory, and what one frame adds to it.
//!
//! Holds hashes and places, never the bytes.

use std::collections::{HashMap, HashSet};

use crostata_abi::PAGE_BYTES;
use crostata_proof::{CodeHash, EMPTY, Hash};

use super::Page;

/// The blobs of a frame, in the order in which they lie in it: pages, then code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BlobList {
    pub pages: Vec<Hash>,
    /// The code with its length in bytes.
    pub code: Vec<(CodeHash, u64)>,
}

/// A blob, by the hash that checks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blob {
    Page(Hash),
    Code(CodeHash),
}

impl BlobList {
    /// The bytes that the blobs take, or `None` if `u64` does not hold the sum.
    pub fn len_bytes(&self) -> Option<u64> {
        let pages = (self.pages.len() as u64).checked_mul(PAGE_BYTES as u64)?;
        self.code
            .iter()
            .try_fold(pages, |sum, (_, len)| sum.checked_add(*len))
    }

    /// Every blob with its offset and length, if the first lies at `offset`.
    ///
    /// The sum of the lengths and the offset must fit `u64`, as it does for a frame in a file.
    pub fn places(&self, offset: u64) -> impl Iterator<Item = (Blob, u64, u64)> {
        let pages = self.pages.iter().map(|leaf| Blob::Page(*leaf));
        let pages = pages.map(|blob| (blob, PAGE_BYTES as u64));
        let code = self.code.iter().map(|(key, len)| (Blob::Code(*key), *len));
        pages.chain(code).scan(offset, |next, (blob, len)| {
            let at = *next;
            *next = next.saturating_add(len);
            Some((blob, at, len))
        })
    }
}

/// The blobs that a commit adds to the store, with their bytes.
#[derive(Default)]
pub(super) struct Body<'a> {
    pub list: BlobList,
    pub parts: Vec<&'a [u8]>,
}

impl<'a> Body<'a> {
    /// Of these pages and code what the store does not have, each once.
    pub fn fresh(
        stored: &Blobs,
        pages: &[(Hash, &'a Page)],
        code: &[(CodeHash, &'a [u8])],
    ) -> Self {
        let mut body = Self::default();
        let mut pages_seen = HashSet::from([EMPTY]);
        for (leaf, page) in pages {
            if stored.page(leaf).is_none() && pages_seen.insert(*leaf) {
                body.list.pages.push(*leaf);
                body.parts.push(&page[..]);
            }
        }
        let mut code_seen = HashSet::new();
        for (key, bytes) in code {
            if stored.code(key).is_none() && code_seen.insert(*key) {
                body.list.code.push((*key, bytes.len() as u64));
                body.parts.push(bytes);
            }
        }
        body
    }
}

/// The index: where each page and code of the store lies in the log.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    pages: HashMap<Hash, u64>,
    code: HashMap<CodeHash, (u64, u64)>,
}

impl Blobs {
    /// The offset of a page.
    pub fn page(&self, leaf: &Hash) -> Option<u64> {
        self.pages.get(leaf).copied()
    }

    /// The offset and length of a code.
    pub fn code(&self, key: &CodeHash) -> Option<(u64, u64)> {
        self.code.get(key).copied()
    }

    /// Adds the blobs of a frame, the first of which lies at `offset`.
    pub fn insert(&mut self, list: &BlobList, offset: u64) {
        self.pages.reserve(list.pages.len());
        for (blob, at, len) in list.places(offset) {
            match blob {
                Blob::Page(leaf) => drop(self.pages.insert(leaf, at)),
                Blob::Code(key) => drop(self.code.insert(key, (at, len))),
            }
        }
    }
}

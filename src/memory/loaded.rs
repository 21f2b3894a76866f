//! Which pages of an image are loaded: a sparse set of bits that threads read without locks.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const WORDS: usize = 64;
const LEAVES: usize = 128;

/// Pages that a leaf covers: 16 MiB of memory in 512 bytes.
const LEAF_PAGES: u32 = WORDS as u32 * u64::BITS;

/// Pages that a branch covers: 2 GiB of memory.
const BRANCH_PAGES: u32 = LEAF_PAGES * LEAVES as u32;

type Leaf = [AtomicU64; WORDS];
type Branch = [OnceLock<Box<Leaf>>; LEAVES];

/// A set of pages. Pages enter it and never leave.
#[derive(Debug)]
pub(super) struct LoadedPages(Box<[OnceLock<Box<Branch>>]>);

impl LoadedPages {
    /// An empty set for the pages below `pages`.
    pub fn new(pages: u32) -> Self {
        let branches = pages.div_ceil(BRANCH_PAGES);
        Self((0..branches).map(|_| OnceLock::new()).collect())
    }

    /// Whether the page is in the set. Whoever sees it there also sees what was written before it was added.
    pub fn contains(&self, page: u32) -> bool {
        let branch = self.0.get((page / BRANCH_PAGES) as usize);
        let branch = branch.and_then(OnceLock::get);
        let leaf = branch.and_then(|branch| branch[leaf_of(page)].get());
        leaf.is_some_and(|leaf| leaf[word_of(page)].load(Ordering::Acquire) & bit_of(page) != 0)
    }

    /// Adds a page; `false` if it was there, or lies beyond what the set covers.
    pub fn insert(&self, page: u32) -> bool {
        let Some(branch) = self.0.get((page / BRANCH_PAGES) as usize) else {
            return false;
        };
        let branch = branch.get_or_init(|| Box::new([const { OnceLock::new() }; LEAVES]));
        let leaf =
            branch[leaf_of(page)].get_or_init(|| Box::new([const { AtomicU64::new(0) }; WORDS]));
        let before = leaf[word_of(page)].fetch_or(bit_of(page), Ordering::AcqRel);
        before & bit_of(page) == 0
    }
}

fn leaf_of(page: u32) -> usize {
    (page % BRANCH_PAGES / LEAF_PAGES) as usize
}

fn word_of(page: u32) -> usize {
    (page % LEAF_PAGES / u64::BITS) as usize
}

fn bit_of(page: u32) -> u64 {
    1 << (page % u64::BITS)
}

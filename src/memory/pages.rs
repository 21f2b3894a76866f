//! What a memory knows of its pages: a sparse table, so that it costs what is touched and not what is addressable.

use std::ops::Range;

use super::touch::COLD;

const LEAF_PAGES: usize = 64;
const BRANCH_LEAVES: usize = 256;

/// Pages that a branch covers: 64 MiB of memory in 2 KiB.
const BRANCH_PAGES: u64 = (LEAF_PAGES * BRANCH_LEAVES) as u64;

/// The rest of the page, behind its head, may differ from what is mapped below.
pub(super) const REST_WRITTEN: u8 = 1;
/// The head of the page may differ from what is mapped below.
pub(super) const HEAD_WRITTEN: u8 = 2;
/// The rest of the page may differ from the last commit.
pub(super) const REST_DIRTY: u8 = 4;
/// The head of the page may differ from the last commit.
pub(super) const HEAD_DIRTY: u8 = 8;
/// The last commit's head may not be what is mapped below.
pub(super) const HEAD_DRIFTED: u8 = 16;
/// The page is in the list of dirty pages.
pub(super) const LISTED_DIRTY: u8 = 32;
/// The region was told that the page may be written.
pub(super) const LISTED_WRITTEN: u8 = 64;
/// Used within a revert: the page is back at what is mapped below.
pub(super) const RESET: u8 = 128;

/// What is known of one page.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PageState {
    /// The innermost scope, counted from 1, that has the rest's pre-image; 0 for none.
    pub rest_saved: u32,
    /// The same for the head.
    pub head_saved: u32,
    pub flags: u8,
    /// The mark in this top-level call, and whether the page is cold.
    pub mark: u8,
}

impl PageState {
    /// The mark that the page has, or would have if it were not cold.
    pub fn paid(&self) -> u8 {
        self.mark & !COLD
    }

    pub fn is_cold(&self) -> bool {
        self.mark & COLD != 0
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

type Leaf = [PageState; LEAF_PAGES];
type Branch = [Option<Box<Leaf>>; BRANCH_LEAVES];

/// The state of every page; of most of them the default.
#[derive(Debug, Default)]
pub(super) struct PageStates {
    branches: Vec<Option<Box<Branch>>>,
}

impl PageStates {
    /// The state of a page.
    pub fn get(&self, page: u32) -> PageState {
        let leaf = self.leaf(u64::from(page));
        leaf.map_or_else(PageState::default, |leaf| leaf[page as usize % LEAF_PAGES])
    }

    /// The state of a page, to be changed.
    pub fn entry(&mut self, page: u32) -> &mut PageState {
        let branch = (u64::from(page) / BRANCH_PAGES) as usize;
        if branch >= self.branches.len() {
            self.branches.resize_with(branch + 1, || None);
        }
        let branch =
            self.branches[branch].get_or_insert_with(|| Box::new([const { None }; BRANCH_LEAVES]));
        let leaf = &mut branch[page as usize / LEAF_PAGES % BRANCH_LEAVES];
        let leaf = leaf.get_or_insert_with(|| Box::new([PageState::default(); LEAF_PAGES]));
        &mut leaf[page as usize % LEAF_PAGES]
    }

    /// Visits the states of a range of pages: those that were ever changed one by one, and runs of others by their
    /// length. Costs what is there, plus a step per 64 MiB of the range.
    pub fn visit(
        &self,
        pages: Range<u64>,
        mut known: impl FnMut(PageState),
        mut other: impl FnMut(u64),
    ) {
        let mut page = pages.start;
        while page < pages.end {
            let step = match self.branch(page) {
                None => BRANCH_PAGES - page % BRANCH_PAGES,
                Some(_) => LEAF_PAGES as u64 - page % LEAF_PAGES as u64,
            };
            let end = (page + step).min(pages.end);
            match self.leaf(page) {
                None => other(end - page),
                Some(leaf) => (page..end).for_each(|page| known(leaf[page as usize % LEAF_PAGES])),
            }
            page = end;
        }
    }

    fn branch(&self, page: u64) -> Option<&Branch> {
        let branch = usize::try_from(page / BRANCH_PAGES).ok()?;
        self.branches.get(branch)?.as_deref()
    }

    fn leaf(&self, page: u64) -> Option<&Leaf> {
        let leaf = page as usize / LEAF_PAGES % BRANCH_LEAVES;
        self.branch(page)?[leaf].as_deref()
    }
}

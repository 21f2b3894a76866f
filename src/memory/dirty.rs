//! What differs from the last commit, and the ranges that are not state.

use std::ops::Range;

use crostata_abi::{PAGE_BYTES, PageIndex};

use super::contract::ContractMemory;
use super::copies::Head;
use super::pages::{
    HEAD_DIRTY, HEAD_DRIFTED, HEAD_WRITTEN, LISTED_DIRTY, REST_DIRTY, REST_WRITTEN,
};
use super::touch::{PAID, SPILL_BYTES, spill};

const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// From this many heads on, asking the kernel once which pages are private beats looking at each head.
const DOUBTFUL_MIN: usize = 8;

/// The pages that are surely what is mapped below, because the region has no copies of them.
struct SharedHeads {
    /// The pages with copies, as runs in rising order; `None` if nobody knows.
    private: Option<Vec<(u32, u32)>>,
}

impl SharedHeads {
    /// Asks about the doubtful pages among `pages`, which are in rising order.
    fn among(memory: &ContractMemory, pages: &[u32]) -> Self {
        let mut doubtful = pages.iter().filter(|page| memory.is_doubtful(**page));
        let first = doubtful.clone().next();
        let private = match (first, &memory.region) {
            (Some(first), Some(region)) if doubtful.clone().count() >= DOUBTFUL_MIN => {
                let last = doubtful.next_back().unwrap_or(first);
                region.private_pages(*first, *last)
            }
            _ => None,
        };
        Self { private }
    }

    fn contains(&self, page: u32) -> bool {
        let Some(private) = &self.private else {
            return false;
        };
        let before = private.partition_point(|run| run.0 <= page);
        before.checked_sub(1).is_none_or(|at| page >= private[at].1)
    }
}

impl ContractMemory {
    /// The pages that may differ from the last commit, in rising order.
    ///
    /// Of a page that only the spill rule reached the head is compared with the base.
    pub fn dirty_pages(&self) -> Vec<PageIndex> {
        let mut pages = self.dirty.clone();
        pages.sort_unstable();
        let shared = SharedHeads::among(self, &pages);
        let pages = pages.into_iter();
        let dirty = pages.filter(|page| self.is_dirty(*page, &shared));
        dirty.map(PageIndex).collect()
    }

    /// Takes the present content for that of the last commit. What is mapped stays.
    ///
    /// Ends the top-level call if that was not done: what it may write without asking would not be known as dirty.
    pub fn rebase(&mut self) {
        self.end_call();
        for page in self.dirty.drain(..) {
            let state = self.states.entry(page);
            if state.has(HEAD_WRITTEN) {
                state.flags |= HEAD_DRIFTED;
            }
            state.flags &= !(HEAD_DIRTY | REST_DIRTY | LISTED_DIRTY);
        }
        self.doubt_log();
    }

    /// Zeroes what this top-level call may have written to the bytes of `range`.
    ///
    /// For ranges that hold zeros in the committed state, this makes all of them zero.
    pub fn clear_leftovers(&mut self, range: &Range<u64>) {
        for at in 0..self.touched.len() {
            let page = self.touched[at];
            if self.states.get(page).paid() < PAID {
                continue;
            }
            self.clear(page, PAGE_BYTES, range);
            for next in spill(page) {
                self.clear(next, SPILL_BYTES, range);
            }
        }
    }

    /// Zeroes the part of `range` in the first `len_bytes` of a page, unless it is zero already.
    fn clear(&mut self, page: u32, len_bytes: usize, range: &Range<u64>) {
        let page_start = PageIndex(page).address();
        let start = range.start.max(page_start);
        let end = range.end.min(page_start + len_bytes as u64);
        let Some(region) = self.region.as_ref().filter(|_| start < end) else {
            return;
        };
        let (mut bytes, len) = (ZEROS, (end - start) as usize);
        let present = region.read(start as usize, &mut bytes[..len]);
        if present && bytes[..len] != ZEROS[..len] {
            // What could be read can be written.
            let _ = region.write(start as usize, &ZEROS[..len]);
            self.soil(page, REST_WRITTEN | REST_DIRTY | HEAD_WRITTEN | HEAD_DIRTY);
        }
    }

    fn is_dirty(&self, page: u32, shared: &SharedHeads) -> bool {
        let inside = page as usize * PAGE_BYTES < self.size_bytes();
        if !inside || self.states.get(page).has(REST_DIRTY) {
            return inside;
        }
        self.states.get(page).has(HEAD_DIRTY)
            && (self.states.get(page).has(HEAD_DRIFTED)
                || !shared.contains(page) && self.head_differs(page))
    }

    /// Whether only its head's bytes can tell if a page is dirty.
    fn is_doubtful(&self, page: u32) -> bool {
        let state = self.states.get(page);
        state.has(HEAD_DIRTY) && !state.has(REST_DIRTY) && !state.has(HEAD_DRIFTED)
    }

    /// Whether a head may differ from what is mapped below.
    pub(super) fn head_differs(&self, page: u32) -> bool {
        let mut now: Head = [0; SPILL_BYTES];
        let mut base: Head = [0; SPILL_BYTES];
        let known = self.peek(page, &mut now) && self.read_base(page, &mut base).is_ok();
        !known || now != base
    }
}

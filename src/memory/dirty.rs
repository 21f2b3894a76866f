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

impl ContractMemory {
    /// The pages that may differ from the last commit, in rising order.
    ///
    /// Of a page that only the spill rule reached the head is compared with the base.
    pub fn dirty_pages(&self) -> Vec<PageIndex> {
        let pages = self.dirty.iter().copied().map(PageIndex);
        let mut dirty: Vec<PageIndex> = pages.filter(|page| self.is_dirty(page.0)).collect();
        dirty.sort_unstable();
        dirty
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
            if self.states.get(page).mark < PAID {
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

    fn is_dirty(&self, page: u32) -> bool {
        let state = self.states.get(page);
        if page as usize * PAGE_BYTES >= self.size_bytes() {
            return false;
        }
        let drifted = || state.has(HEAD_DRIFTED) || self.head_differs(page);
        state.has(REST_DIRTY) || state.has(HEAD_DIRTY) && drifted()
    }

    /// Whether a head may differ from what is mapped below.
    pub(super) fn head_differs(&self, page: u32) -> bool {
        let mut now: Head = [0; SPILL_BYTES];
        let mut base: Head = [0; SPILL_BYTES];
        let known = self.peek(page, &mut now) && self.read_base(page, &mut base).is_ok();
        !known || now != base
    }
}

//! Touching: what has to happen before bytes are read or written for the first time.
//!
//! A page's mark says what it is ready for in this top-level call. Compiled code looks at the marks table
//! and comes here only when a mark is too low:
//!
//! | mark | meaning |
//! |---|---|
//! | 0 | not touched |
//! | 1 | read |
//! | 2 | written, but not since the newest scope was opened |
//! | 3 | written since then: its pre-image is kept, or no scope is open |
//!
//! **Spill rule.** A mark also covers the first [`SPILL_BYTES`] of the next page, its head, modulo the address
//! space: whatever is done for a page, loading and keeping the pre-image, is done for the head of the next. So
//! one look at the mark of an address's page is enough for all accesses up to that many bytes
//! further. A page thus has two units with pre-images of their own: head, and rest.
//!
//! **Cold pages.** Whoever charges for touches may [`chill`](ContractMemory::chill) pages, so that the next access asks again:
//! reaching for a page that is in no cache of the processor takes time whenever it happens. A cold page stays what it
//! is otherwise, loaded and with its pre-image kept: an access that relied on an earlier look at the mark does no harm.
//!
//! Other than that, marks are lowered only for newer scopes, which are resolved before older frames of the contract go on,
//! and when the call ends. What a frame once found therefore holds until it ends.

use crostata_abi::{PAGE_BYTES, PageIndex};

use super::contract::{ContractMemory, MemoryError};
use super::copies::Copies;
use super::pages::{
    HEAD_DIRTY, HEAD_WRITTEN, LISTED_DIRTY, LISTED_WRITTEN, REST_DIRTY, REST_WRITTEN,
};

/// Bytes of the next page that a page's mark covers.
pub const SPILL_BYTES: usize = 264;

/// Set in what is known of a page, whose mark is then 0, while the page is cold.
pub(super) const COLD: u8 = 0x80;
pub(super) const READ: u8 = 1;
pub(super) const PAID: u8 = 2;
pub(super) const WRITTEN: u8 = 3;

/// The last page of a 32-bit memory, which spills into its first.
const LAST_NARROW_PAGE: u32 = (1 << 20) - 1;

/// What bytes are touched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// They are read.
    Read,
    /// They are written, or read and written.
    Write,
}

/// What a touch newly costs, in pages.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Pages first read in this top-level call and not written before.
    pub reads: u64,
    /// Pages first written in this top-level call.
    pub writes: u64,
    /// Pages written before in this top-level call of which the innermost scope still needs the pre-image.
    pub copies: u64,
    /// Pages paid for before, of which nothing more is to be kept: cold ones, and those written before a nested scope.
    pub again: u64,
}

impl ContractMemory {
    /// What touching the pages of `[address, address + len_bytes)` would newly cost. Changes nothing.
    ///
    /// Bytes beyond the memory's size are passed over. Takes a step per page known already, and one per 256 KiB or
    /// more of others.
    pub fn pending(&self, address: u64, len_bytes: u64, access: Access) -> Touch {
        let depth = self.depth();
        let pages = self.pages_of(address, len_bytes);
        let mut touch = Touch::default();
        let mut fresh = 0;
        let known = |state: super::pages::PageState| match (access, state.paid()) {
            (Access::Read, 0) => touch.reads += 1,
            (Access::Write, 0 | READ) => touch.writes += 1,
            (Access::Write, PAID) if state.rest_saved != depth => touch.copies += 1,
            (Access::Write, PAID) => touch.again += 1,
            _ if state.is_cold() => touch.again += 1,
            _ => {}
        };
        self.states.visit(pages, known, |pages| fresh += pages);
        match access {
            Access::Read => touch.reads += fresh,
            Access::Write => touch.writes += fresh,
        }
        touch
    }

    /// The pages that [`pending`](Self::pending) counts as reads or writes. Takes a step per page, and memory: for who watches.
    pub fn fresh(&self, address: u64, len_bytes: u64, access: Access) -> Vec<PageIndex> {
        let pages = self.pages_of(address, len_bytes);
        let pages = pages.map(|page| PageIndex(page as u32));
        pages
            .filter(|page| match (access, self.states.get(page.0).paid()) {
                (_, 0) => true,
                (Access::Write, paid) => paid == READ,
                (Access::Read, _) => false,
            })
            .collect()
    }

    /// Makes the pages of `[address, address + len_bytes)`, and the heads behind them, ready: loads them, keeps
    /// pre-images, and sets the marks.
    ///
    /// Bytes beyond the memory's size are passed over.
    ///
    /// # Errors
    /// [`MemoryError`] when a page or memory can not be had. The pages before it are ready.
    pub fn touch(
        &mut self,
        copies: &mut Copies,
        address: u64,
        len_bytes: u64,
        access: Access,
    ) -> Result<(), MemoryError> {
        let pages = self.pages_of(address, len_bytes);
        if !pages.is_empty() {
            self.mapped()?;
        }
        for page in pages {
            match access {
                Access::Read => self.touch_read(page as u32)?,
                Access::Write => self.touch_write(copies, page as u32)?,
            }
        }
        Ok(())
    }

    /// The pages that were made ready by [`touch`](Self::touch) since the last [`clear_warmed`](Self::clear_warmed) and were
    /// untouched or cold before, in order.
    pub fn warmed(&self) -> &[u32] {
        &self.warmed
    }

    /// Forgets which pages were made ready lately.
    pub fn clear_warmed(&mut self) {
        self.warmed.clear();
    }

    /// Makes a page cold: the next access touches it again.
    pub fn chill(&mut self, page: u32) {
        let mark = self.states.get(page).mark;
        if mark != 0 {
            self.set_mark(page, mark | COLD);
        }
    }

    /// Ends the top-level call: no page is touched any more.
    pub fn end_call(&mut self) {
        for page in self.touched.drain(..) {
            self.states.entry(page).mark = 0;
            if let Some(region) = &self.region {
                region.set_mark(page, 0);
            }
        }
        self.hot.clear();
        self.warmed.clear();
    }

    /// The pages touched so far in this top-level call, in the order of their first touch.
    ///
    /// By the spill rule each stands for the head of the next page too.
    pub fn touched(&self) -> impl Iterator<Item = (PageIndex, Access)> {
        self.touched.iter().map(|page| {
            let access = match self.states.get(*page).paid() {
                PAID | WRITTEN => Access::Write,
                _ => Access::Read,
            };
            (PageIndex(*page), access)
        })
    }

    fn touch_read(&mut self, page: u32) -> Result<(), MemoryError> {
        let state = self.states.get(page);
        if state.mark == 0 {
            self.load_with_spill(page)?;
            self.touched.push(page);
            self.warm(page, READ);
        } else if state.is_cold() {
            self.warm(page, state.paid());
        }
        Ok(())
    }

    fn touch_write(&mut self, copies: &mut Copies, page: u32) -> Result<(), MemoryError> {
        let state = self.states.get(page);
        if state.mark == WRITTEN {
            return Ok(());
        }
        if state.paid() == WRITTEN {
            self.warm(page, WRITTEN);
            return Ok(());
        }
        if state.mark == 0 {
            self.load_with_spill(page)?;
            self.touched.push(page);
        }
        self.keep_page(copies, page);
        self.soil(page, REST_WRITTEN | REST_DIRTY | HEAD_WRITTEN | HEAD_DIRTY);
        for next in spill(page) {
            self.keep_head(copies, next);
            self.soil(next, HEAD_WRITTEN | HEAD_DIRTY);
        }
        self.hot.push(page);
        match state.mark == 0 || state.is_cold() {
            true => self.warm(page, WRITTEN),
            false => self.set_mark(page, WRITTEN),
        }
        Ok(())
    }

    fn load_with_spill(&self, page: u32) -> Result<(), MemoryError> {
        self.load(page)?;
        spill(page).try_for_each(|next| self.load(next))
    }

    fn warm(&mut self, page: u32, mark: u8) {
        self.set_mark(page, mark);
        self.warmed.push(page);
    }

    /// Sets what is known of a page's mark; compiled code sees 0 while the page is cold.
    pub(super) fn set_mark(&mut self, page: u32, mark: u8) {
        self.states.entry(page).mark = mark;
        if let Some(region) = &self.region {
            region.set_mark(page, if mark & COLD == 0 { mark } else { 0 });
        }
    }

    /// Notes that parts of a page may change from here on.
    pub(super) fn soil(&mut self, page: u32, flags: u8) {
        let state = self.states.entry(page);
        let before = state.flags;
        state.flags |= flags | LISTED_DIRTY | LISTED_WRITTEN;
        if before & LISTED_DIRTY == 0 {
            self.dirty.push(page);
        }
        if before & LISTED_WRITTEN == 0
            && let Some(region) = &self.region
        {
            region.note_written(page);
        }
    }

    /// The pages that hold bytes of a range inside the memory.
    fn pages_of(&self, address: u64, len_bytes: u64) -> std::ops::Range<u64> {
        let end = address.saturating_add(len_bytes);
        let end = end.min(self.size_bytes() as u64);
        if address >= end {
            return 0..0;
        }
        let page = PAGE_BYTES as u64;
        address / page..end.div_ceil(page)
    }
}

/// The pages whose heads a page's mark covers. The word size of the contract is not known here: at
/// 4 GiB both the next page and the first are taken, of which one is never reached.
pub fn spill(page: u32) -> impl Iterator<Item = u32> {
    let around = (page == LAST_NARROW_PAGE).then_some(0);
    page.checked_add(1).into_iter().chain(around)
}

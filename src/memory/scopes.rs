//! Scopes: an undo log of pre-images, cut into savepoints that nest.
//!
//! Each unit of a page (head, rest) enters the log at its first write in a scope, with what it was: a copy, or,
//! if it was never written since the memory was mapped, just the word that it is the base. Reverting puts back; releasing
//! moves to the scope below what that scope has no older pre-image of.
//!
//! What holds: a unit has at most one entry in a scope; the rest's entry never comes without the head's.
//! Entries are flags too: a unit that an older frame may write without asking stays known as written.

use super::contract::{ContractMemory, MemoryError};
use super::copies::{Copies, Head};
use super::pages::{
    HEAD_DIRTY, HEAD_WRITTEN, LISTED_DIRTY, PageState, RESET, REST_DIRTY, REST_WRITTEN,
};
use super::touch::{COLD, PAID};
use super::{Page, SPILL_BYTES};
use crate::region::Region;
use crostata_abi::PAGE_BYTES;

/// A savepoint that is open.
#[derive(Debug)]
pub(super) struct Scope {
    /// Where its entries begin in the log.
    start: usize,
    pub(super) size_bytes: usize,
}

/// A part of a page with pre-images of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Head,
    Rest,
}

/// Where a pre-image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// It is what is mapped below: the image, or zeros.
    Base,
    /// In a slot: of pages for the rest (the whole page, head included), of heads for the head.
    Copy(u32),
    /// The head's, in the slot of the rest's entry.
    WithRest,
}

/// The pre-image of a unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) page: u32,
    pub(super) unit: Unit,
    pub(super) source: Source,
    /// The scope that had a pre-image before this one.
    saved: u32,
    /// What was known of the unit.
    flags: u8,
}

impl Unit {
    /// The flags that speak of this unit.
    fn flags(self) -> u8 {
        match self {
            Unit::Head => HEAD_WRITTEN | HEAD_DIRTY,
            Unit::Rest => REST_WRITTEN | REST_DIRTY,
        }
    }

    pub(super) fn saved(self, state: &mut PageState) -> &mut u32 {
        match self {
            Unit::Head => &mut state.head_saved,
            Unit::Rest => &mut state.rest_saved,
        }
    }
}

impl ContractMemory {
    /// Opens a scope: from here on pre-images are kept. Costs a step per page written since the last opening.
    pub fn savepoint(&mut self) {
        self.scopes.push(Scope {
            start: self.log.len(),
            size_bytes: self.size_bytes(),
        });
        self.cool();
    }

    /// Open scopes.
    #[cfg(test)]
    pub fn scopes(&self) -> usize {
        self.scopes.len()
    }

    /// Closes the innermost scope and makes content and size what they were when it was opened.
    ///
    /// Nothing happens when no scope is open.
    ///
    /// # Errors
    /// [`MemoryError::System`]: the content is then unknown, and the session must not go on.
    pub fn revert(&mut self, copies: &mut Copies) -> Result<(), MemoryError> {
        let Some(scope) = self.scopes.pop() else {
            return Ok(());
        };
        let grown = self.size_bytes() > scope.size_bytes;
        if grown || self.log.len() > scope.start {
            let region = self.region()?;
            let entries = self.log.split_off(scope.start);
            let restored = self.restore(&region, copies, &entries, scope.size_bytes);
            restored.map_err(|source| self.system(source))?;
            self.close(copies, &entries);
        }
        self.cool();
        Ok(())
    }

    /// Closes the innermost scope and keeps what happened in it, which the scope below may still undo.
    ///
    /// Nothing happens when no scope is open.
    pub fn release(&mut self, copies: &mut Copies) {
        let Some(scope) = self.scopes.pop() else {
            return;
        };
        let below = self.depth();
        let mut kept = scope.start;
        for at in scope.start..self.log.len() {
            let entry = self.log[at];
            *entry.unit.saved(self.states.entry(entry.page)) = below;
            if below > 0 && entry.saved < below {
                self.log[kept] = entry;
                kept += 1;
            } else {
                entry.give_back(copies);
            }
        }
        self.log.truncate(kept);
    }

    /// The innermost scope, counted from 1; 0 when none is open.
    pub(super) fn depth(&self) -> u32 {
        self.scopes.len() as u32
    }

    /// Keeps the pre-images of a page that is about to be written, as far as the innermost scope has none.
    pub(super) fn keep_page(&mut self, copies: &mut Copies, page: u32) {
        let depth = self.depth();
        let state = self.states.entry(page);
        if state.rest_saved == depth {
            return;
        }
        let written = state.has(REST_WRITTEN);
        let source = match written.then(|| self.save_page(copies, page)).flatten() {
            Some(slot) => Source::Copy(slot),
            None => Source::Base,
        };
        self.keep(page, Unit::Rest, source);
        match source {
            Source::Copy(_) if self.states.entry(page).head_saved != depth => {
                self.keep(page, Unit::Head, Source::WithRest);
            }
            _ => self.keep_head(copies, page),
        }
    }

    /// Keeps the pre-image of a page's head, unless the innermost scope has it.
    pub(super) fn keep_head(&mut self, copies: &mut Copies, page: u32) {
        let depth = self.depth();
        let state = self.states.entry(page);
        if state.head_saved == depth {
            return;
        }
        let written = state.has(HEAD_WRITTEN);
        let source = match written.then(|| self.save_head(copies, page)).flatten() {
            Some(slot) => Source::Copy(slot),
            None => Source::Base,
        };
        self.keep(page, Unit::Head, source);
    }

    /// Forgets, after a commit, what pre-images were relative to the commit before.
    pub(super) fn doubt_log(&mut self) {
        for entry in &mut self.log {
            entry.flags |= entry.unit.flags() & (HEAD_DIRTY | REST_DIRTY);
        }
    }

    fn keep(&mut self, page: u32, unit: Unit, source: Source) {
        let depth = self.depth();
        let state = self.states.entry(page);
        let flags = state.flags & unit.flags();
        let saved = std::mem::replace(unit.saved(state), depth);
        self.log.push(Kept {
            page,
            unit,
            source,
            saved,
            flags,
        });
    }

    /// `None` beyond the size, where there is nothing to go back to.
    fn save_page(&self, copies: &mut Copies, page: u32) -> Option<u32> {
        let region = self.region.as_ref()?;
        let start = page as usize * PAGE_BYTES;
        let slot = copies.pages.take();
        if region.read(start, copies.pages.get_mut(slot)) {
            return Some(slot);
        }
        copies.pages.give_back(slot);
        None
    }

    fn save_head(&self, copies: &mut Copies, page: u32) -> Option<u32> {
        let region = self.region.as_ref()?;
        let start = page as usize * PAGE_BYTES;
        let slot = copies.heads.take();
        if region.read(start, copies.heads.get_mut(slot)) {
            return Some(slot);
        }
        copies.heads.give_back(slot);
        None
    }

    /// Lowers the marks of pages written since the last opening: the next write must ask again.
    fn cool(&mut self) {
        for page in std::mem::take(&mut self.hot) {
            let cold = self.states.get(page).mark & COLD;
            self.set_mark(page, PAID | cold);
        }
    }

    /// Puts back what a scope kept. The rests come first: they bring whole pages, heads included.
    fn restore(
        &mut self,
        region: &Region,
        copies: &Copies,
        entries: &[Kept],
        size_bytes: usize,
    ) -> std::io::Result<()> {
        if region.size_bytes() > size_bytes {
            region.resize(size_bytes)?;
        }
        self.reset_bases(region, entries, size_bytes)?;
        for entry in entries.iter().filter(|entry| entry.unit == Unit::Rest) {
            if let Source::Copy(slot) = entry.source {
                write(region, entry.page, copies.pages.get(slot));
            }
        }
        for entry in entries.iter().filter(|entry| entry.unit == Unit::Head) {
            match entry.source {
                Source::Copy(slot) => write_head(region, entry.page, copies.heads.get(slot)),
                Source::Base => self.reset_head(region, entry.page, size_bytes)?,
                Source::WithRest => {}
            }
        }
        Ok(())
    }

    /// Makes whole pages what is mapped below, in runs.
    fn reset_bases(
        &mut self,
        region: &Region,
        entries: &[Kept],
        size_bytes: usize,
    ) -> std::io::Result<()> {
        let bases = entries.iter().filter(|entry| entry.is_base(Unit::Rest));
        let mut pages: Vec<u32> = bases.map(|entry| entry.page).collect();
        pages.sort_unstable();
        for page in &pages {
            self.states.entry(*page).flags |= RESET;
        }
        for run in pages.chunk_by(|one, next| one + 1 == *next) {
            let start = (run[0] as usize * PAGE_BYTES).min(size_bytes);
            let end = ((run[0] as usize + run.len()) * PAGE_BYTES).min(size_bytes);
            region.reset(start, end)?;
            self.put_again(region, run)?;
        }
        Ok(())
    }

    /// Where nothing is mapped below: puts back what the base has of these pages.
    fn put_again(&self, region: &Region, pages: &[u32]) -> std::io::Result<()> {
        let Some(base) = &self.base else {
            return Ok(());
        };
        let alone = pages.iter().filter(|page| **page < base.pages_alone());
        let mut put = alone.map(|page| base.put(*page, region));
        put.try_for_each(|put| put.map_err(std::io::Error::other))
    }

    /// Makes the head of a page what is mapped below, unless the whole page is already.
    fn reset_head(&mut self, region: &Region, page: u32, size_bytes: usize) -> std::io::Result<()> {
        let inside = (page as usize) * PAGE_BYTES < size_bytes;
        if inside && !self.states.entry(page).has(RESET) {
            let mut head: Head = [0; SPILL_BYTES];
            self.read_base(page, &mut head)?;
            write_head(region, page, &head);
        }
        Ok(())
    }

    /// Makes what is known of the units what it was, and gives the copies back.
    fn close(&mut self, copies: &mut Copies, entries: &[Kept]) {
        for entry in entries {
            entry.give_back(copies);
            let state = self.states.entry(entry.page);
            *entry.unit.saved(state) = entry.saved;
            state.flags &= !(entry.unit.flags() | RESET);
            state.flags |= entry.flags;
            if entry.flags & (HEAD_DIRTY | REST_DIRTY) != 0 && !state.has(LISTED_DIRTY) {
                state.flags |= LISTED_DIRTY;
                self.dirty.push(entry.page);
            }
        }
    }
}

impl Kept {
    fn is_base(&self, unit: Unit) -> bool {
        self.unit == unit && self.source == Source::Base
    }

    pub(super) fn give_back(&self, copies: &mut Copies) {
        match (self.unit, self.source) {
            (Unit::Rest, Source::Copy(slot)) => copies.pages.give_back(slot),
            (Unit::Head, Source::Copy(slot)) => copies.heads.give_back(slot),
            _ => {}
        }
    }
}

/// Pages beyond the size were given up with it.
fn write(region: &Region, page: u32, bytes: &Page) {
    let _ = region.write(page as usize * PAGE_BYTES, bytes);
}

/// A head that is as it was is not written: its page may still be shared.
fn write_head(region: &Region, page: u32, head: &Head) {
    let start = page as usize * PAGE_BYTES;
    let mut now: Head = [0; SPILL_BYTES];
    if region.read(start, &mut now) && now != *head {
        let _ = region.write(start, head);
    }
}

//! Memories of one contract in several places: what of one changed since its scopes were opened, and bringing one up to
//! date with another.
//!
//! Scopes are opened around transactions: a part of a page that is now what each scope that is open would put back was the same
//! between any two transactions. Whoever saw it elsewhere saw the same. That is also how ranges that calls leave as zeros, and heads that
//! a write next to them might have reached, are told from what was written.

use std::collections::BTreeSet;
use std::ops::Range;

use crostata_abi::PAGE_BYTES;

use super::contract::{ContractMemory, MemoryError};
use super::copies::{Copies, Head};
use super::pages::{HEAD_DIRTY, HEAD_WRITTEN, REST_DIRTY, REST_WRITTEN};
use super::scopes::{Kept, Source, Unit};
use super::touch::{SPILL_BYTES, spill};
use super::{Access, Page};

/// A part of a page: its head, which the page before spills into, or the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The page.
    pub page: u32,
    /// Whether it is the head.
    pub is_head: bool,
}

impl Part {
    /// Its bytes in the page.
    fn range(self) -> Range<usize> {
        match self.is_head {
            true => 0..SPILL_BYTES,
            false => SPILL_BYTES..PAGE_BYTES,
        }
    }
}

/// What of a memory changed between any two moments at which scopes were opened that are open still, or since.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Parts of pages.
    pub parts: BTreeSet<Part>,
    /// Whether the size did.
    pub size: bool,
}

impl Changed {
    /// Whether nothing did.
    pub fn is_empty(&self) -> bool {
        !self.size && self.parts.is_empty()
    }
}

/// The parts of pages that a touch of this page stands for: all of it, and by the spill rule the head of the next.
pub fn parts(page: u32) -> impl Iterator<Item = Part> {
    let spilled = spill(page).map(|page| Part {
        page,
        is_head: true,
    });
    own_parts(page).into_iter().chain(spilled)
}

fn own_parts(page: u32) -> [Part; 2] {
    [true, false].map(|is_head| Part { page, is_head })
}

impl ContractMemory {
    /// What was written since the outermost scope was opened, and maybe is what it was. Costs a step per pre-image.
    pub fn written(&self) -> Changed {
        Changed {
            parts: self.log.iter().map(Kept::part).collect(),
            size: self.is_resized(),
        }
    }

    fn is_resized(&self) -> bool {
        let size_bytes = self.size_bytes();
        let mut scopes = self.scopes.iter();
        scopes.any(|scope| scope.size_bytes != size_bytes)
    }

    /// What changed since the outermost scope was opened, also if it was changed back later. Costs a look at each pre-image.
    ///
    /// # Errors
    /// [`MemoryError`] when the memory can not be read.
    pub fn changed(&self, copies: &Copies) -> Result<Changed, MemoryError> {
        let mut changed = Changed {
            parts: BTreeSet::new(),
            size: self.is_resized(),
        };
        for at in 0..self.log.len() {
            let part = self.log[at].part();
            if !changed.parts.contains(&part) && self.differs(copies, at)? {
                changed.parts.insert(part);
            }
        }
        Ok(changed)
    }

    /// Closes all scopes and keeps what happened in them. Costs a step per pre-image.
    pub fn keep_all(&mut self, copies: &mut Copies) {
        for entry in std::mem::take(&mut self.log) {
            *entry.unit.saved(self.states.entry(entry.page)) = 0;
            entry.give_back(copies);
        }
        self.scopes.clear();
    }

    /// Brings the memory up to date with `newer`, which lies over the same commit and differs from this one in what `changed` there at most;
    /// or, without that, in what either has written since the commit.
    ///
    /// Ends the top-level call. There must be no scope: none could undo it.
    ///
    /// # Errors
    /// [`MemoryError`]: the content is then unknown.
    pub fn carry(&mut self, newer: &Self, changed: Option<&Changed>) -> Result<(), MemoryError> {
        self.end_call();
        if changed.is_none_or(|changed| changed.size) && self.size_bytes() != newer.size_bytes() {
            let resized = self.region()?.resize(newer.size_bytes());
            resized.map_err(|source| self.system(source))?;
        }
        match changed {
            Some(changed) => {
                let mut parts = changed.parts.iter();
                parts.try_for_each(|part| self.carry_part(newer, *part))
            }
            None => {
                let pages: BTreeSet<u32> = self.dirty.iter().chain(&newer.dirty).copied().collect();
                let mut parts = pages.into_iter().flat_map(own_parts);
                parts.try_for_each(|part| self.carry_part(newer, part))
            }
        }
    }

    /// Ends the top-level calls of both memories, and has each be the other. They must lie over the same commit, and have no scope.
    pub fn exchange(&mut self, other: &mut Self) {
        debug_assert!(self.scopes.is_empty() && other.scopes.is_empty());
        self.end_call();
        other.end_call();
        std::mem::swap(self, other);
    }

    /// Pages that bringing the memory up to date with `newer` looks at, unless it is known what changed.
    pub fn carry_pages(&self, newer: &Self) -> usize {
        self.dirty.len() + newer.dirty.len()
    }

    fn carry_part(&mut self, newer: &Self, part: Part) -> Result<(), MemoryError> {
        let range = part.range();
        let (mut ours, mut theirs): (Page, Page) = ([0; PAGE_BYTES], [0; PAGE_BYTES]);
        newer.load(part.page)?;
        self.load(part.page)?;
        let inside = newer.peek(part.page, &mut theirs[..range.end])
            && self.peek(part.page, &mut ours[..range.end]);
        if !inside || ours[range.clone()] == theirs[range.clone()] {
            return Ok(());
        }
        let region = self.region()?;
        // Mapping may have brought in what the memory was parked with: nothing may be loaded over what is written now.
        self.load(part.page)?;
        let written = region.write(
            part.page as usize * PAGE_BYTES + range.start,
            &theirs[range],
        );
        debug_assert!(written, "what could be read can be written");
        self.soil(
            part.page,
            match part.is_head {
                true => HEAD_WRITTEN | HEAD_DIRTY,
                false => REST_WRITTEN | REST_DIRTY,
            },
        );
        Ok(())
    }

    /// Whether a part is not what a pre-image says it was.
    fn differs(&self, copies: &Copies, at: usize) -> Result<bool, MemoryError> {
        let entry = self.log[at];
        let mut now: Page = [0; PAGE_BYTES];
        let range = entry.part().range();
        if !self.peek(entry.page, &mut now[..range.end]) {
            // Growth that was taken back: there is nothing.
            return Ok(false);
        }
        let before = self.pre_image(copies, at)?;
        Ok(now[range.clone()] != before[range])
    }

    /// The page as far as a pre-image tells of it.
    fn pre_image(&self, copies: &Copies, at: usize) -> Result<Page, MemoryError> {
        let entry = self.log[at];
        let mut bytes: Page = [0; PAGE_BYTES];
        match (entry.unit, entry.source) {
            (Unit::Rest, Source::Copy(slot)) => bytes = *copies.pages.get(slot),
            (Unit::Head, Source::Copy(slot)) => {
                let head: &Head = copies.heads.get(slot);
                bytes[..SPILL_BYTES].copy_from_slice(head);
            }
            (Unit::Head, Source::WithRest) => {
                // The rest's entry stands right before it.
                let rest = at.checked_sub(1).map(|rest| self.log[rest]);
                if let Some(Source::Copy(slot)) = rest.map(|rest| rest.source) {
                    bytes = *copies.pages.get(slot);
                }
            }
            (_, Source::Base) => {
                let read = self.read_base(entry.page, &mut bytes);
                read.map_err(|source| self.system(source))?;
            }
            (Unit::Rest, Source::WithRest) => {}
        }
        Ok(bytes)
    }

    /// The pages touched so far in this top-level call, packed: twice the page's number, and one more if it was written.
    pub fn touched_packed(&self) -> impl Iterator<Item = u32> {
        self.touched()
            .map(|(page, access)| (page.0 << 1) | u32::from(access == Access::Write))
    }
}

impl Kept {
    fn part(&self) -> Part {
        Part {
            page: self.page,
            is_head: self.unit == Unit::Head,
        }
    }
}

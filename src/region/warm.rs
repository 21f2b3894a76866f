//! Warm slots: what makes the next session on the same contract cheap.
//!
//! Mapping an image, and a fault for each page that a call then uses, cost more than most calls. A region
//! whose session wrote little therefore leaves its slot mapped, with the old bytes copied back over what may
//! have been written ([`Region::note_written`]), and the next region over the same image takes it as
//! it is. That the list of written pages is complete is what roots rest on anyhow.

use std::io;
use std::sync::Arc;

use super::pool::{Left, MEMORY_START, Warm};
use super::{Image, Region};

use crostata_abi::PAGE_BYTES;

/// Private copies that an idle slot may hold: 256 KiB.
const PRIVATE_MAX: usize = 64;

/// Pages of its own that an idle slot of zeros may hold: 8 MiB.
const RENEWED_MAX: usize = 2_048;

/// Pages that are read from the image at a time.
const READ_PAGES: usize = 4;

impl Region {
    /// Makes the memory what it was when it was mapped; `None` if that would not pay, or failed.
    pub(super) fn keep_warm(&mut self) -> Option<Warm> {
        if self.renewed_bytes > 0 {
            return self.keep_zeros();
        }
        let image = self.image.clone().filter(|_| self.image_bytes > 0)?;
        if self.has_moved() || self.size_bytes() < self.image_bytes {
            return None;
        }
        let written = self.take_written();
        let private = united(std::mem::take(&mut self.private), &written, PRIVATE_MAX)?;
        debug_assert!(
            self.has_only(&private),
            "a page was written that nobody named"
        );
        self.forget_session(&image, written).ok()?;
        Some(Warm {
            left: Left::Image(Arc::downgrade(&image)),
            marks_bytes: self.marks_bytes(),
            private,
        })
    }

    /// Makes what was written zeros again; `None` if that was too much, or failed.
    fn keep_zeros(&mut self) -> Option<Warm> {
        if self.has_moved() || self.size_bytes() < self.renewed_bytes {
            return None;
        }
        let written = self.take_written();
        let private = united(std::mem::take(&mut self.private), &written, RENEWED_MAX)?;
        self.clear_marks().ok()?;
        self.give_up_growth(self.renewed_bytes).ok()?;
        for page in written {
            let at = page as usize * PAGE_BYTES;
            if at < self.renewed_bytes && !self.write(at, &[0; PAGE_BYTES]) {
                return None;
            }
        }
        Some(Warm {
            left: Left::Zeros(self.renewed_bytes),
            marks_bytes: self.marks_bytes(),
            private,
        })
    }

    /// Gives up what the memory grew beyond its first size.
    fn give_up_growth(&self, first_bytes: usize) -> io::Result<()> {
        let reservation = &self.slot.reservation;
        match self.size_bytes() > first_bytes {
            true => {
                reservation.vacate(MEMORY_START + first_bytes, MEMORY_START + self.size_bytes())
            }
            false => Ok(()),
        }
    }

    /// Whether the kernel knows no private copies of the image's pages but these, which are sorted.
    fn has_only(&self, private: &[u32]) -> bool {
        let last = (self.image_bytes / PAGE_BYTES - 1) as u32;
        let runs = self.private_pages(0, last).unwrap_or_default();
        let mut pages = runs.into_iter().flat_map(|(first, end)| first..end);
        pages.all(|page| private.binary_search(&page).is_ok())
    }

    fn forget_session(&self, image: &Image, mut written: Vec<u32>) -> io::Result<()> {
        self.clear_marks()?;
        self.give_up_growth(self.image_bytes)?;
        written.sort_unstable();
        let image_pages = (self.image_bytes / PAGE_BYTES) as u32;
        written.truncate(written.partition_point(|page| *page < image_pages));
        let runs = written.chunk_by(|one, next| one + 1 == *next);
        for run in runs.flat_map(|run| run.chunks(READ_PAGES)) {
            self.copy_base(image, run)?;
        }
        Ok(())
    }

    /// Puts the image's bytes into a few pages in a row, where they differ: what was never written stays shared.
    fn copy_base(&self, image: &Image, run: &[u32]) -> io::Result<()> {
        let mut base = [0; READ_PAGES * PAGE_BYTES];
        let mut now = [0; PAGE_BYTES];
        let start = run[0] as usize * PAGE_BYTES;
        let base = &mut base[..run.len() * PAGE_BYTES];
        image.read(start as u64, base)?;
        for (index, base) in base.chunks_exact(PAGE_BYTES).enumerate() {
            let at = start + index * PAGE_BYTES;
            let same = self.read(at, &mut now) && now == base;
            if !same && !self.write(at, base) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
        }
        Ok(())
    }
}

/// The union of a sorted list and another, sorted; `None` if it is too long.
fn united(mut private: Vec<u32>, written: &[u32], pages_max: usize) -> Option<Vec<u32>> {
    if written.len() > pages_max {
        return None;
    }
    private.extend_from_slice(written);
    private.sort_unstable();
    private.dedup();
    (private.len() <= pages_max).then_some(private)
}

//! The marks table of a region: a byte per page, which compiled code reads as a second memory.
//!
//! Compiled code only reads it: code that names a second memory does not deploy. It never moves. It covers a memory of 4 GiB, or all that 32 bits can name once it was opened wide.

use std::io;
use std::sync::atomic::Ordering;

use super::pool::MARKS_BYTES;
use super::{RESERVATION_BYTES, Region};

/// Bytes of a table that was opened wide: an index of 32 bits never leaves it.
const WIDE_BYTES: usize = RESERVATION_BYTES as usize;

impl Region {
    /// The mark of a page; 0 for a page that the table does not cover.
    pub fn mark(&self, page: u32) -> u8 {
        if page as usize >= self.marks_bytes() {
            return 0;
        }
        // SAFETY: the index lies in the accessible part of the table, and no other thread uses the region.
        unsafe { self.marks_base().add(page as usize).read() }
    }

    /// Sets the mark of a page; a page that the table does not cover has none.
    pub fn set_mark(&self, page: u32, mark: u8) {
        if page as usize >= self.marks_bytes() {
            return;
        }
        // SAFETY: as above.
        let before = unsafe { self.marks_base().add(page as usize).replace(mark) };
        let marked = self.marked.load(Ordering::Relaxed);
        let marked = marked.wrapping_add(usize::from(mark != 0));
        let marked = marked.wrapping_sub(usize::from(before != 0));
        self.marked.store(marked, Ordering::Relaxed);
    }

    /// Makes the table cover every index of 32 bits. Nothing happens the second time.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn open_marks_wide(&self) -> io::Result<()> {
        if self.marks_bytes() < WIDE_BYTES {
            self.slot.reservation.open(MARKS_BYTES, WIDE_BYTES)?;
            self.marks_bytes.store(WIDE_BYTES, Ordering::Release);
        }
        Ok(())
    }

    /// Makes all marks zero.
    pub(super) fn clear_marks(&self) -> io::Result<()> {
        match self.marked.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => self.slot.reservation.renew(0, self.marks_bytes()),
        }
    }

    pub(super) fn marks_bytes(&self) -> usize {
        self.marks_bytes.load(Ordering::Acquire)
    }

    pub(super) fn marks_base(&self) -> *mut u8 {
        self.slot.reservation.base()
    }
}

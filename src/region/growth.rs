//! The size of a region: growing, taking growth back, and moving a memory that outgrew its place.

use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::Region;
use super::contract::with_guard;
use super::pool::{MEMORY_START, reserve};
use super::reservation::Reservation;

use crostata_abi::PAGE_BYTES;

/// No memory is larger: 2^26 WebAssembly pages.
const WIDE_BYTES_MAX: usize = 4 << 40;

impl Region {
    /// Sets the accessible size. New bytes are zeros; bytes given up are gone.
    ///
    /// The size never goes below that of the mapped image. Beyond [`reserved_bytes`](Self::reserved_bytes) the
    /// memory moves to a place of at least twice the size; it keeps that place when the growth is taken back.
    ///
    /// # Errors
    /// When `size_bytes` is below the image, or the system refuses; the size is then what it was.
    pub fn resize(&self, size_bytes: usize) -> io::Result<()> {
        let now = self.size_bytes();
        if size_bytes < self.image_bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if size_bytes > self.reserved_bytes() {
            return self.move_and_grow(size_bytes);
        }
        let (start, end) = (now.min(size_bytes), now.max(size_bytes));
        self.in_place(|place, at| match size_bytes > now {
            true => place.open(at + start, at + end),
            false if size_bytes < now => place.vacate(at + start, at + end),
            false => Ok(()),
        })?;
        self.size_bytes.store(size_bytes, Ordering::Release);
        Ok(())
    }

    /// Says that the guest may have written to this page, so that it is carried along when the memory moves.
    ///
    /// A page that is never named here must hold what the image holds, or zeros behind the image.
    pub fn note_written(&self, page: u32) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.push(page);
    }

    /// The pages named so far, which another region for the same memory must be told.
    pub fn take_written(&self) -> Vec<u32> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *written)
    }

    /// Maps the image and gives a region just made its size.
    pub(super) fn start(&self, size_bytes: usize) -> io::Result<()> {
        if size_bytes > self.reserved_bytes() {
            return self.move_and_grow(size_bytes);
        }
        if self.size_bytes() > 0 {
            // The slot holds the image already.
            return self.resize(size_bytes);
        }
        // From here on the end of the region must clean up, whatever fails below.
        self.size_bytes.store(size_bytes, Ordering::Release);
        self.fill_place(&self.slot.reservation, MEMORY_START, size_bytes)
    }

    /// Maps the image at the beginning of a fresh place and makes `size_bytes` accessible.
    fn fill_place(&self, place: &Reservation, at: usize, size_bytes: usize) -> io::Result<()> {
        if let Some(image) = self.image.as_ref().filter(|_| self.image_bytes > 0) {
            place.map(at, image)?;
        }
        match size_bytes > self.image_bytes {
            true => place.open(at + self.image_bytes, at + size_bytes),
            false => Ok(()),
        }
    }

    /// The running instance learns of the new place because growth, in WebAssembly or by the host, is the only
    /// way here, and wasmtime reads a memory's base again after growing it.
    fn move_and_grow(&self, size_bytes: usize) -> io::Result<()> {
        // Pages above 4 GiB have marks beyond the front that is always accessible.
        self.open_marks_wide()?;
        let (reserved_bytes, place) = self.larger_place(size_bytes)?;
        self.fill_place(&place, 0, size_bytes)?;
        self.carry_over(&place)?;
        self.leave_place()?;
        self.base.store(place.base(), Ordering::Release);
        self.reserved_bytes.store(reserved_bytes, Ordering::Release);
        self.size_bytes.store(size_bytes, Ordering::Release);
        // The place before, if it was not the slot, is unmapped by being replaced.
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        Ok(())
    }

    /// Twice the place, so that growing page by page moves seldom; or what fits, when that is too much.
    fn larger_place(&self, size_bytes: usize) -> io::Result<(usize, Reservation)> {
        let doubled = self.reserved_bytes().saturating_mul(2).min(WIDE_BYTES_MAX);
        let doubled = doubled.max(size_bytes);
        let try_place = |bytes| Ok((bytes, reserve(with_guard(bytes)?)?));
        try_place(doubled).or_else(|_: io::Error| try_place(size_bytes))
    }

    fn carry_over(&self, place: &Reservation) -> io::Result<()> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = [0; PAGE_BYTES];
        for index in written.iter() {
            let offset = *index as usize * PAGE_BYTES;
            // A page behind the end, marked because the one before spills into it, has no content yet.
            if !self.read(offset, &mut page) {
                continue;
            }
            // SAFETY: the page lies below the present size, hence in the accessible part of the new place, which
            // nobody else knows yet.
            unsafe {
                let target = place.base().add(offset);
                std::ptr::copy_nonoverlapping(page.as_ptr(), target, PAGE_BYTES);
            }
        }
        Ok(())
    }

    /// Empties the place in the slot. A place of its own goes when it is replaced.
    fn leave_place(&self) -> io::Result<()> {
        match self.size_bytes() {
            size if size > 0 && !self.has_moved() => {
                let reservation = &self.slot.reservation;
                reservation.vacate(MEMORY_START, MEMORY_START + size)
            }
            _ => Ok(()),
        }
    }

    /// Whether the memory is no longer in the slot.
    pub(super) fn has_moved(&self) -> bool {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.is_some()
    }

    /// Calls `act` with the reservation that holds the memory, and where in it the memory begins.
    pub(super) fn in_place<T>(&self, act: impl FnOnce(&Reservation, usize) -> T) -> T {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        match &*moved {
            Some(place) => act(place, 0),
            None => act(&self.slot.reservation, MEMORY_START),
        }
    }
}

//! A region: the memory of one contract in one session, and its marks table.

use std::io;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::pool::{MARKS_BYTES, MEMORY_START, Slot, Wanted};
use super::reservation::Reservation;
use super::{GUARD_BYTES, Image, RESERVATION_BYTES};

/// The address space of one contract's memory in one session, and its marks table.
///
/// `[0, size)` can be read and written, everything behind it up to the end of the guard faults.
/// The address space goes back to the pool when the last handle drops.
///
/// A region is used by one thread at a time: it belongs to one session, whose methods take `&mut`. The atomics
/// and locks inside are there because several handles of that session change it, and are never contended.
#[derive(Debug)]
pub struct Region {
    pub(super) slot: ManuallyDrop<Slot>,
    /// The memory's first byte: in the slot, or in `moved` if there is one.
    pub(super) base: AtomicPtr<u8>,
    pub(super) reserved_bytes: AtomicUsize,
    pub(super) size_bytes: AtomicUsize,
    pub(super) image_bytes: usize,
    /// Kept while it is mapped.
    pub(super) image: Option<Arc<Image>>,
    /// The bytes that the next region may find in the slot as zeros, if this one says what was written.
    pub(super) renewed_bytes: usize,
    /// Pages that an earlier region in this slot made private copies, of the same content.
    pub(super) private: Vec<u32>,
    /// Marks that are not zero.
    pub(super) marked: AtomicUsize,
    /// Accessible bytes of the marks table.
    pub(super) marks_bytes: AtomicUsize,
    pub(super) moved: Mutex<Option<Reservation>>,
    /// The pages to carry along when the memory moves. See [`Region::note_written`].
    pub(super) written: Mutex<Vec<u32>>,
}

impl Region {
    /// A region of `size_bytes` zeros.
    ///
    /// # Errors
    /// [`Exhausted`](super::pool::Exhausted) when too many regions are live, or what the system says.
    pub fn zeroed(size_bytes: usize) -> io::Result<Self> {
        Self::make(None, size_bytes, 0)
    }

    /// A region of `size_bytes` bytes whose beginning maps `image` copy-on-write, and whose rest is zeros.
    ///
    /// # Errors
    /// [`Exhausted`](super::pool::Exhausted) when too many regions are live, or what the system says; a size
    /// below the image's is refused.
    pub fn over(image: Arc<Image>, size_bytes: usize) -> io::Result<Self> {
        Self::make(Some(image), size_bytes, 0)
    }

    /// A region of `size_bytes` zeros, made soon after one of the same size went: whoever writes to it says so
    /// ([`note_written`](Self::note_written)), so that the system need not be asked for zeros again.
    ///
    /// # Errors
    /// As [`zeroed`](Self::zeroed).
    pub fn renewed(size_bytes: usize) -> io::Result<Self> {
        Self::make(None, size_bytes, size_bytes)
    }

    fn make(
        image: Option<Arc<Image>>,
        size_bytes: usize,
        renewed_bytes: usize,
    ) -> io::Result<Self> {
        let image_bytes = image.as_ref().map_or(0, |image| image.len_bytes());
        let image_bytes = usize::try_from(image_bytes).map_err(io::Error::other)?;
        if size_bytes < image_bytes {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let wanted = match &image {
            Some(image) => Wanted::Image(image),
            None if renewed_bytes > 0 => Wanted::Zeros(renewed_bytes),
            None => Wanted::Nothing,
        };
        let mut slot = Slot::take(wanted)?;
        let warm = slot.warm.take();
        let marks_bytes = warm.as_ref().map_or(MARKS_BYTES, |warm| warm.marks_bytes);
        let base = slot.reservation.base().wrapping_add(MEMORY_START);
        let mut region = Self {
            slot: ManuallyDrop::new(slot),
            base: AtomicPtr::new(base),
            reserved_bytes: AtomicUsize::new(RESERVATION_BYTES as usize),
            size_bytes: AtomicUsize::new(
                warm.as_ref().map_or(0, |_| image_bytes.max(renewed_bytes)),
            ),
            image_bytes,
            image,
            renewed_bytes,
            private: warm.map_or_else(Vec::new, |warm| warm.private),
            marks_bytes: AtomicUsize::new(marks_bytes),
            marked: AtomicUsize::new(0),
            moved: Mutex::default(),
            written: Mutex::default(),
        };
        if let Err(error) = region.start(size_bytes) {
            // The slot may not hold the image: it must not come back as one that does.
            region.image = None;
            region.renewed_bytes = 0;
            return Err(error);
        }
        Ok(region)
    }

    /// Accessible bytes: the contract's `memory.size` in bytes.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes.load(Ordering::Acquire)
    }

    /// Bytes the memory can grow to without moving.
    pub fn reserved_bytes(&self) -> usize {
        self.reserved_bytes.load(Ordering::Acquire)
    }

    pub(super) fn base(&self) -> *mut u8 {
        self.base.load(Ordering::Acquire)
    }

    /// Copies bytes out of the memory; `false` if they do not lie inside its size.
    #[must_use]
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> bool {
        if !self.contains(offset, bytes.len()) {
            return false;
        }
        // SAFETY: the source lies in the accessible part, the target is a live exclusive slice outside of
        // the region, and no other thread uses the region.
        unsafe {
            let source = self.base().add(offset);
            ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), bytes.len());
        }
        true
    }

    /// Copies bytes into the memory; `false` if they do not fit inside its size.
    #[must_use]
    pub fn write(&self, offset: usize, bytes: &[u8]) -> bool {
        if !self.contains(offset, bytes.len()) {
            return false;
        }
        // SAFETY: the target lies in the accessible part, the source is a live slice outside of the
        // region, and no other thread uses the region.
        unsafe {
            let target = self.base().add(offset);
            ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
        }
        true
    }

    pub(super) fn contains(&self, offset: usize, len: usize) -> bool {
        offset
            .checked_add(len)
            .is_some_and(|end| end <= self.size_bytes())
    }

    /// Makes the slot as good as new.
    fn empty(&mut self) -> io::Result<()> {
        let reservation = &self.slot.reservation;
        let size_bytes = *self.size_bytes.get_mut();
        if size_bytes > 0 && !self.has_moved() {
            reservation.vacate(MEMORY_START, MEMORY_START + size_bytes)?;
        }
        let marks_bytes = *self.marks_bytes.get_mut();
        reservation.renew(0, MARKS_BYTES)?;
        if marks_bytes > MARKS_BYTES {
            reservation.vacate(MARKS_BYTES, marks_bytes)?;
        }
        Ok(())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let warm = self.keep_warm();
        let clean = warm.is_some() || self.empty().is_ok();
        // SAFETY: the slot is not used again: this is the end of its only owner.
        let slot = unsafe { ManuallyDrop::take(&mut self.slot) };
        if clean {
            slot.give_back(warm);
        }
    }
}

/// What the reservation of a memory of up to `max_bytes` takes, guard included.
pub(super) fn with_guard(max_bytes: usize) -> io::Result<usize> {
    let total = max_bytes.checked_add(GUARD_BYTES as usize);
    total.ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

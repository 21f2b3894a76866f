//! Scratch memory for serialisation, straight from the contract's heap.
//!
//! Only types of variable size ask for it. `rkyv`'s own arena would allocate for every value, and
//! so leave its mark in the state at each getter.

use core::alloc::Layout;
use core::ptr::NonNull;

use crostata_abi::rkyv::ser::Allocator;

/// Every scratch allocation is one of the heap, freed when serialisation gives it back.
pub struct HeapScratch;

// SAFETY: `push_alloc` gives fresh memory of the layout, which nobody else has.
unsafe impl<E> Allocator<E> for HeapScratch {
    unsafe fn push_alloc(&mut self, layout: Layout) -> Result<NonNull<[u8]>, E> {
        // SAFETY: the caller promises a layout that is not of size zero.
        let start = unsafe { alloc::alloc::alloc(layout) };
        match NonNull::new(start) {
            Some(start) => Ok(NonNull::slice_from_raw_parts(start, layout.size())),
            None => alloc::alloc::handle_alloc_error(layout),
        }
    }

    unsafe fn pop_alloc(&mut self, start: NonNull<u8>, layout: Layout) -> Result<(), E> {
        // SAFETY: the caller promises that `start` came from `push_alloc` with this layout.
        unsafe { alloc::alloc::dealloc(start.as_ptr(), layout) };
        Ok(())
    }
}

//! Grows its memory, and uses what it grew, with and without failing afterwards.
#![cfg_attr(target_family = "wasm", no_std)]

/// No state but the memory itself.
pub struct Grower;

#[crostata_sdk::contract(reentry = "self")]
impl Grower {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self
    }

    /// The size of the memory in Wasm pages.
    pub fn size() -> u32 {
        memory::size()
    }

    /// Grows the memory; gives its former size in Wasm pages, or nothing if it can not grow so far.
    pub fn grow(pages: u32) -> Option<u32> {
        memory::grow(pages)
    }

    /// Grows the memory, and writes `value` at the start of each new page.
    pub fn grow_and_fill(pages: u32, value: u64) -> Option<u32> {
        let first = memory::grow(pages)?;
        (first..first + pages).for_each(|page| memory::store(page << 16, value));
        Some(first)
    }

    /// As `grow_and_fill`, then panics.
    pub fn grow_then_fail(pages: u32, value: u64) {
        Self::grow_and_fill(pages, value);
        panic!("failed after the growth");
    }

    /// Calls its own `grow_then_fail`; gives the sizes before, and after that failure was caught.
    pub fn catch_grow_then_fail(pages: u32, value: u64) -> (u32, u32) {
        let before = memory::size();
        let id = crostata_sdk::self_id();
        let failed = crostata_sdk::call::<_, ()>(id, "grow_then_fail", &(pages, value));
        if failed.is_ok() {
            panic!("the call should have failed");
        }
        (before, memory::size())
    }

    /// Writes a number at an address of the memory, in what was grown or beyond it.
    pub fn store(address: u32, value: u64) {
        memory::store(address, value);
    }

    /// Reads the number at an address of the memory.
    pub fn load(address: u32) -> u64 {
        memory::load(address)
    }
}

#[cfg(target_arch = "wasm32")]
mod memory {
    //! The memory behind Rust's back.
    #![allow(unsafe_code)]

    use core::arch::wasm32::{memory_grow, memory_size};

    pub fn size() -> u32 {
        memory_size(0) as u32
    }

    pub fn grow(pages: u32) -> Option<u32> {
        let before = memory_grow(0, pages as usize);
        (before != usize::MAX).then_some(before as u32)
    }

    pub fn store(address: u32, value: u64) {
        let place = core::ptr::with_exposed_provenance_mut::<u64>(address as usize);
        // SAFETY: not safe at all: tests choose addresses in grown pages, which Rust does not know of.
        unsafe { place.write_volatile(value) };
    }

    pub fn load(address: u32) -> u64 {
        let place = core::ptr::with_exposed_provenance::<u64>(address as usize);
        // SAFETY: every byte of the memory can be read; outside it the instruction traps.
        unsafe { place.read_volatile() }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod memory {
    //! There is no such memory natively.

    pub fn size() -> u32 {
        0
    }

    pub fn grow(_: u32) -> Option<u32> {
        None
    }

    pub fn store(_: u32, _: u64) {
        panic!("there is no Wasm memory")
    }

    pub fn load(_: u32) -> u64 {
        panic!("there is no Wasm memory")
    }
}

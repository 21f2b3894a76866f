//! The counter for a 64-bit memory, and numbers stored far beyond what 32 bits can address.
#![cfg_attr(target_family = "wasm", no_std)]
#![cfg_attr(target_arch = "wasm64", feature(simd_wasm64))]

use crostata_sdk::{ContractError, ContractId, call};

/// A number that starts at 0xfc.
pub struct Counter64 {
    value: i64,
}

#[crostata_sdk::contract]
impl Counter64 {
    /// The counter as it is deployed.
    pub const fn new() -> Self {
        Self { value: 0xfc }
    }

    /// The number.
    pub fn read_value(&self) -> i64 {
        self.value
    }

    /// Adds one.
    pub fn increment(&mut self) {
        self.value += 1;
    }

    /// Increments another counter, of any word size, and gives its number.
    #[returned]
    pub fn increment_other(&mut self, contract: ContractId) -> Result<i64, ContractError> {
        call::<_, ()>(contract, "increment", &())?;
        call(contract, "read_value", &())
    }

    /// The size of the memory in Wasm pages.
    pub fn size() -> u64 {
        memory::size()
    }

    /// Grows the memory; gives its former size in Wasm pages, or nothing if it can not grow so far.
    pub fn grow(pages: u64) -> Option<u64> {
        memory::grow(pages)
    }

    /// Grows the memory until it has the address, and writes a number there.
    pub fn store_far(address: u64, value: u64) {
        let pages = (address >> 16) + 2;
        let missing = pages.saturating_sub(memory::size());
        if memory::grow(missing).is_none() {
            panic!("the memory can not grow so far");
        }
        memory::store(address, value);
    }

    /// Reads the number at an address.
    pub fn load(address: u64) -> u64 {
        memory::load(address)
    }
}

#[cfg(target_arch = "wasm64")]
mod memory {
    //! The memory behind Rust's back.
    #![allow(unsafe_code)]

    use core::arch::wasm64::{memory_grow, memory_size};

    pub fn size() -> u64 {
        memory_size(0) as u64
    }

    pub fn grow(pages: u64) -> Option<u64> {
        let before = memory_grow(0, pages as usize);
        (before != usize::MAX).then_some(before as u64)
    }

    pub fn store(address: u64, value: u64) {
        let place = core::ptr::with_exposed_provenance_mut::<u64>(address as usize);
        // SAFETY: not safe at all: tests choose addresses in grown pages, which Rust does not know of.
        unsafe { place.write_volatile(value) };
    }

    pub fn load(address: u64) -> u64 {
        let place = core::ptr::with_exposed_provenance::<u64>(address as usize);
        // SAFETY: every byte of the memory can be read; outside it the instruction traps.
        unsafe { place.read_volatile() }
    }
}

#[cfg(not(target_arch = "wasm64"))]
mod memory {
    //! There is no such memory elsewhere.

    pub fn size() -> u64 {
        0
    }

    pub fn grow(_: u64) -> Option<u64> {
        None
    }

    pub fn store(_: u64, _: u64) {
        panic!("there is no 64-bit memory")
    }

    pub fn load(_: u64) -> u64 {
        panic!("there is no 64-bit memory")
    }
}

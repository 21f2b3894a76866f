//! Every way for a call to fail, with and without having changed the state before.
#![cfg_attr(target_family = "wasm", no_std)]
#![cfg_attr(target_family = "wasm", feature(asm_experimental_arch))]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;

/// A number that failures try to change.
pub struct Fallible {
    value: i64,
}

#[crostata_sdk::contract]
impl Fallible {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self { value: 7 }
    }

    /// The number: 7 as long as failed calls are undone.
    pub fn value(&self) -> i64 {
        self.value
    }

    /// Changes the number, and succeeds.
    pub fn set_value(&mut self, value: i64) {
        self.value = value;
    }

    /// Panics with a message that is known when the contract is built.
    pub fn panics(&self) {
        panic!("deliberate");
    }

    /// Panics with the given message.
    pub fn panics_with(&self, message: String) {
        panic!("{message}");
    }

    /// Changes the number, then panics.
    pub fn dirties_then_panics(&mut self, value: i64) {
        self.value = value;
        core::hint::black_box(&mut self.value);
        panic!("dirtied, then panicked");
    }

    /// Changes the number, then traps.
    pub fn dirties_then_traps(&mut self, value: i64) {
        self.value = value;
        core::hint::black_box(&mut self.value);
        traps::unreachable();
    }

    /// Changes the number, then spends all gas.
    pub fn dirties_then_spends_all(&mut self, value: i64) {
        self.value = value;
        self.spends_all();
    }

    /// Executes `unreachable`.
    pub fn unreachable(&self) {
        traps::unreachable();
    }

    /// Executes `i32.div_s`: traps for a divisor of zero, and for `i32::MIN` by -1.
    pub fn divide(&self, dividend: i32, divisor: i32) -> i32 {
        traps::divide(dividend, divisor)
    }

    /// Reads the byte at `address`: traps outside the memory.
    pub fn reads(&self, address: u32) -> u8 {
        traps::read(address)
    }

    /// Writes the byte at `address`: traps outside the memory.
    pub fn writes(&mut self, address: u32, byte: u8) {
        traps::write(address, byte);
    }

    /// Runs until the gas is spent.
    pub fn spends_all(&self) {
        let mut steps = 0u64;
        loop {
            core::hint::black_box(&mut steps);
        }
    }

    /// Allocates this many bytes, which may be more than the memory can have; gives their sum.
    pub fn allocates(&self, len: u32) -> u64 {
        let bytes: Vec<u8> = alloc::vec![1; len as usize];
        bytes.iter().map(|byte| u64::from(*byte)).sum()
    }

    /// A result that is longer than the argument buffer.
    pub fn returns_too_much(&self) -> Vec<u8> {
        alloc::vec![1; 70_000]
    }
}

#[cfg(target_arch = "wasm32")]
mod traps {
    //! Instructions that trap, which safe Rust guards against.
    #![allow(unsafe_code)]

    use core::arch::asm;

    pub fn unreachable() -> ! {
        core::arch::wasm32::unreachable()
    }

    pub fn divide(dividend: i32, divisor: i32) -> i32 {
        let quotient;
        // SAFETY: the instruction gives its result or traps.
        unsafe {
            asm!("local.get {0}", "local.get {1}", "i32.div_s", "local.set {2}",
                in(local) dividend, in(local) divisor, out(local) quotient);
        }
        quotient
    }

    pub fn read(address: u32) -> u8 {
        let byte: u32;
        // SAFETY: any byte of the memory can be read; outside it the instruction traps.
        unsafe {
            asm!("local.get {0}", "i32.load8_u 0", "local.set {1}", in(local) address, out(local) byte);
        }
        byte as u8
    }

    pub fn write(address: u32, byte: u8) {
        // SAFETY: not safe at all: the test that asks for this chooses an address that nothing else uses.
        unsafe {
            asm!("local.get {0}", "local.get {1}", "i32.store8 0",
                in(local) address, in(local) u32::from(byte));
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod traps {
    //! There are no traps natively: panics instead.

    pub fn unreachable() -> ! {
        panic!("trap")
    }

    pub fn divide(dividend: i32, divisor: i32) -> i32 {
        dividend / divisor
    }

    pub fn read(_: u32) -> u8 {
        panic!("trap")
    }

    pub fn write(_: u32, _: u8) {
        panic!("trap")
    }
}

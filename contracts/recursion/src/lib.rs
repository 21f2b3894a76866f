//! Goes deep: by function calls inside the module, and by calls of the contract to itself.
#![cfg_attr(target_family = "wasm", no_std)]

use core::cell::Cell;
use core::hint::black_box;

use crostata_sdk::{call, self_id};

/// How deep calls went that succeeded.
pub struct Recursion {
    deepest: Cell<u32>,
}

#[crostata_sdk::contract(reentry = "self")]
impl Recursion {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self {
            deepest: Cell::new(0),
        }
    }

    /// Recurses to this depth inside the module, on the Wasm stack only; gives the depth.
    pub fn within(&self, depth: u32) -> u32 {
        descend(depth, self.opaque_zero())
    }

    /// As `within`, with 256 bytes of shadow stack per level.
    pub fn within_with_locals(depth: u32) -> u32 {
        descend_with_locals(depth)
    }

    /// Recurses inside the module until something stops it.
    pub fn within_forever(&self) -> u32 {
        descend(u32::MAX, self.opaque_zero())
    }

    /// Calls itself to this depth; gives the depth.
    pub fn by_calls(&self, depth: u32) -> u32 {
        self.deepest.set(self.deepest.get() + 1);
        if depth == 0 {
            return 0;
        }
        match call::<_, u32>(self_id(), "by_calls", &(depth - 1)) {
            Ok(below) => below + 1,
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls itself until a call fails; gives how many succeeded.
    pub fn by_calls_until_refused(&self) -> u32 {
        match call::<_, u32>(self_id(), "by_calls_until_refused", &()) {
            Ok(below) => below + 1,
            Err(_) => 0,
        }
    }

    /// How many frames of `by_calls` there were in calls that succeeded.
    pub fn deepest(&self) -> u32 {
        self.deepest.get()
    }

    /// Zero, which the compiler can not know.
    fn opaque_zero(&self) -> u32 {
        self.deepest.get() >> 31
    }
}

// With a constant instead of `zero`, the compiler would turn the recursion into a loop.
#[inline(never)]
fn descend(depth: u32, zero: u32) -> u32 {
    match depth {
        0 => 0,
        _ => (descend(depth - 1, zero) ^ zero) + 1,
    }
}

#[inline(never)]
fn descend_with_locals(depth: u32) -> u32 {
    let mut locals = [depth; 64];
    black_box(&mut locals);
    match depth {
        0 => 0,
        _ => descend_with_locals(depth - 1) + 1 + (locals[0] - depth),
    }
}

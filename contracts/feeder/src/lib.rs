//! Streams values to the embedder.
#![cfg_attr(target_family = "wasm", no_std)]

/// No state.
pub struct Feeder;

#[crostata_sdk::contract]
impl Feeder {
    /// The contract as it is deployed.
    pub const fn new() -> Self {
        Self
    }

    /// Feeds the numbers below `count` in order, each as an archive.
    pub fn feed_numbers(count: u32) {
        (0..count).for_each(|number| crostata_sdk::feed(&number));
    }

    /// Feeds `count` blocks of `len` equal bytes.
    pub fn feed_blocks(count: u32, len: u32) {
        let len = (len as usize).min(BLOCK.len());
        (0..count).for_each(|_| crostata_sdk::feed_raw(&BLOCK[..len]));
    }

    /// Feeds the numbers below `count`, then fails.
    pub fn feed_then_fail(count: u32) {
        Self::feed_numbers(count);
        panic!("failed after the feed");
    }
}

static BLOCK: [u8; 4096] = [0xfe; 4096];

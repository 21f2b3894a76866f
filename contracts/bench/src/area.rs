//! A long piece of memory to write into.
//!
//! A place outside of it panics.

use alloc::vec::Vec;

use crate::random::Random;

/// Bytes, none until filled.
pub struct Area(Vec<u8>);

impl Area {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Every byte is written once, in order, with odd bytes that no compression shortens by much.
    pub fn fill(&mut self, bytes: u32, seed: u32) {
        let mut random = Random::new(seed);
        let mut word = || (random.next() | 0x0101_0101).to_le_bytes();
        if self.0.len() != bytes as usize {
            self.0 = Vec::new();
            self.0.reserve_exact(bytes as usize);
            (0..bytes / 4).for_each(|_| self.0.extend_from_slice(&word()));
            return;
        }
        for four in self.0.chunks_exact_mut(4) {
            four.copy_from_slice(&word());
        }
    }

    pub fn write(&mut self, pages: u32, stride: u32, value: u8) {
        for page in 0..pages {
            self.0[(page * stride) as usize] = value;
        }
    }

    pub fn sum(&self, pages: u32, stride: u32) -> u64 {
        (0..pages)
            .map(|page| u64::from(self.0[(page * stride) as usize]))
            .sum()
    }

    /// The bytes are changed on the way, so that no compiler makes one `memory.copy` of it.
    pub fn copy_bytes(&mut self, bytes: u32, times: u32) -> u32 {
        let (from, to) = self.0.split_at_mut(bytes as usize);
        for time in 0..times {
            for (to, from) in to.iter_mut().zip(from.iter()) {
                *to = from.wrapping_add(time as u8);
            }
        }
        u32::from(to[0])
    }

    pub fn copy_bulk(&mut self, bytes: u32, times: u32) -> u32 {
        for time in 0..times {
            self.0[0] = time as u8;
            self.0.copy_within(..bytes as usize, bytes as usize);
        }
        u32::from(self.0[bytes as usize])
    }

    pub fn scatter(&mut self, bytes: u32, times: u32, seed: u32) {
        let mut random = Random::new(seed);
        for _ in 0..times {
            let number = random.next();
            let at = (number & (bytes - 1) & !3) as usize;
            self.0[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
    }
}

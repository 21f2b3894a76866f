//! Which of the four chunks of a page are meant.

use core::ops::{BitOr, Range};

use crostata_abi::PAGE_BYTES;

use crate::chunks::{CHUNK_BYTES, Runs};

/// How many chunks of 1,024 bytes a page has.
pub const PAGE_CHUNKS: usize = PAGE_BYTES / CHUNK_BYTES;

/// A set of the chunks of a page, which are BLAKE3's: 1,024 bytes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageChunks(u8);

/// The runs of each set.
#[allow(
    clippy::single_range_in_vec_init,
    reason = "a run is a range, and these are lists of runs"
)]
static RUNS: [&Runs; 1 << PAGE_CHUNKS] = [
    &[],
    &[0..1],
    &[1..2],
    &[0..2],
    &[2..3],
    &[0..1, 2..3],
    &[1..3],
    &[0..3],
    &[3..4],
    &[0..1, 3..4],
    &[1..2, 3..4],
    &[0..2, 3..4],
    &[2..4],
    &[0..1, 2..4],
    &[1..4],
    &[0..4],
];

impl PageChunks {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// All four.
    pub const ALL: Self = Self(15);

    /// Those that have some of these bytes of the page.
    ///
    /// ```
    /// use crostata_proof::PageChunks;
    ///
    /// assert_eq!(PageChunks::of_bytes(1023..1025).bits(), 0b0011);
    /// assert_eq!(PageChunks::of_bytes(5000..6000), PageChunks::NONE);
    /// ```
    pub fn of_bytes(bytes: Range<usize>) -> Self {
        let has = |chunk: &usize| {
            let start = chunk * CHUNK_BYTES;
            bytes.start < start + CHUNK_BYTES && bytes.end > start && bytes.start < bytes.end
        };
        let bits = (0..PAGE_CHUNKS).filter(has).map(|chunk| 1 << chunk);
        Self(bits.fold(0, |all, bit: u8| all | bit))
    }

    /// Bit `i` stands for chunk `i`.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set with these bits; none if there are others than those of four chunks.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// Whether no chunk is in the set.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The only chunk of the set, if there is just one.
    pub(crate) fn lone(self) -> Option<u32> {
        (self.0.count_ones() == 1).then(|| self.0.trailing_zeros())
    }

    pub(crate) fn runs(self) -> &'static Runs {
        RUNS[usize::from(self.0)]
    }
}

impl BitOr for PageChunks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_those_of_the_bits() {
        for bits in 0..16_u8 {
            let runs = PageChunks(bits).runs();
            let chunks = runs.iter().flat_map(|run| run.clone());
            assert_eq!(chunks.map(|chunk| 1 << chunk).sum::<u8>(), bits);
            assert!(runs.is_sorted_by(|one, next| one.end < next.start));
        }
    }
}

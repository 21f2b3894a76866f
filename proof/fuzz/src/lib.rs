//! What the fuzz targets of proofs share: states and questions of the tests, and what is done to proofs.

#[path = "../../tests/common/mod.rs"]
pub mod common;

/// Bytes of the input, zeros at its end.
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        (usize::from(self.byte()) | usize::from(self.byte()) << 8) % end.max(1)
    }

    /// A part of so many bytes.
    pub fn part(&mut self, end: usize) -> std::ops::Range<usize> {
        const LENGTHS: [usize; 10] = [0, 1, 4, 5, 8, 32, 64, 65, 1024, 4096];
        let start = self.below(end);
        let len = match self.below(2 * LENGTHS.len()) {
            named if named < LENGTHS.len() => LENGTHS[named],
            _ => self.below(end),
        };
        start..(start + len).min(end)
    }

    /// Does something to a proof, perhaps with a part of another one.
    pub fn change(&mut self, proof: &mut Vec<u8>, other: &[u8]) {
        let at = self.part(proof.len());
        match self.below(7) {
            0 if at.start < proof.len() => proof[at.start] ^= self.byte(),
            1 => drop(proof.drain(at)),
            2 => {
                let doubled = proof[at.clone()].to_vec();
                proof.splice(at.start..at.start, doubled);
            }
            3 => {
                let to = self.below(proof.len() - at.len());
                let moved: Vec<u8> = proof.drain(at).collect();
                proof.splice(to..to, moved);
            }
            4 => {
                let from = self.part(other.len());
                proof.splice(at, other[from].iter().copied());
            }
            5 => proof[at].fill(0),
            _ => {
                let put = [self.byte(), self.byte(), self.byte(), self.byte()];
                let count = self.below(5);
                proof.splice(at, put.into_iter().take(count));
            }
        }
    }
}

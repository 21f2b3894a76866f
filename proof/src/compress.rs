//! BLAKE3's compression function for several inputs at once (BLAKE3 paper, section 2.2).
//!
//! The hashes of a proof wait for each other: one alone keeps a fraction of a vector unit busy. Where the processor has wide vectors, those
//! of different parts of a proof go through them side by side. The crate `blake3` offers that for whole blocks only, and most
//! nodes have one child: half a block. Tests hold the results equal to `blake3`'s.

/// Inputs that go side by side: one where there are no vectors to put them into.
pub(crate) const LANES: usize = if cfg!(feature = "simd") { 8 } else { 1 };

pub(crate) const CHUNK_START: u32 = 1;
pub(crate) const CHUNK_END: u32 = 1 << 1;
pub(crate) const ROOT: u32 = 1 << 3;
pub(crate) const KEYED_HASH: u32 = 1 << 4;

const INITIAL: [u32; 4] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];

/// Which word of the block each round uses when: the permutation of the paper's table 2, applied again and again.
const SCHEDULE: [[usize; 16]; 7] = {
    const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    let mut schedule = [[0; 16]; 7];
    let mut at = 0;
    while at < 16 {
        schedule[0][at] = at;
        at += 1;
    }
    let mut round = 1;
    while round < 7 {
        let mut at = 0;
        while at < 16 {
            schedule[round][at] = schedule[round - 1][PERMUTATION[at]];
            at += 1;
        }
        round += 1;
    }
    schedule
};

/// A word of each lane.
type Words<const N: usize> = [u32; N];

/// What goes into a compression, of `N` inputs.
#[derive(Clone)]
struct State<const N: usize> {
    /// Chaining value before, and after.
    value: [Words<N>; 8],
    block: [Words<N>; 16],
    counter: Words<N>,
    len_bytes: Words<N>,
    flags: Words<N>,
}

/// Blocks of up to [`LANES`] inputs, and what comes out.
pub(crate) struct Lanes {
    state: State<LANES>,
    #[cfg(feature = "simd")]
    arch: pulp::Arch,
}

/// What a block is, besides its bytes.
#[derive(Clone, Copy)]
pub(crate) struct BlockKind {
    /// Number of the chunk.
    pub counter: u32,
    pub flags: u32,
}

impl<const N: usize> State<N> {
    const fn new() -> Self {
        Self {
            value: [[0; N]; 8],
            block: [[0; N]; 16],
            counter: [0; N],
            len_bytes: [0; N],
            flags: [0; N],
        }
    }

    #[inline(always)]
    fn compress(&mut self) {
        let mut state = [[0; N]; 16];
        state[..8].copy_from_slice(&self.value);
        for (word, initial) in state[8..12].iter_mut().zip(INITIAL) {
            *word = [initial; N];
        }
        state[12] = self.counter;
        state[14] = self.len_bytes;
        state[15] = self.flags;
        for order in &SCHEDULE {
            round(&mut state, &self.block, order);
        }
        for (at, value) in self.value.iter_mut().enumerate() {
            for lane in 0..N {
                value[lane] = state[at][lane] ^ state[at + 8][lane];
            }
        }
    }
}

#[inline(always)]
fn round<const N: usize>(state: &mut [Words<N>; 16], block: &[Words<N>; 16], order: &[usize; 16]) {
    const COLUMNS_AND_DIAGONALS: [[usize; 4]; 8] = [
        [0, 4, 8, 12],
        [1, 5, 9, 13],
        [2, 6, 10, 14],
        [3, 7, 11, 15],
        [0, 5, 10, 15],
        [1, 6, 11, 12],
        [2, 7, 8, 13],
        [3, 4, 9, 14],
    ];
    for (at, places) in COLUMNS_AND_DIAGONALS.iter().enumerate() {
        let (x, y) = (&block[order[2 * at]], &block[order[2 * at + 1]]);
        mix(state, places, x, y);
    }
}

/// The quarter round `G`.
#[inline(always)]
fn mix<const N: usize>(
    state: &mut [Words<N>; 16],
    places: &[usize; 4],
    x: &Words<N>,
    y: &Words<N>,
) {
    let [a, b, c, d] = *places;
    state[a] = sum(sum(state[a], state[b]), *x);
    state[d] = turned(state[d], state[a], 16);
    state[c] = sum(state[c], state[d]);
    state[b] = turned(state[b], state[c], 12);
    state[a] = sum(sum(state[a], state[b]), *y);
    state[d] = turned(state[d], state[a], 8);
    state[c] = sum(state[c], state[d]);
    state[b] = turned(state[b], state[c], 7);
}

#[inline(always)]
fn sum<const N: usize>(mut one: Words<N>, other: Words<N>) -> Words<N> {
    for lane in 0..N {
        one[lane] = one[lane].wrapping_add(other[lane]);
    }
    one
}

#[inline(always)]
fn turned<const N: usize>(mut one: Words<N>, other: Words<N>, bits: u32) -> Words<N> {
    for lane in 0..N {
        one[lane] = (one[lane] ^ other[lane]).rotate_right(bits);
    }
    one
}

impl Lanes {
    pub fn new() -> Self {
        Self {
            state: State::new(),
            #[cfg(feature = "simd")]
            arch: pulp::Arch::new(),
        }
    }

    /// Begins an input in a lane: with a key.
    pub fn begin(&mut self, lane: usize, key: &[u8; 32]) {
        let (words, _) = key.as_chunks::<4>();
        for (value, word) in self.state.value.iter_mut().zip(words) {
            value[lane] = u32::from_le_bytes(*word);
        }
    }

    /// Goes on in another lane with the input of one.
    pub fn copy(&mut self, from: usize, to: usize) {
        for value in &mut self.state.value {
            value[to] = value[from];
        }
    }

    /// Puts the next block of an input into a lane: 64 bytes at most.
    pub fn put(&mut self, lane: usize, block: &[u8], kind: BlockKind) {
        match (block.first_chunk::<64>(), block.first_chunk::<32>()) {
            (Some(whole), _) => self.put_words(lane, whole),
            (None, Some(half)) if block.len() == 32 => {
                let mut whole = [0; 64];
                whole[..32].copy_from_slice(half);
                self.put_words(lane, &whole);
            }
            _ => {
                let mut whole = [0; 64];
                whole[..block.len()].copy_from_slice(block);
                self.put_words(lane, &whole);
            }
        }
        self.state.len_bytes[lane] = block.len() as u32;
        self.state.counter[lane] = kind.counter;
        self.state.flags[lane] = kind.flags | KEYED_HASH;
    }

    #[inline(always)]
    fn put_words(&mut self, lane: usize, block: &[u8; 64]) {
        let (words, _) = block.as_chunks::<4>();
        for (place, word) in self.state.block.iter_mut().zip(words) {
            place[lane] = u32::from_le_bytes(*word);
        }
    }

    /// Compresses the blocks in the first `count` lanes.
    pub fn compress(&mut self, count: usize) {
        #[cfg(feature = "simd")]
        if count >= vector_lanes_min(self.arch) {
            return self.arch.dispatch(Vectorised(&mut self.state));
        }
        for lane in 0..count.min(LANES) {
            self.compress_alone(lane);
        }
    }

    fn compress_alone(&mut self, lane: usize) {
        let of = |words: &Words<LANES>| [words[lane]];
        let mut alone = State {
            value: core::array::from_fn(|at| of(&self.state.value[at])),
            block: core::array::from_fn(|at| of(&self.state.block[at])),
            counter: of(&self.state.counter),
            len_bytes: of(&self.state.len_bytes),
            flags: of(&self.state.flags),
        };
        alone.compress();
        for (value, [word]) in self.state.value.iter_mut().zip(alone.value) {
            value[lane] = word;
        }
    }

    /// What came out of a lane.
    pub fn value(&self, lane: usize) -> [u8; 32] {
        let mut bytes = [[0; 4]; 8];
        for (bytes, value) in bytes.iter_mut().zip(&self.state.value) {
            *bytes = value[lane].to_le_bytes();
        }
        *bytes.as_flattened().first_chunk().unwrap_or(&[0; 32])
    }
}

/// From how many lanes on a vector unit is faster than one after the other: measured, with AVX-512 and with AVX2.
#[cfg(feature = "simd")]
fn vector_lanes_min(arch: pulp::Arch) -> usize {
    match arch {
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V4(_) => 2,
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V3(_) => 5,
        _ => usize::MAX,
    }
}

#[cfg(feature = "simd")]
struct Vectorised<'a>(&'a mut State<LANES>);

#[cfg(feature = "simd")]
impl pulp::WithSimd for Vectorised<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.0.compress();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P1: every lane computes what `blake3` computes, however many go side by side.
    #[test]
    fn lanes_are_blake3() {
        for count in 1..=LANES {
            for len in [0, 1, 31, 32, 33, 63, 64] {
                let mut lanes = Lanes::new();
                let input = |lane: usize| -> [u8; 64] {
                    core::array::from_fn(|at| (at * 7 + lane * 31 + len) as u8)
                };
                let flags = CHUNK_START | CHUNK_END | ROOT;
                for lane in 0..count {
                    lanes.begin(lane, &[lane as u8; 32]);
                    let kind = BlockKind { counter: 0, flags };
                    lanes.put(lane, &input(lane)[..len], kind);
                }
                lanes.compress(count);
                for lane in 0..count {
                    let hash = blake3::keyed_hash(&[lane as u8; 32], &input(lane)[..len]);
                    assert_eq!(lanes.value(lane), *hash.as_bytes(), "{count} {len} {lane}");
                }
            }
        }
    }
}

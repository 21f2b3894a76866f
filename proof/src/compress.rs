//! BLAKE3's compression function for several inputs at once (BLAKE3 paper, section 2.2).
//!
//! The hashes of a proof wait for each other: one alone keeps a fraction of a vector unit busy. Where the processor has wide vectors, those
//! of different parts of a proof go through them side by side. The crate `blake3` offers that for whole blocks only, and most
//! nodes have one child: half a block. Tests hold the results equal to `blake3`'s.

/// Inputs that go side by side: one where there are no vectors to put them into.
pub(crate) const LANES: usize = if cfg!(feature = "simd") { 8 } else { 1 };

pub(crate) const CHUNK_START: u32 = 1;
pub(crate) const CHUNK_END: u32 = 1 << 1;
pub(crate) const PARENT: u32 = 1 << 2;
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

/// Words, of one lane or of all, and what is done with them.
trait Arithmetic: Copy {
    type Words: Copy;

    fn of(self, word: u32) -> Self::Words;
    fn sum(self, one: Self::Words, other: Self::Words) -> Self::Words;
    fn xor(self, one: Self::Words, other: Self::Words) -> Self::Words;
    /// Turned right by so many bits; `REST` are the others of 32.
    fn turned<const BITS: i32, const REST: i32>(self, words: Self::Words) -> Self::Words;
}

/// A block, and what it is compressed with.
struct Input<W> {
    /// The chaining value.
    value: [W; 8],
    block: [W; 16],
    counter: W,
    len_bytes: W,
    flags: W,
}

#[inline(always)]
fn compressed<A: Arithmetic>(with: A, input: &Input<A::Words>) -> [A::Words; 8] {
    let [v0, v1, v2, v3, v4, v5, v6, v7] = input.value;
    let [i0, i1, i2, i3] = INITIAL;
    let (i0, i1, i2, i3) = (with.of(i0), with.of(i1), with.of(i2), with.of(i3));
    let (counter, len_bytes, flags) = (input.counter, input.len_bytes, input.flags);
    let mut state = [
        v0,
        v1,
        v2,
        v3,
        v4,
        v5,
        v6,
        v7,
        i0,
        i1,
        i2,
        i3,
        counter,
        with.of(0),
        len_bytes,
        flags,
    ];
    rounds(with, &mut state, &input.block);
    let mut value = input.value;
    for (at, words) in value.iter_mut().enumerate() {
        *words = with.xor(state[at], state[at + 8]);
    }
    value
}

/// Written out, so that words stay in registers.
#[cfg(feature = "simd")]
#[inline(always)]
fn rounds<A: Arithmetic>(with: A, state: &mut [A::Words; 16], block: &[A::Words; 16]) {
    round(with, state, block, &SCHEDULE[0]);
    round(with, state, block, &SCHEDULE[1]);
    round(with, state, block, &SCHEDULE[2]);
    round(with, state, block, &SCHEDULE[3]);
    round(with, state, block, &SCHEDULE[4]);
    round(with, state, block, &SCHEDULE[5]);
    round(with, state, block, &SCHEDULE[6]);
}

#[cfg(not(feature = "simd"))]
fn rounds<A: Arithmetic>(with: A, state: &mut [A::Words; 16], block: &[A::Words; 16]) {
    for order in &SCHEDULE {
        round(with, state, block, order);
    }
}

#[inline(always)]
fn round<A: Arithmetic>(
    with: A,
    state: &mut [A::Words; 16],
    block: &[A::Words; 16],
    order: &[usize; 16],
) {
    // Columns.
    mix(with, state, [0, 4, 8, 12], block[order[0]], block[order[1]]);
    mix(with, state, [1, 5, 9, 13], block[order[2]], block[order[3]]);
    mix(
        with,
        state,
        [2, 6, 10, 14],
        block[order[4]],
        block[order[5]],
    );
    mix(
        with,
        state,
        [3, 7, 11, 15],
        block[order[6]],
        block[order[7]],
    );
    // Diagonals.
    mix(
        with,
        state,
        [0, 5, 10, 15],
        block[order[8]],
        block[order[9]],
    );
    mix(
        with,
        state,
        [1, 6, 11, 12],
        block[order[10]],
        block[order[11]],
    );
    mix(
        with,
        state,
        [2, 7, 8, 13],
        block[order[12]],
        block[order[13]],
    );
    mix(
        with,
        state,
        [3, 4, 9, 14],
        block[order[14]],
        block[order[15]],
    );
}

/// The quarter round `G`.
#[inline(always)]
fn mix<A: Arithmetic>(
    with: A,
    state: &mut [A::Words; 16],
    places: [usize; 4],
    x: A::Words,
    y: A::Words,
) {
    let [a, b, c, d] = places;
    state[a] = with.sum(with.sum(state[a], state[b]), x);
    state[d] = with.turned::<16, 16>(with.xor(state[d], state[a]));
    state[c] = with.sum(state[c], state[d]);
    state[b] = with.turned::<12, 20>(with.xor(state[b], state[c]));
    state[a] = with.sum(with.sum(state[a], state[b]), y);
    state[d] = with.turned::<8, 24>(with.xor(state[d], state[a]));
    state[c] = with.sum(state[c], state[d]);
    state[b] = with.turned::<7, 25>(with.xor(state[b], state[c]));
}

/// One lane.
#[derive(Clone, Copy)]
struct Alone;

impl Arithmetic for Alone {
    type Words = u32;

    #[inline(always)]
    fn of(self, word: u32) -> u32 {
        word
    }

    #[inline(always)]
    fn sum(self, one: u32, other: u32) -> u32 {
        one.wrapping_add(other)
    }

    #[inline(always)]
    fn xor(self, one: u32, other: u32) -> u32 {
        one ^ other
    }

    #[inline(always)]
    fn turned<const BITS: i32, const REST: i32>(self, words: u32) -> u32 {
        words.rotate_right(BITS as u32)
    }
}

/// A word of each lane.
type Row = [u32; LANES];

/// Blocks of up to [`LANES`] inputs, and what comes out.
pub(crate) struct Lanes {
    input: Input<Row>,
    #[cfg(feature = "simd")]
    vectors: vectors::Vectors,
}

/// What a block is, besides its bytes.
#[derive(Clone, Copy)]
pub(crate) struct BlockKind {
    /// Number of the chunk.
    pub counter: u32,
    pub flags: u32,
}

impl Lanes {
    pub fn new() -> Self {
        const ROW: Row = [0; LANES];
        Self {
            input: Input {
                value: [ROW; 8],
                block: [ROW; 16],
                counter: ROW,
                len_bytes: ROW,
                flags: ROW,
            },
            #[cfg(feature = "simd")]
            vectors: vectors::Vectors::new(),
        }
    }

    /// Begins an input in a lane: with a key, or a chaining value.
    pub fn begin(&mut self, lane: usize, key: &[u8; 32]) {
        let (words, _) = key.as_chunks::<4>();
        for (row, word) in self.input.value.iter_mut().zip(words) {
            row[lane] = u32::from_le_bytes(*word);
        }
    }

    /// Goes on in another lane with the input of one.
    pub fn copy(&mut self, from: usize, to: usize) {
        for row in &mut self.input.value {
            row[to] = row[from];
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
        self.input.len_bytes[lane] = block.len() as u32;
        self.input.counter[lane] = kind.counter;
        self.input.flags[lane] = kind.flags | KEYED_HASH;
    }

    #[inline(always)]
    fn put_words(&mut self, lane: usize, block: &[u8; 64]) {
        let (words, _) = block.as_chunks::<4>();
        for (row, word) in self.input.block.iter_mut().zip(words) {
            row[lane] = u32::from_le_bytes(*word);
        }
    }

    /// Compresses the blocks in the first `count` lanes.
    pub fn compress(&mut self, count: usize) {
        #[cfg(feature = "simd")]
        if count > 1 && self.vectors.compress(&mut self.input) {
            return;
        }
        for lane in 0..count.min(LANES) {
            let alone = self.input.lane(lane);
            let value = compressed(Alone, &alone);
            for (row, word) in self.input.value.iter_mut().zip(value) {
                row[lane] = word;
            }
        }
    }

    /// What came out of a lane.
    pub fn value(&self, lane: usize) -> [u8; 32] {
        let mut bytes = [[0; 4]; 8];
        for (bytes, row) in bytes.iter_mut().zip(&self.input.value) {
            *bytes = row[lane].to_le_bytes();
        }
        *bytes.as_flattened().first_chunk().unwrap_or(&[0; 32])
    }
}

impl Input<Row> {
    fn lane(&self, lane: usize) -> Input<u32> {
        Input {
            value: self.value.map(|row| row[lane]),
            block: self.block.map(|row| row[lane]),
            counter: self.counter[lane],
            len_bytes: self.len_bytes[lane],
            flags: self.flags[lane],
        }
    }
}

#[cfg(all(feature = "simd", target_arch = "x86_64"))]
mod vectors {
    //! All lanes in vectors of 256 bits, where the processor has them.

    use pulp::x86::V3;
    use pulp::{Arch, Simd, WithSimd, u32x8};

    use super::{Arithmetic, Input, Row, compressed};

    pub struct Vectors(Arch);

    impl Vectors {
        pub fn new() -> Self {
            Self(Arch::new())
        }

        /// Every kind that this processor has, and none.
        #[cfg(test)]
        pub fn kinds() -> alloc::vec::Vec<Self> {
            let wide = V3::try_new().map(Arch::V3);
            let wider = pulp::x86::V4::try_new().map(Arch::V4);
            let kinds = [Some(Arch::Scalar), wide, wider].into_iter().flatten();
            kinds.map(Self).collect()
        }

        /// Compresses all lanes. `false` if there are no vectors for them.
        pub fn compress(&self, input: &mut Input<Row>) -> bool {
            let vectors = match self.0 {
                // The same operations; compiled for this, rotations are one instruction.
                Arch::V4(vectors) => *vectors,
                Arch::V3(vectors) => vectors,
                _ => return false,
            };
            self.0.dispatch(AllLanes(vectors, input));
            true
        }
    }

    struct AllLanes<'a>(V3, &'a mut Input<Row>);

    impl WithSimd for AllLanes<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Self(vectors, input) = self;
            let all = Input {
                value: vectors_of(&input.value),
                block: vectors_of(&input.block),
                counter: pulp::cast(input.counter),
                len_bytes: pulp::cast(input.len_bytes),
                flags: pulp::cast(input.flags),
            };
            let value = compressed(vectors, &all);
            for (row, words) in input.value.iter_mut().zip(value) {
                *row = pulp::cast(words);
            }
        }
    }

    #[inline(always)]
    fn vectors_of<const ROWS: usize>(rows: &[Row; ROWS]) -> [u32x8; ROWS] {
        let mut vectors = [u32x8(0, 0, 0, 0, 0, 0, 0, 0); ROWS];
        for (vector, row) in vectors.iter_mut().zip(rows) {
            *vector = pulp::cast(*row);
        }
        vectors
    }

    impl Arithmetic for V3 {
        type Words = u32x8;

        #[inline(always)]
        fn of(self, word: u32) -> u32x8 {
            self.splat_u32x8(word)
        }

        #[inline(always)]
        fn sum(self, one: u32x8, other: u32x8) -> u32x8 {
            self.wrapping_add_u32x8(one, other)
        }

        #[inline(always)]
        fn xor(self, one: u32x8, other: u32x8) -> u32x8 {
            self.xor_u32x8(one, other)
        }

        #[inline(always)]
        fn turned<const BITS: i32, const REST: i32>(self, words: u32x8) -> u32x8 {
            let (right, left) = (
                self.shr_const_u32x8::<BITS>(words),
                self.shl_const_u32x8::<REST>(words),
            );
            self.or_u32x8(right, left)
        }
    }
}

#[cfg(all(feature = "simd", not(target_arch = "x86_64")))]
mod vectors {
    //! No vectors are used on this processor.

    use super::{Input, Row};

    pub struct Vectors;

    impl Vectors {
        pub fn new() -> Self {
            Self
        }

        pub fn compress(&self, _: &mut Input<Row>) -> bool {
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P1: every kind of vectors computes what `blake3` computes.
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    #[test]
    fn all_vectors_are_blake3() {
        for vectors in vectors::Vectors::kinds() {
            let mut lanes = Lanes::new();
            lanes.vectors = vectors;
            for lane in 0..LANES {
                lanes.begin(lane, &[lane as u8; 32]);
                let flags = CHUNK_START | CHUNK_END | ROOT;
                lanes.put(lane, &[7; 48], BlockKind { counter: 0, flags });
            }
            lanes.compress(LANES);
            for lane in 0..LANES {
                let hash = blake3::keyed_hash(&[lane as u8; 32], &[7; 48]);
                assert_eq!(lanes.value(lane), *hash.as_bytes(), "lane {lane}");
            }
        }
    }

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

//! Some chunks of bytes that BLAKE3 hashes, with the chaining values of the rest: enough to compute the hash.
//!
//! BLAKE3 hashes bytes as a binary tree over chunks of 1,024 bytes (BLAKE3 paper, section 2.1). A subtree of which nothing
//! is shown is one chaining value of 32 bytes; a chunk that is shown is its bytes. Which chunks are shown is said elsewhere.
//!
//! Encoding: the chaining values, then the chunks, each in the order of the bytes that they stand for.

use alloc::vec::Vec;
use core::ops::Range;

use blake3::Hasher;
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::climb::Climbs;
use crate::hash::{self, Kind};
use crate::read::{Cut, Reader};
use crate::{EMPTY, Hash};

/// Bytes of a chunk.
pub const CHUNK_BYTES: usize = 1024;

/// Chunks by number: runs that ascend, with a chunk between any two.
pub(crate) type Runs = [Range<u32>];

/// How many chunks these bytes are: one at least.
pub(crate) fn chunk_count(len_bytes: u64) -> u64 {
    len_bytes.div_ceil(CHUNK_BYTES as u64).max(1)
}

/// The chunks that have some of these bytes.
pub(crate) fn chunks_of(bytes: Range<u64>) -> Range<u64> {
    let chunk = CHUNK_BYTES as u64;
    bytes.start / chunk..bytes.end.div_ceil(chunk)
}

/// The chunks that are shown, and what hides the others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ChunkList {
    values: Vec<Hash>,
    bytes: Vec<u8>,
}

/// A subtree: chunks of bytes of this length.
#[derive(Clone)]
struct Subtree {
    chunks: Range<u64>,
    len_bytes: u64,
}

/// How much of a subtree is shown.
enum Shown {
    Nothing,
    Everything,
    Some,
}

impl Subtree {
    fn whole(len_bytes: u64) -> Self {
        Self {
            chunks: 0..chunk_count(len_bytes),
            len_bytes,
        }
    }

    /// The left subtree has the largest power of two of chunks that is less than all.
    fn halves(&self) -> (Self, Self) {
        let Range { start, end } = self.chunks;
        let middle = start + (end - start).next_power_of_two() / 2;
        let half = |chunks| Self {
            chunks,
            len_bytes: self.len_bytes,
        };
        (half(start..middle), half(middle..end))
    }

    fn bytes(&self) -> Range<u64> {
        let chunk_bytes = CHUNK_BYTES as u64;
        let byte = |chunk: u64| chunk.saturating_mul(chunk_bytes).min(self.len_bytes);
        byte(self.chunks.start)..byte(self.chunks.end)
    }

    /// How many bytes are in it: more than there can be, if they can not be counted.
    fn size(&self) -> usize {
        let Range { start, end } = self.bytes();
        usize::try_from(end - start).unwrap_or(usize::MAX)
    }

    fn shown(&self, runs: &Runs) -> Shown {
        let Range { start, end } = self.chunks;
        let at = runs.partition_point(|run| u64::from(run.end) <= start);
        match runs.get(at) {
            Some(run) if u64::from(run.start) <= start && u64::from(run.end) >= end => {
                Shown::Everything
            }
            Some(run) if u64::from(run.start) < end => Shown::Some,
            _ => Shown::Nothing,
        }
    }
}

/// Visits the largest subtrees of which everything or nothing is shown, in the order of their bytes.
fn visit(subtree: &Subtree, runs: &Runs, visitor: &mut impl FnMut(&Subtree, bool)) {
    match subtree.shown(runs) {
        Shown::Nothing => visitor(subtree, false),
        Shown::Everything => visitor(subtree, true),
        Shown::Some => {
            let (left, right) = subtree.halves();
            visit(&left, runs, visitor);
            visit(&right, runs, visitor);
        }
    }
}

impl ChunkList {
    /// Shows these chunks of `content`, whose hash is of this kind.
    pub fn of(kind: Kind, content: &[u8], runs: &Runs) -> Self {
        let (mut values, mut bytes) = (Vec::new(), Vec::new());
        let whole = Subtree::whole(content.len() as u64);
        visit(&whole, runs, &mut |subtree, is_shown| {
            let Range { start, end } = subtree.bytes();
            let part = &content[start as usize..end as usize];
            match is_shown {
                true => bytes.extend_from_slice(part),
                false => values.push(value_of(kind, start, part)),
            }
        });
        Self { values, bytes }
    }

    /// The hash of the content of this length of which these chunks are shown: none if the list is of others.
    pub fn hash(&self, kind: Kind, len_bytes: u64, runs: &Runs) -> Option<Hash> {
        let whole = Subtree::whole(len_bytes);
        let mut folding = Folding {
            kind,
            runs,
            values: &self.values,
            bytes: &self.bytes,
        };
        let hash = match whole.shown(runs) {
            Shown::Nothing => None,
            Shown::Everything => Some(hash::keyed(kind, folding.take(&whole)?)),
            Shown::Some => {
                let (left, right) = folding.halves(&whole)?;
                let root = merge_subtrees_root(&left, &right, Mode::KeyedHash(kind.key()));
                Some(*root.as_bytes())
            }
        };
        hash.filter(|_| folding.values.is_empty() && folding.bytes.is_empty())
    }

    /// The chaining values of what is not shown, if they are two: as of a page of which one chunk is shown.
    pub fn pair(&self) -> Option<[Hash; 2]> {
        self.values.as_slice().try_into().ok()
    }

    /// Where the bytes of a chunk that is shown begin among all that are.
    fn place(runs: &Runs, chunk: u64) -> Option<usize> {
        let mut before = 0;
        for run in runs {
            let Range { start, end } = u64::from(run.start)..u64::from(run.end);
            if chunk < end {
                let within = chunk.checked_sub(start)?;
                return usize::try_from((before + within) * CHUNK_BYTES as u64).ok();
            }
            before += end - start;
        }
        None
    }

    /// Some of the bytes of a content of which these chunks are shown, all of them in one run; or the first chunk that is not shown.
    pub fn read(&self, runs: &Runs, wanted: Range<u64>) -> Result<&[u8], u64> {
        let chunks = chunks_of(wanted.clone());
        let shown = Self::place(runs, chunks.start).ok_or(chunks.start)?;
        let run = runs.iter().find(|run| u64::from(run.end) > chunks.start);
        let end = run.map_or(chunks.start, |run| u64::from(run.end));
        if end < chunks.end {
            return Err(end);
        }
        let start = shown + (wanted.start % CHUNK_BYTES as u64) as usize;
        let len = (wanted.end - wanted.start) as usize;
        self.bytes.get(start..start + len).ok_or(chunks.end)
    }

    /// All that is shown.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends the encoding.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self.values.as_flattened());
        bytes.extend_from_slice(&self.bytes);
    }

    /// Reads the list of these chunks of a content of this length.
    pub fn read_from(reader: &mut Reader<'_>, len_bytes: u64, runs: &Runs) -> Result<Self, Cut> {
        let (mut values, mut shown) = (0_usize, 0_usize);
        visit(
            &Subtree::whole(len_bytes),
            runs,
            &mut |subtree, is_shown| match is_shown {
                true => shown = shown.saturating_add(subtree.size()),
                false => values += 1,
            },
        );
        let (values, _) = reader.bytes(values.saturating_mul(32))?.as_chunks();
        let bytes = reader.bytes(shown)?;
        Ok(Self {
            values: values.to_vec(),
            bytes: bytes.to_vec(),
        })
    }
}

/// The chaining value of a subtree's bytes, which begin at `offset` in the whole.
fn value_of(kind: Kind, offset: u64, bytes: &[u8]) -> Hash {
    let mut hasher = Hasher::new_keyed(kind.key());
    hasher.set_input_offset(offset).update(bytes);
    hasher.finalize_non_root()
}

/// The chaining value behind the first half of a chunk of a page.
pub(crate) fn middle_of(chunk: u32, bytes: &[u8]) -> Hash {
    let mut climbs = Climbs::new();
    let chunk = climbs.chunk(chunk, bytes, &EMPTY, [EMPTY; 2]);
    // Without ways there is nothing that could fail.
    let _ = climbs.run();
    climbs.found_middle(chunk)
}

/// A list on its way to a hash: what has not been used yet.
struct Folding<'a> {
    kind: Kind,
    runs: &'a Runs,
    values: &'a [Hash],
    bytes: &'a [u8],
}

impl<'a> Folding<'a> {
    fn take(&mut self, subtree: &Subtree) -> Option<&'a [u8]> {
        self.bytes.split_off(..subtree.size())
    }

    fn halves(&mut self, subtree: &Subtree) -> Option<(Hash, Hash)> {
        let (left, right) = subtree.halves();
        Some((self.value(&left)?, self.value(&right)?))
    }

    fn value(&mut self, subtree: &Subtree) -> Option<Hash> {
        match subtree.shown(self.runs) {
            Shown::Nothing => self.values.split_off_first().copied(),
            Shown::Everything => {
                let offset = subtree.bytes().start;
                self.take(subtree)
                    .map(|bytes| value_of(self.kind, offset, bytes))
            }
            Shown::Some => {
                let (left, right) = self.halves(subtree)?;
                let mode = Mode::KeyedHash(self.kind.key());
                Some(merge_subtrees_non_root(&left, &right, mode))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;
    use alloc::vec;

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * at / 7) as u8).collect()
    }

    fn runs_of(chosen: u64, count: u64) -> Vec<Range<u32>> {
        let mut runs: Vec<Range<u32>> = vec![];
        for chunk in (0..count as u32).filter(|chunk| chosen >> chunk & 1 == 1) {
            match runs.last_mut() {
                Some(run) if run.end == chunk => run.end += 1,
                _ => runs.push(chunk..chunk + 1),
            }
        }
        runs
    }

    /// P4: whichever chunks of whatever length are shown, the list hashes to the hash of the whole.
    #[test]
    fn all_choices_of_chunks_hash_to_the_whole() {
        for len in [1, 1000, 1024, 1025, 4096, 5000, 7168, 8193] {
            let content = content(len);
            let count = chunk_count(len as u64);
            for chosen in 1..1_u64 << count {
                let runs = runs_of(chosen, count);
                let list = ChunkList::of(Kind::Code, &content, &runs);
                let hash = list.hash(Kind::Code, len as u64, &runs);
                assert_eq!(
                    hash,
                    Some(hash::keyed(Kind::Code, &content)),
                    "{len} {runs:?}"
                );
                let mut bytes = vec![];
                list.write(&mut bytes);
                let read = ChunkList::read_from(&mut Reader::new(&bytes), len as u64, &runs);
                assert_eq!(read, Ok(list));
                let cut = &bytes[..bytes.len() - 1];
                let cut = ChunkList::read_from(&mut Reader::new(cut), len as u64, &runs);
                assert_eq!(cut, Err(Cut));
            }
        }
    }

    #[test]
    fn what_is_shown_can_be_read_and_the_rest_not() {
        let content = content(6000);
        let runs = [1..2, 3..6];
        let list = ChunkList::of(Kind::Code, &content, &runs);
        for (start, end) in [(1024, 2048), (1030, 1031), (3072, 6000), (4000, 5999)] {
            let read = list.read(&runs, start..end);
            assert_eq!(read, Ok(&content[start as usize..end as usize]));
        }
        for (start, end, missing) in [(0, 1, 0), (1023, 1025, 0), (2000, 2049, 2), (2048, 3073, 2)]
        {
            assert_eq!(list.read(&runs, start..end), Err(missing));
        }
    }

    /// P7: a list of other chunks, or of another length, has no hash or another one.
    #[test]
    fn lists_of_other_chunks_do_not_hash() {
        let content = content(6000);
        let list = ChunkList::of(Kind::Code, &content, &[1..2]);
        let right = hash::keyed(Kind::Code, &content);
        for (len, runs) in [
            (6000, 0..1),
            (6000, 1..3),
            (6000, 0..6),
            (4096, 1..2),
            (9000, 1..2),
        ] {
            let hash = list.hash(Kind::Code, len, core::slice::from_ref(&runs));
            assert_ne!(hash, Some(right), "{len} {runs:?}");
        }
        assert_eq!(list.hash(Kind::Code, 6000, &[]), None);
        assert_ne!(list.hash(Kind::PageLeaf, 6000, &[1..2]), Some(right));
    }
}

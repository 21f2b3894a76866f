//! Copies: memory for the pre-images that scopes keep, shared by the memories of one session.

use super::Page;
use super::touch::SPILL_BYTES;

/// The first bytes of a page, as far as the page before spills into it.
pub(super) type Head = [u8; SPILL_BYTES];

/// Slots in a chunk: the bits of a word.
const CHUNK_SLOTS: u32 = u64::BITS;

/// Chunks without a used slot that keep their memory: 4 MiB of pages.
const SPARE_CHUNKS_MAX: usize = 16;

/// The same where each wave of calls keeps pre-images until it is judged: 32 MiB.
const SPARE_CHUNKS_OF_WAVES_MAX: usize = 128;

/// An arena of pre-images. It grows with what open scopes keep, and gives memory back when they close.
///
/// All operations on one [`ContractMemory`](super::ContractMemory) must be given the same one.
#[derive(Debug, Default)]
pub struct Copies {
    pub(super) pages: Arena<{ size_of::<Page>() }>,
    pub(super) heads: Arena<SPILL_BYTES>,
}

impl Copies {
    /// Keeps more memory that is not used at the moment.
    pub fn keep_for_waves(&mut self) {
        self.pages.spare_max = SPARE_CHUNKS_OF_WAVES_MAX;
        self.heads.spare_max = SPARE_CHUNKS_OF_WAVES_MAX;
    }

    /// Bytes of memory held, used or not.
    #[cfg(test)]
    pub fn held_bytes(&self) -> u64 {
        self.pages.held_bytes() + self.heads.held_bytes()
    }
}

/// Slots of `N` bytes in chunks. A slot's content is arbitrary until it is written.
#[derive(Debug)]
pub(super) struct Arena<const N: usize> {
    chunks: Vec<Chunk>,
    /// The chunks with a free slot, each once.
    open: Vec<u32>,
    /// Chunks with memory and no used slot.
    spare: usize,
    /// How many there may be.
    spare_max: usize,
}

#[derive(Debug)]
struct Chunk {
    /// Empty when the memory was given back; all slots are free then. Flat, because zeros that nobody wrote take no
    /// memory only as bytes: a vector of arrays is filled with them.
    slots: Vec<u8>,
    /// A bit per free slot.
    free: u64,
}

const ALL_FREE: u64 = u64::MAX;

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            open: Vec::new(),
            spare: 0,
            spare_max: SPARE_CHUNKS_MAX,
        }
    }
}

impl<const N: usize> Arena<N> {
    /// Takes a slot.
    pub fn take(&mut self) -> u32 {
        let index = match self.open.last() {
            Some(index) => *index,
            None => self.add_chunk(),
        };
        let chunk = &mut self.chunks[index as usize];
        if chunk.slots.is_empty() {
            chunk.slots = vec![0; N * CHUNK_SLOTS as usize];
        } else if chunk.free == ALL_FREE {
            self.spare -= 1;
        }
        let slot = chunk.free.trailing_zeros();
        chunk.free &= !(1 << slot);
        if chunk.free == 0 {
            self.open.pop();
        }
        index * CHUNK_SLOTS + slot
    }

    /// Gives a slot back.
    pub fn give_back(&mut self, slot: u32) {
        let index = slot / CHUNK_SLOTS;
        let chunk = &mut self.chunks[index as usize];
        if chunk.free == 0 {
            self.open.push(index);
        }
        chunk.free |= 1 << (slot % CHUNK_SLOTS);
        if chunk.free == ALL_FREE {
            match self.spare < self.spare_max {
                true => self.spare += 1,
                false => chunk.slots = Vec::new(),
            }
        }
    }

    /// The bytes of a slot.
    pub fn get(&self, slot: u32) -> &[u8; N] {
        let chunk = &self.chunks[(slot / CHUNK_SLOTS) as usize];
        &chunk.slots.as_chunks().0[(slot % CHUNK_SLOTS) as usize]
    }

    /// The bytes of a slot, to be written.
    pub fn get_mut(&mut self, slot: u32) -> &mut [u8; N] {
        let chunk = &mut self.chunks[(slot / CHUNK_SLOTS) as usize];
        &mut chunk.slots.as_chunks_mut().0[(slot % CHUNK_SLOTS) as usize]
    }

    /// Slots in use.
    #[cfg(test)]
    pub fn used(&self) -> u32 {
        let used = self.chunks.iter().map(|chunk| chunk.free.count_zeros());
        used.sum()
    }

    fn add_chunk(&mut self) -> u32 {
        let index = self.chunks.len() as u32;
        self.chunks.push(Chunk {
            slots: Vec::new(),
            free: ALL_FREE,
        });
        self.open.push(index);
        index
    }

    #[cfg(test)]
    fn held_bytes(&self) -> u64 {
        let chunks = self.chunks.iter();
        let with_memory = chunks.filter(|chunk| !chunk.slots.is_empty()).count() as u64;
        with_memory * u64::from(CHUNK_SLOTS) * N as u64
    }
}

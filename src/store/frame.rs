//! A frame of the log: its header, its checksums and where its parts lie.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `crosfram` |
//! | 8 | 1 | kind, the caller's |
//! | 9 | 1 | frame version: 2 |
//! | 10 | 6 | zeros |
//! | 16 | 8 | epoch of the segment |
//! | 24 | 8 | sequence number: 1, 2, 3, ... through all segments |
//! | 32 | 8 | length of the meta |
//! | 40 | 8 | length of the blobs |
//! | 48 | 8 | durable: the number of the last frame known to be synced when this one was written |
//! | 56 | 8 | zeros |
//! | 64 | 32 | keyed hash (kind `LogFrame`) of the blobs; zeros if the caller vouches for them |
//! | 96 | 32 | keyed hash (kind `LogFrame`) of bytes 0 to 95 and the meta |
//! | 128 | | the meta, zeros up to a block's end, the blobs, zeros up to a block's end |
//!
//! A frame begins at a block: writing one never writes to a block of another.

use crostata_abi::PAGE_BYTES;
use crostata_proof::hash::KeyedHasher;
use crostata_proof::{Hash, hash};

use super::place::Place;

/// What frames and their blobs are aligned to: the page of the state, and of most disks.
pub(super) const BLOCK_BYTES: usize = PAGE_BYTES;
/// [`BLOCK_BYTES`] as a file offset.
pub(super) const BLOCK: u64 = BLOCK_BYTES as u64;
/// The length of a frame's header.
pub(super) const HEADER_LEN: usize = 128;
/// How a frame begins.
pub(super) const MAGIC: [u8; 8] = *b"crosfram";
/// Stands for the hash of blobs that the caller vouches for.
pub(super) const VOUCHED: Hash = [0; 32];

/// Where the epoch is in a header.
pub(super) const EPOCH_AT: usize = 16;
/// Where the sequence number is.
pub(super) const SEQUENCE_AT: usize = 24;

const VERSION: u8 = 2;
const FIELDS_LEN: usize = 96;

/// A frame as it was written: what its caller gave, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Where the frame begins.
    pub place: Place,
    /// What the caller says it is.
    pub kind: u8,
    /// Its number: one more than that of the frame before.
    pub sequence: u64,
    /// The caller's bytes that are checked and read with the frame.
    pub meta: Vec<u8>,
    /// Where the blobs begin.
    pub blobs: Place,
    /// The length of all blobs together.
    pub blobs_len: u64,
}

/// The fields of a frame's header but its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub kind: u8,
    pub epoch: u64,
    pub sequence: u64,
    pub meta_len: u64,
    pub blobs_len: u64,
    pub durable: u64,
    pub blobs_hash: Hash,
}

impl Fields {
    /// The header of a frame with this meta.
    pub fn encode(&self, meta: &[u8]) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (fields, checksum) = bytes.split_at_mut(FIELDS_LEN);
        fields[..8].copy_from_slice(&MAGIC);
        fields[8] = self.kind;
        fields[9] = VERSION;
        fields[EPOCH_AT..24].copy_from_slice(&self.epoch.to_le_bytes());
        fields[SEQUENCE_AT..32].copy_from_slice(&self.sequence.to_le_bytes());
        fields[32..40].copy_from_slice(&self.meta_len.to_le_bytes());
        fields[40..48].copy_from_slice(&self.blobs_len.to_le_bytes());
        fields[48..56].copy_from_slice(&self.durable.to_le_bytes());
        fields[64..96].copy_from_slice(&self.blobs_hash);
        checksum.copy_from_slice(&hash_of(&[fields, meta]));
        bytes
    }

    /// The fields of a header, or `None` if it is none. Says nothing about the checksum.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let word = |at: usize| {
            let word = bytes.get(at..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*word))
        };
        if !bytes.starts_with(&MAGIC) || bytes[9] != VERSION {
            return None;
        }
        Some(Self {
            kind: bytes[8],
            epoch: word(EPOCH_AT)?,
            sequence: word(SEQUENCE_AT)?,
            meta_len: word(32)?,
            blobs_len: word(40)?,
            durable: word(48)?,
            blobs_hash: *bytes.get(64..)?.first_chunk()?,
        })
    }

    /// Where the parts of the frame lie if it begins at `offset`.
    pub fn extent(&self, offset: u64) -> Option<Extent> {
        Extent::of(offset, self.meta_len, self.blobs_len)
    }
}

/// Where the parts of a frame lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Its first byte.
    pub offset: u64,
    /// The first byte of its blobs.
    pub blobs_at: u64,
    /// Behind the last byte that means something.
    pub content_end: u64,
    /// Behind its last block: where the next frame begins.
    pub end: u64,
}

impl Extent {
    /// Of a frame that begins at `offset`; `None` beyond what a [`Place`] can say.
    pub fn of(offset: u64, meta_len: u64, blobs_len: u64) -> Option<Self> {
        let meta_end = offset
            .checked_add(HEADER_LEN as u64)?
            .checked_add(meta_len)?;
        let blobs_at = meta_end.checked_next_multiple_of(BLOCK)?;
        let blobs_end = blobs_at.checked_add(blobs_len)?;
        let end = blobs_end.checked_next_multiple_of(BLOCK)?;
        Place::new(0, end)?;
        Some(Self {
            offset,
            blobs_at,
            content_end: if blobs_len == 0 { meta_end } else { blobs_end },
            end,
        })
    }
}

/// The checksum of a header and a meta that is read in parts.
pub(super) struct Checksum<'a> {
    hasher: KeyedHasher,
    stated: &'a [u8],
}

impl<'a> Checksum<'a> {
    /// Of a frame with this header, before its meta.
    pub fn new(header: &'a [u8; HEADER_LEN]) -> Self {
        let (fields, stated) = header.split_at(FIELDS_LEN);
        let mut hasher = hash::hasher(hash::Kind::LogFrame);
        hasher.update(fields);
        Self { hasher, stated }
    }

    /// Adds the next bytes of the meta.
    pub fn update(&mut self, part: &[u8]) {
        self.hasher.update(part);
    }

    /// Whether the header states the checksum of all that was added.
    pub fn holds(&self) -> bool {
        self.hasher.finalize().as_slice() == self.stated
    }
}

/// The hash of bytes that come in parts.
pub(super) fn hash_of(parts: &[&[u8]]) -> Hash {
    let mut hasher = hash::hasher(hash::Kind::LogFrame);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

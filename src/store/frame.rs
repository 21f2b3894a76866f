//! A frame of the log: its header, its checksum and where its parts lie.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `crosfram` |
//! | 8 | 1 | kind: 1 commit, 2 finalise, 3 delete |
//! | 9 | 1 | frame version: 1 |
//! | 10 | 6 | zeros |
//! | 16 | 8 | epoch of the log |
//! | 24 | 8 | sequence number: 1, 2, 3, ... |
//! | 32 | 8 | length of the entry |
//! | 40 | 8 | length of the blobs |
//! | 48 | 32 | keyed hash (kind `LogFrame`) of bytes 0 to 47 and the entry |
//! | 80 | | the entry, zeros up to a block's end, the blobs, zeros up to a block's end |
//!
//! A frame begins at a block: writing one never writes to a block of another.

use crostata_abi::PAGE_BYTES;
use crostata_proof::hash::KeyedHasher;
use crostata_proof::{Hash, hash};

/// What frames and their blobs are aligned to: the page of the state, and of most disks.
pub(super) const BLOCK_BYTES: usize = PAGE_BYTES;
/// [`BLOCK_BYTES`] as a file offset.
pub(super) const BLOCK: u64 = BLOCK_BYTES as u64;
/// The length of a frame's header.
pub(super) const HEADER_LEN: usize = 80;
/// How a frame begins.
pub(super) const MAGIC: [u8; 8] = *b"crosfram";

const VERSION: u8 = 1;
const FIELDS_LEN: usize = 48;

/// What a frame records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Commit = 1,
    Finalize = 2,
    Delete = 3,
}

/// The fields of a frame's header but its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields {
    pub kind: u8,
    pub epoch: u64,
    pub sequence: u64,
    pub meta_len: u64,
    pub blobs_len: u64,
}

impl Fields {
    /// What the frame records, if this build knows it.
    pub fn kind(&self) -> Option<Kind> {
        [Kind::Commit, Kind::Finalize, Kind::Delete]
            .into_iter()
            .find(|kind| *kind as u8 == self.kind)
    }

    /// The header of a frame with this entry.
    pub fn encode(&self, meta: &[u8]) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (fields, checksum) = bytes.split_at_mut(FIELDS_LEN);
        fields[..8].copy_from_slice(&MAGIC);
        fields[8] = self.kind;
        fields[9] = VERSION;
        fields[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        fields[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        fields[32..40].copy_from_slice(&self.meta_len.to_le_bytes());
        fields[40..48].copy_from_slice(&self.blobs_len.to_le_bytes());
        checksum.copy_from_slice(&seal(fields, meta));
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
            epoch: word(16)?,
            sequence: word(24)?,
            meta_len: word(32)?,
            blobs_len: word(40)?,
        })
    }

    /// Where the parts of the frame lie if it begins at `offset`; `None` beyond `u64`.
    pub fn extent(&self, offset: u64) -> Option<Extent> {
        let meta_end = offset
            .checked_add(HEADER_LEN as u64)?
            .checked_add(self.meta_len)?;
        let blobs_at = meta_end.checked_next_multiple_of(BLOCK)?;
        let blobs_end = blobs_at.checked_add(self.blobs_len)?;
        Some(Extent {
            offset,
            blobs_at,
            content_end: if self.blobs_len == 0 {
                meta_end
            } else {
                blobs_end
            },
            end: blobs_end.checked_next_multiple_of(BLOCK)?,
        })
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

/// The checksum of a header and an entry that is read in parts.
pub(super) struct Checksum<'a> {
    hasher: KeyedHasher,
    stated: &'a [u8],
}

impl<'a> Checksum<'a> {
    /// Of a frame with this header, before its entry.
    pub fn new(header: &'a [u8; HEADER_LEN]) -> Self {
        let (fields, stated) = header.split_at(FIELDS_LEN);
        let mut hasher = hash::hasher(hash::Kind::LogFrame);
        hasher.update(fields);
        Self { hasher, stated }
    }

    /// Adds the next bytes of the entry.
    pub fn update(&mut self, part: &[u8]) {
        self.hasher.update(part);
    }

    /// Whether the header states the checksum of all that was added.
    pub fn holds(&self) -> bool {
        self.hasher.finalize().as_slice() == self.stated
    }
}

fn seal(fields: &[u8], meta: &[u8]) -> Hash {
    let mut hasher = hash::hasher(hash::Kind::LogFrame);
    hasher.update(fields);
    hasher.update(meta);
    hasher.finalize()
}

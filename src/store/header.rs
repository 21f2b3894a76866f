//! The first block of a segment: what file this is, its epoch, and where a reader begins.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `crostata` |
//! | 8 | 2 | format version: 2 |
//! | 10 | 6 | zeros |
//! | 16 | 8 | epoch |
//! | 24 | 32 | keyed hash (kind `LogFrame`) of bytes 0 to 23 |
//! | 56 | 4 | number of the segment |
//! | 60 | 4 | 1 if the file was a segment before and may hold its frames behind this one's, else 0 |
//! | 64 | 8 | sequence number of the segment's first frame |
//! | 72 | 8 | start: the place of the frame where a reader of the log begins; 0: at frame 1 |
//! | 80 | 32 | keyed hash (kind `LogFrame`) of bytes 0 to 79 |
//! | 112 | 3,984 | zeros |
//!
//! The first 56 bytes keep this form in every version, so that any build can tell a damaged header
//! from one of another version.

use crostata_proof::hash::{Kind, keyed};

use super::frame::BLOCK_BYTES;
use super::place::Place;

/// The version of the log's format that this build reads and writes.
pub(super) const VERSION: u16 = 2;
/// The bytes of the header that are not zeros.
pub(super) const HEADER_LEN: usize = 112;

const MAGIC: [u8; 8] = *b"crostata";
/// What every version's first checksum covers.
const COMMON_LEN: usize = 24;
/// No log comes near it, and counting on from it does not overflow.
const SEQUENCE_MAX: u64 = u64::MAX / 2;
/// What the second checksum covers.
const FIELDS_LEN: usize = 80;

/// What a segment's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// A random number, in each frame of the segment. Nobody who writes into blobs knows it, so
    /// that no blob passes for a frame, nor does a frame of another segment.
    pub epoch: u64,
    pub number: u32,
    pub first_sequence: u64,
    /// As known when the segment was made.
    pub start: Place,
    /// Whether what lies behind the frames may be another segment's, instead of zeros.
    pub recycled: bool,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// They do not match their checksum.
    Damaged,
    /// They are one of this version.
    Version(u16),
}

impl SegmentHeader {
    /// The whole first block.
    pub fn encode(&self) -> Vec<u8> {
        let mut block = common(VERSION, self.epoch);
        block.extend_from_slice(&self.number.to_le_bytes());
        block.extend_from_slice(&u32::from(self.recycled).to_le_bytes());
        block.extend_from_slice(&self.first_sequence.to_le_bytes());
        block.extend_from_slice(&self.start.to_u64().to_le_bytes());
        let checksum = keyed(Kind::LogFrame, &block);
        block.extend_from_slice(&checksum);
        block.resize(BLOCK_BYTES, 0);
        block
    }

    /// The header in these bytes.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Result<Self, NoHeader> {
        let (common, rest) = bytes.split_at(COMMON_LEN);
        if !bytes.starts_with(&MAGIC) || !rest.starts_with(&keyed(Kind::LogFrame, common)) {
            return Err(NoHeader::Damaged);
        }
        let version = u16::from_le_bytes([bytes[8], bytes[9]]);
        if version != VERSION {
            return Err(NoHeader::Version(version));
        }
        let (fields, checksum) = bytes.split_at(FIELDS_LEN);
        if keyed(Kind::LogFrame, fields).as_slice() != checksum {
            return Err(NoHeader::Damaged);
        }
        Self::of_fields(fields)
            .filter(|header| (1..=SEQUENCE_MAX).contains(&header.first_sequence))
            .ok_or(NoHeader::Damaged)
    }

    fn of_fields(fields: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let word = fields.get(at..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*word))
        };
        let number = fields.get(56..)?.first_chunk::<4>()?;
        let recycled = fields.get(60..)?.first_chunk::<4>()?;
        Some(Self {
            epoch: word(16)?,
            number: u32::from_le_bytes(*number),
            first_sequence: word(64)?,
            start: Place::from_u64(word(72)?),
            recycled: match u32::from_le_bytes(*recycled) {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }
}

/// The bytes that have the same form in every version.
pub(super) fn common(version: u16, epoch: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BLOCK_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(&epoch.to_le_bytes());
    let checksum = keyed(Kind::LogFrame, &bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

//! The first block of a log: what file this is, and its epoch.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `crostata` |
//! | 8 | 2 | format version |
//! | 10 | 6 | zeros |
//! | 16 | 8 | epoch |
//! | 24 | 32 | keyed hash (kind `LogFrame`) of bytes 0 to 23 |
//! | 56 | 4,040 | zeros |
//!
//! The first 56 bytes keep this form in every version, so that any build can tell a damaged header
//! from one of another version.

use crostata_proof::hash::{Kind, keyed};

use super::frame::BLOCK_BYTES;

/// The version of the log's format that this build reads and writes.
pub(super) const VERSION: u16 = 1;
/// The bytes of the header that are not zeros.
pub(super) const HEADER_LEN: usize = 56;

const MAGIC: [u8; 8] = *b"crostata";
const HASHED_LEN: usize = 24;

/// What a log's first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogHeader {
    pub version: u16,
    /// A random number, in each frame of the log. Nobody who writes into pages or code knows it, so
    /// that no page or code passes for a frame, nor does a frame of an older log.
    pub epoch: u64,
}

impl LogHeader {
    /// The whole first block.
    pub fn encode(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        block.extend_from_slice(&MAGIC);
        block.extend_from_slice(&self.version.to_le_bytes());
        block.extend_from_slice(&[0; 6]);
        block.extend_from_slice(&self.epoch.to_le_bytes());
        let checksum = keyed(Kind::LogFrame, &block);
        block.extend_from_slice(&checksum);
        block.resize(BLOCK_BYTES, 0);
        block
    }

    /// The header in these bytes, or `None` if they do not match their checksum.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let (hashed, checksum) = bytes.split_at_checked(HASHED_LEN)?;
        let (magic, rest) = hashed.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<2>()?;
        let (_zeros, epoch) = rest.split_first_chunk::<6>()?;
        let valid = *magic == MAGIC && keyed(Kind::LogFrame, hashed).as_slice() == checksum;
        valid.then_some(Self {
            version: u16::from_le_bytes(*version),
            epoch: u64::from_le_bytes(epoch.try_into().ok()?),
        })
    }
}

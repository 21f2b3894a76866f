//! What peers ask each other for.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | 0: an offer, 1: a chunk |
//! | 32 | the block; of an offer of any block zeros |
//! | 41 | of a chunk: the place that it follows; of an offer whom it is asked of, as a number, and zeros |

use std::fmt;

use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, Write};
use commonware_utils::Span;
use crostata_machine::{BlockDigest, CURSOR_BYTES};

/// What peers ask each other for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncKey {
    /// What a peer has.
    Offer {
        /// Of which block; of the latest one that it serves, if this is zeros.
        block: BlockDigest,
        /// Keeps apart what is asked of several.
        number: u32,
    },
    /// A chunk of a block's state.
    Chunk {
        /// The block.
        block: BlockDigest,
        /// The place that it follows.
        cursor: [u8; CURSOR_BYTES],
    },
}

impl FixedSize for SyncKey {
    const SIZE: usize = 1 + 32 + CURSOR_BYTES;
}

impl Write for SyncKey {
    fn write(&self, out: &mut impl BufMut) {
        match self {
            Self::Offer { block, number } => {
                out.put_u8(0);
                out.put_slice(block.as_ref());
                out.put_u32_le(*number);
                out.put_slice(&[0; CURSOR_BYTES - 4]);
            }
            Self::Chunk { block, cursor } => {
                out.put_u8(1);
                out.put_slice(block.as_ref());
                out.put_slice(cursor);
            }
        }
    }
}

impl Read for SyncKey {
    type Cfg = ();

    fn read_cfg(input: &mut impl Buf, (): &()) -> Result<Self, Error> {
        if input.remaining() < Self::SIZE {
            return Err(Error::EndOfBuffer);
        }
        let kind = input.get_u8();
        let (mut block, mut cursor) = ([0; 32], [0; CURSOR_BYTES]);
        input.copy_to_slice(&mut block);
        input.copy_to_slice(&mut cursor);
        let block = BlockDigest::from_bytes(block);
        match kind {
            0 => Self::offer(block, &cursor),
            1 => Ok(Self::Chunk { block, cursor }),
            kind => Err(Error::InvalidEnum(kind)),
        }
    }
}

impl SyncKey {
    fn offer(block: BlockDigest, cursor: &[u8; CURSOR_BYTES]) -> Result<Self, Error> {
        match cursor.split_first_chunk() {
            Some((number, rest)) if rest.iter().all(|byte| *byte == 0) => {
                let number = u32::from_le_bytes(*number);
                Ok(Self::Offer { block, number })
            }
            _ => Err(Error::Invalid(
                "SyncKey",
                "an offer with a place in a state",
            )),
        }
    }
}

impl fmt::Display for SyncKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Offer { number, .. } => write!(f, "offer {number}"),
            Self::Chunk { block, .. } => write!(f, "a chunk of block {block}"),
        }
    }
}

impl Span for SyncKey {}

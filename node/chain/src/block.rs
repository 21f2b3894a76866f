//! Blocks as the engine knows them.
//!
//! The limits of the chain are rules of decoding. A peer that sends bytes which can not be decoded is blocked, so that they must be the same on
//! every node, and whoever builds a block keeps them.

use std::sync::Arc;

use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, Read, Write};
use commonware_consensus::types::Height;
use commonware_consensus::{BoundedBlock, Heightable};
use commonware_cryptography::{Digestible, blake3};
use crostata_machine::{Block, BlockDigest, Rules};

/// The engine's name of a block: the same bytes as the machine's.
pub type Digest = blake3::Digest;

/// A block of the chain, for the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainBlock(Block);

impl ChainBlock {
    /// The machine's block.
    pub fn block(&self) -> &Block {
        &self.0
    }
}

impl From<Block> for ChainBlock {
    fn from(block: Block) -> Self {
        Self(block)
    }
}

/// The engine's name of a block.
pub fn engine_digest(digest: BlockDigest) -> Digest {
    blake3::Digest(digest.to_bytes())
}

impl Write for ChainBlock {
    fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&self.0.encode());
    }
}

impl EncodeSize for ChainBlock {
    fn encode_size(&self) -> usize {
        self.0.len_bytes()
    }
}

impl Read for ChainBlock {
    type Cfg = Arc<Rules>;

    fn read_cfg(input: &mut impl Buf, rules: &Arc<Rules>) -> Result<Self, Error> {
        Ok(Self(
            Block::decode(&of_block(input, rules)?, rules)
                .map_err(|error| Error::Wrapped("a block of the chain", Box::new(error)))?,
        ))
    }
}

/// The bytes that are a block's: something may follow them.
fn of_block(input: &mut impl Buf, rules: &Rules) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    take(input, Block::EMPTY_BYTES, &mut bytes)?;
    let number = bytes
        .last_chunk()
        .map_or(0, |number| u32::from_le_bytes(*number));
    for _ in 0..number {
        take(input, 4, &mut bytes)?;
        let len = bytes.last_chunk().map_or(0, |len| u32::from_le_bytes(*len));
        if bytes.len() + len as usize > rules.block_bytes_max as usize {
            return Err(Error::Invalid("a block of the chain", "it is too long"));
        }
        take(input, len as usize, &mut bytes)?;
    }
    Ok(bytes)
}

fn take(input: &mut impl Buf, len: usize, out: &mut Vec<u8>) -> Result<(), Error> {
    if input.remaining() < len {
        return Err(Error::EndOfBuffer);
    }
    let start = out.len();
    out.resize(start + len, 0);
    let taken = out.get_mut(start..).unwrap_or_default();
    input.copy_to_slice(taken);
    Ok(())
}

impl Digestible for ChainBlock {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        engine_digest(self.0.digest())
    }
}

impl Heightable for ChainBlock {
    fn height(&self) -> Height {
        Height::new(self.0.height())
    }
}

impl commonware_consensus::Block for ChainBlock {
    fn parent(&self) -> Digest {
        engine_digest(self.0.parent())
    }
}

impl BoundedBlock for ChainBlock {
    fn max_encode_size(rules: &Arc<Rules>) -> usize {
        rules.block_bytes_max as usize
    }
}

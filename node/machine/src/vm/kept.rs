//! Blocks that were executed and are not final, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crostata::SealedBlock;

use crate::block::Block;
use crate::digest::BlockDigest;
use crate::run::Receipt;

/// The most that are kept. More than consensus has in flight: what is dropped is executed again when it is wanted.
const KEPT_MAX: usize = 64;

/// A block that was executed.
#[derive(Debug, Clone)]
pub struct Kept {
    pub block: Block,
    pub sealed: SealedBlock,
    pub receipts: Vec<Receipt>,
}

/// Executed blocks by name. Dropping one that others follow is no harm: they have what they need of it.
#[derive(Debug, Default)]
pub struct KeptBlocks(BTreeMap<BlockDigest, Arc<Kept>>);

impl KeptBlocks {
    pub fn get(&self, block: &BlockDigest) -> Option<&Arc<Kept>> {
        self.0.get(block)
    }

    /// Keeps a block. If there is no room the lowest goes, which is the most likely to be forgotten soon.
    pub fn insert(&mut self, kept: Kept) {
        while self.0.len() >= KEPT_MAX {
            let lowest = self.0.iter().min_by_key(|(_, kept)| kept.block.height());
            let Some(lowest) = lowest.map(|(digest, _)| *digest) else {
                return;
            };
            self.0.remove(&lowest);
        }
        self.0.insert(kept.block.digest(), Arc::new(kept));
    }

    /// Forgets blocks up to a height: one of them is final, its siblings never will be.
    pub fn forget_through(&mut self, height: u64) {
        self.0.retain(|_, kept| kept.block.height() > height);
    }
}

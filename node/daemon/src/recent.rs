//! The latest final blocks with their receipts, in memory: what HTTP says of blocks and transactions.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crostata_chain::FinalBlock;
use crostata_machine::{Block, Receipt, TransactionDigest};

/// The bytes of blocks that are kept at most.
const BYTES_MAX: usize = 256 << 20;

/// The latest final blocks. Cheap to clone.
#[derive(Clone)]
pub struct Recent {
    kept: Arc<Mutex<Kept>>,
    blocks_max: usize,
}

#[derive(Default)]
struct Kept {
    /// In order of their heights, without a gap.
    blocks: VecDeque<Arc<FinalBlock>>,
    /// Where transactions are.
    places: HashMap<TransactionDigest, (u64, usize)>,
    len_bytes: usize,
}

/// A transaction that is final.
pub struct Placed {
    /// Its block.
    pub block: Arc<FinalBlock>,
    /// How many transactions are before it.
    pub index: usize,
}

impl Placed {
    /// What became of it, if that is in memory: a node that was started anew has it of older blocks on the disk.
    pub fn receipt(&self) -> Option<&Receipt> {
        self.block.receipts.get(self.index)
    }
}

impl Recent {
    /// Keeps so many blocks.
    pub fn new(blocks_max: usize) -> Self {
        Self {
            kept: Arc::default(),
            blocks_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what has become final. What comes again, or leaves a gap, starts anew from there.
    pub fn add(&self, block: Arc<FinalBlock>) {
        let mut kept = self.lock();
        let next = kept.blocks.back().map(|last| last.block.height() + 1);
        if next.is_some_and(|next| block.block.height() < next) {
            return;
        }
        if next.is_some_and(|next| block.block.height() > next) {
            *kept = Kept::default();
        }
        kept.push(block);
        while kept.blocks.len() > self.blocks_max || kept.len_bytes > BYTES_MAX {
            if !kept.forget_first() {
                return;
            }
        }
    }

    /// Adds what was final before the node was started, the highest first: below everything that is there.
    pub fn add_before(&self, block: Block) -> bool {
        let mut kept = self.lock();
        let first = kept.blocks.front().map(|first| first.block.height());
        let follows = first.is_none_or(|first| first == block.height() + 1);
        let room =
            kept.blocks.len() < self.blocks_max && kept.len_bytes + block.len_bytes() <= BYTES_MAX;
        if follows && room {
            let receipts = Vec::new();
            kept.push_front(Arc::new(FinalBlock { block, receipts }));
        }
        follows && room
    }

    /// A block.
    pub fn block(&self, height: u64) -> Option<Arc<FinalBlock>> {
        let kept = self.lock();
        kept.at(height).cloned()
    }

    /// A transaction.
    pub fn transaction(&self, digest: &TransactionDigest) -> Option<Placed> {
        let kept = self.lock();
        let (height, index) = *kept.places.get(digest)?;
        let block = kept.at(height)?.clone();
        Some(Placed { block, index })
    }
}

impl Kept {
    fn at(&self, height: u64) -> Option<&Arc<FinalBlock>> {
        let first = self.blocks.front()?.block.height();
        let place = usize::try_from(height.checked_sub(first)?).ok()?;
        self.blocks.get(place)
    }

    fn push(&mut self, block: Arc<FinalBlock>) {
        self.note(&block.block);
        self.blocks.push_back(block);
    }

    fn push_front(&mut self, block: Arc<FinalBlock>) {
        self.note(&block.block);
        self.blocks.push_front(block);
    }

    fn note(&mut self, block: &Block) {
        self.len_bytes += block.len_bytes();
        let transactions = block.transactions().iter().enumerate();
        let places = transactions.map(|(index, one)| (one.digest(), (block.height(), index)));
        self.places.extend(places);
    }

    fn forget_first(&mut self) -> bool {
        let Some(block) = self.blocks.pop_front() else {
            return false;
        };
        self.len_bytes -= block.block.len_bytes();
        for transaction in block.block.transactions() {
            self.places.remove(&transaction.digest());
        }
        true
    }
}

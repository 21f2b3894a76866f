//! A block that was executed: voted on, then committed or dropped.

use std::sync::{Arc, OnceLock};

use crostata_proof::receipts::ReceiptsTree;
use crostata_proof::{CommitId, ReceiptOpening, ReceiptsRoot, Root};

use super::execute::receipts_tree;
use super::executed::Executed;
use crate::engine::BlockContext;
use crate::session::{Base, Sealed};
use crate::state::{Commit, CommitError};

/// A block that was executed and hashed, and is in memory: another can be executed on it, it can be committed, or dropped for free.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct SealedBlock(Arc<Ended>);

#[derive(Debug)]
struct Ended {
    sealed: Sealed,
    context: Arc<BlockContext>,
    included: Vec<Arc<Executed>>,
    gas_spent: u64,
    /// Made when it is first asked for.
    tree: OnceLock<ReceiptsTree>,
}

impl SealedBlock {
    pub(super) fn new(
        sealed: Sealed,
        context: Arc<BlockContext>,
        included: Vec<Arc<Executed>>,
        gas_spent: u64,
    ) -> Self {
        Self(Arc::new(Ended {
            sealed,
            context,
            included,
            gas_spent,
            tree: OnceLock::new(),
        }))
    }

    /// The root of the state.
    pub fn root(&self) -> Root {
        self.0.sealed.root()
    }

    /// The id that the commit will have.
    pub fn id(&self) -> CommitId {
        self.0.sealed.id()
    }

    /// What names the commit that [`commit`](Self::commit) makes: id, parent, root, tag.
    pub fn names(&self) -> Commit {
        self.0.sealed.names()
    }

    /// What the chain says about the block.
    pub fn context(&self) -> &BlockContext {
        &self.0.context
    }

    /// The transactions in the block, in order.
    pub fn receipts(&self) -> &[Arc<Executed>] {
        &self.0.included
    }

    /// The gas that they spent.
    pub fn gas_spent(&self) -> u64 {
        self.0.gas_spent
    }

    /// The root of the tree of receipts.
    pub fn receipts_root(&self) -> ReceiptsRoot {
        self.tree().root()
    }

    /// The opening of a receipt in the tree of receipts, if there is one of this index.
    pub fn receipt_opening(&self, index: usize) -> Option<ReceiptOpening> {
        self.tree().opening(index)
    }

    fn tree(&self) -> &ReceiptsTree {
        let block = &self.0;
        block.tree.get_or_init(|| receipts_tree(&block.included))
    }

    /// Makes the state durable and retains it as a commit. Doing so again is no error and no work.
    ///
    /// What it follows must be committed before.
    ///
    /// # Errors
    /// [`CommitError::BaseDropped`] when what it follows is not retained, or not committed yet;
    /// [`CommitError::OtherProtocol`]; [`CommitError::Write`] when the disk fails. It can be tried again.
    pub fn commit(&self) -> Result<Commit, CommitError> {
        self.0.sealed.commit()
    }
}

impl From<&SealedBlock> for Base {
    fn from(block: &SealedBlock) -> Self {
        Self::Sealed(block.0.sealed.clone())
    }
}

impl From<SealedBlock> for Base {
    fn from(block: SealedBlock) -> Self {
        Self::from(&block)
    }
}

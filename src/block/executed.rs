//! What became of a transaction.

use crostata_abi::Event;
use crostata_proof::ReceiptDigest;
use crostata_proof::receipts::ReceiptLeaf;

use crate::session::{CallReceipt, DeployReceipt, Rejected, Reverted};

/// A transaction that was executed, or rejected.
#[derive(Debug)]
pub struct Executed {
    /// The embedder's name of it.
    pub tag: [u8; 32],
    /// What became of it.
    pub outcome: TransactionOutcome,
    /// The block's gas that it took: what was spent, with the price of deployed code. None if it was rejected.
    pub gas_spent: u64,
    /// What it fed, in order, also before a failure.
    pub feeds: Vec<Vec<u8>>,
    /// Its place in the block and the digest of its receipt; none if it was rejected.
    pub included: Option<Included>,
}

/// A transaction's place in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Included {
    /// How many are before it.
    pub index: usize,
    /// What the tree of receipts holds of its receipt.
    pub digest: ReceiptDigest,
}

/// What became of a transaction. When the result is unknown, there is no outcome, but a [`Fatal`](crate::Fatal) error.
#[derive(Debug)]
pub enum TransactionOutcome {
    /// It happened.
    Success(TransactionReceipt),
    /// It failed: deterministic, part of the block, paid for. All effects are undone.
    Reverted(Box<Reverted>),
    /// It can not be in the block. Nothing ran, nothing changed, nothing was paid.
    Rejected(Rejected),
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionReceipt {
    /// Of a call.
    Call(CallReceipt<Vec<u8>>),
    /// Of a deployment.
    Deploy(DeployReceipt),
}

impl TransactionOutcome {
    /// Whether it happened.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Success(_))
    }
}

impl Executed {
    /// The events that happened, in order.
    pub fn events(&self) -> &[Event] {
        match &self.outcome {
            TransactionOutcome::Success(TransactionReceipt::Call(receipt)) => &receipt.events,
            TransactionOutcome::Success(TransactionReceipt::Deploy(receipt)) => {
                receipt.init.as_ref().map_or(&[], |init| &init.events)
            }
            TransactionOutcome::Reverted(_) | TransactionOutcome::Rejected(_) => &[],
        }
    }

    /// The result's bytes, of a call that happened.
    pub fn data(&self) -> Option<&[u8]> {
        match &self.outcome {
            TransactionOutcome::Success(TransactionReceipt::Call(receipt)) => Some(&receipt.data),
            _ => None,
        }
    }

    /// Whether the block had not enough gas for it.
    pub fn is_full(&self) -> bool {
        matches!(
            self.outcome,
            TransactionOutcome::Rejected(Rejected::BlockFull { .. })
        )
    }

    /// What the tree of receipts holds of it; none if it was rejected.
    pub fn leaf(&self) -> Option<ReceiptLeaf> {
        let tag = self.tag;
        self.included
            .map(|Included { digest, .. }| ReceiptLeaf { tag, digest })
    }
}

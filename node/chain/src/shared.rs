//! The pool of transactions, shared between who brings them, who proposes and who makes blocks final.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use commonware_utils::sync::Notify;
use crostata_machine::{Block, Fatal, Machine, Pool, Refusal, Transaction, TransactionDigest};

/// Why a transaction was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// Because of itself, or of what waits already.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The node can not read its state.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// A pool that several hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SharedPool {
    pool: Arc<Mutex<Pool>>,
    arrived: Arc<Notify>,
}

impl SharedPool {
    /// Shares a pool.
    pub fn new(pool: Pool) -> Self {
        Self {
            pool: Arc::new(Mutex::new(pool)),
            arrived: Arc::new(Notify::new()),
        }
    }

    /// Takes a transaction, and wakes the proposer. It reads the state and looks at the signature: not for threads that poll others.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub fn add<M: Machine>(
        &self,
        machine: &M,
        transaction: &Transaction,
    ) -> Result<TransactionDigest, SubmitError> {
        let account = machine.account(&transaction.sender())?;
        self.lock().check(transaction, account)?;
        let verified = machine.verify(transaction).map_err(Refusal::from)?;
        let added = self.lock().add(verified, account)?;
        self.arrived.notify_waiters();
        Ok(added)
    }

    /// Looks again at a transaction that could not be in a block, with what the final state says of its sender. Reads the state.
    ///
    /// # Errors
    /// [`Fatal`] when it can not be read.
    pub fn refresh<M: Machine>(
        &self,
        machine: &M,
        refused: &TransactionDigest,
    ) -> Result<(), Fatal> {
        let sender = self.lock().sender(refused);
        if let Some(sender) = sender {
            let account = machine.account(&sender)?;
            self.lock().refresh(&sender, account);
        }
        Ok(())
    }

    /// The pool itself, for as long as nobody else needs it.
    pub fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to offer for a block behind these, which are not final.
    pub fn offer(&self, max: usize, pending: &[Block]) -> Vec<Transaction> {
        self.lock().offer(max, &digests(pending))
    }

    /// Whether there is anything to offer behind these blocks.
    pub fn has_work(&self, pending: &[Block]) -> bool {
        self.lock().has_offer(&digests(pending))
    }

    /// Waits for a transaction to come.
    pub async fn arrival(&self) {
        self.arrived.notified().await;
    }
}

fn digests(blocks: &[Block]) -> BTreeSet<TransactionDigest> {
    let transactions = blocks.iter().flat_map(|block| block.transactions());
    transactions.map(Transaction::digest).collect()
}

//! Which signatures hold: those that were looked at lately.

use std::collections::HashSet;
use std::mem;

use crate::digest::TransactionDigest;

/// How many are remembered at least, if there were so many.
const REMEMBERED: usize = 1 << 16;

/// Transactions whose signatures hold. A digest is of the signature too, so that it can stand for it.
#[derive(Debug, Default)]
pub struct Signatures {
    recent: HashSet<TransactionDigest>,
    older: HashSet<TransactionDigest>,
}

impl Signatures {
    pub fn contains(&self, transaction: &TransactionDigest) -> bool {
        self.recent.contains(transaction) || self.older.contains(transaction)
    }

    pub fn insert(&mut self, transaction: TransactionDigest) {
        if self.recent.len() >= REMEMBERED {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(transaction);
    }
}

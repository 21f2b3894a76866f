//! Receipts: what a call did, cost and left behind.

use std::fmt;

use crostata_abi::{ContractId, Event, Gas};
use crostata_proof::receipt::{Outcome, ReceiptDigest, ReceiptDigestBuilder};

use crate::engine::Failure;

/// What a call did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallReceipt<T> {
    /// The result.
    pub data: T,
    /// Gas spent, callees included.
    pub gas_spent: u64,
    /// The gas limit.
    pub gas_limit: u64,
    /// The events that happened, in order.
    pub events: Vec<Event>,
    /// Events of frames that failed: shown, but they did not happen.
    pub reverted_events: Vec<Event>,
    /// Every frame that started, in order of starting.
    pub call_tree: CallTree,
    /// Digest of what consensus holds of this receipt: class, code, gas, result, events.
    pub digest: ReceiptDigest,
}

impl<T> CallReceipt<T> {
    /// The same receipt with other data.
    pub(super) fn map<U>(self, data: impl FnOnce(T) -> U) -> CallReceipt<U> {
        CallReceipt {
            data: data(self.data),
            gas_spent: self.gas_spent,
            gas_limit: self.gas_limit,
            events: self.events,
            reverted_events: self.reverted_events,
            call_tree: self.call_tree,
            digest: self.digest,
        }
    }
}

/// What a deployment did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployReceipt {
    /// The new contract.
    pub contract_id: ContractId,
    /// The price of the code in gas, known beforehand by `deploy_price`, outside of the gas limit.
    pub code_gas: u64,
    /// What `init` returned and cost; `None` if the contract has none.
    pub init: Option<CallReceipt<Vec<u8>>>,
}

impl DeployReceipt {
    /// The digest of the receipt of `init`; `None` if the contract has none.
    pub fn init_digest(&self) -> Option<ReceiptDigest> {
        self.init.as_ref().map(|init| init.digest)
    }
}

/// One frame of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTreeElem {
    /// The contract.
    pub contract_id: ContractId,
    /// The function.
    pub function: String,
    /// How many frames stood below it: 0 for the call itself.
    pub depth: usize,
    /// The frame that called it, as an index into the tree.
    pub caller: Option<usize>,
    /// Its gas limit.
    pub gas_limit: u64,
    /// Gas it spent, callees included.
    pub gas_spent: u64,
    /// Why it failed, if it did. Only the call's own failure and the first 16 others come with a backtrace.
    pub failure: Option<Failure>,
    /// Whether its effects were undone: it failed, or a frame below it did.
    pub reverted: bool,
}

/// The frames of a call, in order of starting: a frame comes after the one that called it.
///
/// Displayed as an indented tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallTree {
    pub(super) frames: Vec<CallTreeElem>,
}

impl CallTree {
    /// The frames.
    pub fn iter(&self) -> std::slice::Iter<'_, CallTreeElem> {
        self.frames.iter()
    }

    /// How many frames started.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether none started.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

impl<'a> IntoIterator for &'a CallTree {
    type Item = &'a CallTreeElem;
    type IntoIter = std::slice::Iter<'a, CallTreeElem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for CallTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.frames
            .iter()
            .try_for_each(|frame| writeln!(f, "{frame}"))
    }
}

impl fmt::Display for CallTreeElem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.contract_id.to_string();
        let indent = 2 * self.depth;
        write!(f, "{:indent$}{}::{}", "", &id[..8], self.function)?;
        write!(f, " gas {} of {}", self.gas_spent, self.gas_limit)?;
        match &self.failure {
            Some(failure) if failure.message.is_empty() => {
                write!(f, " FAILED: {}", failure.reason())
            }
            Some(failure) => write!(f, " FAILED: {}: {}", failure.reason(), failure.text()),
            None if self.reverted => f.write_str(" reverted"),
            None => Ok(()),
        }
    }
}

/// The digest of a receipt, over what consensus holds of it.
pub(super) fn digest(
    result: Result<&[u8], &Failure>,
    gas_spent: u64,
    gas_limit: u64,
    events: &[Event],
) -> ReceiptDigest {
    let (outcome, data) = match result {
        Ok(data) => (Outcome::Success, data),
        Err(failure) => (failure.code, &[][..]),
    };
    let digest = ReceiptDigestBuilder::new(outcome, Gas(gas_spent), Gas(gas_limit), data);
    events
        .iter()
        .fold(digest, |digest, event| {
            digest.event(&event.source, event.topic.as_bytes(), &event.data)
        })
        .finish()
}

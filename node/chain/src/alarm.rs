//! What a node must tell its operator, or stop for.

use std::sync::{Arc, Mutex, PoisonError};

use crostata_machine::{Block, Fatal, FinalizeError, Invalid};

/// What a node must tell its operator.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Alarm {
    /// Blocks that this node proposed were nullified, several in a row: nobody else comes to what it comes to, or nobody hears it. Proposers do
    /// not verify what they propose, so that this is how a broken one learns of it.
    #[error(
        "{in_a_row} blocks that this node proposed were refused in a row, the last one in view {view}"
    )]
    OwnBlocksNullified {
        /// How many.
        in_a_row: u32,
        /// The view of the last one.
        view: u64,
    },
    /// A block that the others notarised can not be executed here.
    #[error("block {} of height {} is notarised, and invalid here: {invalid}", block.digest(), block.height())]
    Ancestor {
        /// The block.
        block: Box<Block>,
        /// Why.
        invalid: Invalid,
    },
    /// A decided block does not become final here. The node has stopped.
    #[error("the node has stopped: {0}")]
    Stopped(#[from] FinalizeError),
    /// The host or the disk failed. The node has stopped.
    #[error("the node has stopped: {0}")]
    Fatal(#[from] Fatal),
}

impl Alarm {
    /// Whether the node goes on.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::OwnBlocksNullified { .. })
    }

    /// The block that comes to something else here than the chain agreed on, if that is what is wrong.
    pub fn diverged_at(&self) -> Option<&Block> {
        match self {
            Self::Ancestor { block, .. } | Self::Stopped(FinalizeError::Diverged { block, .. }) => {
                Some(block)
            }
            _ => None,
        }
    }
}

/// The alarms of a node, latest last.
#[derive(Debug, Clone, Default)]
pub struct Alarms(Arc<Mutex<Vec<Alarm>>>);

/// The most alarms that are remembered.
const ALARMS_MAX: usize = 256;

impl Alarms {
    /// Raises one.
    pub fn raise(&self, alarm: impl Into<Alarm>) {
        let alarm = alarm.into();
        tracing::error!(%alarm, "alarm");
        let mut alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if alarms.len() < ALARMS_MAX {
            alarms.push(alarm);
        }
    }

    /// All that were raised.
    pub fn raised(&self) -> Vec<Alarm> {
        let alarms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        alarms.clone()
    }

    /// Whether one was raised that the node has stopped for.
    pub fn has_stopped(&self) -> bool {
        self.raised().iter().any(Alarm::is_final)
    }
}

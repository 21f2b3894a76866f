//! Why a machine does not do what it is asked: an enum per operation.

use std::error::Error as StdError;
use std::sync::Arc;

use crate::block::Block;
use crate::digest::{BlockDigest, ChainId};
use crate::machine::Roots;
use crate::run::Unfit;

/// The host or the disk failed: nothing is known of the result. The node stops, and says so; it votes for nothing and against nothing.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}")]
pub struct Fatal {
    /// What was being done.
    pub what: &'static str,
    /// Why it failed.
    #[source]
    pub source: Arc<dyn StdError + Send + Sync>,
}

impl Fatal {
    /// What failed while this was done.
    pub fn new(what: &'static str, source: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            what,
            source: Arc::new(source),
        }
    }
}

/// Why a block is one that no node can execute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A transaction can not be in it.
    #[error("transaction {index} can not be in the block: {unfit}")]
    Transaction {
        /// Which.
        index: usize,
        /// Why.
        unfit: Unfit,
    },
    /// It says that it comes to something else.
    #[error("the block says {said:?}, and comes to {ours:?}")]
    Roots {
        /// What it says.
        said: Box<Roots>,
        /// What it comes to.
        ours: Box<Roots>,
    },
    /// What the chain does itself in the block fails.
    #[error("what the chain does itself fails: {0}")]
    System(String),
}

/// Why transactions were not executed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ExecuteError {
    /// The state that they are to be executed over is not there: execute the parent first.
    #[error("the state of block {parent} is not there")]
    UnknownParent {
        /// The parent.
        parent: BlockDigest,
    },
    /// No node can execute them.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// This node can not.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// Why a block did not become final.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FinalizeError {
    /// Neither its state nor its parent's is there: blocks were left out.
    #[error("block {height} is final, and block {parent} before it was not made final")]
    Gap {
        /// The height.
        height: u64,
        /// What it follows.
        parent: BlockDigest,
    },
    /// Another block of this height is final already.
    #[error("block {theirs} of height {height} is final, and block {ours} is, too")]
    Conflict {
        /// The height.
        height: u64,
        /// What is final here.
        ours: BlockDigest,
        /// What is said to be.
        theirs: BlockDigest,
    },
    /// It comes to something else here than the chain agreed on. Either this node is broken, or all others are.
    #[error("this node has diverged at block {}: {invalid}", block.height())]
    Diverged {
        /// The block.
        block: Box<Block>,
        /// What is different.
        invalid: Invalid,
    },
    /// The host or the disk failed.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// Why a machine did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The VM did not open.
    #[error(transparent)]
    Vm(#[from] crostata::OpenVmError),
    /// The state in the directory is of another chain.
    #[error(
        "the directory has the state of chain {found}, and the configuration is of chain {wanted}"
    )]
    OtherChain {
        /// Of which.
        found: ChainId,
        /// What the configuration says.
        wanted: ChainId,
    },
    /// What the genesis says can not be done.
    #[error("the genesis can not be executed: {0}")]
    Genesis(#[from] crate::genesis::GenesisError),
    /// The state can not be read.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

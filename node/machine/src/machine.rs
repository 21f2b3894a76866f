//! What an engine of consensus needs of a state machine.
//!
//! | here | when | ABCI |
//! |---|---|---|
//! | [`Machine::finalized`] | at the start: from where blocks are wanted | `Info` |
//! | [`Machine::account`], [`Machine::verify`] | a transaction comes | `CheckTx` |
//! | [`Machine::build`] | it is this node's turn | `PrepareProposal` |
//! | [`Machine::execute`], comparing, [`Machine::keep`] | somebody else proposed | `ProcessProposal` |
//! | [`Machine::has`] | a block's parent may have been forgotten at a restart | |
//! | [`Machine::finalize`] | a block is decided | `FinalizeBlock` and `Commit` |
//! | [`Machine::snapshot`] | a new node wants the state | `ListSnapshots`, `LoadSnapshotChunk` |
//!
//! Over ABCI a block's hash is known before its execution and its roots are in the next block's header: an adapter keeps under the hash that it is
//! given, and answers `FinalizeBlock` with the roots of what is kept or executed then. `InitChain` is what opening an empty directory does.
//!
//! What holds for every implementation:
//!
//! * a block's name is all that decides which state is meant. Two blocks may have one state root, siblings are real, and each is kept under its own name;
//! * what is executed is in memory and can be dropped at any moment, by whoever asked or by the machine; executing again gives the same;
//! * only [`finalize`](Machine::finalize) writes. When it returns, the block is durable, and telling it again changes nothing;
//! * every method can be called from any thread, may take long, and must not be called where an asynchronous runtime polls others.

use std::sync::Arc;

use crostata::{ReceiptsRoot, Root};

use crate::account::{Account, AccountState};
use crate::block::Block;
use crate::digest::{BlockDigest, TransactionDigest};
use crate::error::{ExecuteError, Fatal, FinalizeError};
use crate::run::Receipt;
use crate::snapshot::Snapshot;
use crate::transaction::{SignatureError, Transaction, Verified};

/// What the chain says about a block that is to be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The block's height.
    pub height: u64,
    /// Its time in milliseconds of Unix time.
    pub time_ms: u64,
    /// Who proposes it and gets its fees.
    pub proposer: Account,
}

/// What executing comes to, the same on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roots {
    /// The root of the state.
    pub state: Root,
    /// The root of the tree of receipts.
    pub receipts: ReceiptsRoot,
}

/// Transactions that were executed over a block, in memory.
#[derive(Debug)]
pub struct Executed<Handle> {
    /// What a block of these transactions must say.
    pub roots: Roots,
    /// The state, to be kept under the block's name, or dropped.
    pub handle: Handle,
}

/// A block that was made here, and is kept.
#[derive(Debug)]
pub struct Built {
    /// The block.
    pub block: Block,
    /// Which of the transactions offered could not be in it, for want of room aside.
    pub refused: Vec<TransactionDigest>,
}

/// The block that is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finalized {
    /// Its height.
    pub height: u64,
    /// Its name.
    pub digest: BlockDigest,
    /// The root of the state behind it.
    pub state_root: Root,
}

/// A state machine that blocks are executed on.
pub trait Machine: Send + Sync + 'static {
    /// Transactions that were executed: a state in memory.
    type Handle: Send;

    /// Whether a transaction's signature holds on this chain. One that held is remembered for a while: blocks are executed faster.
    ///
    /// # Errors
    /// [`SignatureError`].
    fn verify(&self, transaction: &Transaction) -> Result<Verified, SignatureError>;

    /// What the final state says of an account.
    ///
    /// # Errors
    /// [`Fatal`] when the state can not be read.
    fn account(&self, account: &Account) -> Result<AccountState, Fatal>;

    /// Whether a block's state is there, so that another can be executed over it.
    fn has(&self, block: &BlockDigest) -> bool;

    /// Executes transactions over a block's state, in memory.
    ///
    /// # Errors
    /// [`ExecuteError::UnknownParent`] when the state is not there: no verdict, but a wish for the parent first.
    /// [`ExecuteError::Invalid`]: no node can execute this. [`ExecuteError::Fatal`]: this node can not, and must stop.
    fn execute(
        &self,
        parent: &BlockDigest,
        context: &Context,
        transactions: &[Transaction],
    ) -> Result<Executed<Self::Handle>, ExecuteError>;

    /// Keeps what was executed, as the state of this block, until another is final or there is no room. Keeping a second time changes nothing.
    ///
    /// # Errors
    /// [`Fatal`] when the state can not be kept.
    fn keep(&self, block: &Block, handle: Self::Handle) -> Result<(), Fatal>;

    /// Makes a block of what is offered, in this order, and keeps it. What can not be in it is passed over.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    fn build(
        &self,
        parent: &BlockDigest,
        context: &Context,
        offered: &[Transaction],
    ) -> Result<Built, ExecuteError>;

    /// Makes a block final: durable when this returns. One that is final already is no error, nor is one below it.
    ///
    /// A block whose state is not there is executed again, if its parent's is.
    ///
    /// # Errors
    /// [`FinalizeError`].
    fn finalize(&self, height: u64, block: &Block) -> Result<Vec<Receipt>, FinalizeError>;

    /// Does what making blocks final has put off, to do it once for many: nothing more is final for now. Nothing depends on it but how long things
    /// that nobody needs any more are kept.
    ///
    /// # Errors
    /// [`Fatal`] when the disk fails.
    fn settle(&self) -> Result<(), Fatal>;

    /// The block that is final.
    fn finalized(&self) -> Finalized;

    /// The final state, for who has none. It stays readable for as long as it is held.
    ///
    /// # Errors
    /// [`Fatal`] when it can not be read.
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, Fatal>;

    /// What a block must say for it to be what this machine makes of it: executes it, compares, and keeps it.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); a block that says something else is [`Invalid::Roots`](crate::Invalid::Roots).
    fn check(&self, block: &Block) -> Result<(), ExecuteError> {
        if self.has(&block.digest()) {
            return Ok(());
        }
        let header = block.header();
        let context = Context {
            height: header.height,
            time_ms: header.time_ms,
            proposer: header.proposer,
        };
        let executed = self.execute(&header.parent, &context, block.transactions())?;
        let said = Roots {
            state: header.state_root,
            receipts: header.receipts_root,
        };
        if executed.roots != said {
            let (said, ours) = (said.into(), executed.roots.into());
            return Err(crate::Invalid::Roots { said, ours }.into());
        }
        Ok(self.keep(block, executed.handle)?)
    }
}

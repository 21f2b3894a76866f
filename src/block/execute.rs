//! Executing a block: transactions in order, each wholly or not at all, until its gas is full.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crostata_proof::receipts::ReceiptsTree;
use crostata_proof::{ReceiptOpening, ReceiptsRoot, Root};

use super::error::{NoWitness, OpenBlockError, UndoError};
use super::executed::{Executed, Included};
use super::parallel::Parallel;
use super::sealed::SealedBlock;
use super::serial::{Attempt, Serial, Undo};
use super::sink::{Deaf, Sink};
use super::transaction::Transaction;
use super::witness::Witness;
use crate::engine::{BlockContext, Protocol};
use crate::observe::{Observed, Work};
use crate::session::{Base, Fatal, Rejected, SessionData};
use crate::state::CommitError;
use crate::vm::VM;

/// How a block is executed. Receipts, gas and roots are the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Execution {
    /// One transaction after another.
    #[default]
    Serial,
    /// On up to so many threads, of the process's pool and the calling one: calls run ahead, and those that saw what an earlier one changed
    /// run again. Blocks that are recorded, and those whose transactions can all be undone ([`Undo::All`]), are executed one after another.
    ///
    /// Host queries are asked from several threads, and more often than one after another: they must be pure, as they
    /// must be anyway.
    ///
    /// What lanes may lose is bounded by the time they are measured to take: a thirty-second of the time so far and a quarter of a millisecond, besides what a
    /// transaction takes that turns out longer than was expected (one that may spend a thirty-second of the block's gas runs alone). Blocks made for it were measured
    /// to be 1 to 8 % slower than one after another, on processors that had nothing else to do.
    Parallel {
        /// How many: as many as there are processors, usually. One is as [`Serial`](Self::Serial).
        threads: NonZeroUsize,
    },
    /// As [`Parallel`](Self::Parallel), whatever is lost by it, so that what runs where depends on the transactions alone: for tests. A block can be made to take several times
    /// as long like this as one after another.
    Eager {
        /// How many.
        threads: NonZeroUsize,
    },
}

/// What a block is opened with.
///
/// ```
/// use crostata::{BlockContext, BlockSettings, Undo};
///
/// let settings = BlockSettings::new(BlockContext::new(1, 1_774_000_000_000), 5_000_000_000).undo(Undo::Never);
/// ```
#[derive(Debug, Clone)]
pub struct BlockSettings {
    /// What the block follows: a commit, or a block that is sealed. The empty state if there is none.
    pub base: Option<Base>,
    /// What the chain says about the block.
    pub context: Arc<BlockContext>,
    /// The most gas that its transactions may spend together.
    pub gas_limit: u64,
    /// The rules, where they are not those of the base: a fork of the chain's rules.
    pub protocol: Option<Protocol>,
    /// Which transactions can be undone.
    pub undo: Undo,
    /// Whether what the block does and uses is recorded, for its witness.
    pub recording: bool,
    /// How it is executed.
    pub execution: Execution,
}

impl BlockSettings {
    /// A block over the empty state.
    pub fn new(context: impl Into<Arc<BlockContext>>, gas_limit: u64) -> Self {
        Self {
            base: None,
            context: context.into(),
            gas_limit,
            protocol: None,
            undo: Undo::default(),
            recording: false,
            execution: Execution::default(),
        }
    }

    /// Lets the block follow a commit, or a block that is sealed.
    #[must_use]
    pub fn base(mut self, base: impl Into<Base>) -> Self {
        self.base = Some(base.into());
        self
    }

    /// Executes the block under this protocol instead of its base's. The VM must know it.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// Says which transactions can be undone.
    #[must_use]
    pub fn undo(mut self, undo: Undo) -> Self {
        self.undo = undo;
        self
    }

    /// Records what the block does and uses, for its [`witness`](Block::witness).
    #[must_use]
    pub fn recording(mut self) -> Self {
        self.recording = true;
        self
    }

    /// Says how the block is executed.
    #[must_use]
    pub fn execution(mut self, execution: Execution) -> Self {
        self.execution = execution;
        self
    }
}

/// A block in the making: it can be dropped at any moment, and nothing of it stays.
///
/// ```
/// # use crostata::{contract_bytecode, BlockContext, BlockSettings, ContractData, ContractId, Transaction, VM};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let vm = VM::ephemeral()?;
/// let counter = ContractId::from_bytes([1; 32]);
/// let data = ContractData::builder().contract_id(counter);
/// let transactions = [
///     Transaction::deploy(*contract_bytecode!("counter"), data, 1_000_000).tagged([1; 32]),
///     Transaction::call(counter, "increment", &(), 1_000_000)?.tagged([2; 32]),
///     Transaction::call(counter, "no such function", &(), 1_000_000)?.tagged([3; 32]),
/// ];
///
/// let mut block = vm.block(BlockSettings::new(BlockContext::new(1, 1_774_000_000_000), 1_000_000_000))?;
/// let filled = block.execute_all(&transactions)?;
/// assert_eq!((filled.included, filled.rejected, filled.full_at), (2, 1, None));
///
/// let sealed = block.seal([0; 32])?; // executed and hashed once
/// let vote = (sealed.root(), sealed.receipts_root());
/// let commit = sealed.commit()?; // when it is decided
/// assert_eq!(commit.root, vote.0);
/// # Ok(())
/// # }
/// ```
pub struct Block {
    pub(super) serial: Serial,
    pub(super) parallel: Option<Box<Parallel>>,
    context: Arc<BlockContext>,
    observed: Observed,
    gas_limit: u64,
    gas_spent: u64,
    /// The transactions in the block.
    included: Vec<Arc<Executed>>,
}

/// What became of transactions that a block was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filled {
    /// How many are in the block.
    pub included: usize,
    /// How many can not be in the block.
    pub rejected: usize,
    /// The first one for which the block has not enough gas, as an index into what was given: it and those after it were not tried.
    pub full_at: Option<usize>,
}

impl Filled {
    /// Counts a transaction that was done.
    pub(super) fn count(&mut self, executed: &Executed) {
        match executed.included {
            Some(_) => self.included += 1,
            None => self.rejected += 1,
        }
    }
}

impl VM {
    /// Opens a block.
    ///
    /// # Errors
    /// [`OpenBlockError`] when the base is not retained, its protocol is not configured, or the context can not be read by contracts.
    pub fn block(&self, settings: BlockSettings) -> Result<Block, OpenBlockError> {
        let mut data = SessionData::builder().block(settings.context.clone())?;
        if let Some(base) = settings.base {
            data = data.base(base);
        }
        if let Some(protocol) = settings.protocol {
            data = data.protocol(protocol);
        }
        if settings.recording {
            data = data.recording();
        }
        let parallel = match settings.execution {
            Execution::Serial => None,
            Execution::Parallel { threads } => Parallel::new(threads, settings.gas_limit, true),
            Execution::Eager { threads } => Parallel::new(threads, settings.gas_limit, false),
        };
        Ok(Block {
            serial: Serial::new(self.session(data)?, settings.undo),
            parallel: parallel.map(Box::new),
            context: settings.context,
            observed: self.observed().clone(),
            gas_limit: settings.gas_limit,
            gas_spent: 0,
            included: Vec::new(),
        })
    }
}

impl Block {
    /// Executes a transaction.
    ///
    /// It fits if its gas limit, and the price of the code that it deploys, are not more than what is left of the block's gas, whatever it
    /// will spend; one that does not fit is [`Rejected::BlockFull`].
    ///
    /// # Errors
    /// [`Fatal`]: the result is unknown, and the block can do nothing more.
    pub fn execute(&mut self, transaction: &Transaction) -> Result<Arc<Executed>, Fatal> {
        let code_gas = self.serial.code_gas(transaction);
        let needed_gas = transaction.limit_gas.saturating_add(code_gas);
        let left_gas = self.gas_left();
        let attempt = match needed_gas <= left_gas {
            true => self.serial.execute(transaction, code_gas)?,
            false => Attempt::rejected(Rejected::BlockFull {
                needed_gas,
                left_gas,
            }),
        };
        Ok(self.include(transaction, attempt))
    }

    /// Takes what a transaction came to into the block, unless it was rejected.
    pub(super) fn include(&mut self, transaction: &Transaction, attempt: Attempt) -> Arc<Executed> {
        let index = self.included.len();
        let included = attempt.digest.map(|digest| Included { index, digest });
        let executed = Arc::new(Executed {
            tag: transaction.tag,
            outcome: attempt.outcome,
            gas_spent: attempt.gas_spent,
            feeds: attempt.feeds,
            included,
        });
        if included.is_some() {
            self.gas_spent = self.gas_spent.saturating_add(executed.gas_spent);
            self.included.push(executed.clone());
        }
        executed
    }

    /// Executes transactions in order, until the first that does not fit.
    ///
    /// # Errors
    /// [`Fatal`]: the result is unknown, and the block can do nothing more.
    pub fn execute_all(&mut self, transactions: &[Transaction]) -> Result<Filled, Fatal> {
        self.execute_all_into(transactions, &mut Deaf)
    }

    /// Executes transactions in order, until the first that does not fit, and tells `sink` of each, but for that one.
    ///
    /// # Errors
    /// [`Fatal`]: the result is unknown, and the block can do nothing more.
    pub fn execute_all_into(
        &mut self,
        transactions: &[Transaction],
        sink: &mut dyn Sink,
    ) -> Result<Filled, Fatal> {
        let _observing = self.observed.during(Work::Block {
            height: self.context.height(),
            transactions: transactions.len(),
        });
        if let Some(mut parallel) = self.parallel.take() {
            let filled = self.execute_ahead(&mut parallel, transactions, sink);
            self.parallel = Some(parallel);
            return filled;
        }
        let mut filled = Filled::default();
        for (at, transaction) in transactions.iter().enumerate() {
            let executed = self.execute(transaction)?;
            if executed.is_full() {
                filled.full_at = Some(at);
                break;
            }
            filled.count(&executed);
            sink.executed(&executed);
        }
        Ok(filled)
    }

    /// Undoes the latest transaction in the block: state, gas and receipt, as if it had not been given.
    ///
    /// # Errors
    /// [`UndoError`]; the block is as before, [`UndoError::Fatal`] excepted.
    pub fn undo_last(&mut self) -> Result<Arc<Executed>, UndoError> {
        let last = self.included.len().checked_sub(1);
        let mut undone = self.undo_to(last.ok_or(UndoError::Nothing)?)?;
        undone.pop().ok_or(UndoError::Nothing)
    }

    /// Undoes all transactions but the first so many, and gives what was undone, in the order of the block.
    ///
    /// # Errors
    /// [`UndoError`]; the block is as before, [`UndoError::Fatal`] excepted.
    pub fn undo_to(&mut self, len: usize) -> Result<Vec<Arc<Executed>>, UndoError> {
        if len > self.included.len() {
            let included = self.included.len();
            return Err(UndoError::NotReached { len, included });
        }
        self.serial.undo_to(len)?;
        let undone = self.included.split_off(len);
        for executed in &undone {
            self.gas_spent = self.gas_spent.saturating_sub(executed.gas_spent);
        }
        Ok(undone)
    }

    /// What the chain says about the block.
    pub fn context(&self) -> &BlockContext {
        &self.context
    }

    /// The transactions in the block, in order.
    pub fn receipts(&self) -> &[Arc<Executed>] {
        &self.included
    }

    /// The gas that they spent.
    pub fn gas_spent(&self) -> u64 {
        self.gas_spent
    }

    /// What a transaction takes of the block's gas besides its limit: the price of the code that it deploys.
    pub fn code_gas(&self, transaction: &Transaction) -> u64 {
        self.serial.code_gas(transaction)
    }

    /// The gas that is left for others.
    pub fn gas_left(&self) -> u64 {
        self.gas_limit.saturating_sub(self.gas_spent)
    }

    /// The root of the tree of receipts so far.
    pub fn receipts_root(&self) -> ReceiptsRoot {
        receipts_tree(&self.included).root()
    }

    /// The opening of a receipt in the tree of receipts so far, if there is one of this index.
    pub fn receipt_opening(&self, index: usize) -> Option<ReceiptOpening> {
        receipts_tree(&self.included).opening(index)
    }

    /// The root of the state so far. Costs hashing of what the block wrote.
    ///
    /// # Errors
    /// [`Fatal`] if a page can not be read back, or the block can do nothing more.
    pub fn root(&self) -> Result<Root, Fatal> {
        self.serial.root()
    }

    /// The witness of what the block did so far, if it is [recorded](BlockSettings::recording): who has the root of its base can do it
    /// again without the state.
    ///
    /// # Errors
    /// [`NoWitness`].
    pub fn witness(&self) -> Result<Witness, NoWitness> {
        self.serial.witness()
    }

    /// Ends the block: executed and hashed, in memory alone. `tag` is the embedder's block digest, for example, that tells commits with
    /// one root and parent apart.
    ///
    /// # Errors
    /// [`CommitError`], but for the disk, which is not written to. The block is gone then; nothing else changed.
    pub fn seal(mut self, tag: [u8; 32]) -> Result<SealedBlock, CommitError> {
        let sealed = self.serial.seal(tag)?;
        Ok(SealedBlock::new(
            sealed,
            self.context,
            self.included,
            self.gas_spent,
        ))
    }
}

/// The tree of these transactions' receipts.
pub(super) fn receipts_tree(included: &[Arc<Executed>]) -> ReceiptsTree {
    let leaves = included.iter().filter_map(|executed| executed.leaf());
    ReceiptsTree::new(leaves.collect())
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("context", &self.context)
            .field("included", &self.included.len())
            .field("gas_spent", &self.gas_spent)
            .field("gas_limit", &self.gas_limit)
            .finish_non_exhaustive()
    }
}

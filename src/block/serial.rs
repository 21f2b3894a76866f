//! Transactions one after another, in one session: everything of a block that touches a session.

use std::sync::mpsc::channel;

use crostata_proof::receipts::deployment_digest;
use crostata_proof::{ReceiptDigest, Root, hash};

use super::error::{NoWitness, UndoError};
use super::executed::{TransactionOutcome, TransactionReceipt};
use super::transaction::{Action, Transaction};
use super::witness::Witness;
use crate::session::{DeployReceipt, Error, Fatal, Rejected, Savepoint, Sealed, Session};
use crate::state::CommitError;

/// Which transactions of a block can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undo {
    /// None: nothing is kept for it.
    Never,
    /// The latest one, as long as no other was tried after it. Keeps a copy of the pages that it wrote.
    #[default]
    Last,
    /// All, in any number. Keeps copies of the pages that each wrote.
    All,
}

/// A session that transactions are executed in.
pub struct Serial {
    session: Session,
    undo: Undo,
    /// Of each transaction in the block.
    undoable: Vec<Undoable>,
}

/// How a transaction is undone.
enum Undoable {
    /// By going back.
    To(Savepoint),
    /// It changed nothing.
    Nothing,
    /// Not at all: what it takes is gone.
    Forgotten,
}

/// What a transaction came to.
pub struct Attempt {
    pub outcome: TransactionOutcome,
    pub gas_spent: u64,
    pub feeds: Vec<Vec<u8>>,
    /// None if it was rejected.
    pub digest: Option<ReceiptDigest>,
}

impl Serial {
    /// Transactions of a block in this session.
    pub fn new(session: Session, undo: Undo) -> Self {
        Self {
            session,
            undo,
            undoable: Vec::new(),
        }
    }

    /// What a transaction takes of the block's gas besides its limit.
    pub fn code_gas(&self, transaction: &Transaction) -> u64 {
        match &transaction.action {
            Action::Call { .. } => 0,
            Action::Deploy { code, .. } => self.session.deploy_price(code),
        }
    }

    /// Executes a transaction: its changes stay if it succeeds, and nothing of it otherwise.
    pub fn execute(&mut self, transaction: &Transaction, code_gas: u64) -> Result<Attempt, Fatal> {
        self.forget()?;
        let before = self.savepoint()?;
        let (result, feeds) = self.run(transaction);
        let attempt = attempt(transaction, code_gas, result, feeds)?;
        match (&attempt.outcome, before) {
            (TransactionOutcome::Success(_), Some(before)) => {
                self.undoable.push(Undoable::To(before));
            }
            (TransactionOutcome::Success(_), None) => self.undoable.push(Undoable::Forgotten),
            (outcome, before) => {
                if let Some(before) = before {
                    self.session.rollback(before).map_err(fatal)?;
                }
                if matches!(outcome, TransactionOutcome::Reverted(_)) {
                    self.undoable.push(Undoable::Nothing);
                }
            }
        }
        Ok(attempt)
    }

    /// Notes a transaction that ran ahead: it can not be undone, as if another had been tried after it.
    pub fn note(&mut self, attempt: &Attempt) {
        match (&attempt.outcome, self.undo) {
            (TransactionOutcome::Rejected(_), _) => {}
            (TransactionOutcome::Reverted(_), Undo::Never) => self.undoable.push(Undoable::Nothing),
            _ => self.undoable.push(Undoable::Forgotten),
        }
    }

    /// The session, to run transactions ahead.
    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Whether transactions may run ahead, once the latest one need not be undone any more.
    pub fn may_run_ahead(&self) -> bool {
        self.undo != Undo::All && self.session.may_split()
    }

    /// How many of the latest transactions must be possible to undo.
    pub fn spared(&self) -> usize {
        usize::from(self.undo == Undo::Last)
    }

    /// Gives up what the transactions so far can be undone with, if the latest one alone is to be.
    pub fn forget(&mut self) -> Result<(), Fatal> {
        if self.undo != Undo::Last {
            return Ok(());
        }
        if let Some(last) = self.undoable.last_mut()
            && let Undoable::To(savepoint) = std::mem::replace(last, Undoable::Forgotten)
        {
            self.session.release(savepoint).map_err(fatal)?;
        }
        Ok(())
    }

    fn savepoint(&mut self) -> Result<Option<Savepoint>, Fatal> {
        match self.undo {
            Undo::Never => Ok(None),
            Undo::Last | Undo::All => self.session.savepoint().map(Some).map_err(fatal),
        }
    }

    /// Runs a transaction with its own data.
    fn run(&mut self, transaction: &Transaction) -> Ran {
        let (lent, refused) = self.lend(transaction);
        let ran = match refused {
            Some(rejected) => (Err(rejected.into()), Vec::new()),
            None => self.act(transaction),
        };
        self.take_back(lent);
        ran
    }

    fn act(&mut self, transaction: &Transaction) -> Ran {
        let (session, limit) = (&mut self.session, transaction.limit_gas);
        match &transaction.action {
            Action::Call {
                contract,
                function,
                argument,
                may_feed: false,
            } => {
                let result = session.call_raw(*contract, function, argument, limit);
                (result.map(TransactionReceipt::Call), Vec::new())
            }
            Action::Call {
                contract,
                function,
                argument,
                may_feed: true,
            } => {
                // Holds no more than the protocol lets a call feed.
                let (feeder, feeds) = channel();
                let result = session.feeder_call_raw(*contract, function, argument, limit, feeder);
                (
                    result.map(TransactionReceipt::Call),
                    feeds.try_iter().collect(),
                )
            }
            Action::Deploy { code, data } => {
                let result = session.deploy_with_receipt(code, data.clone(), limit);
                (result.map(TransactionReceipt::Deploy), Vec::new())
            }
        }
    }

    /// Sets the transaction's own data; gives what was there, and why the transaction can not have it.
    fn lend(&mut self, transaction: &Transaction) -> (Vec<Lent>, Option<Rejected>) {
        let mut lent = Vec::with_capacity(transaction.data.len());
        for (name, bytes) in &transaction.data {
            match self.session.set_meta_raw(name.clone(), bytes.clone()) {
                Ok(before) => lent.push((name.clone(), before)),
                Err(error) => return (lent, Some(Rejected::Datum(error))),
            }
        }
        (lent, None)
    }

    fn take_back(&mut self, lent: Vec<Lent>) {
        for (name, before) in lent.into_iter().rev() {
            match before {
                // It was in the session before, so that it can be.
                Some(before) => drop(self.session.set_meta_raw(name, before)),
                None => drop(self.session.remove_meta(&name)),
            }
        }
    }

    /// Makes everything what it was when the block had so many transactions.
    pub fn undo_to(&mut self, len: usize) -> Result<(), UndoError> {
        let undone = self.undoable.iter().enumerate().skip(len);
        let mut first = None;
        for (index, undoable) in undone {
            match undoable {
                Undoable::To(savepoint) => {
                    first.get_or_insert(*savepoint);
                }
                Undoable::Nothing => {}
                Undoable::Forgotten => return Err(UndoError::Forgotten { index }),
            }
        }
        if let Some(savepoint) = first {
            let undone = self.session.rollback(savepoint);
            undone.map_err(|error| UndoError::Fatal(fatal(error)))?;
        }
        self.undoable.truncate(len);
        Ok(())
    }

    /// The root of the state so far.
    pub fn root(&self) -> Result<Root, Fatal> {
        self.session.root().map_err(fatal)
    }

    /// What the block did so far, if it is recorded.
    pub fn witness(&self) -> Result<Witness, NoWitness> {
        self.session.witness()
    }

    /// The state so far.
    pub fn seal(&mut self, tag: [u8; 32]) -> Result<Sealed, CommitError> {
        self.session.seal_with_tag(tag)
    }
}

/// What running a transaction came to, and what it fed.
type Ran = (Result<TransactionReceipt, Error>, Vec<Vec<u8>>);

/// A session datum's name, and its bytes before.
type Lent = (String, Option<Vec<u8>>);

/// Sorts a result into what the block has and what ends it.
pub fn attempt(
    transaction: &Transaction,
    code_gas: u64,
    result: Result<TransactionReceipt, Error>,
    feeds: Vec<Vec<u8>>,
) -> Result<Attempt, Fatal> {
    let (outcome, call_gas) = match result {
        Ok(receipt) => {
            let spent = spent(&receipt);
            (TransactionOutcome::Success(receipt), spent)
        }
        Err(Error::Reverted(reverted)) => {
            let spent = reverted.receipt.gas_spent;
            (TransactionOutcome::Reverted(reverted), spent)
        }
        Err(Error::Rejected(rejected)) => {
            return Ok(Attempt::rejected(rejected));
        }
        Err(error) => return Err(fatal(error)),
    };
    let digest = digest(transaction, code_gas, &outcome);
    Ok(Attempt {
        outcome,
        gas_spent: call_gas.saturating_add(code_gas),
        feeds,
        digest,
    })
}

impl Attempt {
    /// A transaction that can not be in the block.
    pub fn rejected(rejected: Rejected) -> Self {
        Self {
            outcome: TransactionOutcome::Rejected(rejected),
            gas_spent: 0,
            feeds: Vec::new(),
            digest: None,
        }
    }
}

fn spent(receipt: &TransactionReceipt) -> u64 {
    match receipt {
        TransactionReceipt::Call(receipt) => receipt.gas_spent,
        TransactionReceipt::Deploy(receipt) => {
            receipt.init.as_ref().map_or(0, |init| init.gas_spent)
        }
    }
}

/// What the tree of receipts holds of an outcome.
fn digest(
    transaction: &Transaction,
    code_gas: u64,
    outcome: &TransactionOutcome,
) -> Option<ReceiptDigest> {
    let ran = match outcome {
        TransactionOutcome::Success(TransactionReceipt::Call(receipt)) => Some(receipt.digest),
        TransactionOutcome::Success(TransactionReceipt::Deploy(receipt)) => init_digest(receipt),
        TransactionOutcome::Reverted(reverted) => Some(reverted.receipt.digest),
        TransactionOutcome::Rejected(_) => return None,
    };
    match &transaction.action {
        Action::Call { .. } => ran,
        Action::Deploy { code, data } => {
            let contract = data.id(&hash::code_hash(code));
            Some(deployment_digest(&contract, code_gas, ran.as_ref()))
        }
    }
}

fn init_digest(receipt: &DeployReceipt) -> Option<ReceiptDigest> {
    receipt.init.as_ref().map(|init| init.digest)
}

/// The error of a session of a block that is neither the contract's nor the transaction's.
fn fatal(error: Error) -> Fatal {
    match error {
        Error::Fatal(fatal) => fatal,
        // INVARIANT: a block's session has no deadline, its savepoints are its own, and its results are bytes.
        Error::Timeout | Error::Reverted(_) | Error::Rejected(_) | Error::Undecodable(_) => {
            Fatal::Poisoned
        }
    }
}

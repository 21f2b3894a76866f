//! Parallel execution: transactions of a block run ahead in lanes, and what they come to is what it would have been one after another.
//!
//! The block is executed in steps. In each, some transactions run one after another in the block's session, or a **wave** of calls runs
//! ahead in several lanes ([`session::lanes`](crate::session::lanes) says how it is judged which of them stay); [`plan`] says
//! which. What stays is taken into the block in its order, by the same code as transactions that ran one after another. Everything that is no call runs
//! alone, and so does what must be undoable, and everything when somebody records.
//!
//! What this module never does: decide what a conflict is, or let anything but time depend on what it decides.

mod account;
mod known;
mod plan;

use std::num::NonZeroUsize;
use std::sync::Arc;

use crostata_abi::ContractId;

use super::execute::{Block, Filled};
use super::executed::{Executed, TransactionOutcome, TransactionReceipt};
use super::serial::attempt;
use super::sink::Sink;
use super::transaction::{Action, Transaction};
use crate::engine::{Call, Fault};
use crate::session::Fatal;
use crate::session::lanes::clock::{Duration, Moment};
use crate::session::lanes::{Bring, Ended, Judged, LANES_MAX, Lanes, Stop, Task, Why};

use account::Account;
use plan::{Plan, Planner};

/// Executes transactions in lanes.
#[derive(Debug)]
pub struct Parallel {
    lanes: usize,
    planner: Planner,
}

/// What stays of a wave.
struct Kept {
    ended: Vec<Ended>,
    /// Whether the block has not enough gas for the transaction behind.
    is_full: bool,
}

/// What a step of a block did.
struct Step {
    /// Transactions that were executed.
    done: usize,
    /// Whether the block has not enough gas for the next one.
    is_full: bool,
    /// What they would have taken one after another.
    worth: Duration,
}

/// The room that a block has for a wave.
struct Room {
    left_gas: u64,
    /// What the transaction behind the wave needs.
    behind_gas: u64,
    /// How many of the transactions before the one for which there is not enough gas are to run alone.
    spared: usize,
}

impl Parallel {
    /// So many lanes, for a block of so much gas; none if one would be alone.
    pub fn new(threads: NonZeroUsize, block_gas: u64, is_bounded: bool) -> Option<Self> {
        let lanes = threads.get().min(LANES_MAX);
        (lanes > 1).then(|| Self {
            lanes,
            planner: Planner::new(lanes, block_gas, Account::new(is_bounded)),
        })
    }

    /// Runs a wave ahead, and keeps what stays of it and has room.
    fn wave(
        &mut self,
        lanes: &mut Lanes,
        transactions: &[Transaction],
        order: &[usize],
        room: &Room,
    ) -> Result<Kept, Fault> {
        let tasks: Option<Vec<Task<'_>>> = transactions.iter().map(task).collect();
        let tasks = tasks.ok_or_else(|| Fault::new("only calls run ahead"))?;
        let allowed = self.planner.account.allowed();
        let affordable = self.bring(lanes, transactions, order)?;
        // What runs much longer than was expected is not thrown away at any length.
        let end = allowed.map(|allowed| Moment::after(2 * allowed));
        let tasks = &tasks[..affordable];
        let scopes = self.planner.scopes();
        let judged = lanes.run(tasks, &order[..affordable], end, scopes)?;
        let spent = lanes.spent(&judged);
        let (fitting, left_gas) = fitting(transactions, &spent, room.left_gas);
        let behind = transactions.get(fitting);
        let behind_gas = behind.map_or(room.behind_gas, |behind| behind.limit_gas);
        let is_full = behind_gas > left_gas;
        let kept = match is_full {
            true => fitting.saturating_sub(room.spared),
            false => fitting,
        };
        self.learn_end(transactions, &judged, kept);
        let ended = lanes.keep(tasks, judged, kept)?;
        Ok(Kept { ended, is_full })
    }

    /// Brings what the transactions call, and are known to enter, to the lanes that run them, as far as the block can afford it. Gives how many
    /// transactions have what they need then.
    fn bring(
        &mut self,
        lanes: &mut Lanes,
        transactions: &[Transaction],
        order: &[usize],
    ) -> Result<usize, Fault> {
        let mut allowed = self.planner.allowed_pages();
        for (at, (transaction, lane)) in transactions.iter().zip(order).enumerate() {
            if self.planner.is_there(at, *lane) {
                continue;
            }
            let how = match self.planner.is_spread(at) {
                true => Bring::Share,
                false => Bring::Move,
            };
            if let Some(unaffordable) =
                self.bring_one(lanes, transaction, (*lane, how), &mut allowed)?
            {
                let holder = lanes.holders(&unaffordable).first();
                self.planner.stays(&unaffordable, holder);
                return Ok(at);
            }
        }
        Ok(order.len())
    }

    /// Gives the contract that takes more to bring than is allowed, if there is one.
    fn bring_one(
        &self,
        lanes: &mut Lanes,
        transaction: &Transaction,
        (lane, how): (usize, Bring),
        allowed: &mut usize,
    ) -> Result<Option<ContractId>, Fault> {
        let Action::Call {
            contract, function, ..
        } = &transaction.action
        else {
            return Ok(None);
        };
        let known = self.planner.contracts.known(contract);
        let others = known.map_or(&[][..], |known| known.others(function));
        // Others may enter what is not called itself.
        let others = others.iter().map(|other| (other, Bring::Share));
        for (needed, how) in std::iter::once((contract, how)).chain(others) {
            match allowed.checked_sub(lanes.bring_pages(needed, lane, how)) {
                Some(left) => *allowed = left,
                None => return Ok(Some(*needed)),
            }
            lanes.bring(needed, lane, how)?;
        }
        Ok(None)
    }

    fn learn_end(&mut self, transactions: &[Transaction], judged: &Judged, kept: usize) {
        self.planner.ended(kept);
        match judged.why {
            Some(Why::Conflict(contract)) => self.planner.conflict(&contract),
            Some(Why::Stopped(Stop::Misplaced(contract))) => {
                let entered = std::iter::once(contract);
                self.learn_entered(&transactions[judged.good], entered);
            }
            Some(Why::Stopped(Stop::Fault) | Why::Late) | None => {}
        }
    }

    /// Learns from the first transactions of the plan, which ran so long.
    fn learn(&mut self, transactions: &[Transaction], done: &[Arc<Executed>], took: Duration) {
        let spent = done.iter().map(|executed| executed.gas_spent);
        let spent = spent.fold(0, u64::saturating_add);
        self.planner.account.learn(took, spent, done.len());
        for (at, (transaction, executed)) in transactions.iter().zip(done).enumerate() {
            self.learn_one(at, transaction, executed);
        }
    }

    /// Learns from a transaction that was executed, the `at`-th of the plan.
    fn learn_one(&mut self, at: usize, transaction: &Transaction, executed: &Executed) {
        let Action::Call {
            contract, function, ..
        } = &transaction.action
        else {
            return;
        };
        let tree = match &executed.outcome {
            TransactionOutcome::Success(TransactionReceipt::Call(receipt)) => &receipt.call_tree,
            TransactionOutcome::Reverted(reverted) => &reverted.receipt.call_tree,
            _ => return,
        };
        let number = self.planner.number(at);
        let number = number.unwrap_or_else(|| self.planner.contracts.number(contract));
        let known = self.planner.contracts.get_mut(number);
        known.learn_spent(function, executed.gas_spent);
        if tree.len() > 1 {
            let entered = tree.iter().map(|frame| frame.contract_id);
            known.learn_entered(function, entered.filter(|entered| entered != contract));
        }
    }

    fn learn_entered(
        &mut self,
        transaction: &Transaction,
        entered: impl Iterator<Item = ContractId>,
    ) {
        if let Action::Call {
            contract, function, ..
        } = &transaction.action
        {
            let number = self.planner.contracts.number(contract);
            let known = self.planner.contracts.get_mut(number);
            known.learn_entered(function, entered);
        }
    }
}

impl Block {
    /// Executes transactions as [`execute_all_into`](Self::execute_all_into) says, in lanes.
    pub(super) fn execute_ahead(
        &mut self,
        parallel: &mut Parallel,
        transactions: &[Transaction],
        sink: &mut dyn Sink,
    ) -> Result<Filled, Fatal> {
        let mut filled = Filled::default();
        // What may be undone later runs alone.
        let spared = self.serial.spared();
        let ahead_end = transactions.len().saturating_sub(spared);
        let mut at = 0;
        let mut is_full = false;
        while at < transactions.len() {
            // One that does not fit is not tried.
            is_full |= transactions[at].limit_gas > self.gas_left();
            let begin = Moment::now();
            let plan = match at < ahead_end && !is_full && self.serial.may_run_ahead() {
                true => parallel.planner.plan(&transactions[at..ahead_end]),
                false => Plan::Unseen(transactions.len() - at),
            };
            let (step, is_refused) = match plan {
                Plan::Unseen(count) | Plan::Alone(count) => {
                    let next = &transactions[at..at + count];
                    let is_seen = matches!(plan, Plan::Alone(_));
                    let learner = is_seen.then_some(&mut *parallel);
                    let step = self.execute_alone(learner, next, sink, &mut filled)?;
                    let is_refused = step.is_full;
                    (step, is_refused)
                }
                Plan::Ahead(order) => {
                    let (next, behind) = transactions[at..].split_at(order.len());
                    let room = self.room(behind.first());
                    let step =
                        self.execute_wave(parallel, next, &order, &room, sink, &mut filled)?;
                    is_full = step.is_full;
                    (step, false)
                }
            };
            parallel.planner.account.book(begin.elapsed(), step.worth);
            at += step.done;
            if is_refused {
                filled.full_at = Some(at);
                break;
            }
        }
        Ok(filled)
    }

    /// The room for a wave with this transaction behind it.
    fn room(&self, behind: Option<&Transaction>) -> Room {
        let needed = |behind: &Transaction| {
            let code_gas = self.serial.code_gas(behind);
            behind.limit_gas.saturating_add(code_gas)
        };
        Room {
            left_gas: self.gas_left(),
            behind_gas: behind.map_or(0, needed),
            spared: self.serial.spared(),
        }
    }

    /// Executes transactions one after another, until one does not fit.
    fn execute_alone(
        &mut self,
        learner: Option<&mut Parallel>,
        transactions: &[Transaction],
        sink: &mut dyn Sink,
        filled: &mut Filled,
    ) -> Result<Step, Fatal> {
        let begin = Moment::now();
        let mut done = Vec::with_capacity(transactions.len());
        let mut is_full = false;
        for transaction in transactions {
            let executed = self.execute(transaction)?;
            is_full = executed.is_full();
            if is_full {
                break;
            }
            filled.count(&executed);
            sink.executed(&executed);
            done.push(executed);
        }
        let carried = self.serial.session().take_carried();
        let worth = begin.elapsed().saturating_sub(carried);
        if let Some(learner) = learner {
            learner.learn(transactions, &done, worth);
        }
        Ok(Step {
            done: done.len(),
            is_full,
            worth,
        })
    }

    /// Runs a wave ahead; at least its first transaction is executed, unless it does not fit. Says whether the block has not enough gas
    /// for the next one or the one behind it.
    fn execute_wave(
        &mut self,
        parallel: &mut Parallel,
        transactions: &[Transaction],
        order: &[usize],
        room: &Room,
        sink: &mut dyn Sink,
        filled: &mut Filled,
    ) -> Result<Step, Fatal> {
        self.serial.forget()?;
        let mut lanes = self.serial.session().take_lanes(parallel.lanes)?;
        let kept = parallel.wave(&mut lanes, transactions, order, room);
        self.serial.session().put_lanes(lanes, kept.is_err());
        let Kept { ended, is_full } = kept?;
        if ended.is_empty() && !is_full {
            // The first one stopped: alone it does not.
            return self.execute_alone(Some(parallel), &transactions[..1], sink, filled);
        }
        let ran = ended.iter().map(|ended| ended.took).sum();
        let begin = Moment::now();
        let done = self.include_ahead(transactions, ended, sink, filled)?;
        let worth = begin.elapsed().saturating_add(ran);
        parallel.learn(transactions, &done, ran);
        Ok(Step {
            done: done.len(),
            is_full,
            worth,
        })
    }

    /// Takes what ran ahead into the block.
    fn include_ahead(
        &mut self,
        transactions: &[Transaction],
        ended: Vec<Ended>,
        sink: &mut dyn Sink,
        filled: &mut Filled,
    ) -> Result<Vec<Arc<Executed>>, Fatal> {
        // A sink is the embedder's code and may panic: what was kept is in the block before anybody is told.
        let mut done = Vec::with_capacity(ended.len());
        for (transaction, ended) in transactions.iter().zip(ended) {
            self.serial.session().count_ended(&ended);
            let result = ended.result.map(TransactionReceipt::Call);
            let attempt = attempt(transaction, 0, result, ended.feeds)?;
            self.serial.note(&attempt);
            let executed = self.include(transaction, attempt);
            filled.count(&executed);
            done.push(executed);
        }
        done.iter().for_each(|executed| sink.executed(executed));
        Ok(done)
    }
}

/// How many of the first transactions, which spent this, there is enough gas for, and what they leave of it.
fn fitting(transactions: &[Transaction], spent: &[u64], mut left_gas: u64) -> (usize, u64) {
    for (at, (transaction, spent)) in transactions.iter().zip(spent).enumerate() {
        if transaction.limit_gas > left_gas {
            return (at, left_gas);
        }
        left_gas = left_gas.saturating_sub(*spent);
    }
    (spent.len(), left_gas)
}

/// A call as a task of a wave.
fn task(transaction: &Transaction) -> Option<Task<'_>> {
    match &transaction.action {
        Action::Call {
            contract,
            function,
            argument,
            may_feed,
        } => Some(Task {
            call: Call {
                contract: *contract,
                function,
                argument,
                limit_gas: transaction.limit_gas,
                init: false,
            },
            data: &transaction.data,
            may_feed: *may_feed,
        }),
        Action::Deploy { .. } => None,
    }
}

#[cfg(test)]
mod tests;

//! A lane: a runner of its own that runs some of the calls of a block, each in a scope of its own.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;

use super::super::context::Context;
use super::super::error::{Error, Rejected};
use super::super::receipt::CallReceipt;
use super::clock::{Duration, Moment};
use crate::engine::{Accesses, Call, Fault, Runner};

/// A call of a wave, with the session data that it alone sees.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The call.
    pub call: Call<'a>,
    /// The data, on top of the session's.
    pub data: &'a BTreeMap<String, Vec<u8>>,
    /// Whether it may feed.
    pub may_feed: bool,
}

/// Tasks, some of which a lane runs.
#[derive(Debug)]
pub struct Wave<'a> {
    /// All of them, in the order of the block.
    pub tasks: &'a [Task<'a>],
    pub number: u64,
    /// A lane begins nothing after this, besides its first task.
    pub end: Option<Moment>,
    pub scopes: Scopes,
}

/// How what tasks do is kept to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scopes {
    /// Task by task, which costs a copy of each page that a task writes. What changed is told by content.
    Each,
    /// All tasks of a lane together: those of them that stay after all run again. Whatever was written counts as changed. For tasks that enter
    /// nothing that others in other lanes enter.
    Whole,
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    pub result: Result<CallReceipt<Vec<u8>>, Error>,
    /// What it fed.
    pub feeds: Vec<Vec<u8>>,
    /// Pages that it touched, as the limit on them counts.
    pub pages_touched: u64,
    /// How long it ran.
    pub took: Duration,
}

impl Ended {
    fn new(result: Result<CallReceipt<Vec<u8>>, Error>) -> Self {
        Self {
            result,
            feeds: Vec::new(),
            pages_touched: 0,
            took: Duration::ZERO,
        }
    }

    /// Gas that it spent; what is rejected spends none.
    pub fn spent_gas(&self) -> u64 {
        match &self.result {
            Ok(receipt) => receipt.gas_spent,
            Err(Error::Reverted(reverted)) => reverted.receipt.gas_spent,
            Err(_) => 0,
        }
    }
}

/// Runs calls ahead, until they are judged.
pub struct Lane {
    /// Absent only while a call runs, and, of the first lane, at rest.
    pub runner: Option<Box<Runner<Context>>>,
    /// The tasks of this wave, in the order of the block.
    pub tasks: Vec<usize>,
    /// How those that ran ended.
    pub ended: Vec<Ended>,
    /// Why the last of the tasks that began did not end.
    pub stopped: Option<Stop>,
    pub accesses: Accesses,
    /// Scopes that are open: one for each call that ran, or one.
    open: usize,
    scopes: Scopes,
    /// Whether what happened in them is kept, and they are to be closed.
    is_kept: bool,
    /// Whether tasks that stay were undone with others.
    is_behind: bool,
}

/// Why a call did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It wanted a contract that another lane has.
    Misplaced(crostata_abi::ContractId),
    /// The host failed, or seemed to.
    Fault,
}

impl Lane {
    pub fn new(runner: Option<Box<Runner<Context>>>) -> Self {
        Self {
            runner,
            tasks: Vec::new(),
            ended: Vec::new(),
            stopped: None,
            accesses: Accesses::default(),
            open: 0,
            scopes: Scopes::Each,
            is_kept: false,
            is_behind: false,
        }
    }

    /// Forgets the wave before.
    pub fn clear(&mut self) {
        self.tasks.clear();
        self.ended.clear();
        self.accesses.clear();
        self.stopped = None;
    }

    /// The runner, which is there between calls.
    pub fn runner(&self) -> Result<&Runner<Context>, Fault> {
        self.runner.as_deref().ok_or_else(gone)
    }

    pub fn runner_mut(&mut self) -> Result<&mut Runner<Context>, Fault> {
        self.runner.as_deref_mut().ok_or_else(gone)
    }

    /// Runs its tasks until one can not end, or there is no time left.
    ///
    /// # Errors
    /// [`Fault`] when the lane can not go on at all.
    pub fn run(&mut self, wave: &Wave<'_>) -> Result<(), Fault> {
        self.flush()?;
        self.scopes = wave.scopes;
        let mut begin = Moment::now();
        for at in 0..self.tasks.len() {
            if at > 0 && wave.end.is_some_and(|end| begin > end) {
                break;
            }
            self.open()?;
            let Some(mut ended) = self.run_task(&wave.tasks[self.tasks[at]], wave.number)? else {
                break;
            };
            let before = std::mem::replace(&mut begin, Moment::now());
            ended.took = begin.since(before);
            self.ended.push(ended);
        }
        Ok(())
    }

    /// Opens a scope for the next task, unless it has one.
    fn open(&mut self) -> Result<(), Fault> {
        if self.scopes == Scopes::Each || self.open == 0 {
            self.runner_mut()?.savepoint();
            self.open += 1;
        }
        Ok(())
    }

    fn run_task(&mut self, task: &Task<'_>, wave: u64) -> Result<Option<Ended>, Fault> {
        if task.data.is_empty() && !task.may_feed {
            return self.call(task.call, wave);
        }
        let host = self.runner_mut()?.host_mut();
        let (lent, refused) = lend(host, task.data);
        let (feeder, feeds) = channel();
        if task.may_feed {
            host.feeder = Some(Box::new(feeder));
        }
        let ended = match refused {
            None => self.call(task.call, wave),
            Some(rejected) => {
                self.accesses.pass();
                Ok(Some(Ended::new(Err(rejected.into()))))
            }
        };
        let host = self.runner_mut()?.host_mut();
        host.feeder = None;
        take_back(host, lent);
        Ok(ended?.map(|ended| Ended {
            feeds: feeds.try_iter().collect(),
            ..ended
        }))
    }

    fn call(&mut self, call: Call<'_>, wave: u64) -> Result<Option<Ended>, Fault> {
        let runner = self.runner.take().ok_or_else(gone)?;
        let (mut runner, outcome) = runner.call(call);
        let host = runner.host_mut();
        let record = host.take_record();
        let (misplaced, panicked) = (host.misplaced.take(), host.panicked.take());
        let runner = self.runner.insert(runner);
        let ended = match (outcome, misplaced) {
            (_, Some(contract)) => {
                self.stopped = Some(Stop::Misplaced(contract));
                None
            }
            (Err(_), None) => {
                self.stopped = Some(Stop::Fault);
                None
            }
            (Ok(_), None) if panicked.is_some() => {
                self.stopped = Some(Stop::Fault);
                None
            }
            (Ok(Err(refusal)), None) => Some(Ended::new(Err(refusal.into()))),
            (Ok(Ok(completed)), None) => {
                let finished = record.finish(completed, call.limit_gas);
                Some(Ended::new(finished.map_err(Error::Reverted)))
            }
        };
        let Some(mut ended) = ended else {
            if self.scopes == Scopes::Each {
                self.open -= 1;
            }
            runner.abandon(self.open)?;
            return Ok(None);
        };
        ended.pages_touched = runner.pages_touched();
        runner.note_accesses(&mut self.accesses, wave, ended.result.is_err());
        Ok(Some(ended))
    }

    /// Undoes the tasks from the `kept`-th on; `true` if there were any.
    ///
    /// # Errors
    /// [`Fault`]: what the contracts hold is then unknown.
    pub fn undo_from(&mut self, kept: usize) -> Result<bool, Fault> {
        if self.ended.len() <= kept {
            return Ok(false);
        }
        self.ended.truncate(kept);
        let open = match self.scopes {
            Scopes::Each => kept,
            Scopes::Whole => 0,
        };
        while self.open > open {
            self.open -= 1;
            self.runner_mut()?.rollback()?;
        }
        self.is_behind = self.scopes == Scopes::Whole && kept > 0;
        Ok(true)
    }

    /// Whether tasks that stay were undone with others, and are to run again.
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Runs the tasks again that were undone with others.
    ///
    /// # Errors
    /// [`Fault`] when they come to something else.
    pub fn catch_up(&mut self, wave: &Wave<'_>) -> Result<(), Fault> {
        self.is_behind = false;
        for at in 0..self.ended.len() {
            self.open()?;
            let ended = self.run_task(&wave.tasks[self.tasks[at]], wave.number)?;
            if ended.map(|ended| ended.spent_gas()) != Some(self.ended[at].spent_gas()) {
                return Err(Fault::new(
                    "a call came to something else when it ran again",
                ));
            }
        }
        Ok(())
    }

    /// Keeps what ran: at once, or before the lane does anything else.
    pub fn keep(&mut self, at_once: bool) -> Result<(), Fault> {
        self.is_kept |= self.open > 0;
        self.open = 0;
        match at_once {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Closes the scopes of what is kept.
    pub fn flush(&mut self) -> Result<(), Fault> {
        if std::mem::take(&mut self.is_kept) {
            self.runner_mut()?.keep_all();
        }
        Ok(())
    }
}

fn gone() -> Fault {
    Fault::new("a lane ended in a panic of the host")
}

/// A session datum's name, and its bytes before.
type Lent<'a> = (&'a str, Option<Vec<u8>>);

/// Sets a task's own data; gives what was there, and why the task can not have it.
fn lend<'a>(
    context: &mut Context,
    data: &'a BTreeMap<String, Vec<u8>>,
) -> (Vec<Lent<'a>>, Option<Rejected>) {
    let mut lent = Vec::with_capacity(data.len());
    for (name, bytes) in data {
        match context.data.set_raw(name.clone(), bytes.clone()) {
            Ok(before) => lent.push((name.as_str(), before)),
            Err(error) => return (lent, Some(Rejected::Datum(error))),
        }
    }
    (lent, None)
}

fn take_back(context: &mut Context, lent: Vec<Lent<'_>>) {
    for (name, before) in lent {
        match before {
            Some(before) => context.data.data.insert(name.to_owned(), before),
            None => context.data.data.remove(name),
        };
    }
}

//! Lanes: several runners over one session's base, which run calls of a block at the same time, and the judgement which of them
//! stay.
//!
//! Calls run ahead in **waves**: each lane runs some calls of the wave in the order of the block, over what the lane had when the wave
//! began. Then, with all lanes paused, the calls are judged in the order of the block ([`judge`]): those stay that saw nothing which an earlier call
//! in another lane changed, up to the first that did. The others are undone.
//!
//! What holds between waves: of a contract that changed since the base, the lanes in [`Home::holders`](homes::Home::holders) have what it is now, and no
//! other lane enters it before it was brought there: a call that wants to is [`Misplaced`](Stop::Misplaced), and undone. So every call
//! runs over what a prefix of the block left, or is undone. Memory is copied between waves alone, so that no lane ever looks into the memory of one that runs.
//!
//! The first lane is the session's own runner. At rest the others are kept in its context, where calls of the session bring over
//! what they need.
//!
//! What this module never does: decide what runs where, or how many calls run ahead.

pub mod clock;
mod context;
mod homes;
mod judge;
mod lane;
mod rest;
mod wave;

pub use context::{Running, claim_entered};
pub use homes::{Homes, LANES_MAX, LaneSet};
pub use lane::{Ended, Lane, Scopes, Stop, Task};
pub use rest::Resting;
pub use wave::{Judged, Why};

use std::sync::Arc;

use crostata_abi::ContractId;

use self::clock::Duration;
use super::context::Context;
use super::contract::SessionContract;
use super::error::Error;
use super::run::Session;
use crate::engine::{Fault, Runner};
use crate::memory::ContractMemory;

/// The lanes of a session, taken out of it to run waves.
pub struct Lanes {
    lanes: Vec<Lane>,
    /// Shared with the contexts of the lanes while they run.
    homes: Arc<Homes>,
    /// The latest wave.
    wave: u64,
    /// The lane of each task of the latest wave.
    order: Vec<usize>,
}

/// What bringing a contract takes beside its pages, in pages: its place in the lane, its instance.
const BRING_PAGES: usize = 8;

/// A contract of which more pages may have changed is not brought page by page if it need not stay where it is: its memory changes lanes, which
/// costs an instance.
const CARRIED_PAGES_MAX: usize = 16;

impl Lanes {
    /// The homes, while no lane runs.
    fn homes_mut(&mut self) -> Result<&mut Homes, Fault> {
        Arc::get_mut(&mut self.homes).ok_or_else(|| Fault::new("lanes are still running"))
    }

    /// The lanes that have a contract as it is now; none if it is as in the base and no lane has it.
    pub fn holders(&self, contract: &ContractId) -> LaneSet {
        let home = self.homes.get(contract);
        home.map_or_else(LaneSet::default, |home| home.holders)
    }

    /// Pages that [`bring`](Self::bring) would look at, at most, or what takes as long.
    pub fn bring_pages(&self, contract: &ContractId, lane: usize, how: Bring) -> usize {
        if !self.homes.lacks(lane, contract) {
            return 0;
        }
        let memory = |lane: usize| self.lanes.get(lane)?.runner.as_ref()?.memory(contract);
        let newer = self.holders(contract).first().and_then(memory);
        let pages = match (memory(lane), newer) {
            (Some(older), Some(newer)) => older.carry_pages(newer),
            (None, Some(newer)) => newer.carry_pages(newer) / 2,
            _ => 0,
        };
        BRING_PAGES
            + match how {
                Bring::Move => pages.min(CARRIED_PAGES_MAX),
                Bring::Share => pages,
            }
    }

    /// Brings a contract to a lane, unless it has it or can load it.
    ///
    /// # Errors
    /// [`Fault`] when memory can not be had.
    pub fn bring(&mut self, contract: &ContractId, lane: usize, how: Bring) -> Result<(), Fault> {
        if !self.homes.lacks(lane, contract) {
            return Ok(());
        }
        let holder = self.holders(contract).first().ok_or_else(lost)?;
        self.lanes[lane].flush()?;
        self.lanes[holder].flush()?;
        let mut newer = self.lanes[holder].runner.take().ok_or_else(lost)?;
        let brought = bring(&mut newer, self.lanes[lane].runner_mut()?, contract, how);
        self.lanes[holder].runner = Some(newer);
        let is_moved = brought?;
        let home = self.homes_mut()?.entry(*contract);
        home.holders.insert(lane);
        if is_moved {
            home.holders.remove(holder);
        }
        Ok(())
    }
}

/// How a contract is brought to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bring {
    /// It need not stay where it is.
    Move,
    /// Both lanes have it then.
    Share,
}

/// Brings a contract from one runner to another, neither of which runs. `true` if it is not in the first any more.
fn bring(
    from: &mut Runner<Context>,
    to: &mut Runner<Context>,
    contract: &ContractId,
    how: Bring,
) -> Result<bool, Fault> {
    let newer = from.memory(contract).ok_or_else(lost)?;
    let pages = place(to, contract, newer)?;
    if how == Bring::Move && pages > CARRIED_PAGES_MAX {
        to.trade(contract, from);
        return Ok(true);
    }
    to.carry(contract, newer, None).map(|()| false)
}

/// Makes a place for a contract, as it is below this block, if there is none. Gives the pages to look at to bring it up to date.
fn place(
    to: &mut Runner<Context>,
    contract: &ContractId,
    newer: &ContractMemory,
) -> Result<usize, Fault> {
    if to.memory(contract).is_none() {
        let loaded = to.host_mut().load_below(contract, newer)?;
        to.insert(*contract, loaded.module, loaded.memory);
    }
    let older = to.memory(contract).ok_or_else(lost)?;
    Ok(older.carry_pages(newer))
}

fn lost() -> Fault {
    Fault::new("a lane lost a contract that it has")
}

fn no_memory(error: crate::memory::MemoryError) -> Fault {
    let fault = Fault::from("a contract can not be brought from another lane", error);
    fault.of_kind(crate::engine::ErrorKind::Memory)
}

impl Session {
    /// Whether calls of this session may run in lanes, once no savepoint is open: nobody watches, decides or records.
    pub(crate) fn may_split(&self) -> bool {
        let Some(runner) = self.runner.as_ref().filter(|_| !self.poisoned) else {
            return false;
        };
        runner.host().is_alone()
    }

    /// What calls of the session took to bring contracts over from resting lanes, since this was last asked.
    pub(crate) fn take_carried(&mut self) -> Duration {
        let runner = self.runner.as_mut();
        let resting = runner.and_then(|runner| runner.host_mut().resting.as_mut());
        resting.map_or(Duration::ZERO, |resting| {
            std::mem::take(&mut resting.carried)
        })
    }

    /// Takes the lanes out of the session, so many of them if it had none. Until they are put back nothing can be done with it.
    ///
    /// # Errors
    /// [`Fault`] when the session is unusable, or has a savepoint: what lanes do can not be undone.
    pub(crate) fn take_lanes(&mut self, count: usize) -> Result<Lanes, Fault> {
        if self.journal.is_open() || self.poisoned {
            return Err(Fault::new("the session is unusable, or has a savepoint"));
        }
        let runner = self.runner.take();
        let mut runner = runner.ok_or_else(|| Fault::new("the session is unusable"))?;
        let resting = runner.host_mut().resting.take();
        let resting = match resting {
            Some(resting) => resting,
            None => {
                runner.keep_copies();
                Box::new(Resting::beside(&runner, count))
            }
        };
        Ok(resting.wake(runner))
    }

    /// Puts the lanes back. After a fault the session can do nothing more.
    pub(crate) fn put_lanes(&mut self, lanes: Lanes, faulted: bool) {
        self.runner = Resting::rest(lanes);
        self.poisoned |= faulted || self.runner.is_none();
    }
}

impl Session {
    /// Brings everything to the session's own runner, and drops the other lanes.
    pub(super) fn gather(&mut self) -> Result<(), Error> {
        let runner = self.runner_mut()?;
        let Some(resting) = runner.host_mut().resting.take() else {
            return Ok(());
        };
        for (contract, other) in resting.elsewhere() {
            let newer = other.memory(contract).ok_or_else(lost)?;
            place(runner, contract, newer)?;
            runner.carry(contract, newer, None)?;
        }
        Ok(())
    }

    /// Drops the other lanes, with what of their contracts is not here: after a seal, which made it part of the base.
    pub(super) fn leave_lanes(&mut self) -> Result<(), Error> {
        let runner = self.runner_mut()?;
        let Some(resting) = runner.host_mut().resting.take() else {
            return Ok(());
        };
        for (contract, _) in resting.elsewhere() {
            runner.name(*contract, None);
            runner.host_mut().contracts.remove(contract);
        }
        runner.settle();
        Ok(())
    }

    /// A contract as it is now, with its memory, if it was touched.
    pub(super) fn touched(
        &self,
        contract: &ContractId,
    ) -> Option<(&SessionContract, &ContractMemory)> {
        let runner = holder(self.runner.as_deref()?, contract);
        let known = runner.host().contracts.get(contract)?;
        Some((known, runner.memory(contract)?))
    }
}

/// The runner that has a contract as it is now: the session's own, unless a resting lane alone has it.
pub(super) fn holder<'a>(
    runner: &'a Runner<Context>,
    contract: &ContractId,
) -> &'a Runner<Context> {
    let resting = runner.host().resting.as_ref();
    let other = resting.and_then(|resting| resting.holder(contract));
    other.unwrap_or(runner)
}

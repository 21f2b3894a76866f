//! Running a wave, and settling what stays of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crostata_abi::ContractId;

use super::clock::Moment;
use super::context::Running;
use super::judge::Shared;
use super::lane::{Ended, Lane, Scopes, Stop, Task, Wave};
use super::{LaneSet, Lanes};
use crate::engine::Fault;

/// What came of a wave, before anything of it is kept.
#[derive(Debug, Default)]
pub struct Judged {
    /// So many of its tasks, from the first on, ran as they would have one after the other.
    pub good: usize,
    /// Why the next one did not.
    pub why: Option<Why>,
    /// Contracts that calls of several lanes entered.
    pub(super) shared: Vec<Shared>,
}

/// Why a task does not stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// An earlier task of another lane changed what it read or wrote of this contract.
    Conflict(ContractId),
    /// It stopped.
    Stopped(Stop),
    /// Its lane had no time for it.
    Late,
}

impl Lanes {
    /// Runs a wave of tasks, which are given in the order of the block with the lane of each, and judges it. What they enter should be brought
    /// to their lanes before. No lane begins a task after `end`, besides its first. Nothing is kept until
    /// [`keep`](Self::keep) is called, which must be next.
    ///
    /// # Errors
    /// [`Fault`] when a lane can not go on.
    pub fn run(
        &mut self,
        tasks: &[Task<'_>],
        order: &[usize],
        end: Option<Moment>,
        scopes: Scopes,
    ) -> Result<Judged, Fault> {
        self.wave += 1;
        self.order.clear();
        self.order.extend_from_slice(order);
        self.lanes.iter_mut().for_each(Lane::clear);
        for (task, lane) in order.iter().enumerate() {
            self.lanes[*lane].tasks.push(task);
        }
        self.begin()?;
        let wave = Wave {
            tasks,
            number: self.wave,
            end,
            scopes,
        };
        let busy = self.lanes.iter_mut().filter(|lane| !lane.tasks.is_empty());
        let ran = run_all(busy, |lane| lane.run(&wave));
        let loaded = self.end()?;
        ran?;
        self.judge(&loaded, scopes)
    }

    fn begin(&mut self) -> Result<(), Fault> {
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            lane.runner_mut()?.host_mut().running = Some(Running {
                lane: number,
                homes: self.homes.clone(),
                loaded: Vec::new(),
            });
        }
        Ok(())
    }

    /// Ends running; gives what each lane loaded.
    fn end(&mut self) -> Result<Vec<(usize, ContractId)>, Fault> {
        let mut loaded = Vec::new();
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let running = lane.runner_mut()?.host_mut().running.take();
            let new = running.map(|running| running.loaded).unwrap_or_default();
            loaded.extend(new.into_iter().map(|contract| (number, contract)));
        }
        Ok(loaded)
    }

    /// The gas that each good task of the wave spent, in order.
    pub fn spent(&self, judged: &Judged) -> Vec<u64> {
        let lanes = self
            .lanes
            .iter()
            .map(|lane| lane.ended.iter().map(Ended::spent_gas));
        let mut lanes: Vec<_> = lanes.collect();
        let good = self.order[..judged.good].iter();
        let good = good.map(|lane| lanes[*lane].next().unwrap_or(0));
        good.collect()
    }

    /// Keeps the first `kept` of the wave's tasks, which must be good, and undoes the others. Gives how those ended that are kept.
    ///
    /// # Errors
    /// [`Fault`]: what the contracts hold is then unknown.
    pub fn keep(
        &mut self,
        tasks: &[Task<'_>],
        judged: Judged,
        kept: usize,
    ) -> Result<Vec<Ended>, Fault> {
        debug_assert!(kept <= judged.good, "what is kept is good");
        let mut undone = LaneSet::default();
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            let stays = lane.tasks.partition_point(|task| *task < kept);
            if lane.undo_from(stays)? {
                undone.insert(number);
            }
        }
        self.catch_up(tasks)?;
        let mut shared = judged.shared;
        for one in &mut shared {
            one.look_again(&self.lanes, undone)?;
        }
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            // The first one's runner is the session's. The others do it on their threads.
            lane.keep(number == 0)?;
        }
        for one in &shared {
            self.settle(one)?;
        }
        let mut ended: Vec<_> = self
            .lanes
            .iter_mut()
            .map(|lane| lane.ended.drain(..))
            .collect();
        let order = self.order[..kept].iter();
        let in_order = order.map(|lane| ended[*lane].next());
        let in_order: Option<Vec<Ended>> = in_order.collect();
        in_order.ok_or_else(|| Fault::new("a lane lost the end of a call"))
    }

    /// Runs again what stays and was undone with what does not.
    fn catch_up(&mut self, tasks: &[Task<'_>]) -> Result<(), Fault> {
        if !self.lanes.iter().any(Lane::is_behind) {
            return Ok(());
        }
        self.begin()?;
        let wave = Wave {
            tasks,
            number: self.wave,
            end: None,
            scopes: Scopes::Whole,
        };
        let behind = self.lanes.iter_mut().filter(|lane| lane.is_behind());
        let ran = run_all(behind, |lane| lane.catch_up(&wave));
        self.end()?;
        ran
    }

    /// Gives the lanes that entered a contract in this wave what others among them changed; those that did not have it no more.
    fn settle(&mut self, shared: &Shared) -> Result<(), Fault> {
        let contract = shared.contract;
        let writers = shared
            .changed
            .iter()
            .filter(|(_, changed)| !changed.is_empty());
        let mut changed = false;
        for (writer, what) in writers {
            changed = true;
            for lane in shared.entered.without(LaneSet::one(*writer)).iter() {
                self.carry(&contract, *writer, lane, what)?;
            }
        }
        if !changed {
            return Ok(());
        }
        let home = self.homes_mut()?.entry(contract);
        home.changed = true;
        let behind = home.holders.without(shared.entered);
        home.holders = shared.entered;
        for lane in behind.iter() {
            self.lanes[lane].runner_mut()?.set_stale(&contract);
        }
        Ok(())
    }

    fn carry(
        &mut self,
        contract: &ContractId,
        from: usize,
        to: usize,
        what: &crate::memory::Changed,
    ) -> Result<(), Fault> {
        self.lanes[to].flush()?;
        let newer = self.lanes[from].runner.take();
        let brought = match newer.as_ref().and_then(|newer| newer.memory(contract)) {
            Some(newer) => self.lanes[to]
                .runner_mut()?
                .carry(contract, newer, Some(what)),
            None => Err(Fault::new("a lane lost a contract that it has")),
        };
        self.lanes[from].runner = newer;
        brought
    }
}

/// Has lanes do something: on the threads of the pool, the calling one first, which does everything if the others are busy.
fn run_all<'a>(
    lanes: impl Iterator<Item = &'a mut Lane>,
    run: impl Fn(&mut Lane) -> Result<(), Fault> + Sync,
) -> Result<(), Fault> {
    let lanes: Vec<Mutex<Result<&mut Lane, Fault>>> =
        lanes.map(|lane| Mutex::new(Ok(lane))).collect();
    let next = AtomicUsize::new(0);
    let take = || {
        while let Some(lane) = lanes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut lane = lane.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(running) = &mut *lane
                && let Err(fault) = run(running)
            {
                *lane = Err(fault);
            }
        }
    };
    rayon::in_place_scope(|scope| {
        for _ in 1..lanes.len() {
            scope.spawn(|_| take());
        }
        take();
    });
    let mut ran = lanes.into_iter().map(|lane| lane.into_inner());
    ran.try_for_each(|lane| lane.unwrap_or_else(PoisonError::into_inner).map(drop))
}

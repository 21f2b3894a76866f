//! Which tasks of a wave ran as they would have one after the other.
//!
//! A task in a lane saw what the lanes had when the wave began, and what earlier tasks of its own lane made of it. That is
//! what it would have seen in order unless an earlier task of another lane changed something that it touched. What a touch stands for
//! is said by [`parts`]: pages count by their parts, since a page's mark covers the head of the next, whether or not anybody reached for it.
//! Whatever a contract does reads the size of its memory.
//!
//! What changed is told by content: a part that is the same between all tasks of a lane was changed by none of them. Of a part that is not,
//! every task of that lane which may have written to it counts as one that did. Contracts that only one lane entered are not looked at.

use std::collections::HashMap;

use crostata_abi::ContractId;

use super::lane::{Lane, Scopes};
use super::wave::{Judged, Why};
use super::{LaneSet, Lanes};
use crate::engine::Fault;
use crate::memory::{Changed, Part, parts};

/// A contract that several lanes have, one of which entered it in the wave.
#[derive(Debug)]
pub struct Shared {
    pub contract: ContractId,
    /// The lanes that entered it, or loaded it.
    pub entered: LaneSet,
    scopes: Scopes,
    /// What each of them changed.
    pub changed: Vec<(usize, Changed)>,
}

/// What a lane changed of a contract, at most.
fn changed(lane: &Lane, contract: &ContractId, scopes: Scopes) -> Result<Changed, Fault> {
    let runner = lane.runner()?;
    match scopes {
        Scopes::Each => runner.changed(contract),
        Scopes::Whole => Ok(runner.written(contract)),
    }
}

impl Shared {
    fn new(
        contract: ContractId,
        entered: LaneSet,
        scopes: Scopes,
        lanes: &[Lane],
    ) -> Result<Self, Fault> {
        let changed = entered.iter().map(|lane| {
            let changed = changed(&lanes[lane], &contract, scopes)?;
            Ok((lane, changed))
        });
        Ok(Self {
            contract,
            entered,
            scopes,
            changed: changed.collect::<Result<_, Fault>>()?,
        })
    }

    /// Looks again at what these lanes changed, after some of it was undone.
    pub fn look_again(&mut self, lanes: &[Lane], undone: LaneSet) -> Result<(), Fault> {
        for (lane, what) in &mut self.changed {
            if undone.contains(*lane) {
                *what = changed(&lanes[*lane], &self.contract, self.scopes)?;
            }
        }
        Ok(())
    }

    fn by(&self, lane: usize) -> Option<&Changed> {
        let found = self.changed.iter().find(|(other, _)| *other == lane);
        found.map(|(_, changed)| changed)
    }

    /// Whether a lane other than this one changed something.
    fn is_changed_beside(&self, lane: usize) -> bool {
        let mut others = self.changed.iter().filter(|(other, _)| *other != lane);
        others.any(|(_, changed)| !changed.is_empty())
    }
}

/// Which lane changed a part of a contract, or its size where there is no part.
type Writers = HashMap<(ContractId, Option<Part>), usize>;

impl Lanes {
    /// Judges the wave that just ran, in which lanes loaded these contracts.
    pub(super) fn judge(
        &mut self,
        loaded: &[(usize, ContractId)],
        scopes: Scopes,
    ) -> Result<Judged, Fault> {
        let shared = self.shared(loaded, scopes)?;
        let mut judged = Judged {
            good: self.order.len(),
            why: None,
            shared,
        };
        for lane in &self.lanes {
            if let Some(task) = lane.tasks.get(lane.ended.len())
                && *task < judged.good
            {
                judged.good = *task;
                judged.why = Some(lane.stopped.map_or(Why::Late, Why::Stopped));
            }
        }
        if let Some((task, contract)) = self.first_conflict(&judged)? {
            judged.good = task;
            judged.why = Some(Why::Conflict(contract));
        }
        Ok(judged)
    }

    /// Notes who entered what; gives what has to be looked at.
    fn shared(
        &mut self,
        loaded: &[(usize, ContractId)],
        scopes: Scopes,
    ) -> Result<Vec<Shared>, Fault> {
        let mut entered = loaded.to_vec();
        for (number, lane) in self.lanes.iter().enumerate() {
            let runner = lane.runner()?;
            let distinct = lane.accesses.distinct().iter();
            entered.extend(distinct.map(|place| (number, runner.contract_at(*place))));
        }
        let wave = self.wave;
        let homes = self.homes_mut()?;
        let mut several = Vec::new();
        for (lane, contract) in &entered {
            let home = homes.entry(*contract);
            home.enter(wave, *lane);
            home.holders.insert(*lane);
            match home.holders.len() {
                // Others must not load it, whether it changed or not: to look would take longer.
                1 => home.changed = true,
                _ => several.push(*contract),
            }
        }
        several.sort_unstable();
        several.dedup();
        let sets: Vec<_> = several
            .into_iter()
            .map(|contract| (contract, homes.entry(contract).entered(wave)))
            .collect();
        let shared = sets.into_iter();
        shared
            .map(|(contract, entered)| Shared::new(contract, entered, scopes, &self.lanes))
            .collect()
    }

    /// The first task that touched what an earlier one of another lane changed.
    fn first_conflict(&self, judged: &Judged) -> Result<Option<(usize, ContractId)>, Fault> {
        let contended = judged.shared.iter().filter(|shared| {
            shared.entered.len() > 1
                && shared
                    .changed
                    .iter()
                    .any(|(_, changed)| !changed.is_empty())
        });
        let contended: HashMap<ContractId, &Shared> =
            contended.map(|shared| (shared.contract, shared)).collect();
        if contended.is_empty() {
            return Ok(None);
        }
        let mut writers = Writers::new();
        let mut done = vec![0; self.lanes.len()];
        for (task, lane) in self.order[..judged.good].iter().enumerate() {
            let call = done[*lane];
            done[*lane] += 1;
            let runner = self.lanes[*lane].runner()?;
            for (place, pages) in self.lanes[*lane].accesses.of_call(call) {
                let contract = runner.contract_at(place);
                let Some(shared) = contended.get(&contract) else {
                    continue;
                };
                if !admit(&mut writers, shared, *lane, pages) {
                    return Ok(Some((task, contract)));
                }
            }
        }
        Ok(None)
    }
}

/// Whether what a task of a lane touched of a contract was changed by no other lane before; notes what it may have changed.
fn admit(
    writers: &mut Writers,
    shared: &Shared,
    lane: usize,
    pages: impl Iterator<Item = (u32, bool)>,
) -> bool {
    let contract = shared.contract;
    let own = shared.by(lane);
    let is_changed_beside = shared.is_changed_beside(lane);
    let mut touch = |part: Option<Part>, changes: bool| {
        let others = is_changed_beside
            && writers
                .get(&(contract, part))
                .is_some_and(|writer| *writer != lane);
        if changes && !others {
            writers.insert((contract, part), lane);
        }
        !others
    };
    let mut good = touch(None, own.is_some_and(|own| own.size));
    for (page, is_written) in pages {
        for part in parts(page) {
            let changes = is_written && own.is_some_and(|own| own.parts.contains(&part));
            good &= touch(Some(part), changes);
        }
    }
    good
}

//! Lanes at rest: kept in the context of the session's own runner, whose calls bring over what they need.

use std::sync::Arc;

use crostata_abi::ContractId;

use super::super::context::Context;
use super::clock::Duration;
use super::{CARRIED_PAGES_MAX, Homes, LANES_MAX, Lane, LaneSet, Lanes, lost, no_memory};
use crate::engine::{Fault, Runner};
use crate::memory::ContractMemory;

/// The lane of the session's own runner.
const OWN: usize = 0;

/// The other lanes of a session.
pub struct Resting {
    /// All lanes; the runner of the first is the session's, and not here.
    lanes: Vec<Lane>,
    homes: Homes,
    wave: u64,
    /// What the session's own runner took to bring contracts over, since the lanes were last asked.
    pub(super) carried: Duration,
}

impl Resting {
    /// `count` lanes in all, with a runner that has contracts already.
    pub fn beside(runner: &Runner<Context>, count: usize) -> Self {
        let context = runner.host();
        let others = 1..count.clamp(1, LANES_MAX);
        let others = others.map(|lane| {
            let engine = context.runtime.engine().clone();
            let mut other = Runner::new(engine, context.beside(lane)).among(count);
            other.keep_copies();
            Lane::new(Some(Box::new(other)))
        });
        let mut homes = Homes::default();
        for contract in context.contracts.keys() {
            homes.claim(*contract, OWN);
        }
        Self {
            lanes: std::iter::once(Lane::new(None)).chain(others).collect(),
            homes,
            wave: 0,
            carried: Duration::ZERO,
        }
    }

    /// Makes the lanes ready for waves.
    pub fn wake(self, own: Box<Runner<Context>>) -> Lanes {
        let mut lanes = self.lanes;
        let others = lanes.iter_mut().filter_map(|lane| lane.runner.as_mut());
        for other in others {
            let data = &own.host().data.data;
            // Hardly ever another: what calls have for themselves is gone with them.
            if other.host().data.data != *data {
                other.host_mut().data.data.clone_from(data);
            }
        }
        if let Some(first) = lanes.get_mut(OWN) {
            first.runner = Some(own);
        }
        Lanes {
            lanes,
            homes: Arc::new(self.homes),
            // Each time of rest has a number of its own, also when nothing ran between.
            wave: self.wave + 1,
            order: Vec::new(),
        }
    }

    /// The session's own runner, which keeps the other lanes; `None` if one was lost.
    pub fn rest(lanes: Lanes) -> Option<Box<Runner<Context>>> {
        let Lanes {
            mut lanes,
            homes,
            wave,
            ..
        } = lanes;
        if lanes.iter().any(|lane| lane.runner.is_none()) {
            return None;
        }
        let mut own = lanes.get_mut(OWN)?.runner.take()?;
        own.host_mut().resting = Some(Box::new(Self {
            lanes,
            homes: Arc::into_inner(homes)?,
            wave,
            carried: Duration::ZERO,
        }));
        Some(own)
    }

    /// What tells this time of rest from others.
    pub fn number(&self) -> u64 {
        self.wave + 1
    }

    /// The lane that has a contract which the session's own runner has not up to date.
    pub fn holder(&self, contract: &ContractId) -> Option<&Runner<Context>> {
        if !self.homes.lacks(OWN, contract) {
            return None;
        }
        let lane = self.homes.get(contract)?.holders.first()?;
        self.lanes.get(lane)?.runner.as_deref()
    }

    /// What such a lane has of it.
    ///
    /// # Errors
    /// [`Fault`] when there is none.
    pub fn newer(&self, contract: &ContractId) -> Result<&ContractMemory, Fault> {
        let newer = self.holder(contract);
        let newer = newer.and_then(|newer| newer.memory(contract));
        newer.ok_or_else(lost)
    }

    /// Brings a memory up to date with that of such a lane: its pages if they are few, and otherwise the memory itself. `true` if it is another then.
    ///
    /// # Errors
    /// [`Fault`] when there is no such lane, or its memory can not be read.
    pub fn bring(
        &mut self,
        contract: &ContractId,
        memory: &mut ContractMemory,
    ) -> Result<bool, Fault> {
        let newer = self.newer(contract)?;
        if memory.carry_pages(newer) <= CARRIED_PAGES_MAX {
            return memory.carry(newer, None).map_err(no_memory).map(|()| false);
        }
        let home = self.homes.entry(*contract);
        let lane = home.holders.first().ok_or_else(lost)?;
        home.holders.remove(lane);
        let lane = self.lanes.get_mut(lane).ok_or_else(lost)?;
        lane.flush()?;
        lane.runner_mut()?.exchange(contract, memory);
        Ok(true)
    }

    /// Whether there is such a lane.
    pub fn is_elsewhere(&self, contract: &ContractId) -> bool {
        self.homes.lacks(OWN, contract)
    }

    /// Notes that the session's own runner has what a contract is now, beside those that have it.
    pub fn hold(&mut self, contract: ContractId) {
        self.homes.entry(contract).holders.insert(OWN);
    }

    /// Notes that the session's own runner alone has what a contract is now.
    pub fn claim(&mut self, contract: ContractId) {
        let before = self.homes.claim(contract, OWN);
        for lane in before.without(LaneSet::one(OWN)).iter() {
            let other = self.lanes.get_mut(lane);
            if let Some(other) = other.and_then(|lane| lane.runner.as_mut()) {
                other.set_stale(&contract);
            }
        }
    }

    /// The contexts of the others.
    pub fn contexts(&mut self) -> impl Iterator<Item = &mut Context> {
        let others = self.lanes.iter_mut();
        others.filter_map(|lane| Some(lane.runner.as_mut()?.host_mut()))
    }

    /// Forgets a contract that is no more.
    pub fn forget(&mut self, contract: &ContractId) {
        self.homes.remove(contract);
        self.contexts().for_each(|context| {
            context.contracts.remove(contract);
        });
    }

    /// The contracts that the session's own runner has not up to date, with who has.
    pub fn elsewhere(&self) -> impl Iterator<Item = (&ContractId, &Runner<Context>)> {
        let away = self
            .homes
            .iter()
            .filter(|(_, home)| home.changed && !home.holders.contains(OWN));
        away.filter_map(|(contract, home)| {
            let other = self.lanes.get(home.holders.first()?)?;
            Some((contract, other.runner.as_deref()?))
        })
    }
}

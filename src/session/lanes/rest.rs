//! Lanes at rest: kept in the context of the session's own runner, whose calls bring over what they need.

use std::sync::Arc;

use crostata_abi::ContractId;

use super::super::context::Context;
use super::{Homes, LANES_MAX, Lane, LaneSet, Lanes};
use crate::engine::Runner;
use crate::memory::ContractMemory;

/// The lane of the session's own runner.
const OWN: usize = 0;

/// The other lanes of a session.
pub struct Resting {
    /// From the second lane on.
    #[expect(
        clippy::vec_box,
        reason = "a lane has its runner boxed: each call moves it"
    )]
    others: Vec<Box<Runner<Context>>>,
    homes: Homes,
    wave: u64,
    /// Looks at parts of pages that bringing contracts took, since the lanes were last asked.
    pub(super) carried: u64,
}

impl Resting {
    /// `count` lanes in all, with a runner that has contracts already.
    pub fn beside(runner: &Runner<Context>, count: usize) -> Self {
        let context = runner.host();
        let others = 1..count.clamp(1, LANES_MAX);
        let others = others.map(|lane| {
            let engine = context.runtime.engine().clone();
            Box::new(Runner::new(engine, context.beside(lane)).among(count))
        });
        let mut homes = Homes::default();
        for contract in context.contracts.keys() {
            homes.claim(*contract, OWN);
        }
        Self {
            others: others.collect(),
            homes,
            wave: 0,
            carried: 0,
        }
    }

    /// Makes the lanes ready for waves.
    pub fn wake(self, own: Box<Runner<Context>>) -> Lanes {
        let mut others = self.others;
        for other in &mut others {
            let data = &own.host().data.data;
            // Hardly ever another: what calls have for themselves is gone with them.
            if other.host().data.data != *data {
                other.host_mut().data.data.clone_from(data);
            }
        }
        let runners = std::iter::once(own).chain(others);
        Lanes {
            lanes: runners.map(Lane::new).collect(),
            homes: Arc::new(self.homes),
            wave: self.wave,
            order: Vec::new(),
            carried: self.carried,
        }
    }

    /// The session's own runner, which keeps the other lanes; `None` if one was lost.
    pub fn rest(lanes: Lanes) -> Option<Box<Runner<Context>>> {
        let Lanes {
            lanes,
            homes,
            wave,
            carried,
            ..
        } = lanes;
        let runners: Option<Vec<_>> = lanes.into_iter().map(|lane| lane.runner).collect();
        let mut runners = runners?.into_iter();
        let mut own = runners.next()?;
        own.host_mut().resting = Some(Box::new(Self {
            others: runners.collect(),
            homes: Arc::into_inner(homes)?,
            wave,
            carried,
        }));
        Some(own)
    }

    /// The lane that has a contract which the session's own runner has not up to date.
    pub fn holder(&self, contract: &ContractId) -> Option<&Runner<Context>> {
        if !self.homes.lacks(OWN, contract) {
            return None;
        }
        let lane = self.homes.get(contract)?.holders.first()?;
        Some(self.others.get(lane.checked_sub(1)?)?)
    }

    /// What such a lane has of it.
    pub fn newer(&self, contract: &ContractId) -> Option<&ContractMemory> {
        self.holder(contract)?.memory(contract)
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
            if let Some(other) = self.others.get_mut(lane - 1) {
                other.set_stale(&contract);
            }
        }
    }

    /// The contexts of the others.
    pub fn contexts(&mut self) -> impl Iterator<Item = &mut Context> {
        self.others.iter_mut().map(|runner| runner.host_mut())
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
            let other = home.holders.first()?.checked_sub(1)?;
            Some((contract, &**self.others.get(other)?))
        })
    }
}

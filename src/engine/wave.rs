//! Waves: calls that run ahead of others of their block, each in a scope of its own, and what is known of them when it is
//! judged which of them stay.

use crostata_abi::ContractId;

use super::contracts::Place;
use super::host::Host;
use super::outcome::{Fault, memory_fault};
use super::runner::Runner;
use super::state::{revert_scope, settle_size};
use crate::memory::{Changed, ContractMemory};

/// What the calls of a wave entered and touched, call by call.
#[derive(Debug, Default)]
pub struct Accesses {
    /// Where the entered contracts of each call end.
    calls: Vec<usize>,
    /// The contracts, and where the pages of each end.
    entered: Vec<(Place, usize)>,
    /// The pages: twice their number, and one more if they were written.
    pages: Vec<u32>,
    /// Each contract once.
    distinct: Vec<Place>,
}

impl Accesses {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.calls.clear();
        self.entered.clear();
        self.pages.clear();
        self.distinct.clear();
    }

    /// Adds a call that entered nothing.
    pub fn pass(&mut self) {
        self.calls.push(self.entered.len());
    }

    /// The contracts that calls entered, each once.
    pub fn distinct(&self) -> &[Place] {
        &self.distinct
    }

    /// The contracts that a call entered, with its pages: their number, and whether they were written.
    pub fn of_call(
        &self,
        call: usize,
    ) -> impl Iterator<Item = (Place, impl Iterator<Item = (u32, bool)>)> {
        let start = call.checked_sub(1).map_or(0, |before| self.calls[before]);
        (start..self.calls[call]).map(|at| {
            let (place, end) = self.entered[at];
            let start = at.checked_sub(1).map_or(0, |before| self.entered[before].1);
            let pages = self.pages[start..end].iter();
            (place, pages.map(|page| (page >> 1, page & 1 == 1)))
        })
    }
}

impl<H: Host> Runner<H> {
    /// Adds what the latest call entered and touched. One that failed wrote nothing.
    pub fn note_accesses(&mut self, accesses: &mut Accesses, wave: u64, failed: bool) {
        let state = self.store.data_mut();
        for place in &state.entered {
            let resident = &mut state.contracts[*place];
            if std::mem::replace(&mut resident.wave, wave) != wave {
                accesses.distinct.push(*place);
            }
            let pages = resident.memory.touched_packed();
            match failed {
                true => accesses.pages.extend(pages.map(|page| page & !1)),
                false => accesses.pages.extend(pages),
            }
            accesses.entered.push((*place, accesses.pages.len()));
        }
        accesses.calls.push(accesses.entered.len());
    }

    /// The contracts of the latest call's tree that were not entered before in this time between waves.
    pub fn entered_first(&mut self, rest: u64) -> Vec<ContractId> {
        let state = self.store.data_mut();
        let mut first = Vec::new();
        for place in &state.entered {
            let resident = &mut state.contracts[*place];
            if std::mem::replace(&mut resident.rest, rest) != rest {
                first.push(resident.contract);
            }
        }
        first
    }

    /// Has memory for pre-images kept for the next wave.
    pub fn keep_copies(&mut self) {
        self.store.data_mut().copies.keep_for_waves();
    }

    /// The contract at a place.
    pub fn contract_at(&self, place: Place) -> ContractId {
        self.store.data().contracts[place].contract
    }

    /// Scopes that are open.
    pub fn scopes(&self) -> usize {
        self.store.data().scopes.len()
    }

    /// After a call that ended in a fault: undoes it and whatever else happened until only so many scopes are open.
    ///
    /// # Errors
    /// [`Fault`]: what the contracts hold is then unknown.
    pub fn abandon(&mut self, scopes: usize) -> Result<(), Fault> {
        let state = self.store.data_mut();
        state.frames.clear();
        state.growth_failed = false;
        while self.scopes() > scopes {
            revert_scope(&mut self.store)?;
        }
        Ok(())
    }

    /// Ends all scopes, keeping what happened in them. No call may run.
    pub fn keep_all(&mut self) {
        self.store.data_mut().keep_all();
        self.settle();
    }

    /// What of a contract changed since the outermost scope was opened; nothing if it is not here.
    ///
    /// # Errors
    /// [`Fault`] when its memory can not be read.
    pub fn changed(&self, contract: &ContractId) -> Result<Changed, Fault> {
        let state = self.store.data();
        let Some(resident) = state.contracts.get(contract) else {
            return Ok(Changed::default());
        };
        let changed = resident.memory.changed(&state.copies);
        changed.map_err(|error| memory_fault("what changed can not be told", error))
    }

    /// What of a contract was written since the outermost scope was opened, whether or not it is what it was then; nothing if it is not here.
    pub fn written(&self, contract: &ContractId) -> Changed {
        let resident = self.store.data().contracts.get(contract);
        resident.map_or_else(Changed::default, |resident| resident.memory.written())
    }

    /// Says that another runner ran a contract that this one has: before it is entered here, the host is asked to bring it up to date.
    pub fn set_stale(&mut self, contract: &ContractId) {
        let contracts = &mut self.store.data_mut().contracts;
        if let Some(place) = contracts.place(contract) {
            contracts[place].stale = true;
        }
    }

    /// Exchanges the memory of a contract for that of another runner's, or one that is out of date, between calls. This runner has what the other had then, and asks
    /// the host before it is entered.
    pub fn exchange(&mut self, contract: &ContractId, memory: &mut ContractMemory) {
        let contracts = &mut self.store.data_mut().contracts;
        if let Some(place) = contracts.place(contract) {
            let resident = &mut contracts[place];
            resident.memory.exchange(memory);
            // The instance runs over what is gone.
            resident.live = None;
            resident.stale = true;
        }
    }

    /// Has a contract, which this runner has out of date, as another runner does, which has it out of date then.
    pub fn trade(&mut self, contract: &ContractId, newer: &mut Self) {
        let contracts = &mut self.store.data_mut().contracts;
        if let Some(place) = contracts.place(contract) {
            let resident = &mut contracts[place];
            newer.exchange(contract, &mut resident.memory);
            resident.live = None;
            resident.stale = false;
        }
    }

    /// Brings a contract that this runner has up to date, between calls: in what `changed`, or in everything.
    ///
    /// # Errors
    /// [`Fault`]: what the contract holds is then unknown.
    pub fn carry(
        &mut self,
        contract: &ContractId,
        newer: &ContractMemory,
        changed: Option<&Changed>,
    ) -> Result<(), Fault> {
        let state = self.store.data_mut();
        let Some(place) = state.contracts.place(contract) else {
            return Ok(());
        };
        let resident = &mut state.contracts[place];
        let carried = resident.memory.carry(newer, changed);
        carried.map_err(|error| memory_fault("a memory can not be brought up to date", error))?;
        resident.stale = false;
        settle_size(&mut self.store, place)
    }
}

//! What the lanes ask of their contexts: whether a contract may be entered here, and how it is brought over.

use std::sync::Arc;

use crostata_abi::ContractId;

use super::super::context::Context;
use super::super::contract::SessionContract;
use super::super::record::Record;
use super::clock::Moment;
use super::{Homes, Resting, no_memory};
use crate::engine::{CallOutcome, Fault, Loaded, Runner};
use crate::memory::ContractMemory;

/// What a lane knows of the others while they run.
pub struct Running {
    pub lane: usize,
    pub homes: Arc<Homes>,
    /// What it loaded, entered or not.
    pub loaded: Vec<ContractId>,
}

impl Context {
    /// The context of another lane beside this one, which has no contract yet but knows of those that were deployed here.
    pub fn beside(&self, lane: usize) -> Self {
        debug_assert!(lane > 0, "the first lane is the session's own");
        Self {
            runtime: self.runtime.clone(),
            base: self.base.clone(),
            contracts: self.contracts.clone(),
            data: self.data.clone(),
            queries: self.queries.clone(),
            hook: None,
            debug: None,
            feeder: None,
            record: Record::default(),
            recording: None,
            replay: None,
            watch: None,
            deployed: self.deployed.clone(),
            panicked: None,
            resting: None,
            running: None,
            misplaced: None,
        }
    }

    /// Whether nobody watches, decides or records, so that it does not matter who runs a call.
    pub fn is_alone(&self) -> bool {
        let unwatched = self.hook.is_none() && self.debug.is_none() && self.watch.is_none();
        let unrecorded = self.recording.is_none() && self.replay.is_none();
        let aids = self.runtime.engine().aids();
        let plain = !aids.interruptible && !aids.located && !aids.probed;
        unwatched && unrecorded && plain && self.feeder.is_none()
    }

    /// Says that a contract may not be entered here now, if that is so.
    ///
    /// # Errors
    /// [`Fault`], which ends the call.
    pub fn placed(&mut self, contract: &ContractId) -> Result<(), Fault> {
        let lacks = |running: &Running| running.homes.lacks(running.lane, contract);
        match self.running.as_ref().is_some_and(lacks) {
            true => Err(self.misplace(contract)),
            false => Ok(()),
        }
    }

    /// Whether a resting lane alone has what a contract is now.
    pub fn is_elsewhere(&self, contract: &ContractId) -> bool {
        let resting = self.resting.as_ref();
        resting.is_some_and(|resting| resting.is_elsewhere(contract))
    }

    /// Tells the other lanes of a contract that was deployed.
    pub fn announce(&mut self, contract: ContractId, deployed: &SessionContract) {
        if let Some(resting) = &mut self.resting {
            resting.claim(contract);
            resting.contexts().for_each(|context| {
                context.contracts.insert(contract, deployed.clone());
            });
        }
    }

    /// Tells the other lanes of a contract that is no more.
    pub fn renounce(&mut self, contract: &ContractId) {
        if let Some(resting) = &mut self.resting {
            resting.forget(contract);
        }
    }

    /// Notes that a contract was loaded, which is then as up to date here as where it came from.
    pub fn note_loaded(&mut self, contract: &ContractId) {
        if let Some(running) = &mut self.running {
            running.loaded.push(*contract);
        }
        self.hold(contract);
    }

    /// Ends the call because of a contract that another lane has.
    pub fn misplace(&mut self, contract: &ContractId) -> Fault {
        self.misplaced = Some(*contract);
        Fault::new(format!("contract {contract} is in another lane"))
    }

    /// A contract that another lane has newer, as it is below the changes of this block, to be brought up to date.
    pub fn load_below(
        &mut self,
        contract: &ContractId,
        newer: &ContractMemory,
    ) -> Result<Loaded<Self>, Fault> {
        if let Some(known) = self.contracts.get(contract) {
            let memory = match &known.base {
                Some(base) => self.runtime.memory_of(base)?,
                None => ContractMemory::zeroed(newer.wasm_pages()).map_err(no_memory)?,
            };
            let module = known.module.clone();
            return Ok(Loaded { module, memory });
        }
        let state = self.watched(contract)?;
        let state = state.ok_or_else(|| Fault::new("a contract of another lane is unknown"))?;
        let module = self.runtime.module_of(&self.base, &state)?;
        let memory = self.runtime.memory_of(&state)?;
        let loaded = SessionContract::committed(state, module.clone());
        self.contracts.insert(*contract, loaded);
        Ok(Loaded { module, memory })
    }

    /// A contract that a resting lane has newer, brought here; `None` if there is no such lane.
    pub fn load_newer(&mut self, contract: &ContractId) -> Result<Option<Loaded<Self>>, Fault> {
        let Some(mut resting) = self
            .resting
            .take_if(|resting| resting.is_elsewhere(contract))
        else {
            return Ok(None);
        };
        let loaded = self.load_from(&mut resting, contract);
        self.resting = Some(resting);
        let loaded = loaded?;
        self.hold(contract);
        Ok(Some(loaded))
    }

    fn load_from(
        &mut self,
        resting: &mut Resting,
        contract: &ContractId,
    ) -> Result<Loaded<Self>, Fault> {
        let begin = Moment::now();
        let mut loaded = self.load_below(contract, resting.newer(contract)?)?;
        resting.bring(contract, &mut loaded.memory)?;
        resting.carried += begin.elapsed();
        Ok(loaded)
    }

    /// Brings a memory that is out of date up to date with that of a resting lane. `true` if it is another memory then.
    pub fn bring_newer(
        &mut self,
        contract: &ContractId,
        memory: &mut ContractMemory,
    ) -> Result<bool, Fault> {
        if self.running.is_some() {
            return Err(self.misplace(contract));
        }
        let resting = self.resting.as_mut();
        let resting = resting.ok_or_else(|| Fault::new("there is no lane that has a contract"))?;
        let begin = Moment::now();
        let is_another = resting.bring(contract, memory)?;
        resting.carried += begin.elapsed();
        self.hold(contract);
        Ok(is_another)
    }

    fn hold(&mut self, contract: &ContractId) {
        if let Some(resting) = &mut self.resting {
            resting.hold(*contract);
        }
    }
}

/// Notes, after a call of the session itself that may have changed something, that what it entered is up to date here alone.
pub fn claim_entered(runner: &mut Runner<Context>, outcome: &CallOutcome) {
    if !matches!(outcome, Ok(Ok(completed)) if completed.result.is_ok()) {
        return;
    }
    let Some(mut resting) = runner.host_mut().resting.take() else {
        return;
    };
    for contract in runner.entered_first(resting.number()) {
        resting.claim(contract);
    }
    runner.host_mut().resting = Some(resting);
}

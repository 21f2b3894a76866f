//! Recordings: what a session did since its base, in order, and what of the base it used.
//!
//! Whoever does the same steps over a state that has what was used, and nothing else, comes to the same results. A
//! recording changes nothing that is recorded: it notes ids as they are looked up, and takes the touched pages of each call from
//! the memories that list them anyway.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_proof::CodeHash;

use super::answers::AnswerLog;
use super::context::Context;
use super::run::Session;
use super::savepoint::Savepoint;
use crate::engine::{Call, Runner};

/// One thing that a session was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A call.
    Call(CallStep),
    /// A deployment.
    Deploy(DeployStep),
    /// A session datum got a value, or none any more.
    Datum {
        /// Its name.
        name: String,
        /// Its bytes.
        bytes: Option<Vec<u8>>,
    },
    /// A savepoint was taken.
    Savepoint,
    /// Everything was undone since a savepoint.
    Rollback {
        /// How many savepoints stayed open: the one undone to was the next.
        open: u32,
    },
    /// A savepoint was forgotten.
    Release {
        /// How many savepoints stayed open.
        open: u32,
    },
}

/// A call that a session was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallStep {
    /// The contract.
    pub contract: ContractId,
    /// The function.
    pub function: String,
    /// The argument's bytes.
    pub argument: Vec<u8>,
    /// The gas limit.
    pub gas_limit: u64,
    /// Whether it may feed.
    pub feeder: bool,
}

/// A deployment that a session was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeployStep {
    /// The id that the contract got.
    pub contract: ContractId,
    /// Hash of the code.
    pub code: CodeHash,
    /// The owner.
    pub owner: Vec<u8>,
    /// The argument of `init`, if one was given.
    pub init_argument: Option<Vec<u8>>,
    /// The gas limit of `init`.
    pub gas_limit: u64,
}

/// What a session used of its base.
#[derive(Debug, Clone, Default)]
pub struct Used {
    /// The contracts that were looked up, whether they exist or not.
    pub contracts: BTreeSet<ContractId>,
    /// The code that ran, of contracts that the base has.
    pub codes: BTreeSet<CodeHash>,
    /// The pages that were touched, of contracts that the base has.
    pub pages: BTreeMap<ContractId, BTreeSet<u32>>,
}

/// What can not be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unrecordable {
    /// A migration, whose closure is not a step.
    #[error("a migration was run, and migrations are not recorded")]
    Migration,
    /// A call hook, whose answers are not written down.
    #[error("the session had a call hook, whose answers are not recorded")]
    CallHook,
}

/// What a session did and used so far.
#[derive(Debug, Default)]
pub struct Recording {
    /// The session data at the base.
    pub data: BTreeMap<String, Vec<u8>>,
    /// What the session was asked to do.
    pub steps: Vec<Step>,
    /// What host queries answered.
    pub answers: AnswerLog,
    /// The code that was deployed.
    pub deployed: BTreeMap<CodeHash, Arc<[u8]>>,
    /// Why there can be no witness.
    pub unfit: Option<Unrecordable>,
    /// Looked up, also where the host is only asked.
    looked_up: RefCell<BTreeSet<ContractId>>,
    codes: BTreeSet<CodeHash>,
    pages: BTreeMap<ContractId, BTreeSet<u32>>,
    savepoints: Vec<Savepoint>,
}

impl Recording {
    /// A recording of a session with this data.
    pub fn new(data: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            data,
            ..Self::default()
        }
    }

    /// What was used so far.
    pub fn used(&self) -> Used {
        Used {
            contracts: self.looked_up.borrow().clone(),
            codes: self.codes.clone(),
            pages: self.pages.clone(),
        }
    }

    /// Somebody wants to know of a contract.
    pub fn look_up(&self, contract: &ContractId) {
        self.looked_up.borrow_mut().insert(*contract);
    }

    /// A contract of the base runs this code.
    pub fn load(&mut self, code: CodeHash) {
        self.codes.insert(code);
    }

    fn touch(&mut self, contract: ContractId, pages: impl Iterator<Item = u32>) {
        self.pages.entry(contract).or_default().extend(pages);
    }

    fn savepoint(&mut self, savepoint: Savepoint) {
        self.savepoints.push(savepoint);
        self.steps.push(Step::Savepoint);
    }

    /// Forgets a savepoint and those after it; says how many stay.
    fn close(&mut self, savepoint: Savepoint) -> u32 {
        let at = self.savepoints.iter().position(|one| *one == savepoint);
        self.savepoints.truncate(at.unwrap_or(0));
        self.savepoints.len() as u32
    }
}

impl Session {
    /// What was recorded, if the session is.
    pub(crate) fn recording(&self) -> Option<&Recording> {
        self.runner.as_ref()?.host().recording.as_deref()
    }

    /// Notes something in the recording, if there is one.
    pub(super) fn record(&mut self, note: impl FnOnce(&mut Recording)) {
        let runner = self.runner.as_mut();
        if let Some(recording) = runner.and_then(|runner| runner.host_mut().recording.as_mut()) {
            note(recording);
        }
    }

    pub(super) fn record_call(&mut self, call: &Call<'_>) {
        let feeder = self
            .runner
            .as_ref()
            .is_some_and(|runner| runner.host().feeder.is_some());
        self.record(|recording| {
            recording.steps.push(Step::Call(CallStep {
                contract: call.contract,
                function: call.function.to_owned(),
                argument: call.argument.to_vec(),
                gas_limit: call.limit_gas,
                feeder,
            }));
        });
    }

    pub(super) fn record_deploy(&mut self, code: &[u8], step: DeployStep) {
        self.record(|recording| {
            let held = recording.deployed.entry(step.code);
            held.or_insert_with(|| code.into());
            recording.steps.push(Step::Deploy(step));
        });
    }

    pub(super) fn record_datum(&mut self, name: &str) {
        let Some(runner) = &mut self.runner else {
            return;
        };
        let context = runner.host_mut();
        let bytes = context.data.data.get(name).cloned();
        if let Some(recording) = &mut context.recording {
            let name = name.to_owned();
            recording.steps.push(Step::Datum { name, bytes });
        }
    }

    pub(super) fn record_savepoint(&mut self, savepoint: Savepoint) {
        self.record(|recording| recording.savepoint(savepoint));
    }

    pub(super) fn record_rollback(&mut self, savepoint: Savepoint) {
        self.record(|recording| {
            let open = recording.close(savepoint);
            recording.steps.push(Step::Rollback { open });
        });
    }

    pub(super) fn record_release(&mut self, savepoint: Savepoint) {
        self.record(|recording| {
            let open = recording.close(savepoint);
            recording.steps.push(Step::Release { open });
        });
    }
}

/// Notes the pages that the call which just ended touched of contracts that the base has.
pub(super) fn record_touches(runner: &mut Runner<Context>) {
    let Some(mut recording) = runner.host_mut().recording.take() else {
        return;
    };
    let contracts = &runner.host().contracts;
    for (contract, memory) in runner.accesses() {
        let known = contracts.get(&contract);
        if known.is_some_and(|known| known.base.is_some()) {
            recording.touch(contract, memory.touched().map(|(page, _)| page.0));
        }
    }
    runner.host_mut().recording = Some(recording);
}

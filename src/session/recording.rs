//! Recordings: what a session did since its base, in order, and what of the base it used.
//!
//! Whoever does the same steps over a state that has what was used, and nothing else, comes to the same results. A
//! recording changes nothing that is recorded: it notes ids as they are looked up, and takes the touched pages of each call from
//! the memories that list them anyway.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_proof::{CodeHash, Root};

use super::answers::AnswerLog;
use super::context::Context;
use super::error::{Error, Fatal};
use super::run::Session;
use super::savepoint::Savepoint;
use crate::engine::{Call, Fingerprint, Runner};
use crate::state::{Draft, NodeError, Parts, Snapshot};

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

    /// The code that ran, of contracts that the base has.
    pub fn codes(&self) -> &BTreeSet<CodeHash> {
        &self.codes
    }

    fn parts(&self, base: &Snapshot, draft: &Draft<'_>) -> Result<Parts, NodeError> {
        let mut parts = Parts::default();
        for contract in self.looked_up.borrow().iter() {
            parts.look_up(contract);
        }
        for (contract, touched) in &self.pages {
            if let Some(state) = base.get(contract)? {
                parts.touch(&state, touched);
            }
        }
        for (contract, page) in draft.changed_pages() {
            parts.change(contract, page);
        }
        Ok(parts)
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

/// A recording, the state that it began from, what of it was used, and what became of it.
#[derive(Debug)]
pub struct Recorded<R> {
    /// What was done.
    pub recording: R,
    /// The protocol.
    pub protocol: Fingerprint,
    /// The state at the beginning.
    pub base: Snapshot,
    /// What of it was used.
    pub parts: Parts,
    /// The root at the end.
    pub root_after: Root,
}

impl Session {
    /// What was recorded, if the session is: up to now, or up to the first commit or seal.
    pub(crate) fn recorded<T>(
        &self,
        look: impl FnOnce(Recorded<&Recording>) -> T,
    ) -> Result<Option<T>, Error> {
        if let Some(ended) = &self.recorded {
            return Ok(Some(look(ended.by_ref())));
        }
        let draft = self.draft()?;
        let Some(context) = self.runner.as_ref().map(|runner| runner.host()) else {
            return Ok(None);
        };
        let Some(recording) = &context.recording else {
            return Ok(None);
        };
        let recorded = Recorded::new(recording, context, &draft).map_err(Fatal::from)?;
        Ok(Some(look(recorded)))
    }

    /// Ends the recording: the draft becomes a state of its own.
    pub(super) fn end_recording(&mut self, ended: Option<Recorded<()>>) {
        let Some(runner) = &mut self.runner else {
            return;
        };
        if let (Some(ended), Some(recording)) = (ended, runner.host_mut().recording.take()) {
            self.recorded = Some(Box::new(ended.of(*recording)));
        }
    }

    /// What a recording that ends with this draft says, but for the recording itself.
    pub(super) fn ended_recording(&self, draft: &Draft<'_>) -> Result<Option<Recorded<()>>, Error> {
        let context = self.runner.as_ref().map(|runner| runner.host());
        let recording = context.and_then(|context| Some((context, context.recording.as_ref()?)));
        let ended = recording
            .map(|(context, recording)| Ok(Recorded::new(recording, context, draft)?.of(())));
        Ok(ended
            .transpose()
            .map_err(|error: NodeError| Fatal::from(error))?)
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

impl<R> Recorded<R> {
    fn of<T>(self, recording: T) -> Recorded<T> {
        Recorded {
            recording,
            protocol: self.protocol,
            base: self.base,
            parts: self.parts,
            root_after: self.root_after,
        }
    }

    fn by_ref(&self) -> Recorded<&R> {
        Recorded {
            recording: &self.recording,
            protocol: self.protocol,
            base: self.base.clone(),
            parts: self.parts.clone(),
            root_after: self.root_after,
        }
    }
}

impl<'a> Recorded<&'a Recording> {
    fn new(
        recording: &'a Recording,
        context: &Context,
        draft: &Draft<'_>,
    ) -> Result<Self, NodeError> {
        Ok(Self {
            recording,
            protocol: context.runtime.fingerprint(),
            parts: recording.parts(&context.base, draft)?,
            base: context.base.clone(),
            root_after: draft.snapshot.root(),
        })
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

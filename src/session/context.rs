//! The context of a session's calls: its contracts, its data, and the record of the running call.
//!
//! This is the engine's [`Host`]: the runner of the session's calls owns it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crostata_abi::{ContractId, PageIndex};

use super::answers::Replay;
use super::contract::SessionContract;
use super::data::SessionData;
use super::hooks::{CallHook, DebugSink, Feeder};
use super::lanes::{Resting, Running};
use super::queries::HostQueries;
use super::record::Record;
use super::recording::Recording;
use super::runtime::Runtime;
use super::watch::Watch;
use crate::engine::{
    Answered, BlockContext, Fault, FrameEnd, FrameStart, Host, HostQuery, Loaded, Refusal,
};
use crate::memory::{Access, ContractMemory};
use crate::state::{ContractState, Snapshot};
use crostata_proof::{CodeHash, Owner};

/// What a session's calls run over.
pub struct Context {
    pub(super) runtime: Arc<Runtime>,
    pub(super) base: Snapshot,
    pub(super) contracts: HashMap<ContractId, SessionContract>,
    pub(super) data: SessionData,
    pub(super) queries: Arc<HostQueries>,
    pub(super) hook: Option<Box<dyn CallHook>>,
    pub(super) debug: Option<Box<dyn DebugSink>>,
    pub(super) feeder: Option<Box<dyn Feeder>>,
    pub(super) record: Record,
    /// What the session did and used, if somebody wants to know.
    pub(super) recording: Option<Box<Recording>>,
    /// What host queries answered, where nobody can be asked.
    pub(super) replay: Option<Arc<Replay>>,
    /// Who watches, if somebody does.
    pub(super) watch: Option<Box<Watch>>,
    /// Code that was deployed in this session, where failures tell their places in it.
    pub(super) deployed: HashMap<CodeHash, Arc<[u8]>>,
    /// Code of the embedder that panicked during the call.
    pub(super) panicked: Option<&'static str>,
    /// The session's other lanes, while they rest.
    pub(super) resting: Option<Box<Resting>>,
    /// What a lane knows of the others, while they run.
    pub(super) running: Option<Running>,
    /// A contract that the call wanted and another lane has.
    pub(super) misplaced: Option<ContractId>,
}

impl Context {
    /// The owner of a contract, whether or not the session has touched it.
    pub(super) fn owner_of(&self, contract: &ContractId) -> Result<Option<Owner>, Fault> {
        match self.contracts.get(contract) {
            Some(touched) => Ok(Some(touched.owner.clone())),
            None => Ok(self.base(contract)?.map(|state| state.record.owner.clone())),
        }
    }

    /// A contract as the session's base has it, which what happens may depend on.
    fn base(&self, contract: &ContractId) -> Result<Option<Arc<ContractState>>, Fault> {
        if let Some(recording) = &self.recording {
            recording.look_up(contract);
        }
        self.watched(contract)
    }

    /// A contract as the session's base has it, for somebody who only watches.
    pub(super) fn watched(
        &self,
        contract: &ContractId,
    ) -> Result<Option<Arc<ContractState>>, Fault> {
        let found = self.base.get(contract);
        found.map_err(|source| Fault::from("the state can not be read", source))
    }

    /// Whether there is a contract with this id.
    pub(super) fn exists(&self, contract: &ContractId) -> Result<bool, Fault> {
        Ok(self.code_len(contract)?.is_some())
    }

    /// The record of the call that just ended, leaving an empty one.
    pub(super) fn take_record(&mut self) -> Record {
        std::mem::take(&mut self.record)
    }
}

impl Host for Context {
    fn load(&mut self, contract: &ContractId) -> Result<Option<Loaded<Self>>, Fault> {
        self.placed(contract)?;
        if let Some(loaded) = self.load_newer(contract)? {
            return Ok(Some(loaded));
        }
        let Some(state) = self.base(contract)? else {
            return Ok(None);
        };
        let module = self.runtime.module_of(&self.base, &state)?;
        let memory = self.runtime.memory_of(&state)?;
        self.note_loaded(contract);
        if let Some(recording) = &mut self.recording {
            recording.load(state.record.code_hash);
        }
        let loaded = SessionContract::committed(state, module.clone());
        self.contracts.insert(*contract, loaded);
        Ok(Some(Loaded { module, memory }))
    }

    fn code_len(&self, contract: &ContractId) -> Result<Option<u64>, Fault> {
        match self.contracts.get(contract) {
            Some(touched) => Ok(Some(touched.code_len_bytes)),
            None => Ok(self
                .base(contract)?
                .map(|state| state.record.code_len_bytes)),
        }
    }

    fn refresh(
        &mut self,
        contract: &ContractId,
        memory: &mut ContractMemory,
    ) -> Result<bool, Fault> {
        self.bring_newer(contract, memory)
    }

    fn is_tentative(&self) -> bool {
        self.running.is_some()
    }

    fn refuse(&mut self, start: &FrameStart<'_>) -> Option<String> {
        let hook = self.hook.as_mut()?;
        match catch_unwind(AssertUnwindSafe(|| hook.refuse(start))) {
            Ok(reason) => reason,
            Err(_) => {
                self.panicked = Some("the call hook");
                Some("the call hook panicked".to_owned())
            }
        }
    }

    fn started(&mut self, start: &FrameStart<'_>) {
        self.record.started(start);
        if let Some(watch) = &mut self.watch {
            let contract = self.contracts.get(&start.contract);
            watch.started(start, contract.map(|contract| contract.code_hash));
        }
    }

    fn ended(&mut self, end: &FrameEnd<'_>) {
        self.record.ended(end);
        if let Some(watch) = &mut self.watch {
            watch.ended(end);
        }
    }

    fn emit(&mut self, source: ContractId, topic: String, data: Vec<u8>) {
        if let Some(watch) = &mut self.watch {
            watch.event(&topic, &data);
        }
        self.record.emit(source, topic, data);
    }

    fn feed(&mut self, bytes: Vec<u8>) -> bool {
        match &mut self.feeder {
            Some(feeder) => {
                if let Some(watch) = &mut self.watch {
                    watch.feed(&bytes);
                }
                if catch_unwind(AssertUnwindSafe(|| feeder.feed(bytes))).is_err() {
                    self.panicked = Some("the feeder");
                }
                true
            }
            None => false,
        }
    }

    fn query(&self, name: &str) -> Option<Arc<dyn HostQuery>> {
        if let Some(replay) = &self.replay {
            return replay.query(name);
        }
        let query = match self.data.excluded.contains(name) {
            true => None,
            false => self.queries.get(name, self.block()).cloned(),
        };
        match &self.recording {
            Some(recording) => recording.answers.noting(name, query),
            None => query,
        }
    }

    fn block(&self) -> Option<&BlockContext> {
        self.data.block.as_deref()
    }

    fn datum(&self, name: &str) -> Option<&[u8]> {
        self.data.data.get(name).map(Vec::as_slice)
    }

    #[cfg(feature = "libraries")]
    fn data(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let data = self.data.data.iter();
        data.map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    fn owner(&self, contract: &ContractId) -> Result<Option<Vec<u8>>, Fault> {
        let owner = self.owner_of(contract)?;
        Ok(owner.map(|owner| owner.as_bytes().to_vec()))
    }

    fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    fn refused(&mut self, start: &FrameStart<'_>, refusal: &Refusal) {
        if let Some(watch) = &mut self.watch {
            watch.refused(start, refusal);
        }
    }

    fn answered(&mut self, answered: &Answered<'_>) {
        if let Some(watch) = &mut self.watch {
            watch.answered(answered);
        }
    }

    fn read_datum(&mut self, name: &str) {
        if let Some(watch) = &mut self.watch {
            watch.datum(name, self.data.data.get(name).map(Vec::as_slice));
        }
    }

    fn touched(&mut self, pages: &[PageIndex], access: Access) {
        if let Some(watch) = &mut self.watch {
            watch.touched(pages, access);
        }
    }

    fn code_hash(&self, contract: &ContractId) -> Option<CodeHash> {
        Some(self.contracts.get(contract)?.code_hash)
    }

    fn code(&self, contract: &ContractId) -> Option<Vec<u8>> {
        let code_hash = self.contracts.get(contract)?.code_hash;
        match self.deployed.get(&code_hash) {
            Some(code) => Some(code.to_vec()),
            None => self.base.code(&code_hash).ok(),
        }
    }

    fn debug(&mut self, contract: ContractId, message: &[u8]) {
        if let Some(watch) = &mut self.watch {
            watch.debug(message);
        }
        if let Some(sink) = &mut self.debug {
            let text = String::from_utf8_lossy(message);
            if catch_unwind(AssertUnwindSafe(|| sink.message(contract, &text))).is_err() {
                self.panicked = Some("the debug sink");
            }
        }
    }
}

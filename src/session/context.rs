//! The context of a session's calls: its contracts, its data, and the record of the running call.
//!
//! This is the engine's [`Host`]: the context moves into a call and comes back when the call ends.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crostata_abi::ContractId;

use super::contract::{ContractMetadata, SessionContract, committed_metadata};
use super::data::SessionData;
use super::hooks::{CallHook, DebugSink, Feeder};
use super::queries::HostQueries;
use super::record::Record;
use super::runtime::Runtime;
use crate::engine::{Fault, FrameEnd, FrameStart, Host, HostQuery, Loaded};
use crate::memory::ContractMemory;
use crate::state::{ContractState, Snapshot};

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
    /// Code of the embedder that panicked during the call.
    pub(super) panicked: Option<&'static str>,
}

impl Context {
    /// The contract, loaded from the base if the session has not touched it yet.
    pub(super) fn contract(
        &mut self,
        contract: &ContractId,
    ) -> Result<Option<&mut SessionContract>, Fault> {
        if !self.contracts.contains_key(contract) {
            let Some(state) = self.base.get(contract).cloned() else {
                return Ok(None);
            };
            let loaded = self.load_committed(state)?;
            self.contracts.insert(*contract, loaded);
        }
        Ok(self.contracts.get_mut(contract))
    }

    fn load_committed(&self, state: Arc<ContractState>) -> Result<SessionContract, Fault> {
        Ok(SessionContract {
            module: self.runtime.module_of(&state)?,
            code_hash: state.record.code_hash,
            code_len_bytes: state.record.code_len_bytes,
            layout_hash: state.record.layout_hash,
            owner: state.record.owner.clone(),
            memory: Some(self.runtime.memory_of(&state)?),
            base: Some(state),
        })
    }

    /// What is known of a contract, whether or not the session has touched it.
    pub(super) fn metadata(&self, contract: &ContractId) -> Option<ContractMetadata> {
        match self.contracts.get(contract) {
            Some(touched) => Some(touched.metadata(*contract)),
            None => self
                .base
                .get(contract)
                .map(|state| committed_metadata(state)),
        }
    }

    /// The record of the call that just ended, leaving an empty one.
    pub(super) fn take_record(&mut self) -> Record {
        std::mem::take(&mut self.record)
    }
}

impl Host for Context {
    fn load(&mut self, contract: &ContractId) -> Result<Option<Loaded<Self>>, Fault> {
        let Some(found) = self.contract(contract)? else {
            return Ok(None);
        };
        let memory = found.memory.take();
        let memory =
            memory.ok_or_else(|| Fault::new("a contract was loaded twice into one call"))?;
        let module = found.module.clone();
        Ok(Some(Loaded { module, memory }))
    }

    fn exists(&self, contract: &ContractId) -> bool {
        self.contracts.contains_key(contract) || self.base.get(contract).is_some()
    }

    fn put_back(&mut self, contract: ContractId, memory: ContractMemory) {
        if let Some(found) = self.contracts.get_mut(&contract) {
            found.memory = Some(memory);
        }
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
    }

    fn ended(&mut self, end: &FrameEnd<'_>) {
        self.record.ended(end);
    }

    fn emit(&mut self, source: ContractId, topic: String, data: Vec<u8>) {
        self.record.emit(source, topic, data);
    }

    fn feed(&mut self, bytes: Vec<u8>) -> bool {
        match &mut self.feeder {
            Some(feeder) => {
                if catch_unwind(AssertUnwindSafe(|| feeder.feed(bytes))).is_err() {
                    self.panicked = Some("the feeder");
                }
                true
            }
            None => false,
        }
    }

    fn query(&self, name: &str) -> Option<Arc<dyn HostQuery>> {
        if self.data.excluded.contains(name) {
            return None;
        }
        self.queries.get(name).cloned()
    }

    fn datum(&self, name: &str) -> Option<&[u8]> {
        self.data.data.get(name).map(Vec::as_slice)
    }

    fn owner(&self, contract: &ContractId) -> Option<Vec<u8>> {
        self.metadata(contract).map(|metadata| metadata.owner)
    }

    fn debug(&mut self, contract: ContractId, message: &[u8]) {
        if let Some(sink) = &mut self.debug {
            let text = String::from_utf8_lossy(message);
            if catch_unwind(AssertUnwindSafe(|| sink.message(contract, &text))).is_err() {
                self.panicked = Some("the debug sink");
            }
        }
    }
}

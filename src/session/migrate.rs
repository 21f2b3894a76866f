//! Migration: new code and new memory under an old id, all or nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_proof::CodeHash;

use super::contract::ContractData;
use super::data::SessionData;
use super::error::{Error, Fatal};
use super::run::Session;
use crate::memory::Savepoint;

/// What a session was at one moment.
struct SessionSavepoint {
    memories: HashMap<ContractId, Savepoint>,
    data: SessionData,
    code: HashMap<CodeHash, Arc<[u8]>>,
}

impl Session {
    /// Replaces a contract's code and memory.
    ///
    /// The new code is deployed beside the old contract under an id of its own; `closure` gets that id and
    /// the session, to move state over; then the new contract takes the old one's id, and the owner too unless `data`
    /// names one. If anything fails, the session is as before.
    ///
    /// # Errors
    /// As [`deploy`](Self::deploy), what `closure` gives, or [`Error::Rejected`] if there is no contract with this id.
    pub fn migrate(
        &mut self,
        contract: ContractId,
        bytecode: impl AsRef<[u8]>,
        data: impl Into<ContractData>,
        gas_limit: u64,
        closure: impl FnOnce(ContractId, &mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.existing(contract)?;
        let mut data = data.into();
        if data.owner.is_none() {
            let metadata = self.context_mut()?.metadata(&contract);
            data.owner = metadata.map(|metadata| metadata.owner);
        }
        let before = self.remember()?;
        let moved = self
            .deploy(bytecode, data, gas_limit)
            .and_then(|new| closure(new, self).map(|()| new))
            .and_then(|new| self.take_place(new, contract));
        if moved.is_err() {
            self.restore(before)?;
        }
        moved
    }

    fn take_place(&mut self, new: ContractId, old: ContractId) -> Result<(), Error> {
        let context = self.context_mut()?;
        match context.contracts.remove(&new) {
            Some(contract) => {
                context.contracts.insert(old, contract);
                Ok(())
            }
            None => Err(Error::Fatal(Fatal::Poisoned)),
        }
    }

    fn remember(&mut self) -> Result<SessionSavepoint, Error> {
        let code = self.code.clone();
        let context = self.context_mut()?;
        let memories = context.contracts.iter_mut().filter_map(|(id, contract)| {
            let memory = contract.memory.as_mut()?;
            Some((*id, memory.savepoint()))
        });
        Ok(SessionSavepoint {
            memories: memories.collect(),
            data: context.data.clone(),
            code,
        })
    }

    fn restore(&mut self, before: SessionSavepoint) -> Result<(), Error> {
        self.code = before.code;
        let context = self.context_mut()?;
        context.data = before.data;
        // A contract not touched before comes from the base again when it is next needed.
        context
            .contracts
            .retain(|id, _| before.memories.contains_key(id));
        for (id, savepoint) in &before.memories {
            let contract = context.contracts.get_mut(id);
            if let Some(memory) = contract.and_then(|contract| contract.memory.as_mut())
                && let Err(error) = memory.revert(savepoint)
            {
                self.poisoned = true;
                return Err(error.into());
            }
        }
        Ok(())
    }
}

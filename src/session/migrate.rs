//! Migration: new code and new memory under an old id, all or nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_proof::{CodeHash, hash};

use super::contract::ContractData;
use super::data::SessionData;
use super::error::{Error, Fatal};
use super::run::Session;
use crate::engine::{Host, Refusal};
use crate::memory::Savepoint;

/// What a session was when a migration began.
struct SessionSavepoint {
    memories: HashMap<ContractId, Savepoint>,
    data: SessionData,
    code: HashMap<CodeHash, Arc<[u8]>>,
    displaced: usize,
}

impl Session {
    /// Replaces a contract's code and memory.
    ///
    /// The new code is deployed beside the old contract under an id of its own; `closure` gets that id and
    /// the session, to move state over; then the new contract takes the old one's id, and the owner too unless `data`
    /// names one. If anything fails, the session is as before.
    ///
    /// The closure may do what a session can do, migrations included, but not commit.
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
        if data.contract_id.is_none() {
            self.choose_free_nonce(bytecode.as_ref(), &mut data)?;
        }
        let before = self.remember()?;
        let depth = self.migrations.saturating_add(1);
        self.migrations = depth;
        let moved = self
            .deploy(bytecode, data, gas_limit)
            .and_then(|new| closure(new, self).map(|()| new))
            .and_then(|new| self.take_place(new, contract));
        if self.migrations != depth {
            // The closure put another session in this one's place: what it holds is nobody's migration.
            self.poisoned = true;
            return Err(Error::Fatal(Fatal::Poisoned));
        }
        self.migrations = depth - 1;
        match &moved {
            Err(_) => self.restore(before)?,
            Ok(()) if self.migrations == 0 => self.displaced.clear(),
            Ok(()) => {}
        }
        moved
    }

    /// The id is only for the time of the migration: take the first nonce from the given one on whose id is free.
    fn choose_free_nonce(&mut self, code: &[u8], data: &mut ContractData) -> Result<(), Error> {
        let code_hash = hash::code_hash(code);
        while self.context_mut()?.exists(&data.id(&code_hash)) {
            data.nonce = data.nonce.wrapping_add(1);
        }
        Ok(())
    }

    /// Puts the new contract in the old one's place, keeping the old one in case an outer migration fails.
    fn take_place(&mut self, new: ContractId, old: ContractId) -> Result<(), Error> {
        let context = self.context_mut()?;
        let Some(contract) = context.contracts.remove(&new) else {
            return Err(Refusal::NoContract { contract: new }.into());
        };
        if let Some(displaced) = context.contracts.insert(old, contract) {
            self.displaced.push((old, displaced));
        }
        Ok(())
    }

    fn remember(&mut self) -> Result<SessionSavepoint, Error> {
        let (code, displaced) = (self.code.clone(), self.displaced.len());
        let context = self.context_mut()?;
        let memories = context.contracts.iter_mut().filter_map(|(id, contract)| {
            let memory = contract.memory.as_mut()?;
            Some((*id, memory.savepoint()))
        });
        Ok(SessionSavepoint {
            memories: memories.collect(),
            data: context.data.clone(),
            code,
            displaced,
        })
    }

    fn restore(&mut self, before: SessionSavepoint) -> Result<(), Error> {
        self.code = before.code;
        let displaced = self
            .displaced
            .split_off(before.displaced.min(self.displaced.len()));
        let context = self.context_mut()?;
        // The latest first, so that the oldest holder of an id ends up with it.
        context.contracts.extend(displaced.into_iter().rev());
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

//! Migration: new code and new memory under an old id, all or nothing.

use crostata_abi::ContractId;
use crostata_proof::hash;

use super::contract::ContractData;
use super::error::{Error, Fatal};
use super::recording::Unrecordable;
use super::run::Session;
use super::savepoint::Change;
use crate::engine::Refusal;

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
        self.gather()?;
        self.record(|recording| recording.unfit = Some(Unrecordable::Migration));
        let mut data = data.into();
        if data.owner.is_none() {
            let owner = self.context_mut()?.owner_of(&contract)?;
            data.owner = owner.map(|owner| owner.as_bytes().to_vec());
        }
        if data.contract_id.is_none() {
            self.choose_free_nonce(bytecode.as_ref(), &mut data)?;
        }
        let hold = self.hold()?;
        let moved = self
            .deploy(bytecode, data, gas_limit)
            .and_then(|new| closure(new, self).map(|()| new))
            .and_then(|new| self.take_place(new, contract));
        let Some(before) = self.end_hold(&hold) else {
            // The closure put another session in this one's place: what it holds is nobody's migration.
            self.poisoned = true;
            return Err(Error::Fatal(Fatal::Poisoned));
        };
        match &moved {
            Ok(()) => self.release(before)?,
            Err(_) if self.poisoned => {}
            Err(_) => self.rollback(before)?,
        }
        moved
    }

    /// The id is only for the time of the migration: take the first nonce from the given one on whose id is free.
    fn choose_free_nonce(&mut self, code: &[u8], data: &mut ContractData) -> Result<(), Error> {
        let code_hash = hash::code_hash(code);
        while self.context_mut()?.exists(&data.id(&code_hash))? {
            data.nonce = data.nonce.wrapping_add(1);
        }
        Ok(())
    }

    /// Makes the old id name the new contract. The old one can come back as long as there is a savepoint.
    fn take_place(&mut self, new: ContractId, old: ContractId) -> Result<(), Error> {
        let runner = self.runner_mut()?;
        let place = runner.name(new, None);
        let Some(contract) = runner.host_mut().contracts.remove(&new) else {
            return Err(Refusal::NoContract { contract: new }.into());
        };
        let before = runner.name(old, place);
        let displaced = runner.host_mut().contracts.insert(old, contract);
        self.journal.note(|| Change::Contract {
            contract: old,
            place: before,
            before: displaced.map(Box::new),
        });
        Ok(())
    }
}

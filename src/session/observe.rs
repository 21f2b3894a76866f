//! What a session shows of its state, and what is hung into it.

use crostata_abi::typed::Encode;
use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::{CodeHash, Root, StateProof};

use super::contract::{ContractMetadata, committed_metadata};
use super::data::DatumError;
use super::error::{Error, Fatal};
use super::hooks::{CallHook, DebugSink};
use super::lanes::holder;
use super::recording::Unrecordable;
use super::run::Session;
use super::savepoint::Change;
use crate::engine::{BlockContext, Host};
use crate::memory::{Access, Page};
use crate::state::{CommitRef, CommittedPages, Contents, ProofItem};

/// The pages of one contract that a top-level call read and wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageAccesses {
    /// The contract.
    pub contract: ContractId,
    /// Its pages, in the order of their first use in the call. A page stands also for the first 264 bytes of the next:
    /// accesses that reach over a page's end belong to the page that they begin in.
    pub pages: Vec<(PageIndex, Access)>,
}

impl Session {
    /// The root of the state as it is now.
    ///
    /// Costs hashing of what the session wrote, whatever the size of the state.
    ///
    /// # Errors
    /// [`Error::Fatal`] if a page can not be read back, or the session is unusable.
    pub fn root(&self) -> Result<Root, Error> {
        Ok(self.draft()?.snapshot.root())
    }

    /// The commit that the session is based on; `None` for the empty state.
    pub fn base(&self) -> Option<CommitRef> {
        self.base.map(CommitRef::Id)
    }

    /// The id of the commit that the session is based on.
    #[cfg(feature = "serve")]
    pub(crate) fn base_id(&self) -> Option<crostata_proof::CommitId> {
        self.base
    }

    /// What is known of a contract: `None` if there is none of this id.
    ///
    /// # Errors
    /// [`Error::Fatal`] when the state can not be read.
    pub fn contract_metadata(
        &self,
        contract: &ContractId,
    ) -> Result<Option<ContractMetadata>, Error> {
        let Some(runner) = self.runner.as_ref() else {
            return Err(self.unusable());
        };
        let context = runner.host();
        match self.touched(contract) {
            Some((touched, memory)) => Ok(Some(touched.metadata(*contract, memory))),
            None => Ok(context
                .watched(contract)?
                .as_deref()
                .map(committed_metadata)),
        }
    }

    /// The pages that the latest top-level call read and wrote, per contract of its call tree in order of entering: what
    /// the call depended on and may have changed, reverted parts included. Empty once contracts of the call are gone.
    pub fn page_accesses(&self) -> Vec<PageAccesses> {
        let accesses = self.runner.iter().flat_map(|runner| runner.accesses());
        let accesses = accesses.map(|(contract, memory)| PageAccesses {
            contract,
            pages: memory.touched().collect(),
        });
        accesses.collect()
    }

    /// Size of a contract's memory in bytes: `None` if there is no such contract.
    ///
    /// # Errors
    /// [`Error::Fatal`] when the state can not be read.
    pub fn memory_len(&self, contract: &ContractId) -> Result<Option<u64>, Error> {
        let metadata = self.contract_metadata(contract)?;
        Ok(metadata.map(|metadata| metadata.memory_bytes))
    }

    /// The pages of a contract's memory that are not all zeros, in rising order, each with its proof at the
    /// session's present [`root`](Self::root).
    ///
    /// # Errors
    /// [`Error::Rejected`] if there is no such contract, [`Error::Fatal`] if a page can not be had.
    pub fn memory_pages(
        &mut self,
        contract: ContractId,
    ) -> Result<impl Iterator<Item = (PageIndex, StateProof)> + use<>, Error> {
        self.existing(contract)?;
        let snapshot = self.draft()?.snapshot;
        let state = snapshot.get(&contract).map_err(Fatal::from)?;
        let mut proofs = Vec::new();
        for leaf in state.iter().flat_map(|state| state.pages.leaves()) {
            let (position, ..) = leaf.map_err(Fatal::from)?;
            let page = PageIndex(position as u32);
            let proof = snapshot.prove(&[ProofItem::Page { contract, page }], self)?;
            proofs.push((page, proof));
        }
        Ok(proofs.into_iter())
    }

    /// A proof of some things at the session's present [`root`](Self::root), as [`VM::prove`](crate::VM::prove) gives at a commit.
    ///
    /// # Errors
    /// [`Error::Rejected`] if there is no such contract, page or range, or no item; [`Error::Fatal`] if something can not be had.
    pub fn prove(&mut self, items: &[ProofItem]) -> Result<StateProof, Error> {
        let snapshot = self.draft()?.snapshot;
        snapshot.prove(items, self)
    }

    fn read_page(&mut self, contract: ContractId, page: PageIndex) -> Result<Box<Page>, Error> {
        let runner = self.runner_mut()?;
        if let Some(memory) = holder(runner, &contract).memory(&contract) {
            return Ok(memory.page(page)?);
        }
        let context = runner.host();
        match context.watched(&contract)? {
            None => Ok(Box::new([0; PAGE_BYTES])),
            Some(state) => {
                let store = context.runtime.commits().store().clone();
                Ok(CommittedPages::new(store, state).read(page)?)
            }
        }
    }

    /// The bytes of a session datum.
    pub fn meta(&self, name: &str) -> Option<Vec<u8>> {
        self.runner.as_ref()?.host().data.data.get(name).cloned()
    }

    /// Sets a session datum and gives the bytes it had before.
    ///
    /// # Errors
    /// [`DatumError`] for a name or value that no contract could read.
    pub fn set_meta<T: Encode>(
        &mut self,
        name: impl Into<String>,
        value: &T,
    ) -> Result<Option<Vec<u8>>, DatumError> {
        let name = name.into();
        let Some(runner) = &mut self.runner else {
            return Ok(None);
        };
        let before = runner.host_mut().data.set(name.clone(), value)?;
        self.record_datum(&name);
        self.note_datum(name, before.clone());
        Ok(before)
    }

    /// Sets the bytes of a session datum and gives those it had before.
    ///
    /// # Errors
    /// [`DatumError`] for a name or value that no contract could read.
    pub fn set_meta_raw(
        &mut self,
        name: impl Into<String>,
        bytes: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, DatumError> {
        let name = name.into();
        let Some(runner) = &mut self.runner else {
            return Ok(None);
        };
        let before = runner.host_mut().data.set_raw(name.clone(), bytes)?;
        self.record_datum(&name);
        self.note_datum(name, before.clone());
        Ok(before)
    }

    /// The block that the session runs in.
    pub fn block(&self) -> Option<&BlockContext> {
        self.runner.as_ref()?.host().block()
    }

    /// Removes a session datum and gives the bytes it had. What the session's [`block`](Self::block) says stays, with `None` as the answer.
    pub fn remove_meta(&mut self, name: &str) -> Option<Vec<u8>> {
        let before = self.runner.as_mut()?.host_mut().data.remove(name);
        self.record_datum(name);
        self.note_datum(name.to_owned(), before.clone());
        before
    }

    /// Offers a query to this session's contracts from here on.
    #[cfg(feature = "testing")]
    pub(crate) fn offer_query(
        &mut self,
        name: String,
        query: impl crate::engine::HostQuery + 'static,
    ) -> Result<(), Error> {
        let queries = &mut self.context_mut()?.queries;
        std::sync::Arc::make_mut(queries).insert(name, query);
        Ok(())
    }

    fn note_datum(&mut self, name: String, before: Option<Vec<u8>>) {
        self.journal.note(|| Change::Datum { name, before });
    }

    /// Lets `hook` decide about every call from here on. Its answers are input of the session.
    pub fn set_call_hook(&mut self, hook: impl CallHook + 'static) {
        self.record(|recording| recording.unfit = Some(Unrecordable::CallHook));
        if let Some(runner) = &mut self.runner {
            runner.host_mut().hook = Some(Box::new(hook));
        }
    }

    /// Takes the call hook away: every call may happen.
    pub fn clear_call_hook(&mut self) {
        if let Some(runner) = &mut self.runner {
            runner.host_mut().hook = None;
        }
    }

    /// Sends the debug messages of contracts to `sink`. Gas, events and roots are the same without it.
    pub fn set_debug_sink(&mut self, sink: impl DebugSink + 'static) {
        if let Some(runner) = &mut self.runner {
            runner.host_mut().debug = Some(Box::new(sink));
        }
    }
}

impl Contents for Session {
    type Error = Error;

    fn page(&mut self, contract: &ContractId, page: PageIndex) -> Result<Box<Page>, Error> {
        self.read_page(*contract, page)
    }

    fn code(&mut self, code: &CodeHash) -> Result<Vec<u8>, Error> {
        if let Some(new) = self.code.get(code) {
            return Ok(new.to_vec());
        }
        Ok(self.runner_mut()?.host().base.code(code)?)
    }
}

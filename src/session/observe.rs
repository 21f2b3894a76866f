//! What a session shows of its state, and what is hung into it.

use crostata_abi::typed::Encode;
use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::{PageOpening, RecordOpening, Root};

use super::contract::ContractMetadata;
use super::data::DatumError;
use super::error::{Error, Fatal};
use super::hooks::{CallHook, DebugSink};
use super::run::Session;
use crate::memory::Page;
use crate::state::{CommitRef, CommittedPages, Snapshot};

impl Session {
    /// The root of the state as it is now.
    ///
    /// Costs hashing of what the session wrote, whatever the size of the state.
    pub fn root(&self) -> Root {
        self.draft().snapshot.root()
    }

    /// The commit that the session is based on; `None` for the empty state.
    pub fn base(&self) -> Option<CommitRef> {
        self.base.map(CommitRef::Id)
    }

    /// What is known of a contract: `None` if there is none of this id.
    pub fn contract_metadata(&self, contract: &ContractId) -> Option<ContractMetadata> {
        self.context.as_ref()?.metadata(contract)
    }

    /// Size of a contract's memory in bytes: `None` if there is no such contract.
    pub fn memory_len(&self, contract: &ContractId) -> Option<u64> {
        let metadata = self.contract_metadata(contract)?;
        Some(metadata.memory_bytes)
    }

    /// The pages of a contract's memory that are not all zeros, in rising order, each with its opening at the
    /// session's present [`root`](Self::root).
    ///
    /// # Errors
    /// [`Error::Rejected`] if there is no such contract, [`Error::Fatal`] if a page can not be had.
    pub fn memory_pages(
        &mut self,
        contract: ContractId,
    ) -> Result<impl Iterator<Item = (PageIndex, PageOpening)> + use<>, Error> {
        self.existing(contract)?;
        let snapshot = self.draft().snapshot;
        let state = snapshot.get(&contract).cloned();
        let pages: Vec<PageIndex> = state
            .iter()
            .flat_map(|state| {
                state
                    .pages
                    .iter()
                    .map(|(position, _)| PageIndex(position as u32))
            })
            .collect();
        let mut openings = Vec::with_capacity(pages.len());
        for page in pages {
            let opening = self.open_page(&snapshot, contract, page)?;
            openings.push((page, opening));
        }
        Ok(openings.into_iter())
    }

    /// A proof of one page of a contract's memory at the session's present [`root`](Self::root).
    ///
    /// # Errors
    /// [`Error::Rejected`] if there is no such contract or page, [`Error::Fatal`] if the page can not be had.
    pub fn page_opening(
        &mut self,
        contract: ContractId,
        page: PageIndex,
    ) -> Result<PageOpening, Error> {
        let snapshot = self.draft().snapshot;
        self.open_page(&snapshot, contract, page)
    }

    /// A proof of a contract's record at the session's present [`root`](Self::root).
    ///
    /// # Errors
    /// [`Error::Rejected`] if there is no such contract.
    pub fn record_opening(&self, contract: ContractId) -> Result<RecordOpening, Error> {
        Ok(self.draft().snapshot.record_opening(&contract)?)
    }

    fn open_page(
        &mut self,
        snapshot: &Snapshot,
        contract: ContractId,
        page: PageIndex,
    ) -> Result<PageOpening, Error> {
        snapshot.checked_page(&contract, page)?;
        let bytes = self.page(contract, page)?;
        Ok(snapshot.page_opening(&contract, page, bytes)?)
    }

    fn page(&mut self, contract: ContractId, page: PageIndex) -> Result<Box<Page>, Error> {
        let context = self.context_mut()?;
        if let Some(touched) = context.contracts.get(&contract) {
            let mut bytes = Box::new([0; PAGE_BYTES]);
            let memory = touched.memory.as_ref();
            let read = memory.is_some_and(|memory| memory.read(page.address(), &mut bytes[..]));
            return read.then_some(bytes).ok_or(Error::Fatal(Fatal::Poisoned));
        }
        match context.base.get(&contract).cloned() {
            None => Ok(Box::new([0; PAGE_BYTES])),
            Some(state) => {
                let store = context.runtime.commits().store().clone();
                Ok(CommittedPages::new(store, state).read(page)?)
            }
        }
    }

    /// The bytes of a session datum.
    pub fn meta(&self, name: &str) -> Option<Vec<u8>> {
        self.context.as_ref()?.data.data.get(name).cloned()
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
        match &mut self.context {
            Some(context) => context.data.set(name.into(), value),
            None => Ok(None),
        }
    }

    /// Removes a session datum and gives the bytes it had.
    pub fn remove_meta(&mut self, name: &str) -> Option<Vec<u8>> {
        self.context.as_mut()?.data.data.remove(name)
    }

    /// Lets `hook` decide about every call from here on. Its answers are input of the session.
    pub fn set_call_hook(&mut self, hook: impl CallHook + 'static) {
        if let Some(context) = &mut self.context {
            context.hook = Some(Box::new(hook));
        }
    }

    /// Takes the call hook away: every call may happen.
    pub fn clear_call_hook(&mut self) {
        if let Some(context) = &mut self.context {
            context.hook = None;
        }
    }

    /// Sends the debug messages of contracts to `sink`. Gas, events and roots are the same without it.
    pub fn set_debug_sink(&mut self, sink: impl DebugSink + 'static) {
        if let Some(context) = &mut self.context {
            context.debug = Some(Box::new(sink));
        }
    }
}

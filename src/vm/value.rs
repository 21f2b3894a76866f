//! Value proofs: what a contract's state has under a name or key, found as the verifier will find it.
//!
//! The contract is not loaded and nothing is executed: its code is read for its storage layout, if that is not known yet, its memory as
//! far as the lookup goes.

use std::sync::Arc;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::map::MemoryBytes;
use crostata_proof::{
    ContractRecord, EMPTY, Hash, Layout, ValueLookupError, ValuePath, ValueProof, hash,
    look_up_field, look_up_key,
};
use quick_cache::sync::Cache;

use super::error::{ProofError, ProveValueError};
use crate::engine::code::storage_layout;
use crate::memory::Page;
use crate::state::{Contents, OpeningError, ProofItem, Snapshot};

/// How many layouts are kept: some 40 MB if all of them are as large as can be.
const LAYOUTS_KEPT: usize = 256;

/// Layouts by the hashes that records have of them: they never become wrong.
pub(super) struct Layouts(Cache<Hash, Arc<Layout>>);

impl Layouts {
    pub fn new() -> Self {
        Self(Cache::new(LAYOUTS_KEPT))
    }
}

/// The proof of what the contract has under `path` in this state.
pub(super) fn prove_value<C: Contents<Error = ProofError>>(
    snapshot: &Snapshot,
    contents: &mut C,
    layouts: &Layouts,
    contract: ContractId,
    path: &ValuePath,
) -> Result<ValueProof, ProveValueError> {
    let state = snapshot.get(&contract).map_err(ProofError::from)?;
    let state = state.ok_or(OpeningError::NoContract { contract });
    let record = &state.map_err(ProofError::from)?.record;
    let layout = layout(contents, layouts, record)?;
    let mut memory = CommittedMemory {
        contract,
        contents,
        memory_bytes: record.pages().saturating_mul(PAGE_BYTES as u64),
        last: None,
        read: vec![ProofItem::Contract(contract)],
    };
    look_up(&layout, path, &mut memory)?;
    let items = memory.read;
    let state = snapshot.prove(&items, contents)?;
    Ok(ValueProof::new(&layout, state))
}

fn look_up<M>(layout: &Layout, path: &ValuePath, memory: &mut M) -> Result<(), ProveValueError>
where
    M: MemoryBytes<Error = ProofError>,
{
    let found = match &path.key {
        None => look_up_field(layout, &path.name, memory).map(drop),
        Some(key) => look_up_key(layout, &path.name, key, memory).map(drop),
    };
    found.map_err(|error| match error {
        ValueLookupError::Memory(error) => ProveValueError::Proof(error),
        error => ProveValueError::Lookup(Box::new(error)),
    })
}

/// The layout that the contract's record binds.
fn layout<C: Contents<Error = ProofError>>(
    contents: &mut C,
    layouts: &Layouts,
    record: &ContractRecord,
) -> Result<Arc<Layout>, ProveValueError> {
    let contract = record.contract;
    if record.layout_hash == EMPTY {
        return Err(ProveValueError::NoLayout { contract });
    }
    if let Some(layout) = layouts.0.get(&record.layout_hash) {
        return Ok(layout);
    }
    let code = contents.code(&record.code_hash)?;
    let layout = storage_layout(&code).ok().flatten();
    let is_bound =
        |layout: &Layout| hash::layout_hash(Some(&layout.encode())) == record.layout_hash;
    let layout = layout.filter(is_bound).map(Arc::new);
    let layout = layout.ok_or(ProveValueError::OtherLayout { contract })?;
    layouts.0.insert(record.layout_hash, layout.clone());
    Ok(layout)
}

/// A contract's memory in a commit. Remembers what was read.
struct CommittedMemory<'a, C> {
    contract: ContractId,
    contents: &'a mut C,
    memory_bytes: u64,
    last: Option<(PageIndex, Box<Page>)>,
    read: Vec<ProofItem>,
}

impl<C: Contents<Error = ProofError>> MemoryBytes for CommittedMemory<'_, C> {
    type Error = ProofError;

    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), ProofError> {
        let (contract, len_bytes) = (self.contract, bytes.len() as u64);
        let end = address.checked_add(len_bytes);
        if end.is_none_or(|end| end > self.memory_bytes) {
            return Err(ProofError::from(OpeningError::NoBytes {
                contract,
                offset: address,
                len_bytes,
                there_bytes: self.memory_bytes,
            }));
        }
        self.read
            .push(ProofItem::bytes(contract, address, len_bytes));
        let (mut at, mut rest) = (address, bytes);
        while !rest.is_empty() {
            let within = (at % PAGE_BYTES as u64) as usize;
            let len = rest.len().min(PAGE_BYTES - within);
            let (part, more) = rest.split_at_mut(len);
            // The memory has the page: its number has 32 bits.
            let page = self.page(PageIndex((at / PAGE_BYTES as u64) as u32))?;
            part.copy_from_slice(&page[within..within + len]);
            at += len as u64;
            rest = more;
        }
        Ok(())
    }
}

impl<C: Contents<Error = ProofError>> CommittedMemory<'_, C> {
    fn page(&mut self, index: PageIndex) -> Result<&Page, ProofError> {
        let last = match self.last.take() {
            Some(last) if last.0 == index => last,
            _ => (index, self.contents.page(&self.contract, index)?),
        };
        Ok(&self.last.insert(last).1)
    }
}

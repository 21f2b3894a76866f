//! Value proofs: what a contract's state has under a name or key, found as the verifier will find it.
//!
//! The contract is not loaded and nothing is executed: its code is read for its storage layout, its memory as far as the lookup goes.

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::map::MemoryBytes;
use crostata_proof::{
    EMPTY, Layout, ValueLookupError, ValuePath, ValueProof, hash, look_up_field, look_up_key,
};

use super::error::{ProofError, ProveValueError};
use crate::engine::code::storage_layout;
use crate::memory::Page;
use crate::state::{Contents, OpeningError, ProofItem, Snapshot};

/// The proof of what the contract has under `path` in this state.
pub(super) fn prove_value<C: Contents<Error = ProofError>>(
    snapshot: &Snapshot,
    contents: &mut C,
    contract: ContractId,
    path: &ValuePath,
) -> Result<ValueProof, ProveValueError> {
    let layout = layout(snapshot, contents, contract)?;
    let mut memory = CommittedMemory {
        contract,
        contents,
        memory_bytes: memory_bytes(snapshot, contract)?,
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
    snapshot: &Snapshot,
    contents: &mut C,
    contract: ContractId,
) -> Result<Layout, ProveValueError> {
    let state = snapshot.get(&contract).map_err(ProofError::from)?;
    let record = match &state {
        Some(state) => &state.record,
        None => return Err(ProofError::from(OpeningError::NoContract { contract }).into()),
    };
    if record.layout_hash == EMPTY {
        return Err(ProveValueError::NoLayout { contract });
    }
    let code = contents.code(&record.code_hash)?;
    let layout = storage_layout(&code).ok().flatten();
    let is_bound =
        |layout: &Layout| hash::layout_hash(Some(&layout.encode())) == record.layout_hash;
    layout
        .filter(is_bound)
        .ok_or(ProveValueError::OtherLayout { contract })
}

fn memory_bytes(snapshot: &Snapshot, contract: ContractId) -> Result<u64, ProveValueError> {
    let state = snapshot.get(&contract).map_err(ProofError::from)?;
    let pages = state.map_or(0, |state| state.record.pages());
    Ok(pages.saturating_mul(PAGE_BYTES as u64))
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

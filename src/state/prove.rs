//! State proofs from a snapshot: what is to be shown, read from where the state is, with the ways to its root.
//!
//! Nothing is executed and no contract is loaded: the cost is a way through the trees per thing shown.

use std::ops::Range;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::{CHUNK_BYTES, CodeHash, PageChunks, StateProof, StateProofBuilder, hash};

use super::snapshot::{ContractState, OpenPageError, OpeningError, Snapshot};
use super::tree::NodeError;
use crate::memory::Page;

/// What a proof is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProofItem {
    /// The record of a contract, or that there is no such contract.
    Contract(ContractId),
    /// A page of a contract's memory; one never written is zeros.
    Page {
        /// The contract.
        contract: ContractId,
        /// The page.
        page: PageIndex,
    },
    /// Bytes of a contract's memory. The proof has whole chunks of 1,024 bytes.
    Bytes {
        /// The contract.
        contract: ContractId,
        /// Address of the first byte.
        offset: u64,
        /// How many bytes; with none, only the contract's record is shown.
        len_bytes: u64,
    },
    /// Bytes of a contract's code. The proof has whole chunks of 1,024 bytes.
    Code {
        /// The contract.
        contract: ContractId,
        /// Place of the first byte.
        offset: u64,
        /// How many bytes; with none, only the contract's record is shown.
        len_bytes: u64,
    },
}

impl ProofItem {
    /// A page of a contract's memory.
    pub const fn page(contract: ContractId, page: PageIndex) -> Self {
        Self::Page { contract, page }
    }

    /// Bytes of a contract's memory.
    pub const fn bytes(contract: ContractId, offset: u64, len_bytes: u64) -> Self {
        Self::Bytes {
            contract,
            offset,
            len_bytes,
        }
    }

    /// Bytes of a contract's code.
    pub const fn code(contract: ContractId, offset: u64, len_bytes: u64) -> Self {
        Self::Code {
            contract,
            offset,
            len_bytes,
        }
    }
}

/// What has the contents of a state: pages of memories, and codes.
pub trait Contents {
    /// Why something can not be had.
    type Error: From<OpenPageError>;

    /// A page inside the memory of a contract of the state.
    ///
    /// # Errors
    /// When it can not be had.
    fn page(&mut self, contract: &ContractId, page: PageIndex) -> Result<Box<Page>, Self::Error>;

    /// A code of the state.
    ///
    /// # Errors
    /// When it can not be had.
    fn code(&mut self, code: &CodeHash) -> Result<Vec<u8>, Self::Error>;
}

/// A proof in the making.
struct Proving<'a, C> {
    snapshot: &'a Snapshot,
    contents: &'a mut C,
    builder: StateProofBuilder,
}

impl Snapshot {
    /// A proof of these items at this root.
    ///
    /// # Errors
    /// [`OpenPageError`] when a contract (other than in [`ProofItem::Contract`]) or range does not exist or the state can not be
    /// read, and those of `contents`.
    pub fn prove<C: Contents>(
        &self,
        items: &[ProofItem],
        contents: &mut C,
    ) -> Result<StateProof, C::Error> {
        if items.is_empty() {
            return Err(C::Error::from(OpeningError::Nothing.into()));
        }
        let mut proving = Proving {
            snapshot: self,
            contents,
            builder: StateProofBuilder::new(),
        };
        for item in items {
            proving.show(item)?;
        }
        Ok(proving.builder.build())
    }
}

impl<C: Contents> Proving<'_, C> {
    fn show(&mut self, item: &ProofItem) -> Result<(), C::Error> {
        match *item {
            ProofItem::Contract(contract) => {
                self.show_contract(&contract)?;
                Ok(())
            }
            ProofItem::Page { contract, page } => {
                let state = self.show_existing(&contract)?;
                let pages = state.record.pages();
                if !state.record.has_page(page) {
                    let none = OpeningError::NoPage {
                        contract,
                        page,
                        pages,
                    };
                    return Err(C::Error::from(none.into()));
                }
                self.show_page(&state, page, PageChunks::ALL)
            }
            ProofItem::Bytes {
                contract,
                offset,
                len_bytes,
            } => self.show_bytes(&contract, offset, len_bytes),
            ProofItem::Code {
                contract,
                offset,
                len_bytes,
            } => self.show_code(&contract, offset, len_bytes),
        }
    }

    /// Shows the position of a contract, and its record if there is one.
    fn show_contract(
        &mut self,
        contract: &ContractId,
    ) -> Result<Option<std::sync::Arc<ContractState>>, C::Error> {
        let position = hash::position(contract);
        let bucket = self.snapshot.bucket(position).map_err(unreadable)?;
        if !self.builder.shows_position(position) {
            let path = self.snapshot.contracts().path(position);
            let path = path.map_err(unreadable)?;
            self.builder.position(position, path, bucket.entries());
        }
        let found = bucket.find(contract);
        if let Some(state) = &found
            && !self.builder.shows_record(contract)
        {
            self.builder.record(state.record.clone());
        }
        Ok(found)
    }

    fn show_existing(
        &mut self,
        contract: &ContractId,
    ) -> Result<std::sync::Arc<ContractState>, C::Error> {
        let contract = *contract;
        let found = self.show_contract(&contract)?;
        found.ok_or_else(|| C::Error::from(OpeningError::NoContract { contract }.into()))
    }

    fn show_page(
        &mut self,
        state: &ContractState,
        page: PageIndex,
        chunks: PageChunks,
    ) -> Result<(), C::Error> {
        let contract = &state.record.contract;
        if self.builder.more_of_page(contract, page, chunks) {
            return Ok(());
        }
        let path = state.pages.path(u64::from(page.0)).map_err(unreadable)?;
        let bytes = self.contents.page(contract, page)?;
        self.builder.page(contract, page, path, bytes, chunks);
        Ok(())
    }

    fn show_bytes(
        &mut self,
        contract: &ContractId,
        offset: u64,
        len_bytes: u64,
    ) -> Result<(), C::Error> {
        let state = self.show_existing(contract)?;
        let memory_bytes = state.record.pages() * PAGE_BYTES as u64;
        let bytes = range(contract, offset, len_bytes, memory_bytes)?;
        let page_bytes = PAGE_BYTES as u64;
        for page in bytes.start / page_bytes..bytes.end.div_ceil(page_bytes) {
            let first = page * page_bytes;
            let start = bytes.start.saturating_sub(first).min(page_bytes);
            let end = (bytes.end - first).min(page_bytes);
            let chunks = PageChunks::of_bytes(start as usize..end as usize);
            self.show_page(&state, PageIndex(page as u32), chunks)?;
        }
        Ok(())
    }

    fn show_code(
        &mut self,
        contract: &ContractId,
        offset: u64,
        len_bytes: u64,
    ) -> Result<(), C::Error> {
        let state = self.show_existing(contract)?;
        let bytes = range(contract, offset, len_bytes, state.record.code_len_bytes)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let code = self.contents.code(&state.record.code_hash)?;
        let chunk = CHUNK_BYTES as u64;
        // Code is shorter than 2^32 chunks: a store's segment is.
        let chunks = (bytes.start / chunk) as u32..bytes.end.div_ceil(chunk) as u32;
        self.builder.code(&code, chunks);
        Ok(())
    }
}

fn unreadable<E: From<OpenPageError>>(error: NodeError) -> E {
    OpenPageError::Node(error).into()
}

/// The range, if it ends where there is something.
fn range<E: From<OpenPageError>>(
    contract: &ContractId,
    offset: u64,
    len_bytes: u64,
    there_bytes: u64,
) -> Result<Range<u64>, E> {
    match offset.checked_add(len_bytes) {
        Some(end) if end <= there_bytes && len_bytes == 0 => Ok(0..0),
        Some(end) if end <= there_bytes => Ok(offset..end),
        _ => {
            let none = OpeningError::NoBytes {
                contract: *contract,
                offset,
                len_bytes,
                there_bytes,
            };
            Err(OpenPageError::Opening(none).into())
        }
    }
}

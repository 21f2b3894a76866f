//! Value proofs: what a contract's state has under a name, or its map under a key.
//!
//! A proof is the contract's storage layout and a [state proof](StateProof) that shows the contract's record, which binds the layout, and
//! the bytes that the lookup reads, no others. The verifier brings root, contract, name and key, and runs the lookup itself.
//! `docs/format.md`, "Value proofs", states it to the byte.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use thiserror::Error;

use crate::layout::{Layout, LayoutError};
use crate::lookup::{ValueLookupError, look_up_field, look_up_key};
use crate::map::MemoryBytes;
use crate::read::{Cut, Reader};
use crate::state_proof::{read_end, read_head};
use crate::{
    DecodeError, NotShown, PROOF_VERSION, PageChunks, ProvenState, Root, StateProof, Value,
    Verified, VerifyError, hash,
};

/// The first two bytes of an encoded value proof.
const HEAD: [u8; 2] = [PROOF_VERSION, 2];

/// What a contract's state has under some name, and which state that is.
///
/// ```
/// use crostata_proof::{ContractId, Root, Value, ValueProof};
///
/// fn balance(proof: &[u8], root: &Root, contract: &ContractId, account: [u8; 32]) -> Option<Value> {
///     let proof = ValueProof::decode(proof).ok()?;
///     let balance = proof.verify_key(root, contract, "balances", &account.into()).ok()?;
///     balance.into_inner()
/// }
/// # assert_eq!(balance(&[], &Root::from_bytes([0; 32]), &ContractId::from_bytes([0; 32]), [0; 32]), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueProof {
    layout: Vec<u8>,
    state: StateProof,
}

/// Why a value proof does not show what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueProofError {
    /// The state proof belongs to another state, or to none.
    #[error(transparent)]
    State(#[from] VerifyError),
    /// The contract's record, or what the lookup reads, is not shown.
    #[error(transparent)]
    NotShown(#[from] NotShown),
    /// The layout is not that of the contract.
    #[error("the layout in the proof is not that of {contract}, by the contract's record")]
    OtherLayout {
        /// The contract.
        contract: ContractId,
    },
    /// The contract's layout can not be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The contract has nothing under this name, or it is not what was asked for.
    #[error(transparent)]
    Lookup(Box<ValueLookupError<NotShown>>),
    /// The proof shows something that the lookup does not read: it is not the proof of this value.
    #[error("the proof shows more than the value that was asked for")]
    ShowsMore,
}

impl From<ValueLookupError<NotShown>> for ValueProofError {
    fn from(error: ValueLookupError<NotShown>) -> Self {
        match error {
            ValueLookupError::Memory(not_shown) => Self::NotShown(not_shown),
            error => Self::Lookup(Box::new(error)),
        }
    }
}

impl ValueProof {
    /// The proof of these parts. Nothing is verified here: parts that do not belong together make a proof of nothing.
    pub fn new(layout: &Layout, state: StateProof) -> Self {
        let layout = layout.encode();
        Self { layout, state }
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = HEAD.to_vec();
        bytes.extend((self.layout.len() as u32).to_le_bytes()); // far shorter, by its own bound
        bytes.extend(&self.layout);
        self.state.write(&mut bytes);
        bytes
    }

    /// The proof that `bytes` encodes. Encoding it again gives `bytes`.
    ///
    /// Takes memory in proportion to the bytes, whatever they say.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not exactly one value proof of the known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        read_head(&mut reader, HEAD)?;
        let len = u32::from_le_bytes(reader.array()?);
        let len = usize::try_from(len).map_err(|_| Cut)?;
        let layout = reader.bytes(len)?.to_vec();
        let state = StateProof::read(&mut reader)?;
        read_end(&reader)?;
        Ok(Self { layout, state })
    }

    /// The value that `contract` declares as `name` in the state with this root. A field of a struct is `struct.field`.
    ///
    /// # Errors
    /// [`ValueProofError`] if the proof is not of that.
    pub fn verify(
        self,
        root: &Root,
        contract: &ContractId,
        name: &str,
    ) -> Result<Verified<Value>, ValueProofError> {
        self.check(root, contract, |layout, memory| {
            look_up_field(layout, name, memory)
        })
    }

    /// The value that the map `name` of `contract` has under `key` in the state with this root; `None` if it has no such key.
    ///
    /// # Errors
    /// [`ValueProofError`] if the proof is not of that.
    pub fn verify_key(
        self,
        root: &Root,
        contract: &ContractId,
        name: &str,
        key: &Value,
    ) -> Result<Verified<Option<Value>>, ValueProofError> {
        self.check(root, contract, |layout, memory| {
            look_up_key(layout, name, key, memory)
        })
    }

    /// What `find` finds, if the proof is exactly of that.
    fn check<T>(
        self,
        root: &Root,
        contract: &ContractId,
        find: impl FnOnce(&Layout, &mut ShownMemory<'_>) -> Result<T, ValueLookupError<NotShown>>,
    ) -> Result<Verified<T>, ValueProofError> {
        let state = self.state.verify(root)?;
        let contract = *contract;
        let record = state.contract(&contract)?;
        let record = record.into_inner();
        let record = record.ok_or(NotShown::NoContract { contract })?;
        if record.layout_hash != hash::layout_hash(Some(&self.layout)) {
            return Err(ValueProofError::OtherLayout { contract });
        }
        let layout = Layout::decode(&self.layout)?;
        let mut memory = ShownMemory {
            state: &state,
            contract,
            read: Vec::new(),
        };
        let found = find(&layout, &mut memory)?;
        match memory.is_all_that_is_shown() {
            true => Ok(Verified::new(found)),
            false => Err(ValueProofError::ShowsMore),
        }
    }
}

/// The memory of a contract as far as a proof shows it. Remembers what was read.
struct ShownMemory<'a> {
    state: &'a ProvenState,
    contract: ContractId,
    /// By ascending page. Not a `BTreeMap`, whose code is a tenth of a verifier's.
    read: Vec<(PageIndex, PageChunks)>,
}

impl MemoryBytes for ShownMemory<'_> {
    type Error = NotShown;

    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), NotShown> {
        let shown = self.state.bytes(&self.contract, address, bytes.len())?;
        bytes.copy_from_slice(&shown);
        let page_bytes = PAGE_BYTES as u64;
        let end = address.saturating_add(bytes.len() as u64);
        for page in address / page_bytes..end.div_ceil(page_bytes) {
            let first = page * page_bytes;
            let from = address.saturating_sub(first) as usize;
            let to = (end - first).min(page_bytes) as usize;
            // The memory has the page: its number has 32 bits.
            self.note(PageIndex(page as u32), PageChunks::of_bytes(from..to));
        }
        Ok(())
    }
}

impl ShownMemory<'_> {
    fn note(&mut self, page: PageIndex, chunks: PageChunks) {
        match self.read.binary_search_by_key(&page, |read| read.0) {
            Ok(at) => self.read[at].1 = self.read[at].1 | chunks,
            Err(at) => self.read.insert(at, (page, chunks)),
        }
    }

    fn chunks_read(&self, page: PageIndex) -> Option<PageChunks> {
        let found = self.read.binary_search_by_key(&page, |read| read.0);
        found.ok().map(|at| self.read[at].1)
    }

    /// Whether the proof shows the record and what was read, and nothing else.
    fn is_all_that_is_shown(&self) -> bool {
        let [position] = self.state.positions() else {
            return false;
        };
        let mut shown = position
            .members()
            .iter()
            .filter_map(|member| member.shown());
        let (Some(contract), None) = (shown.next(), shown.next()) else {
            return false;
        };
        let pages = contract.pages();
        let is_read = |page: &crate::ProvenPage| {
            let read = self.chunks_read(page.index());
            read.is_some_and(|read| page.chunks().is_none() || page.chunks() == read)
        };
        !self.state.shows_code() && pages.len() == self.read.len() && pages.iter().all(is_read)
    }
}

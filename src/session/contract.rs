//! Contracts of a session: what one is deployed with, what is known of one, what it is while the session lives.

use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_abi::typed::{CodecError, Encode, encode};
use crostata_proof::{CodeHash, Hash, Owner, WordSize, hash};

use super::context::Context;
use crate::engine::Module;
use crate::memory::ContractMemory;
use crate::state::{ContractDraft, ContractState};

/// What a contract is deployed with.
#[derive(Debug, Clone, Default)]
pub struct ContractData {
    pub(super) owner: Option<Vec<u8>>,
    pub(super) init_arg: Option<Result<Vec<u8>, CodecError>>,
    pub(super) contract_id: Option<ContractId>,
    pub(super) nonce: u64,
}

/// Builds [`ContractData`].
#[derive(Debug, Clone, Default)]
pub struct ContractDataBuilder(ContractData);

impl ContractData {
    /// The id that the contract gets: the given one, or the default.
    pub(crate) fn id(&self, code_hash: &CodeHash) -> ContractId {
        self.contract_id.unwrap_or_else(|| {
            let owner = self.owner.as_deref().unwrap_or(&[]);
            let argument = self
                .init_arg
                .as_ref()
                .and_then(|argument| argument.as_deref().ok());
            hash::contract_id(code_hash, owner, argument.unwrap_or(&[]), self.nonce)
        })
    }

    /// Starts with no owner, no init argument, the default id and nonce 0.
    pub fn builder() -> ContractDataBuilder {
        ContractDataBuilder::default()
    }
}

impl ContractDataBuilder {
    /// Sets the owner: up to 255 bytes that contracts and proofs can see. Empty by default.
    pub fn owner(mut self, owner: impl Into<Vec<u8>>) -> Self {
        self.0.owner = Some(owner.into());
        self
    }

    /// Sets the argument of `init`. One that does not fit the argument buffer rejects the deployment.
    pub fn init_arg<T: Encode>(mut self, argument: &T) -> Self {
        self.0.init_arg = Some(encode(argument));
        self
    }

    /// Sets the argument of `init` as bytes.
    pub fn init_arg_raw(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.0.init_arg = Some(Ok(argument.into()));
        self
    }

    /// Sets the id, instead of the one derived from code, owner, init argument and nonce.
    pub fn contract_id(mut self, contract: ContractId) -> Self {
        self.0.contract_id = Some(contract);
        self
    }

    /// Sets the nonce that tells deployments of the same code apart.
    pub fn nonce(mut self, nonce: u64) -> Self {
        self.0.nonce = nonce;
        self
    }

    /// Ends building. Functions that take contract data also take the builder.
    pub fn build(self) -> ContractData {
        self.0
    }
}

impl From<ContractDataBuilder> for ContractData {
    fn from(builder: ContractDataBuilder) -> Self {
        builder.0
    }
}

/// What is known of a contract without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractMetadata {
    /// Its id.
    pub contract_id: ContractId,
    /// Its owner, as given at deploy.
    pub owner: Vec<u8>,
    /// Hash of its code.
    pub code_hash: CodeHash,
    /// Width of its addresses.
    pub word_size: WordSize,
    /// Size of its memory in bytes.
    pub memory_bytes: u64,
}

/// A contract that a session has touched. Its memory is the runner's.
#[derive(Clone)]
pub struct SessionContract {
    pub module: Arc<Module<Context>>,
    pub code_hash: CodeHash,
    pub code_len_bytes: u64,
    pub layout_hash: Hash,
    pub owner: Owner,
    /// What the contract was at the session's base, if its memory goes on from there.
    pub base: Option<Arc<ContractState>>,
}

impl SessionContract {
    /// A contract as the session's base holds it.
    pub fn committed(state: Arc<ContractState>, module: Arc<Module<Context>>) -> Self {
        Self {
            module,
            code_hash: state.record.code_hash,
            code_len_bytes: state.record.code_len_bytes,
            layout_hash: state.record.layout_hash,
            owner: state.record.owner.clone(),
            base: Some(state),
        }
    }

    /// What a commit would hold of the contract with this memory.
    pub fn draft<'a>(&self, contract: ContractId, memory: &'a ContractMemory) -> ContractDraft<'a> {
        ContractDraft {
            contract,
            word_size: self.module.facts.word_size,
            code_hash: self.code_hash,
            code_len_bytes: self.code_len_bytes,
            layout_hash: self.layout_hash,
            owner: self.owner.clone(),
            base: self.base.clone(),
            memory,
        }
    }

    pub fn metadata(&self, contract: ContractId, memory: &ContractMemory) -> ContractMetadata {
        ContractMetadata {
            contract_id: contract,
            owner: self.owner.as_bytes().to_vec(),
            code_hash: self.code_hash,
            word_size: self.module.facts.word_size,
            memory_bytes: memory.size_bytes() as u64,
        }
    }
}

/// What the state says of a contract that the session has not touched.
pub fn committed_metadata(state: &ContractState) -> ContractMetadata {
    let record = &state.record;
    ContractMetadata {
        contract_id: record.contract,
        owner: record.owner.as_bytes().to_vec(),
        code_hash: record.code_hash,
        word_size: record.word_size,
        memory_bytes: record.memory_wasm_pages * crostata_abi::WASM_PAGE_BYTES,
    }
}

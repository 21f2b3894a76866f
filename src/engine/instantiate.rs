//! The memory that a contract begins with.
//!
//! An instance is made over a memory that is there before it, when a call first enters the contract. So what has to be of
//! a required size is the memory: of a new contract its initial one, of a committed one what it had grown to.

use super::backend::Module;
use super::code::CodeFacts;
use super::host::Host;
use super::kind::ErrorKind;
use super::protocol::Protocol;
use crate::memory::{Access, ContractMemory, Copies, MemoryError};
use crostata_abi::WASM_PAGE_BYTES;

/// Why a contract can not begin.
#[derive(Debug, thiserror::Error)]
pub enum InstantiateError {
    /// The memory would be larger than the code or the protocol allows.
    #[error(
        "a memory of {required_bytes} bytes is required, and {max_bytes} is the most there can be"
    )]
    TooLarge {
        /// The size required.
        required_bytes: u64,
        /// The largest one.
        max_bytes: u64,
    },
    /// A data segment lies outside of the memory, which accepted code never has.
    #[error("a data segment at {offset} lies outside of its memory")]
    Data {
        /// Its address.
        offset: u64,
    },
    /// The host has no memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl InstantiateError {
    /// What is wrong: the memory, or the code.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } => ErrorKind::Memory,
            Self::Data { .. } => ErrorKind::Instantiation,
            Self::Memory(error) => error.kind(),
        }
    }
}

impl CodeFacts {
    /// Size of the memory at deploy, in bytes.
    pub fn initial_memory_bytes(&self) -> u64 {
        self.initial_memory_wasm_pages
            .saturating_mul(WASM_PAGE_BYTES)
    }

    /// The size that a memory of this code can grow to under a protocol, in bytes.
    pub fn memory_bytes_max(&self, protocol: &Protocol) -> u64 {
        let limit = protocol.limits.memory_wasm_pages_max;
        let own = self.maximum_memory_wasm_pages.unwrap_or(u64::MAX);
        // The initial memory was judged when the code was deployed.
        let pages = own.min(limit).max(self.initial_memory_wasm_pages);
        pages.saturating_mul(WASM_PAGE_BYTES)
    }
}

impl<H: Host> Module<H> {
    /// The memory of a new contract: the data segments and zeros, at least `required_bytes` long.
    ///
    /// # Errors
    /// [`InstantiateError::TooLarge`] when neither code nor protocol let it grow to that.
    pub fn memory(
        &self,
        required_bytes: u64,
        protocol: &Protocol,
    ) -> Result<ContractMemory, InstantiateError> {
        let max_bytes = self.facts.memory_bytes_max(protocol);
        if required_bytes > max_bytes {
            return Err(InstantiateError::TooLarge {
                required_bytes,
                max_bytes,
            });
        }
        let size_bytes = required_bytes.max(self.facts.initial_memory_bytes());
        let mut memory = ContractMemory::zeroed(size_bytes.div_ceil(WASM_PAGE_BYTES))?;
        self.fill(&mut memory)?;
        memory.end_call();
        Ok(memory)
    }

    fn fill(&self, memory: &mut ContractMemory) -> Result<(), InstantiateError> {
        // Nobody can return to before the contract was there, so that no copies are kept.
        let mut copies = Copies::default();
        for segment in &self.data {
            let (offset, len) = (segment.offset, segment.bytes.len() as u64);
            memory.touch(&mut copies, offset, len, Access::Write)?;
            if !memory.write(offset, &segment.bytes) {
                return Err(InstantiateError::Data { offset });
            }
        }
        Ok(())
    }
}

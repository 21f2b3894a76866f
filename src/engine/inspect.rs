//! What code is, found out without deploying or compiling it.

use super::code::{self, ByteRange, Reentry, Rejection};
use super::protocol::Protocol;
use crostata_proof::WordSize;

/// What a protocol's rules see in a contract's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Length of the code in bytes.
    pub code_bytes: u64,
    /// Length in bytes of what is compiled: rewritten, without data.
    pub rewritten_bytes: u64,
    /// The price of deploying it in gas, outside of the gas limit.
    pub deploy_gas: u64,
    /// Width of its addresses.
    pub word_size: WordSize,
    /// The host functions that it imports, in its order; a function imported twice is there twice.
    pub imports: Vec<String>,
    /// The functions that hosts and contracts may call, sorted. `init` is not among them.
    pub exports: Vec<String>,
    /// Whether it has a constructor.
    pub has_init: bool,
    /// Functions that it defines.
    pub functions: u64,
    /// Mutable globals, which each savepoint copies.
    pub mutable_globals: u64,
    /// Elements of its table.
    pub table_elements: u64,
    /// Size of its memory at first, in pages of 64 KiB.
    pub initial_memory_wasm_pages: u64,
    /// What it lets its memory grow to itself, in pages of 64 KiB.
    pub maximum_memory_wasm_pages: Option<u64>,
    /// Bytes of its memory that are not zero, or may be, at first.
    pub data_bytes: u64,
    /// Address of the argument buffer.
    pub argument_buffer: u64,
    /// The shadow stack that it declares.
    pub stack: Option<ByteRange>,
    /// Who may call it while it runs.
    pub reentry: Reentry,
}

impl Protocol {
    /// Holds code against the rules for deployment, and tells what it is. Costs the time that judging a deployment
    /// takes, less compiling.
    ///
    /// ```
    /// use crostata::{contract_bytecode, Protocol};
    ///
    /// let counter = Protocol::default().inspect(contract_bytecode!("counter"))?;
    /// assert!(counter.exports.iter().any(|name| name == "increment"));
    /// assert!(Protocol::default().inspect(b"no WebAssembly").is_err());
    /// # Ok::<(), crostata::Rejection>(())
    /// ```
    ///
    /// # Errors
    /// The [`Rejection`] with which a deployment would be refused.
    pub fn inspect(&self, code: impl AsRef<[u8]>) -> Result<Inspection, Rejection> {
        let code = code.as_ref();
        let prepared = code::prepare(code, &self.code)?;
        let facts = prepared.facts;
        let data_bytes = prepared.data.iter().map(|one| one.bytes.len() as u64);
        Ok(Inspection {
            code_bytes: code.len() as u64,
            rewritten_bytes: prepared.wasm.len() as u64,
            deploy_gas: self.deploy_price(code.len()),
            word_size: facts.word_size,
            imports: prepared.imports,
            exports: facts.functions,
            has_init: facts.has_init,
            functions: facts.defined_functions.into(),
            mutable_globals: facts.globals.len() as u64,
            table_elements: facts.table_elements,
            initial_memory_wasm_pages: facts.initial_memory_wasm_pages,
            maximum_memory_wasm_pages: facts.maximum_memory_wasm_pages,
            data_bytes: data_bytes.sum(),
            argument_buffer: facts.argument_buffer,
            stack: facts.stack,
            reentry: facts.reentry,
        })
    }
}

//! What the rest of the engine learns from a contract's code. Plain data, never a borrow of the code.

pub use crostata_proof::WordSize;

use super::Effort;

/// A contract module ready to compile, with what was taken out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedCode {
    /// The rewritten module.
    pub wasm: Vec<u8>,
    /// What the engine must know about it.
    pub facts: CodeFacts,
    /// The active data segments in their order, without empty ones. All lie inside the initial memory.
    pub data: Vec<DataSegment>,
    /// Names of the host functions that it imports, in its order.
    pub imports: Vec<String>,
}

/// Bytes that a contract's initial memory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSegment {
    /// Address of the first byte.
    pub offset: u64,
    /// The bytes; never empty.
    pub bytes: Vec<u8>,
}

/// A range of a contract's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// Address of the first byte.
    pub start: u64,
    /// Length in bytes.
    pub len_bytes: u64,
}

impl ByteRange {
    /// The address behind the last byte, unless it is above 2^64.
    pub const fn end(&self) -> Option<u64> {
        self.start.checked_add(self.len_bytes)
    }

    /// Whether both ranges share a byte. An empty range shares none.
    pub fn overlaps(&self, other: &ByteRange) -> bool {
        let ends = (
            self.end().unwrap_or(u64::MAX),
            other.end().unwrap_or(u64::MAX),
        );
        self.len_bytes > 0 && other.len_bytes > 0 && self.start < ends.1 && other.start < ends.0
    }
}

/// The facts about a contract's code that execution needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeFacts {
    /// Width of its addresses.
    pub word_size: WordSize,
    /// Address of the argument buffer, the value of its global `A`. The 65,536 bytes from there lie
    /// inside the initial memory.
    pub argument_buffer: u64,
    /// The shadow stack, if the section `crostata.stack` declares one.
    pub stack: Option<ByteRange>,
    /// Size of the memory at deploy, in Wasm pages.
    pub initial_memory_wasm_pages: u64,
    /// The contract's own bound of its memory, in Wasm pages.
    pub maximum_memory_wasm_pages: Option<u64>,
    /// Names of the callable exports, sorted; `init` is not among them.
    pub functions: Vec<String>,
    /// Whether it exports `init`.
    pub has_init: bool,
    /// Names under which the rewritten module exports the contract's mutable globals, in index
    /// order. The stack-height counter is not among them.
    pub globals: Vec<String>,
    /// Name under which the rewritten module exports the stack-height counter.
    pub height_global: String,
    /// The canonical storage layout, if the section `crostata.layout` declares one.
    pub layout: Option<Vec<u8>>,
    /// Who may call it while one of its frames is live.
    pub reentry: Reentry,
    /// Whether it imports what only queries have, so that no block enters it.
    pub queries_only: bool,
    /// Elements of its table, 0 without a table.
    pub table_elements: u64,
    /// Functions that the rewriting imports behind the contract's own imports. By so much the index of a defined function is
    /// higher in the rewritten module than in the contract. As many functions follow the defined ones; no frame of theirs is the contract's.
    pub added_imports: u32,
    /// Number of functions it defines.
    pub defined_functions: u32,
    /// What there is to compile.
    pub effort: Effort,
}

/// A contract's re-entry policy, from the one byte of the section `crostata.reentry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reentry {
    /// Anybody may call it while it has a live frame (byte 0, and without the section).
    #[default]
    Allowed,
    /// Only the contract itself may (byte 1).
    SelfOnly,
    /// Nobody may (byte 2).
    Never,
}

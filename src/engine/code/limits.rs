//! The static limits of a contract module. They are part of the protocol; code once deployed is not judged again.

use super::Rejection;

/// Static limits on contract code. [`Default`] gives the protocol's numbers.
///
/// They bound what compiling and instantiating one function costs where no sum of [`Effort`](super::Effort) does; what is within
/// them is paid for. Optimised Rust (1.7 MB with a pairing, ECDSA, JSON, regular expressions and a Wasm validator)
/// reaches nesting 629, 944 blocks, 79 loops, 140 locals and 50 KB in one function, 9,800 ends of blocks at most, and 310,000 values passed with
/// branches in all of its functions together. Optimised for size it nests locals four times as deep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeLimits {
    /// Bytes of a module.
    pub code_bytes_max: u64,
    /// Bytes of one function body.
    pub body_bytes_max: u64,
    /// Blocks, loops and ifs inside each other.
    pub nesting_max: u64,
    /// Targets of one `br_table`, the default not counted.
    pub br_table_max: u64,
    /// Targets of all `br_table`s of one function, defaults counted.
    pub br_table_targets_max: u64,
    /// Blocks, loops and ifs of one function.
    pub blocks_max: u64,
    /// Loops of one function.
    pub loops_max: u64,
    /// Blocks x locals of one function, parameters included.
    pub block_locals_max: u64,
    /// Sum over the blocks, loops and ifs of a function of nesting depth x locals. Nesting alone is
    /// no hazard, and compilers nest a block for each arm of a `match`.
    pub nested_locals_max: u64,
    /// The same sum over the whole module.
    pub nested_locals_total_max: u64,
    /// Sum over the loops of a function of loop depth x locals, parameters included.
    pub loop_locals_max: u64,
    /// The same sum over the whole module.
    pub loop_locals_total_max: u64,
    /// Loads, stores and bulk operations x locals of one function, parameters included: each may get a branch.
    pub access_locals_max: u64,
    /// Places where a basic block ends in one function, as compiled: branches and their targets, loops, calls, touch checks (2 each),
    /// indirect calls (4), copies and fills of memory and its growth (6).
    pub places_max: u64,
    /// Sum over the branches of one function of the values that may differ where they lead: the locals written in the block left or begun
    /// anew, and its parameters or results. Compilers pass each of them with each branch.
    pub joins_max: u64,
    /// Operands on the stack of one function.
    pub operands_max: u64,
    /// Types of a module.
    pub types_max: u64,
    /// Parameters of one function or block.
    pub params_max: u64,
    /// Results of one function or block.
    pub results_max: u64,
    /// Imports of a module.
    pub imports_max: u64,
    /// Functions that a module defines.
    pub functions_max: u64,
    /// Locals of one function, parameters included.
    pub locals_max: u64,
    /// Globals of a module.
    pub globals_max: u64,
    /// Mutable globals of a module: each savepoint copies them.
    pub mutable_globals_max: u64,
    /// Exports of a module.
    pub exports_max: u64,
    /// Bytes of an export's name.
    pub export_name_bytes_max: u64,
    /// Elements of the table, and of all element segments together.
    pub table_elements_max: u64,
    /// Element segments of a module.
    pub element_segments_max: u64,
    /// Data segments of a module.
    pub data_segments_max: u64,
    /// Wasm pages of the initial memory.
    pub memory_wasm_pages_max: u64,
    /// Bytes of the shadow stack that `crostata.stack` declares.
    pub stack_section_bytes_max: u64,
    /// First value of the stack-height counter, in bytes.
    pub stack_height_limit: u32,
}

impl Default for CodeLimits {
    fn default() -> Self {
        Self {
            code_bytes_max: 2 << 20,
            body_bytes_max: 65_536,
            nesting_max: 1_024,
            br_table_max: 1_024,
            br_table_targets_max: 4_096,
            blocks_max: 4_096,
            loops_max: 512,
            block_locals_max: 1 << 20,
            nested_locals_max: 1 << 24,
            nested_locals_total_max: 1 << 27,
            loop_locals_max: 16_384,
            loop_locals_total_max: 1 << 20,
            access_locals_max: 1 << 22,
            places_max: 16_384,
            joins_max: 1 << 18,
            operands_max: 1_024,
            types_max: 4_096,
            params_max: 64,
            results_max: 16,
            imports_max: 256,
            functions_max: 16_384,
            locals_max: 4_096,
            globals_max: 1_024,
            mutable_globals_max: 64,
            exports_max: 1_024,
            export_name_bytes_max: 255,
            table_elements_max: 8_192,
            element_segments_max: 256,
            data_segments_max: 1_024,
            memory_wasm_pages_max: 4_096,
            stack_section_bytes_max: 1 << 20,
            stack_height_limit: 524_288,
        }
    }
}

/// Holds `found` against the limit called `limit`.
pub(super) fn at_most(
    limit: &'static str,
    offset: u64,
    found: u64,
    max: u64,
) -> Result<(), Rejection> {
    if found <= max {
        return Ok(());
    }
    Err(Rejection::Limit {
        offset,
        limit,
        found,
        max,
    })
}

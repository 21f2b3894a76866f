//! Validation and rewriting of contract modules: pure functions from deployed bytes to bytes ready to compile.
//!
//! [`prepare`] reads a module once, holds it against the feature allow-list and the limits of the
//! protocol, takes the facts the engine needs out of it, and writes the module that is compiled.
//! It never compiles, never runs anything, never touches a file and never trusts a length it has
//! not checked. The same bytes and limits give the same answer on every machine (P1), hostile
//! bytes give a [`Rejection`] (P7), and what is accepted compiles in time bounded by its length (P6).
//!
//! # Rewriting, version 1
//!
//! 1. Data segments are taken out (the engine applies them once, at deploy), and with them the data
//!    count; custom sections are dropped but for `name`, whose label and data names go.
//! 2. The contract's own `nop`s are removed. In 64-bit contracts one `nop` precedes each load and
//!    store, so that the gas schedule can price their width.
//! 3. A mutable `i32` global, exported as [`HEIGHT_GLOBAL`], counts down the stack bytes left. A
//!    function takes `64 + 8 x (parameters + locals + highest operand count)` on entry and gives it
//!    back on return; where the counter falls below zero it stays there and the function executes
//!    `unreachable`, so that the host can tell.
//! 4. Every mutable global of the contract is exported as `crostata.global.N`, N its index.
//! 5. Constant expressions are folded to one constant: instantiation does no unpriced arithmetic.
//!
//! Function, global, table and memory indices stay what they were.

mod body;
mod constant;
mod custom;
mod exports;
mod facts;
mod features;
mod function;
mod imports;
mod limits;
mod memory;
mod names;
mod outline;
mod rejection;
mod rewrite;
mod scan;
mod table;
#[cfg(test)]
mod tests;
mod types;

pub use facts::{ByteRange, CodeFacts, DataSegment, PreparedCode, Reentry, WordSize};
pub use features::features;
pub use limits::CodeLimits;
pub use rejection::{Rejection, Reserved};
pub use rewrite::HEIGHT_GLOBAL;

/// The version of the rewriting, part of the protocol and of the artifact cache's key.
pub const REWRITING_VERSION: u32 = 1;

/// Validates and rewrites a contract module.
///
/// Works in time and memory linear in `code`, which may be hostile.
///
/// # Errors
///
/// A [`Rejection`] that names the first rule found broken and the byte offset in `code`.
pub fn prepare(code: &[u8], limits: &CodeLimits) -> Result<PreparedCode, Rejection> {
    let found = code.len() as u64;
    limits::at_most("code_bytes_max", 0, found, limits.code_bytes_max)?;
    let outline = scan::scan(code, limits)?;
    imports::check_kinds(&outline)?;
    let layout = memory::layout(&outline, limits)?;
    imports::check(&outline, layout.word_size)?;
    let exports = exports::check(&outline, limits)?;
    let declared = custom::read(&outline.customs)?;
    let stack = memory::stack(&declared, &layout, limits)?;
    let data = memory::data(&outline, &layout, stack)?;
    table::check(&outline, limits)?;
    let facts = CodeFacts {
        word_size: layout.word_size,
        argument_buffer: layout.argument_buffer,
        stack,
        initial_memory_wasm_pages: layout.initial_wasm_pages,
        maximum_memory_wasm_pages: layout.maximum_wasm_pages,
        functions: exports.functions,
        has_init: exports.has_init,
        globals: rewrite::global_names(&outline),
        height_global: HEIGHT_GLOBAL.to_owned(),
        layout: declared.layout,
        reentry: declared.reentry,
        table_elements: outline.table.as_ref().map_or(0, |table| table.ty.initial),
        defined_functions: outline.functions.len() as u32,
    };
    let wasm = rewrite::rewrite(&outline, facts.word_size, limits)?;
    Ok(PreparedCode { wasm, facts, data })
}

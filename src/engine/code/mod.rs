//! Validation and rewriting of contract modules: pure functions from deployed bytes to bytes ready to compile.
//!
//! [`prepare`] reads a module once, holds it against the feature allow-list and the limits of the
//! protocol, takes the facts the engine needs out of it, and writes the module that is compiled.
//! It never compiles, never runs anything, never touches a file and never trusts a length it has
//! not checked. The same bytes and limits give the same answer on every machine (P1), hostile
//! bytes give a [`Rejection`] (P7), and what is accepted compiles in the time that its [`Effort`] tells (P6).
//!
//! # Rewriting, version 3
//!
//! 1. Data segments are taken out (the engine applies them once, at deploy), and with them the data
//!    count; custom sections are dropped but for `name`, whose label and data names go.
//! 2. The contract's own `nop`s are removed. In 64-bit contracts one `nop` precedes each load and
//!    store, so that the gas schedule can price their width.
//! 3. A mutable `i32` global, exported as [`HEIGHT_GLOBAL`], counts down the stack bytes left. A
//!    function takes `64 + 8 x (parameters + locals + highest operand count + computed values)` on entry and gives it
//!    back on return; where the counter falls below zero it stays there and the function executes
//!    `unreachable`, so that the host can tell. Functions that call nothing and would take 4,096 or less take nothing.
//! 4. Every mutable global of the contract is exported as `crostata.global.N`, N its index.
//! 5. Constant expressions are folded to one constant: instantiation does no unpriced arithmetic.
//! 6. Memory 1, not exported, is the marks table: a byte per page of 4,096 bytes of memory 0, which is 0 for a page not touched, not below 1
//!    for one that can be read, and 3 for one that can be written. Five functions are imported behind the contract's imports, from the module
//!    [`TOUCH_MODULE`] ([`TOUCH_IMPORTS`]), and called through functions of their own behind the contract's: `read(address)` and `write(address)`
//!    where the mark is too low, `copy(destination, source, length)` and `fill(destination, length)` before bulk operations
//!    unless their length is 1 to 264 and the marks of the pages where their ranges begin suffice. What the host does for a page it does for
//!    the first 264 bytes of the next page too, page 0 being next to the last of the address space. A call of `read` or `write` with an
//!    address that is out of bounds is always followed by a trap, before anything else is called or branched to: the host may trap at once.
//!    Which accesses are checked, and why that is enough: `coverage`, `analysis`. `grow(pages)` is called before each `memory.grow`, for its price.
//! 7. Where code without loops may have spent about 1,000 gas, and soon behind calls, there is a loop of nothing: gas is looked at where
//!    loops begin (`straight_line`).
//!
//! Code for profiles ([`prepare_probed`]) calls probes besides, which are imported behind those functions: `probe`. They are no part of the rewriting's
//! version: blocks never run such code.
//!
//! Type, global and table indices stay what they were; those of defined functions rise by the number of functions imported.

mod access;
mod analysis;
mod body;
mod constant;
mod coverage;
mod custom;
mod effort;
mod exports;
mod facts;
mod features;
mod function;
mod imports;
mod layout;
mod limits;
mod memory;
mod names;
mod offsets;
mod outline;
mod probe;
mod rejection;
mod rewrite;
mod scan;
mod straight_line;
mod table;
#[cfg(test)]
mod tests;
mod touch;
mod types;
mod values;
mod writes;

#[cfg(feature = "measure")]
#[doc(hidden)]
pub use analysis::Checking;
#[cfg(not(feature = "measure"))]
use analysis::Checking;
#[cfg(feature = "libraries")]
pub(in crate::engine) use body::{computed, frame_bytes};
pub use custom::KNOWN_SECTIONS;
pub use effort::Effort;
pub use facts::{ByteRange, CodeFacts, DataSegment, PreparedCode, Reentry, WordSize};
pub use features::features;
pub use layout::storage_layout;
pub use limits::CodeLimits;
pub use offsets::OffsetMap;
pub use probe::{BULK, added_imports};
pub use rejection::{Rejection, Reserved};
pub use rewrite::HEIGHT_GLOBAL;
#[allow(unused_imports, reason = "for who defines the host functions")]
pub use touch::{TOUCH_IMPORTS, TOUCH_MODULE};

/// The version of the rewriting, part of the protocol and of the artifact cache's key.
pub const REWRITING_VERSION: u32 = 3;

/// Validates and rewrites a contract module.
///
/// Works in time and memory linear in `code`, which may be hostile.
///
/// # Errors
///
/// A [`Rejection`] that names the first rule found broken and the byte offset in `code`.
pub fn prepare(code: &[u8], limits: &CodeLimits) -> Result<PreparedCode, Rejection> {
    prepare_checking(code, limits, Checking::default())
}

/// Validates a contract module as [`prepare`] does, and rewrites it with probes for a profile. Whether it is accepted, its facts and data are
/// the same, but for the number of functions that are imported.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_probed(code: &[u8], limits: &CodeLimits) -> Result<PreparedCode, Rejection> {
    let checking = Checking {
        probed: true,
        ..Checking::default()
    };
    prepare_checking(code, limits, checking)
}

/// Validates and rewrites a contract module, with other checks than those needed.
#[cfg(feature = "measure")]
#[doc(hidden)]
pub fn prepare_measured(
    code: &[u8],
    limits: &CodeLimits,
    checking: Checking,
) -> Result<PreparedCode, Rejection> {
    prepare_checking(code, limits, checking)
}

fn prepare_checking(
    code: &[u8],
    limits: &CodeLimits,
    checking: Checking,
) -> Result<PreparedCode, Rejection> {
    prepare_noting(code, limits, checking).map(|(prepared, _)| prepared)
}

/// The same with the operators' places, if `checking` wants them noted.
fn prepare_noting(
    code: &[u8],
    limits: &CodeLimits,
    checking: Checking,
) -> Result<(PreparedCode, offsets::Places), Rejection> {
    let found = code.len() as u64;
    limits::at_most("code_bytes_max", 0, found, limits.code_bytes_max)?;
    let mut outline = scan::scan(code, limits)?;
    outline.probed = checking.probed;
    imports::check_kinds(&outline)?;
    let layout = memory::layout(&outline, limits)?;
    imports::check(&outline, layout.word_size)?;
    let exports = exports::check(&outline, limits)?;
    let declared = custom::read(&outline.customs)?;
    let stack = memory::stack(&declared, &layout, limits)?;
    let storage = layout::resolve(&declared, &outline, &layout, stack)?;
    let data = memory::data(&outline, &layout, stack)?;
    table::check(&outline, limits)?;
    let mut facts = CodeFacts {
        effort: Effort::default(),
        word_size: layout.word_size,
        argument_buffer: layout.argument_buffer,
        stack,
        initial_memory_wasm_pages: layout.initial_wasm_pages,
        maximum_memory_wasm_pages: layout.maximum_wasm_pages,
        functions: exports.functions,
        has_init: exports.has_init,
        globals: rewrite::global_names(&outline),
        height_global: HEIGHT_GLOBAL.to_owned(),
        layout: storage.map(|storage| storage.encode()),
        reentry: declared.reentry,
        queries_only: imports::for_queries(&outline),
        table_elements: outline.table.as_ref().map_or(0, |table| table.ty.initial),
        added_imports: outline.added_imports(),
        defined_functions: outline.functions.len() as u32,
    };
    let (wasm, effort, places) = rewrite::rewrite(&outline, facts.word_size, limits, checking)?;
    facts.effort = Effort {
        pages: memory::pages(&data),
        ..effort
    };
    let imports = outline.imports.iter();
    let imports = imports.map(|import| import.name.to_owned()).collect();
    let prepared = PreparedCode {
        wasm,
        facts,
        data,
        imports,
    };
    Ok((prepared, places))
}

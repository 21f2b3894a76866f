//! The way of a module below the rules about imports, exports and the argument buffer: the same scan, the same rewriting.

use super::super::super::analysis::Checking;
use super::super::super::{CodeLimits, DataSegment, Rejection, imports, rewrite, scan, table};

/// A module rewritten as a contract's is.
pub struct Below {
    /// What is compiled.
    pub wasm: Vec<u8>,
    /// Pages of its memory, if it has one.
    pub memory_wasm_pages: Option<u64>,
    /// The data segments that the rewriting took out, empty ones included.
    pub data: Vec<DataSegment>,
    /// The limit of the protocol that was lifted for it.
    pub lifted: Option<&'static str>,
}

/// Scans and rewrites under the protocol's limits, and without them if it is too large for those.
pub fn prepare(code: &[u8]) -> Result<Below, Rejection> {
    let limits = CodeLimits::default();
    match prepare_within(code, &limits) {
        Err(Rejection::Limit { limit, .. }) => Ok(Below {
            lifted: Some(limit),
            ..prepare_within(code, &limits.lifted())?
        }),
        outcome => outcome,
    }
}

fn prepare_within(code: &[u8], limits: &CodeLimits) -> Result<Below, Rejection> {
    let outline = scan::scan(code, limits)?;
    // The rewriting counts on these two: functions are all that is imported, and tables begin with nulls.
    imports::check_kinds(&outline)?;
    outline.table.as_ref().map_or(Ok(()), table::check_type)?;
    let word_size = outline.word_size();
    let data = outline.data.iter().map(|data| DataSegment {
        offset: data.start,
        bytes: data.bytes.to_vec(),
    });
    Ok(Below {
        wasm: rewrite::rewrite(&outline, word_size, limits, Checking::default())?.0,
        memory_wasm_pages: outline.memory.as_ref().map(|memory| memory.ty.initial),
        data: data.collect(),
        lifted: None,
    })
}

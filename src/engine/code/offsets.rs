//! Where the operators of a rewritten module were in the deployed one.
//!
//! The rewriting is deterministic, so that nobody has to keep this: whoever wants it has the code rewritten once more, with each
//! operator's two places noted. What the rewriting puts in belongs to the operator that it was put in for.

use std::ops::Range;

use super::analysis::Checking;
use super::limits::CodeLimits;
use super::rejection::Rejection;
use super::scan;
use wasmparser::{Operator, Parser, Payload};

/// An operator's places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Where what was put in before it begins, from the start of the rewritten body.
    pub from: u32,
    /// Where itself is.
    pub at: u32,
    /// Where it was, from the start of the deployed module.
    pub original: u64,
    /// Whether it calls an import.
    pub calls_import: bool,
}

/// The operators of each function, in order.
pub(super) type Places = Vec<Vec<Placed>>;

/// The way back from rewritten to deployed code.
#[derive(Debug)]
pub struct OffsetMap {
    imports: u32,
    /// In the order of the contract's own functions.
    functions: Vec<Placements>,
}

#[derive(Debug)]
struct Placements {
    /// The body in the rewritten module.
    body: Range<u64>,
    placed: Vec<Placed>,
}

/// An operator of the deployed code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    /// The function's index, imports included.
    pub function_index: u32,
    /// The offset from the start of the module.
    pub original: u64,
    /// Whether it calls an import.
    pub calls_import: bool,
}

impl OffsetMap {
    /// The map of this code, rewritten with probes or without.
    ///
    /// # Errors
    /// [`Rejection`] if it is no code that was ever deployed.
    pub fn of_code(code: &[u8], limits: &CodeLimits, probed: bool) -> Result<Self, Rejection> {
        let checking = Checking {
            notes_places: true,
            probed,
            ..Checking::default()
        };
        let imports = scan::scan(code, limits)?.imports.len() as u32;
        let (prepared, places) = super::prepare_noting(code, limits, checking)?;
        Self::over(&prepared.wasm, imports, places)
    }

    /// The map of a rewritten module with the places that were noted.
    pub(super) fn over(wasm: &[u8], imports: u32, places: Places) -> Result<Self, Rejection> {
        let functions = bodies(wasm)?.into_iter().zip(places);
        let functions = functions.map(|(body, placed)| Placements { body, placed });
        Ok(Self {
            imports,
            functions: functions.collect(),
        })
    }

    /// What stands at an offset of the rewritten module; `None` outside of the contract's own functions.
    pub fn find(&self, offset: u64) -> Option<Original> {
        let nth = self
            .functions
            .partition_point(|function| function.body.end <= offset);
        let function = self.functions.get(nth)?;
        let inside = offset.checked_sub(function.body.start)?;
        let after = function
            .placed
            .partition_point(|placed| u64::from(placed.from) <= inside);
        // What stands before the first operator was put in for the function.
        let placed = function.placed.get(after.saturating_sub(1))?;
        Some(Original {
            function_index: self.imports.checked_add(u32::try_from(nth).ok()?)?,
            original: placed.original,
            calls_import: placed.calls_import,
        })
    }
}

pub(super) fn bodies(wasm: &[u8]) -> Result<Vec<Range<u64>>, Rejection> {
    let mut bodies = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CodeSectionEntry(body) = payload.map_err(Rejection::invalid)? {
            let Range { start, end } = body.range();
            bodies.push(start as u64..end as u64);
        }
    }
    Ok(bodies)
}

/// Whether the operator calls one of so many imports.
pub(super) fn calls_import(operator: &Operator<'_>, imports: u32) -> bool {
    matches!(operator, Operator::Call { function_index } if *function_index < imports)
}

//! What the parts of a contract's memory are for, as far as its code says so.

use crostata_abi::{ARGBUF_LEN, PAGE_BYTES};
use wasmparser::{ConstExpr, ExternalKind, Operator, Parser, Payload};

use crate::engine::Protocol;
use crate::engine::code::Rejection;
use crate::engine::code::storage_layout;

/// A part of a contract's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// What it is for.
    pub name: String,
    /// The address of its first byte.
    pub start: u64,
    /// The address behind its last byte.
    pub end: u64,
}

/// Values of a contract that have names, and their addresses.
pub type NamedPlaces = Vec<(String, u64)>;

/// The regions of a memory of this size, in order of addresses, without gaps; and the values that the contract's layout names.
///
/// They follow from what the code declares (shadow stack, argument buffer, layout) and from the globals `__data_end` and
/// `__heap_base`, which linkers export.
///
/// # Errors
/// The [`Rejection`] with which the code would not be deployed.
pub fn regions(code: &[u8], memory_bytes: u64) -> Result<(Vec<Region>, NamedPlaces), Rejection> {
    let found = Protocol::default().inspect(code)?;
    let heap_base = exported(code, "__heap_base").unwrap_or(None);
    let buffer = found.argument_buffer..found.argument_buffer + ARGBUF_LEN as u64;
    let mut marked = vec![("argument buffer", buffer)];
    if let Some(stack) = found.stack {
        marked.push(("stack", stack.start..stack.end().unwrap_or(u64::MAX)));
    }
    marked.sort_by_key(|(_, range)| range.start);
    let (mut regions, mut at) = (Vec::new(), 0);
    for (name, range) in marked {
        fill(&mut regions, at, range.start.min(memory_bytes), heap_base);
        push(
            &mut regions,
            name,
            range.start.max(at),
            range.end.min(memory_bytes),
        );
        at = at.max(range.end);
    }
    fill(&mut regions, at, memory_bytes, heap_base);
    let layout = storage_layout(code)?;
    let fields = layout.iter().flat_map(|layout| layout.fields());
    let places = fields
        .map(|field| (field.name.clone(), field.place))
        .collect();
    Ok((regions, places))
}

/// What lies between what is declared: statics below the heap's beginning, the heap above.
fn fill(regions: &mut Vec<Region>, start: u64, end: u64, heap_base: Option<u64>) {
    match heap_base {
        Some(base) => {
            push(regions, "statics", start, end.min(base));
            push(regions, "heap", start.max(base), end);
        }
        None => push(regions, "statics and heap", start, end),
    }
}

fn push(regions: &mut Vec<Region>, name: &str, start: u64, end: u64) {
    if start < end {
        regions.push(Region {
            name: name.to_owned(),
            start,
            end,
        });
    }
}

/// The value of an exported global that is a constant.
fn exported(code: &[u8], name: &str) -> Result<Option<u64>, wasmparser::BinaryReaderError> {
    let (mut globals, mut wanted) = (Vec::new(), None);
    for payload in Parser::new(0).parse_all(code) {
        match payload? {
            Payload::GlobalSection(section) => {
                for global in section {
                    globals.push(constant(&global?.init_expr));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.name == name && export.kind == ExternalKind::Global {
                        wanted = Some(export.index);
                    }
                }
            }
            _ => {}
        }
    }
    let found = wanted.and_then(|index| globals.get(index as usize));
    Ok(found.copied().flatten())
}

fn constant(expression: &ConstExpr<'_>) -> Option<u64> {
    match expression.get_operators_reader().read().ok()? {
        Operator::I32Const { value } => Some(u64::from(value as u32)),
        Operator::I64Const { value } => Some(value as u64),
        _ => None,
    }
}

impl Region {
    /// The pages that begin in it; a page belongs to the region that it begins in, the first to the first.
    pub(super) fn pages(&self) -> std::ops::Range<u64> {
        let page = PAGE_BYTES as u64;
        self.start.div_ceil(page)..self.end.div_ceil(page)
    }
}

//! The contract's memory: its size, the argument buffer, the shadow stack, and the data it starts with.
//!
//! What is accepted: the argument buffer, the stack and every data segment lie inside the initial
//! memory, and no data lies where memory is zeroed after each call.

use super::custom::Declared;
use super::exports::{ARGUMENT_BUFFER, MEMORY};
use super::limits::at_most;
use super::outline::{Data, Export, Global, Memory, Outline};
use super::{ByteRange, CodeLimits, DataSegment, Rejection, Reserved, WordSize};
use crostata_abi::{ARGBUF_LEN, WASM_PAGE_BYTES};
use wasmparser::{ExternalKind, ValType};

/// Where things are in a contract's memory.
pub(super) struct Layout {
    pub word_size: WordSize,
    pub initial_wasm_pages: u64,
    pub maximum_wasm_pages: Option<u64>,
    /// Address of the argument buffer.
    pub argument_buffer: u64,
    /// Bytes of the initial memory.
    pub memory_bytes: u64,
}

impl Layout {
    /// Whether the `len_bytes` at `start` lie inside the initial memory.
    pub fn holds(&self, start: u64, len_bytes: u64) -> bool {
        start
            .checked_add(len_bytes)
            .is_some_and(|end| end <= self.memory_bytes)
    }

    /// Which of the ranges that are zeroed after each call has a byte of this one.
    pub fn reserved(&self, range: ByteRange, stack: Option<ByteRange>) -> Option<Reserved> {
        if range.overlaps(&self.argument_range()) {
            return Some(Reserved::ArgumentBuffer);
        }
        let overlaps = stack.is_some_and(|stack| range.overlaps(&stack));
        overlaps.then_some(Reserved::Stack)
    }

    const fn argument_range(&self) -> ByteRange {
        ByteRange {
            start: self.argument_buffer,
            len_bytes: ARGBUF_LEN as u64,
        }
    }
}

/// Checks the memory and the argument buffer.
pub(super) fn layout(outline: &Outline<'_>, limits: &CodeLimits) -> Result<Layout, Rejection> {
    let missing = Rejection::MemoryMissing {
        offset: outline.end,
    };
    let memory = outline.memory.as_ref().ok_or(missing)?;
    exported(outline, memory)?;
    let pages = memory.ty.initial;
    at_most(
        "memory_wasm_pages_max",
        memory.offset,
        pages,
        limits.memory_wasm_pages_max,
    )?;
    let word_size = outline.word_size();
    let global = argument_global(outline)?;
    let layout = Layout {
        word_size,
        initial_wasm_pages: pages,
        maximum_wasm_pages: memory.ty.maximum,
        argument_buffer: argument_address(global, word_size)?,
        memory_bytes: pages.saturating_mul(WASM_PAGE_BYTES),
    };
    if layout.holds(layout.argument_buffer, ARGBUF_LEN as u64) {
        return Ok(layout);
    }
    Err(Rejection::ArgumentBufferOutOfBounds {
        offset: global.offset,
        start: layout.argument_buffer,
        memory_bytes: layout.memory_bytes,
    })
}

fn exported(outline: &Outline<'_>, memory: &Memory) -> Result<(), Rejection> {
    let is_memory =
        |export: &Export<'_>| export.kind == ExternalKind::Memory && export.name == MEMORY;
    if outline.exports.iter().any(is_memory) {
        return Ok(());
    }
    Err(Rejection::MemoryNotExported {
        offset: memory.offset,
    })
}

/// The exported global of this name.
pub(super) fn exported_global<'o>(outline: &'o Outline<'_>, name: &str) -> Option<&'o Global> {
    let is_named =
        |export: &&Export<'_>| export.kind == ExternalKind::Global && export.name == name;
    let export = outline.exports.iter().find(is_named)?;
    outline.globals.get(export.index as usize)
}

fn argument_global<'o>(outline: &'o Outline<'_>) -> Result<&'o Global, Rejection> {
    exported_global(outline, ARGUMENT_BUFFER).ok_or(Rejection::ArgumentBufferMissing {
        offset: outline.end,
    })
}

fn argument_address(global: &Global, word_size: WordSize) -> Result<u64, Rejection> {
    constant_address(global, word_size).map_err(|(expected, found)| Rejection::ArgumentBufferType {
        offset: global.offset,
        expected,
        found,
    })
}

/// The address that an immutable global holds; otherwise the type that it should have, and the one it has.
pub(super) fn constant_address(
    global: &Global,
    word_size: WordSize,
) -> Result<u64, (&'static str, String)> {
    let (expected, name) = match word_size {
        WordSize::W32 => (ValType::I32, "i32"),
        WordSize::W64 => (ValType::I64, "i64"),
    };
    let is_constant = !global.ty.mutable && global.ty.content_type == expected;
    let address = global.value.address().filter(|_| is_constant);
    address.ok_or_else(|| {
        let mutable = if global.ty.mutable { "mutable " } else { "" };
        (name, format!("{mutable}{}", global.ty.content_type))
    })
}

/// Checks the declared shadow stack.
pub(super) fn stack(
    declared: &Declared,
    layout: &Layout,
    limits: &CodeLimits,
) -> Result<Option<ByteRange>, Rejection> {
    let Some((offset, stack)) = declared.stack else {
        return Ok(None);
    };
    let ByteRange { start, len_bytes } = stack;
    at_most(
        "stack_section_bytes_max",
        offset,
        len_bytes,
        limits.stack_section_bytes_max,
    )?;
    if !layout.holds(start, len_bytes) {
        let memory_bytes = layout.memory_bytes;
        return Err(Rejection::StackOutOfBounds {
            offset,
            start,
            len_bytes,
            memory_bytes,
        });
    }
    if stack.overlaps(&layout.argument_range()) {
        return Err(Rejection::StackOverlapsArgumentBuffer {
            offset,
            start,
            len_bytes,
        });
    }
    Ok(Some(stack))
}

/// Checks the data segments and takes their bytes; empty ones only have to be in bounds.
pub(super) fn data(
    outline: &Outline<'_>,
    layout: &Layout,
    stack: Option<ByteRange>,
) -> Result<Vec<DataSegment>, Rejection> {
    let mut segments = Vec::new();
    for (segment, data) in (0..).zip(&outline.data) {
        data_segment(segment, data, layout, stack)?;
        if !data.bytes.is_empty() {
            segments.push(DataSegment {
                offset: data.start,
                bytes: data.bytes.to_vec(),
            });
        }
    }
    Ok(segments)
}

fn data_segment(
    segment: u32,
    data: &Data<'_>,
    layout: &Layout,
    stack: Option<ByteRange>,
) -> Result<(), Rejection> {
    let (offset, start, len_bytes) = (data.offset, data.start, data.bytes.len() as u64);
    if !layout.holds(start, len_bytes) {
        let memory_bytes = layout.memory_bytes;
        return Err(Rejection::DataOutOfBounds {
            offset,
            segment,
            start,
            len_bytes,
            memory_bytes,
        });
    }
    let Some(reserved) = layout.reserved(ByteRange { start, len_bytes }, stack) else {
        return Ok(());
    };
    Err(Rejection::DataOverlaps {
        offset,
        segment,
        start,
        len_bytes,
        reserved,
    })
}

/// How many pages the segments reach into.
pub(super) fn pages(data: &[DataSegment]) -> u64 {
    let page = crostata_abi::PAGE_BYTES as u64;
    let pages = data.iter().filter(|segment| !segment.bytes.is_empty());
    let pages = pages.flat_map(|segment| {
        let last = segment.offset + segment.bytes.len() as u64 - 1;
        segment.offset / page..=last / page
    });
    pages.collect::<std::collections::BTreeSet<u64>>().len() as u64
}

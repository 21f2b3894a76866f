//! The storage layout: which values of its state a contract declares, by name, type and address.
//!
//! The section `crostata.layout` tells places relative to the state, whose address is an exported immutable global: custom sections
//! can not hold addresses that a linker chooses. What is made of it here, with addresses, is the canonical layout, whose hash is in the
//! contract's record. Both formats are those of `crostata_proof::layout`.

use crostata_proof::layout::{Field, Layout as StorageLayout, LayoutError, SourceLayout};

use super::custom::{self, Declared};
use super::memory::{self, Layout};
use super::outline::Outline;
use super::{ByteRange, CodeLimits, Rejection, scan};

/// The canonical storage layout of code that was accepted, under whatever limits; nothing if it declares none.
///
/// Costs reading the code once, without its functions.
///
/// # Errors
/// A [`Rejection`] if the code is none that was ever accepted.
pub fn storage_layout(code: &[u8]) -> Result<Option<StorageLayout>, Rejection> {
    let limits = CodeLimits::default().lifted();
    let outline = scan::scan_declarations(code, &limits)?;
    let layout = memory::layout(&outline, &limits)?;
    let declared = custom::read(&outline.customs)?;
    let stack = memory::stack(&declared, &layout, &limits)?;
    resolve(&declared, &outline, &layout, stack)
}

/// The canonical layout that the section declares, if there is one.
pub(super) fn resolve(
    declared: &Declared,
    outline: &Outline<'_>,
    layout: &Layout,
    stack: Option<ByteRange>,
) -> Result<Option<StorageLayout>, Rejection> {
    let Some((offset, section)) = &declared.layout else {
        return Ok(None);
    };
    let offset = *offset;
    let malformed = |error: LayoutError| Rejection::StorageLayout {
        offset: offset + error.at as u64,
        problem: error.problem,
    };
    let source = SourceLayout::decode(section).map_err(malformed)?;
    let state = state_address(&source.global, offset, outline, layout)?;
    let storage = source.resolve(state).map_err(malformed)?;
    for field in storage.fields() {
        check_place(field, offset, layout, stack)?;
    }
    Ok(Some(storage))
}

fn state_address(
    global: &str,
    offset: u64,
    outline: &Outline<'_>,
    layout: &Layout,
) -> Result<u64, Rejection> {
    let name = global.to_owned();
    let Some(global) = memory::exported_global(outline, global) else {
        return Err(Rejection::StateMissing { offset, name });
    };
    memory::constant_address(global, layout.word_size).map_err(|(expected, found)| {
        Rejection::StateType {
            offset: global.offset,
            name,
            expected,
            found,
        }
    })
}

fn check_place(
    field: &Field,
    offset: u64,
    layout: &Layout,
    stack: Option<ByteRange>,
) -> Result<(), Rejection> {
    let (name, start) = (field.name.clone(), field.place);
    let len_bytes = field.value_type.len_bytes();
    if !layout.holds(start, len_bytes) {
        return Err(Rejection::FieldOutOfBounds {
            offset,
            name,
            start,
            len_bytes,
            memory_bytes: layout.memory_bytes,
        });
    }
    match layout.reserved(ByteRange { start, len_bytes }, stack) {
        None => Ok(()),
        Some(reserved) => Err(Rejection::FieldOverlaps {
            offset,
            name,
            start,
            len_bytes,
            reserved,
        }),
    }
}

//! The `name` section: kept for backtraces, never for a decision.
//!
//! Copied subsection by subsection as long as the framing is well-formed, the names of functions and locals under the
//! functions' new indices. Left out are the names of
//! labels, which the block around each body shifts, and of data segments, which are gone. What is
//! malformed is cut off: names are not a reason to reject.

use super::outline::Outline;
use wasm_encoder::{IndirectNameMap, NameMap, NameSection};
use wasmparser::{BinaryReader, IndirectNaming, Name, NameSectionReader, Naming};

/// The section's name.
pub(super) const SECTION: &str = "name";

/// The longest function name that is kept, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// Ids of the subsections kept: module, function, local, type, table, memory, global and element names.
const KEPT: [u8; 8] = [0, 1, 2, 4, 5, 6, 7, 8];

/// The contents of the rewritten module's `name` section; empty if there is to be none.
pub(super) fn kept(outline: &Outline<'_>) -> Vec<u8> {
    let section = outline
        .customs
        .iter()
        .find(|section| section.name() == SECTION);
    // wasmtime copies a name for every frame it shows: only sections whose names are all short are kept.
    section
        .filter(|section| longest_function_name(section.data()) <= NAME_BYTES_MAX)
        .map_or_else(Vec::new, |section| subsections(section.data(), outline))
}

/// The longest function name; of a section that can not be read, more than any.
fn longest_function_name(data: &[u8]) -> usize {
    let mut longest = 0;
    for subsection in NameSectionReader::new(BinaryReader::new(data, 0)) {
        match subsection {
            Ok(Name::Function(names)) => {
                for naming in names {
                    let Ok(naming) = naming else {
                        return usize::MAX;
                    };
                    longest = longest.max(naming.name.len());
                }
            }
            Ok(_) => {}
            Err(_) => return usize::MAX,
        }
    }
    longest
}

/// Ids of the subsections whose entries are numbered by functions.
const FUNCTIONS: u8 = 1;
const LOCALS: u8 = 2;

fn subsections(data: &[u8], outline: &Outline<'_>) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut reader = BinaryReader::new(data, 0);
    while !reader.eof() {
        let start = reader.current_position();
        let Ok(id) = reader
            .read_u8()
            .and_then(|id| reader.read_reader().map(|_| id))
        else {
            break;
        };
        let subsection = data
            .get(start..reader.current_position())
            .unwrap_or_default();
        match id {
            FUNCTIONS | LOCALS => kept.extend(renumbered(subsection, outline)),
            _ if KEPT.contains(&id) => kept.extend_from_slice(subsection),
            _ => {}
        }
    }
    kept
}

/// The subsection with functions under their new indices; empty if it can not be read.
fn renumbered(subsection: &[u8], outline: &Outline<'_>) -> Vec<u8> {
    let mut section = NameSection::new();
    let mut reader = NameSectionReader::new(BinaryReader::new(subsection, 0));
    match reader.next() {
        Some(Ok(Name::Function(names))) => {
            let Some(names) = function_names(names, outline) else {
                return Vec::new();
            };
            section.functions(&names);
        }
        Some(Ok(Name::Local(names))) => {
            let Some(names) = local_names(names, outline) else {
                return Vec::new();
            };
            section.locals(&names);
        }
        _ => return Vec::new(),
    }
    section.as_custom().data.into_owned()
}

fn function_names(names: wasmparser::NameMap<'_>, outline: &Outline<'_>) -> Option<NameMap> {
    let mut renumbered = NameMap::new();
    for naming in names {
        let Naming { index, name } = naming.ok()?;
        renumbered.append(outline.shifted(index), name);
    }
    Some(renumbered)
}

fn local_names(
    names: wasmparser::IndirectNameMap<'_>,
    outline: &Outline<'_>,
) -> Option<IndirectNameMap> {
    let mut renumbered = IndirectNameMap::new();
    for naming in names {
        let IndirectNaming { index, names } = naming.ok()?;
        let mut locals = NameMap::new();
        for naming in names {
            let Naming { index, name } = naming.ok()?;
            locals.append(index, name);
        }
        renumbered.append(outline.shifted(index), &locals);
    }
    Some(renumbered)
}

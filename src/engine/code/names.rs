//! The `name` section: kept for backtraces, never for a decision.
//!
//! Copied subsection by subsection as long as the framing is well-formed. Left out are the names of
//! labels, which the block around each body shifts, and of data segments, which are gone. What is
//! malformed is cut off: names are not a reason to reject.

use super::outline::Outline;
use wasmparser::{BinaryReader, Name, NameSectionReader};

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
        .map_or_else(Vec::new, |section| subsections(section.data()))
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

fn subsections(data: &[u8]) -> Vec<u8> {
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
        if KEPT.contains(&id) {
            kept.extend_from_slice(
                data.get(start..reader.current_position())
                    .unwrap_or_default(),
            );
        }
    }
    kept
}

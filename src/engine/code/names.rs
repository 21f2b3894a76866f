//! The `name` section: kept for backtraces, never for a decision.
//!
//! Copied subsection by subsection as long as the framing is well-formed. Left out are the names of
//! labels, which the block around each body shifts, and of data segments, which are gone. What is
//! malformed is cut off: names are not a reason to reject.

use super::outline::Outline;
use wasmparser::BinaryReader;

/// The section's name.
pub(super) const SECTION: &str = "name";

/// Ids of the subsections kept: module, function, local, type, table, memory, global and element names.
const KEPT: [u8; 8] = [0, 1, 2, 4, 5, 6, 7, 8];

/// The contents of the rewritten module's `name` section; empty if there is to be none.
pub(super) fn kept(outline: &Outline<'_>) -> Vec<u8> {
    let section = outline
        .customs
        .iter()
        .find(|section| section.name() == SECTION);
    section.map_or_else(Vec::new, |section| subsections(section.data()))
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

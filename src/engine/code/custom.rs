//! The custom sections that mean something to the VM. Sections under other names are ignored.
//!
//! | section | contents |
//! |---|---|
//! | `crostata.stack` | 16 bytes: start of the shadow stack, then its length in bytes, both u64 little-endian |
//! | `crostata.layout` | the storage layout, relative to the contract's state: [`layout`](super::layout) |
//! | `crostata.reentry` | 1 byte: 0 allowed, 1 self only, 2 never |
//! | `crostata.schema` | anything: what people and tools read; the VM does not look at it |
//!
//! Each occurs at most once; other names that start with `crostata.` are refused.

use super::exports::RESERVED_PREFIX;
use super::{ByteRange, Reentry, Rejection};
use wasmparser::CustomSectionReader;

const STACK: &str = "crostata.stack";
const LAYOUT: &str = "crostata.layout";
const REENTRY: &str = "crostata.reentry";
const SCHEMA: &str = "crostata.schema";

/// The sections whose names are reserved and that code may have, in the order of their names: a rule of the protocol.
pub const KNOWN_SECTIONS: [&str; 4] = [LAYOUT, REENTRY, SCHEMA, STACK];

/// What the custom sections declare.
#[derive(Default)]
pub(super) struct Declared {
    /// Offset of the section, and the shadow stack, which may still lie anywhere.
    pub stack: Option<(u64, ByteRange)>,
    /// Offset of the section, and its contents.
    pub layout: Option<(u64, Vec<u8>)>,
    pub reentry: Reentry,
}

/// Reads the sections whose names are reserved.
pub(super) fn read(sections: &[CustomSectionReader<'_>]) -> Result<Declared, Rejection> {
    let mut declared = Declared::default();
    let mut seen = Vec::new();
    for section in sections
        .iter()
        .filter(|section| section.name().starts_with(RESERVED_PREFIX))
    {
        let (offset, name) = (section.data_offset() as u64, section.name().to_owned());
        if seen.contains(&section.name()) {
            return Err(Rejection::DuplicateSection { offset, name });
        }
        // At most four names come this far: `seen` stays that short.
        match section.name() {
            STACK => declared.stack = Some((offset, stack(section)?)),
            LAYOUT => declared.layout = Some((offset, section.data().to_vec())),
            REENTRY => declared.reentry = reentry(section)?,
            // For people and tools: it decides nothing, so that nothing in it is judged.
            SCHEMA => {}
            _ => return Err(Rejection::UnknownSection { offset, name }),
        }
        seen.push(section.name());
    }
    Ok(declared)
}

fn stack(section: &CustomSectionReader<'_>) -> Result<ByteRange, Rejection> {
    let numbers: Option<(&[u8; 8], &[u8; 8])> = section
        .data()
        .split_first_chunk::<8>()
        .and_then(|(start, rest)| Some((start, rest.try_into().ok()?)));
    let Some((start, len_bytes)) = numbers else {
        return Err(malformed(
            section,
            "16 bytes, start and length as u64 little-endian",
        ));
    };
    Ok(ByteRange {
        start: u64::from_le_bytes(*start),
        len_bytes: u64::from_le_bytes(*len_bytes),
    })
}

fn reentry(section: &CustomSectionReader<'_>) -> Result<Reentry, Rejection> {
    match section.data() {
        [0] => Ok(Reentry::Allowed),
        [1] => Ok(Reentry::SelfOnly),
        [2] => Ok(Reentry::Never),
        _ => Err(malformed(
            section,
            "one byte: 0 (allowed), 1 (self only) or 2 (never)",
        )),
    }
}

fn malformed(section: &CustomSectionReader<'_>, expected: &'static str) -> Rejection {
    let (offset, name) = (section.data_offset() as u64, section.name().to_owned());
    Rejection::MalformedSection {
        offset,
        name,
        expected,
    }
}

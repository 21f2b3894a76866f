//! Whether debug information can be read in a time and memory that its length explains.
//!
//! DWARF refers to parts of itself: any number of units to one line program, any number of functions to one list of addresses, any number of
//! entries of a byte each to an abbreviation with thousands of attributes. Compilers do none of that. Readers follow every reference, and functions
//! in functions by recursion, so that a file of a stranger could take hours, all memory, or the stack. What a reader would do is added up here
//! first, in time that is itself bounded, and debug information that takes too much is refused.

use std::collections::HashSet;

use gimli::{
    AbbreviationsCacheStrategy, AttributeValue, Dwarf, Reader, Section, Unit, UnitHeader, constants,
};

use super::debug::Bytes;

/// Steps that a byte of debug information may take. Those of `rustc` take one or two.
const STEPS_PER_BYTE: usize = 16;

/// Steps that any may take.
const STEPS_FREE: usize = 10_000;

/// Steps of an address range: readers keep and sort them.
const STEPS_OF_RANGE: usize = 8;

/// Entries in each other. Readers go into inlined functions by recursion.
const DEPTH_MAX: isize = 200;

/// Why debug information is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    /// It can not be read at all.
    #[error(transparent)]
    Unreadable(#[from] gimli::Error),
    /// It stands for far more than its length.
    #[error("its parts refer to each other far more often than a compiler's do")]
    Steps,
    /// Its functions lie in each other without end.
    #[error("more than {DEPTH_MAX} entries lie in each other")]
    Depth,
    /// An address that no module has.
    #[error("an address has more than 32 bits")]
    Address,
}

/// Adds up what reading all of it takes. Leaves abbreviations that units share in the cache.
pub fn check(dwarf: &mut Dwarf<Bytes>, len_bytes: usize) -> Result<(), TooMuch> {
    let steps = len_bytes.saturating_mul(STEPS_PER_BYTE);
    let mut work = Work {
        steps_left: steps.saturating_add(STEPS_FREE),
    };
    work.all_abbreviations(dwarf)?;
    dwarf.populate_abbreviations_cache(AbbreviationsCacheStrategy::Duplicates);
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        work.unit(dwarf, header)?;
    }
    Ok(())
}

struct Work {
    steps_left: usize,
}

impl Work {
    fn take(&mut self, steps: usize) -> Result<(), TooMuch> {
        let left = self.steps_left.checked_sub(steps);
        self.steps_left = left.ok_or(TooMuch::Steps)?;
        Ok(())
    }

    fn all_abbreviations(&mut self, dwarf: &Dwarf<Bytes>) -> Result<(), TooMuch> {
        let (mut seen, mut headers) = (HashSet::new(), dwarf.units());
        while let Some(header) = headers.next()? {
            let offset = header.debug_abbrev_offset().0;
            if seen.insert(offset) {
                self.abbreviations(dwarf.debug_abbrev.reader().clone(), offset)?;
            }
        }
        Ok(())
    }

    fn unit(&mut self, dwarf: &Dwarf<Bytes>, header: UnitHeader<Bytes>) -> Result<(), TooMuch> {
        let unit = dwarf.unit(header)?;
        if let Some(program) = &unit.line_program {
            let header = program.header();
            let lines = header.header_length() + header.raw_program_buf().len();
            self.take(lines)?;
        }
        self.entries(dwarf, &unit)
    }

    /// The bytes of a table of abbreviations, which says its length only by its end.
    fn abbreviations(&mut self, mut table: Bytes, offset: usize) -> Result<(), TooMuch> {
        table.skip(offset)?;
        while table.read_uleb128()? != 0 {
            self.take(1)?;
            table.skip_leb128()?;
            table.skip(1)?;
            loop {
                self.take(1)?;
                let (name, form) = (table.read_uleb128()?, table.read_uleb128()?);
                if form == u64::from(constants::DW_FORM_implicit_const.0) {
                    table.skip_leb128()?;
                }
                if (name, form) == (0, 0) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn entries(&mut self, dwarf: &Dwarf<Bytes>, unit: &Unit<Bytes>) -> Result<(), TooMuch> {
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            if entry.depth() > DEPTH_MAX {
                return Err(TooMuch::Depth);
            }
            self.take(1 + entry.attrs().len())?;
            for attribute in entry.attrs() {
                check_address(attribute)?;
            }
            let mut ranges = dwarf.die_ranges(unit, entry)?;
            while ranges.next()?.is_some() {
                self.take(STEPS_OF_RANGE)?;
            }
        }
        Ok(())
    }
}

/// Lengths of functions are added to their addresses by readers, who do not expect an overflow.
fn check_address(attribute: &gimli::Attribute<Bytes>) -> Result<(), TooMuch> {
    let address = match (attribute.name(), attribute.value()) {
        (constants::DW_AT_low_pc | constants::DW_AT_high_pc, AttributeValue::Addr(address)) => {
            address
        }
        (constants::DW_AT_high_pc, AttributeValue::Udata(len)) => len,
        _ => 0,
    };
    match u32::try_from(address) {
        Ok(_) => Ok(()),
        Err(_) => Err(TooMuch::Address),
    }
}

#[cfg(test)]
mod tests {
    use super::super::debug::{DebugInfo, DebugInfoError};
    use wasm_encoder::{CustomSection, Section as _};

    use super::*;

    /// Tags, attributes and forms of the modules made here.
    const UNIT: u8 = 0x11;
    const SUBPROGRAM: u8 = 0x2e;
    const INLINED: u8 = 0x1d;
    const ADDRESSES: [u8; 4] = [0x11, 0x01, 0x12, 0x06];
    const RANGES: [u8; 2] = [0x55, 0x17];

    fn abbreviation(code: u8, tag: u8, has_children: bool, attributes: &[u8]) -> Vec<u8> {
        [&[code, tag, has_children.into()], attributes, &[0, 0]].concat()
    }

    /// A unit of version 4 with addresses of four bytes.
    fn unit(abbreviations: u32, entries: &[u8]) -> Vec<u8> {
        let head = [&[4, 0][..], &abbreviations.to_le_bytes(), &[4]].concat();
        let len = (head.len() + entries.len()) as u32;
        [&len.to_le_bytes()[..], &head, entries].concat()
    }

    fn module(sections: &[(&str, &[u8])]) -> Vec<u8> {
        // Some code, so that there are addresses.
        let mut module = b"\0asm\x01\0\0\0\x0a\x04\x01\x02\0\x0b".to_vec();
        for (name, data) in sections {
            let (name, data) = ((*name).into(), (*data).into());
            CustomSection { name, data }.append_to(&mut module);
        }
        module
    }

    fn refused(sections: &[(&str, &[u8])]) -> String {
        match DebugInfo::of(&module(sections)) {
            Err(DebugInfoError::Dwarf(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn place(low: u32, len: u32) -> Vec<u8> {
        [low.to_le_bytes(), len.to_le_bytes()].concat()
    }

    /// P7: functions inlined in each other a hundred thousand times do not end the process when a line is looked up.
    #[test]
    fn entries_do_not_lie_in_each_other_without_end() {
        let abbreviations = [
            abbreviation(1, UNIT, true, &ADDRESSES),
            abbreviation(2, SUBPROGRAM, true, &ADDRESSES),
            abbreviation(3, INLINED, true, &[]),
            vec![0],
        ]
        .concat();
        let deep = |depth: usize| {
            let head = [&[1][..], &place(0, 64), &[2], &place(0, 64)].concat();
            unit(0, &[head, vec![3; depth], vec![0; depth + 2]].concat())
        };
        let of = |depth: usize| {
            let info = deep(depth);
            let sections = [
                (".debug_info", &info[..]),
                (".debug_abbrev", &abbreviations),
            ];
            let debug = DebugInfo::of(&module(&sections))?;
            (0..64).for_each(|offset| drop(debug.lines(&debug.code(), offset)));
            Ok::<_, DebugInfoError>(())
        };
        assert_eq!(of(100), Ok(()));
        let reason = TooMuch::Depth.to_string();
        assert_eq!(of(100_000), Err(DebugInfoError::Dwarf(reason)));
    }

    /// P7: a list of addresses, an abbreviation and a table of abbreviations can be referred to from everywhere; that is told before hours go by or memory
    /// is full.
    #[test]
    fn parts_are_not_referred_to_without_end() {
        const MANY: usize = 20_000;
        let too_many = TooMuch::Steps.to_string();
        let lists = [
            abbreviation(1, UNIT, true, &[]),
            abbreviation(2, SUBPROGRAM, false, &RANGES),
            vec![0],
        ]
        .concat();
        let info = unit(0, &[&[1][..], &[2, 0, 0, 0, 0].repeat(MANY), &[0]].concat());
        let ranges = [&place(1, 2).repeat(MANY)[..], &[0; 8]].concat();
        let sections = [
            (".debug_info", &info[..]),
            (".debug_abbrev", &lists),
            (".debug_ranges", &ranges),
        ];
        assert_eq!(refused(&sections), too_many);

        let flags = [
            abbreviation(1, UNIT, true, &[]),
            abbreviation(2, SUBPROGRAM, false, &[0x3f, 0x19].repeat(MANY)),
            vec![0],
        ]
        .concat();
        let info = unit(0, &[&[1][..], &[2; MANY], &[0]].concat());
        let sections = [(".debug_info", &info[..]), (".debug_abbrev", &flags)];
        assert_eq!(refused(&sections), too_many);

        let table = [&abbreviation(1, UNIT, false, &[]).repeat(MANY)[..], &[0]].concat();
        let units = (0..MANY as u32).map(|nth| unit(5 * nth, &[1]));
        let info: Vec<u8> = units.flatten().collect();
        let sections = [(".debug_info", &info[..]), (".debug_abbrev", &table)];
        assert_eq!(refused(&sections), too_many);
    }

    /// P7: addresses that only overflow are told, and make no reader panic.
    #[test]
    fn addresses_have_an_end() {
        let abbreviations = [
            abbreviation(1, UNIT, false, &[0x11, 0x01, 0x12, 0x07]),
            vec![0],
        ]
        .concat();
        let entry = [&[1, 9, 0, 0, 0][..], &u64::MAX.to_le_bytes()].concat();
        let info = unit(0, &entry);
        let sections = [
            (".debug_info", &info[..]),
            (".debug_abbrev", &abbreviations),
        ];
        assert_eq!(refused(&sections), TooMuch::Address.to_string());
    }
}

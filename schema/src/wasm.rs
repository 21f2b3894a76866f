//! Finds a custom section in a module, without looking at anything else.

use crate::SchemaError;

const SECTION: &[u8] = b"crostata.schema";
const HEADER: &[u8] = b"\0asm\x01\0\0\0";

/// The content of the section `crostata.schema`, if there is one.
pub fn section(wasm: &[u8]) -> Result<Option<&[u8]>, SchemaError> {
    if !wasm.starts_with(HEADER) {
        return Err(not_wasm(0, "the header is missing"));
    }
    let (mut at, mut found) = (HEADER.len(), None);
    while let Some(id) = wasm.get(at) {
        let (len, start) = length(wasm, at + 1)?;
        let end = start.checked_add(len).filter(|end| *end <= wasm.len());
        let Some(end) = end else {
            return Err(not_wasm(at, "a section is longer than the module"));
        };
        if *id == 0
            && let Some(content) = named(&wasm[start..end], start)?
            && found.replace(content).is_some()
        {
            return Err(SchemaError::Twice);
        }
        at = end;
    }
    Ok(found)
}

/// What follows the name in a custom section, if the name is ours.
fn named(custom: &[u8], start: usize) -> Result<Option<&[u8]>, SchemaError> {
    let (len, name) = length(custom, 0)?;
    match custom
        .get(name..)
        .and_then(|rest| rest.split_at_checked(len))
    {
        None => Err(not_wasm(
            start,
            "the name of a section is longer than the section",
        )),
        Some((name, content)) => Ok((name == SECTION).then_some(content)),
    }
}

/// The number at an offset, and the offset behind it.
fn length(bytes: &[u8], at: usize) -> Result<(usize, usize), SchemaError> {
    let mut value = 0u32;
    for (index, byte) in bytes.iter().skip(at).take(5).enumerate() {
        value |= u32::from(byte & 0x7f)
            .checked_shl(7 * index as u32)
            .unwrap_or(0);
        if byte & 0x80 == 0 {
            return Ok((value as usize, at + index + 1));
        }
    }
    Err(not_wasm(at, "a length does not end"))
}

const fn not_wasm(offset: usize, reason: &'static str) -> SchemaError {
    SchemaError::NotWasm { offset, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut wasm = HEADER.to_vec();
        for (id, content) in sections {
            wasm.extend([*id, content.len() as u8]);
            wasm.extend(*content);
        }
        wasm
    }

    #[test]
    fn the_section_is_found_among_others() {
        let ours = b"\x0fcrostata.schemaABC";
        let wasm = module(&[(0, b"\x04name12"), (1, &[0]), (0, ours)]);
        assert_eq!(section(&wasm), Ok(Some(&b"ABC"[..])));
        assert_eq!(section(&module(&[])), Ok(None));
        let twice = module(&[(0, ours), (0, ours)]);
        assert_eq!(section(&twice), Err(SchemaError::Twice));
    }

    /// P7: whatever the bytes are, they are judged without a panic.
    #[test]
    fn other_bytes_are_errors() {
        let whole = module(&[(0, b"\x0fcrostata.schemaABC")]);
        for len in 0..whole.len() {
            let cut = section(&whole[..len]);
            assert!(cut.is_err() || len == HEADER.len(), "{len}");
        }
        let endless = [HEADER, &[0, 0xff, 0xff, 0xff, 0xff, 0xff]].concat();
        assert!(section(&endless).is_err());
        let long = [HEADER, &[0, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
        assert!(section(&long).is_err());
    }
}

//! Finds the section `crostata.schema` in a module, without looking at anything else.

use crate::SchemaError;
use crate::module::sections;

const SECTION: &str = "crostata.schema";

/// The content of the section, if there is one.
pub fn section(wasm: &[u8]) -> Result<Option<&[u8]>, SchemaError> {
    let mut found = None;
    for section in sections(wasm)? {
        if section.name == Some(SECTION) && found.replace(section.data).is_some() {
            return Err(SchemaError::Twice);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"\0asm\x01\0\0\0";

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

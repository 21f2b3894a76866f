//! The functions of a module with their numbers, imported ones counted first.

use wasmparser::{BinaryReaderError, FunctionBody, Parser, Payload, TypeRef};

/// The functions that a module has code of, in order, with the indices by which names and calls mean them.
pub(super) fn functions(wasm: &[u8]) -> Result<Vec<(u32, FunctionBody<'_>)>, BinaryReaderError> {
    let (mut imports, mut functions) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imports += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => {
                functions.push((imports + functions.len() as u32, body));
            }
            _ => {}
        }
    }
    Ok(functions)
}

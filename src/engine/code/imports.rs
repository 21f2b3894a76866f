//! Imports: functions of the contract ABI under their exact types, and nothing else.

use super::outline::{Import, Outline, signature};
use super::{Rejection, WordSize};
use crostata_abi::imports::{self, MODULE, Type};
use wasmparser::{FuncType, TypeRef, ValType};

/// Refuses imports that are no functions. Comes before all rules that index globals, tables or
/// memories: after it, those defined are all there are.
pub(super) fn check_kinds(outline: &Outline<'_>) -> Result<(), Rejection> {
    let is_function = |import: &&Import<'_>| matches!(import.ty, TypeRef::Func(_));
    match outline.imports.iter().find(|import| !is_function(import)) {
        None => Ok(()),
        Some(import) => Err(Rejection::ImportKind {
            offset: import.offset,
            module: import.module.to_owned(),
            name: import.name.to_owned(),
            kind: kind(import.ty),
        }),
    }
}

/// Holds every import against the table of the ABI.
pub(super) fn check(outline: &Outline<'_>, word_size: WordSize) -> Result<(), Rejection> {
    for (index, import) in (0..).zip(&outline.imports) {
        let declared = declaration(import, word_size)?;
        let found = outline.function_type(index);
        if found != Some(&declared) {
            return Err(Rejection::ImportSignature {
                offset: import.offset,
                name: import.name.to_owned(),
                expected: signature(&declared),
                found: found.map(signature).unwrap_or_default(),
            });
        }
    }
    Ok(())
}

/// Whether it imports what only queries have.
pub(super) fn for_queries(outline: &Outline<'_>) -> bool {
    let mut names = outline.imports.iter().map(|import| import.name);
    names.any(imports::is_for_queries)
}

const fn kind(ty: TypeRef) -> &'static str {
    match ty {
        TypeRef::Func(_) => "function",
        TypeRef::FuncExact(_) => "function of an exact type",
        TypeRef::Table(_) => "table",
        TypeRef::Memory(_) => "memory",
        TypeRef::Global(_) => "global",
        TypeRef::Tag(_) => "tag",
    }
}

/// The type that the ABI gives an import.
fn declaration(import: &Import<'_>, word_size: WordSize) -> Result<FuncType, Rejection> {
    let found = imports::find(import.name).filter(|_| import.module == MODULE);
    let Some(found) = found else {
        return Err(Rejection::UnknownImport {
            offset: import.offset,
            module: import.module.to_owned(),
            name: import.name.to_owned(),
        });
    };
    let types = |types: &'static [Type]| types.iter().map(move |ty| value_type(*ty, word_size));
    Ok(FuncType::new(types(found.params), types(found.results)))
}

const fn value_type(ty: Type, word_size: WordSize) -> ValType {
    match (ty, word_size) {
        (Type::I32, _) | (Type::Pointer, WordSize::W32) => ValType::I32,
        (Type::I64, _) | (Type::Pointer, WordSize::W64) => ValType::I64,
    }
}

//! Exports: callable functions of one type, `memory`, `A`, and immutable globals, which linkers leave.

use super::limits::at_most;
use super::outline::{Export, Outline, signature};
use super::{CodeLimits, Rejection};
use wasmparser::{ExternalKind, ValType};

/// Start of the names that the rewriting and the ABI's sections use.
pub(super) const RESERVED_PREFIX: &str = "crostata.";
/// Name of the one memory.
pub(super) const MEMORY: &str = "memory";
/// Name of the global that holds the argument buffer's address.
pub(super) const ARGUMENT_BUFFER: &str = "A";
/// Name of the function that runs once at deploy.
const INIT: &str = "init";

/// The callable exports of a contract.
pub(super) struct Callable {
    /// Sorted; without `init`.
    pub functions: Vec<String>,
    pub has_init: bool,
}

/// Checks every export.
pub(super) fn check(outline: &Outline<'_>, limits: &CodeLimits) -> Result<Callable, Rejection> {
    let mut callable = Callable {
        functions: Vec::new(),
        has_init: false,
    };
    for export in &outline.exports {
        name(export, limits)?;
        match (export.kind, export.name) {
            (ExternalKind::Memory, MEMORY) => {}
            (ExternalKind::Global, name) if name != MEMORY && name != INIT => {
                global(outline, export)?
            }
            (ExternalKind::Func, name) if name != MEMORY && name != ARGUMENT_BUFFER => {
                function(outline, export)?;
                callable.add(name);
            }
            _ => return Err(kind_rejection(export)),
        }
    }
    callable.functions.sort_unstable();
    Ok(callable)
}

impl Callable {
    fn add(&mut self, name: &str) {
        if name == INIT {
            self.has_init = true;
        } else {
            self.functions.push(name.to_owned());
        }
    }
}

fn name(export: &Export<'_>, limits: &CodeLimits) -> Result<(), Rejection> {
    let (found, max) = (export.name.len() as u64, limits.export_name_bytes_max);
    at_most("export_name_bytes_max", export.offset, found, max)?;
    if export.name.starts_with(RESERVED_PREFIX) {
        let name = export.name.to_owned();
        return Err(Rejection::ReservedName {
            offset: export.offset,
            name,
        });
    }
    Ok(())
}

fn global(outline: &Outline<'_>, export: &Export<'_>) -> Result<(), Rejection> {
    let global = outline.globals.get(export.index as usize);
    if global.is_some_and(|global| !global.ty.mutable) {
        return Ok(());
    }
    let name = export.name.to_owned();
    Err(Rejection::MutableGlobalExported {
        offset: export.offset,
        name,
    })
}

fn function(outline: &Outline<'_>, export: &Export<'_>) -> Result<(), Rejection> {
    let (offset, name) = (export.offset, export.name.to_owned());
    if (export.index as usize) < outline.imports.len() {
        return Err(Rejection::ImportExported { offset, name });
    }
    let Some(ty) = outline.function_type(export.index) else {
        return Err(kind_rejection(export));
    };
    if ty.params() == [ValType::I32] && ty.results() == [ValType::I32] {
        return Ok(());
    }
    Err(Rejection::ExportSignature {
        offset,
        name,
        found: signature(ty),
    })
}

fn kind_rejection(export: &Export<'_>) -> Rejection {
    let kind = match export.kind {
        ExternalKind::Func | ExternalKind::FuncExact => "function",
        ExternalKind::Table => "table",
        ExternalKind::Memory => "memory",
        ExternalKind::Global => "global",
        ExternalKind::Tag => "tag",
    };
    Rejection::ExportKind {
        offset: export.offset,
        name: export.name.to_owned(),
        kind,
    }
}

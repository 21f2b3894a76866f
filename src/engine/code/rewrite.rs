//! Writes the module that is compiled. Canonical: the same outline gives the same bytes.
//!
//! Runs only on what [`super::scan`] accepted and the rules of this folder passed. What is added (types, imports,
//! the marks table, one global, exports) comes last in its section, so that of all index spaces only that of functions shifts.

use super::analysis::Checking;
use super::constant::Constant;
use super::effort::{self, Effort};
use super::function::FunctionRewriter;
use super::names;
use super::offsets::Places;
use super::outline::Outline;
use super::probe::{self, PROBE_IMPORTS, Probes};
use super::touch::{self, TOUCH_IMPORTS, TOUCH_MODULE};
use super::types::Types;
use super::{CodeLimits, Rejection, WordSize};
use std::borrow::Cow;
use wasm_encoder::reencode::{self, Reencode, RoundtripReencoder};
use wasm_encoder::{
    BranchHints, CodeSection, ConstExpr, CustomSection, ElementSection, Elements, EntityType,
    ExportKind, ExportSection, FunctionSection, GlobalSection, GlobalType, Ieee32, Ieee64,
    ImportSection, MemorySection, Module, Section, TableSection, ValType,
};

/// The export under which a rewritten module has its stack-height counter, a mutable `i32`.
pub const HEIGHT_GLOBAL: &str = "crostata.height";
/// The export under which a module rewritten for measuring has its marks table.
const MARKS: &str = "crostata.marks";
/// Start of the exports under which a rewritten module has the contract's mutable globals; the
/// global's index in decimal follows.
pub const MUTABLE_GLOBAL_PREFIX: &str = "crostata.global.";

/// The names under which the contract's mutable globals are exported, in index order.
pub(super) fn global_names(outline: &Outline<'_>) -> Vec<String> {
    mutable_globals(outline)
        .map(|index| format!("{MUTABLE_GLOBAL_PREFIX}{index}"))
        .collect()
}

fn mutable_globals(outline: &Outline<'_>) -> impl Iterator<Item = u32> {
    let numbered = (0..).zip(&outline.globals);
    numbered
        .filter(|(_, global)| global.ty.mutable)
        .map(|(index, _)| index)
}

/// Writes the module; beside it what there is to compile, and the places of operators, if wanted.
pub(super) fn rewrite(
    outline: &Outline<'_>,
    word_size: WordSize,
    limits: &CodeLimits,
    checking: Checking,
) -> Result<(Vec<u8>, Effort, Places), Rejection> {
    let mut types = Types::new(&outline.types)?;
    let touches =
        TOUCH_IMPORTS.map(|(_, params)| types.function(&touch::import_type(params, word_size)));
    let probes = PROBE_IMPORTS.map(|(_, params)| match outline.probed {
        true => types.function(&probe::import_type(params)),
        false => 0,
    });
    let imports = imports(outline, touches, probes)?;
    let Written {
        section: code,
        hints,
        effort,
        places,
    } = code(outline, word_size, limits, checking, &mut types)?;
    let names = names::kept(outline);
    let mut module = Module::new();
    add(&mut module, types.section(), types.section().is_empty());
    add(&mut module, &imports, false);
    add(&mut module, &functions(outline, touches), false);
    add(&mut module, &tables(outline)?, outline.table.is_none());
    add(
        &mut module,
        &memories(outline, word_size)?,
        outline.memory.is_none(),
    );
    add(&mut module, &globals(outline, limits)?, false);
    let mut exports = exports(outline)?;
    if checking.exports_marks {
        exports.export(MARKS, ExportKind::Memory, touch::MARKS);
    }
    add(&mut module, &exports, false);
    add(
        &mut module,
        &elements(outline)?,
        outline.elements.is_empty(),
    );
    add(&mut module, &hints, hints.is_empty());
    add(&mut module, &code, false);
    let section = CustomSection {
        name: names::SECTION.into(),
        data: Cow::Borrowed(&names),
    };
    add(&mut module, &section, names.is_empty());
    Ok((module.finish(), effort, places))
}

fn add(module: &mut Module, section: &impl Section, is_empty: bool) {
    if !is_empty {
        module.section(section);
    }
}

/// The contract's imports, then those that checks call, then those that probes call if there are any.
fn imports(
    outline: &Outline<'_>,
    touches: [u32; TOUCH_IMPORTS.len()],
    probes: [u32; PROBE_IMPORTS.len()],
) -> Result<ImportSection, Rejection> {
    let mut section = ImportSection::new();
    for import in &outline.imports {
        let ty = encoded(RoundtripReencoder.entity_type(import.ty), import.offset)?;
        section.import(import.module, import.name, ty);
    }
    for ((name, _), ty) in TOUCH_IMPORTS.into_iter().zip(touches) {
        section.import(TOUCH_MODULE, name, EntityType::Function(ty));
    }
    if outline.probed {
        for ((name, _), ty) in PROBE_IMPORTS.into_iter().zip(probes) {
            section.import(TOUCH_MODULE, name, EntityType::Function(ty));
        }
    }
    Ok(section)
}

/// The contract's functions, then those through which checks call the imports.
fn functions(outline: &Outline<'_>, touches: [u32; TOUCH_IMPORTS.len()]) -> FunctionSection {
    let mut section = FunctionSection::new();
    for ty in outline.functions.iter().chain(&touches) {
        section.function(*ty);
    }
    section
}

fn tables(outline: &Outline<'_>) -> Result<TableSection, Rejection> {
    let mut section = TableSection::new();
    if let Some(table) = &outline.table {
        section.table(encoded(
            RoundtripReencoder.table_type(table.ty),
            table.offset,
        )?);
    }
    Ok(section)
}

/// The contract's memory, then its marks table.
fn memories(outline: &Outline<'_>, word_size: WordSize) -> Result<MemorySection, Rejection> {
    let mut section = MemorySection::new();
    if let Some(memory) = &outline.memory {
        section.memory(encoded(
            RoundtripReencoder.memory_type(memory.ty),
            memory.offset,
        )?);
        section.memory(touch::marks(word_size));
    }
    Ok(section)
}

/// The contract's globals with folded values, then the stack-height counter.
fn globals(outline: &Outline<'_>, limits: &CodeLimits) -> Result<GlobalSection, Rejection> {
    let mut section = GlobalSection::new();
    for global in &outline.globals {
        let ty = encoded(RoundtripReencoder.global_type(global.ty), global.offset)?;
        section.global(ty, &expression(global.value));
    }
    let height = GlobalType {
        val_type: ValType::I32,
        mutable: true,
        shared: false,
    };
    let limit = i32::try_from(limits.stack_height_limit).unwrap_or(i32::MAX);
    section.global(height, &ConstExpr::i32_const(limit));
    Ok(section)
}

fn expression(value: Constant) -> ConstExpr {
    match value {
        Constant::I32(value) => ConstExpr::i32_const(value),
        Constant::I64(value) => ConstExpr::i64_const(value),
        Constant::F32(bits) => ConstExpr::f32_const(Ieee32::new(bits)),
        Constant::F64(bits) => ConstExpr::f64_const(Ieee64::new(bits)),
    }
}

/// The contract's exports, then its mutable globals, then the stack-height counter.
fn exports(outline: &Outline<'_>) -> Result<ExportSection, Rejection> {
    let mut section = ExportSection::new();
    for export in &outline.exports {
        let kind = encoded(RoundtripReencoder.export_kind(export.kind), export.offset)?;
        let index = match kind {
            ExportKind::Func => outline.shifted(export.index),
            _ => export.index,
        };
        section.export(export.name, kind, index);
    }
    for (name, index) in global_names(outline).iter().zip(mutable_globals(outline)) {
        section.export(name, ExportKind::Global, index);
    }
    section.export(HEIGHT_GLOBAL, ExportKind::Global, height_index(outline));
    Ok(section)
}

/// Index of the stack-height counter. Contracts import no globals.
fn height_index(outline: &Outline<'_>) -> u32 {
    outline.globals.len() as u32
}

fn elements(outline: &Outline<'_>) -> Result<ElementSection, Rejection> {
    let is_wide = outline.table.as_ref().is_some_and(|table| table.ty.table64);
    let mut section = ElementSection::new();
    for elements in &outline.elements {
        let functions = elements.functions.clone().into_iter();
        let functions: Result<Vec<u32>, _> = functions
            .map(|function| function.map(|function| outline.shifted(function)))
            .collect();
        let functions = functions.map_err(Rejection::invalid)?;
        let start = if is_wide {
            ConstExpr::i64_const(elements.start as i64)
        } else {
            ConstExpr::i32_const(elements.start as i32)
        };
        section.active(None, &start, Elements::Functions(Cow::Owned(functions)));
    }
    Ok(section)
}

/// The functions, the hints for the branches of their checks, what there is to compile, and the places of operators in each
/// function, if they are noted.
struct Written {
    section: CodeSection,
    hints: BranchHints,
    effort: Effort,
    places: Places,
}

fn code(
    outline: &Outline<'_>,
    word_size: WordSize,
    limits: &CodeLimits,
    checking: Checking,
    types: &mut Types,
) -> Result<Written, Rejection> {
    let rewriter = FunctionRewriter {
        outline,
        height_global: height_index(outline),
        word_size,
        checking,
    };
    let imports = outline.imports.len() as u32;
    let first = outline.shifted(imports);
    let (mut section, mut hints) = (CodeSection::new(), BranchHints::new());
    let mut places = Vec::new();
    let mut effort = Effort {
        entries: effort::entries(outline),
        ..Effort::default()
    };
    for ((nth, body), ty) in (0..).zip(&outline.bodies).zip(&outline.functions) {
        let results = types.block_of(*ty);
        let code = rewriter.rewrite(imports + nth, body, results)?;
        section.function(&code.function);
        let offset = body.body.range().start as u64;
        let counted = &body.counted;
        effort.add(&counted.with_checks(code.checks, code.operands, limits, offset)?);
        if !code.hints.is_empty() {
            hints.function_hints(first + nth, code.hints);
        }
        places.extend(code.placed);
    }
    for nth in 0..TOUCH_IMPORTS.len() {
        section.function(&touch::bridge(imports, nth, Probes::of(outline)));
    }
    Ok(Written {
        section,
        hints,
        effort,
        places,
    })
}

/// What the encoder could not express: never so for a module the scan accepted, but no reason to panic.
pub(super) fn encoded<T>(result: Result<T, reencode::Error>, offset: u64) -> Result<T, Rejection> {
    result.map_err(|error| match error {
        reencode::Error::ParseError(error) => Rejection::invalid(error),
        error => Rejection::Invalid {
            offset,
            message: error.to_string(),
        },
    })
}

//! The one pass over a module: limits first, then the validator, then collecting what is valid.
//!
//! Nothing is allocated by a length the module claims; recursion does not occur. What comes out is
//! valid WebAssembly under the allow-list, with at most one memory and one table, and every
//! constant expression evaluated.

use super::body::Measured;
use super::limits::at_most;
use super::outline::{self, Body, Outline};
use super::{CodeLimits, Rejection, body, constant, features};
use std::mem;
use wasmparser::{
    DataKind, ElementItems, ElementKind, Encoding, FuncToValidate, FuncValidatorAllocations,
    FunctionBody, Imports, Parser, Payload, SectionLimited, TableInit, TypeSectionReader,
    ValidPayload, Validator, ValidatorResources,
};

/// Reads and validates `code`.
pub(super) fn scan<'a>(code: &'a [u8], limits: &CodeLimits) -> Result<Outline<'a>, Rejection> {
    let mut scanner = Scanner::new(code, limits);
    let mut parser = Parser::new(0);
    parser.set_features(features());
    for payload in parser.parse_all(code) {
        scanner.payload(payload.map_err(Rejection::invalid)?)?;
    }
    Ok(scanner.outline)
}

/// Reads memory, globals, exports and custom sections of `code` that was found valid before.
pub(super) fn scan_declarations<'a>(
    code: &'a [u8],
    limits: &CodeLimits,
) -> Result<Outline<'a>, Rejection> {
    let mut scanner = Scanner::new(code, limits);
    let mut parser = Parser::new(0);
    parser.set_features(features());
    for payload in parser.parse_all(code) {
        let payload = payload.map_err(Rejection::invalid)?;
        if matches!(
            payload,
            Payload::MemorySection(_)
                | Payload::GlobalSection(_)
                | Payload::ExportSection(_)
                | Payload::CustomSection(_)
        ) {
            scanner.collect(payload)?;
        }
    }
    Ok(scanner.outline)
}

struct Scanner<'a, 'l> {
    limits: &'l CodeLimits,
    validator: Validator,
    allocations: FuncValidatorAllocations,
    loop_locals_total: u64,
    nested_locals_total: u64,
    mutable_globals: u64,
    outline: Outline<'a>,
}

impl<'a, 'l> Scanner<'a, 'l> {
    fn new(code: &[u8], limits: &'l CodeLimits) -> Self {
        Self {
            limits,
            validator: Validator::new_with_features(features()),
            allocations: FuncValidatorAllocations::default(),
            loop_locals_total: 0,
            nested_locals_total: 0,
            mutable_globals: 0,
            outline: Outline {
                end: code.len() as u64,
                ..Outline::default()
            },
        }
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<(), Rejection> {
        self.refuse_sections(&payload)?;
        self.refuse_counts(&payload)?;
        let valid = self
            .validator
            .payload(&payload)
            .map_err(Rejection::invalid)?;
        match valid {
            ValidPayload::Func(function, body) => self.body(function, body),
            _ => self.collect(payload),
        }
    }

    /// Refuses what no contract has, under its own name and not the validator's.
    fn refuse_sections(&self, payload: &Payload<'_>) -> Result<(), Rejection> {
        match payload {
            Payload::Version {
                encoding: Encoding::Component,
                range,
                ..
            } => Err(Rejection::Component {
                offset: range.start as u64,
            }),
            Payload::StartSection { range, .. } => Err(Rejection::Start {
                offset: range.start as u64,
            }),
            Payload::MemorySection(section) if section.count() > 1 => Err(Rejection::MemoryCount {
                offset: section.range().start as u64,
                found: section.count(),
            }),
            Payload::TableSection(section) if section.count() > 1 => Err(Rejection::TableCount {
                offset: section.range().start as u64,
                found: section.count(),
            }),
            _ => Ok(()),
        }
    }

    /// Holds the counts that sections claim against the limits, before anything is done with them.
    fn refuse_counts(&self, payload: &Payload<'_>) -> Result<(), Rejection> {
        let limits = self.limits;
        match payload {
            Payload::TypeSection(section) => {
                count("types_max", section, limits.types_max)?;
                self.refuse_types(section)
            }
            Payload::ImportSection(section) => count("imports_max", section, limits.imports_max),
            Payload::FunctionSection(section) => {
                count("functions_max", section, limits.functions_max)
            }
            Payload::GlobalSection(section) => count("globals_max", section, limits.globals_max),
            Payload::ExportSection(section) => count("exports_max", section, limits.exports_max),
            Payload::ElementSection(section) => {
                count("element_segments_max", section, limits.element_segments_max)
            }
            Payload::DataSection(section) => {
                count("data_segments_max", section, limits.data_segments_max)
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                at_most(
                    "body_bytes_max",
                    range.start as u64,
                    range.len() as u64,
                    limits.body_bytes_max,
                )
            }
            _ => Ok(()),
        }
    }

    /// Types multiply the validator's work for each block and call, hence before it. What can not
    /// be read here is left to the validator's message.
    fn refuse_types(&self, section: &TypeSectionReader<'_>) -> Result<(), Rejection> {
        for group in section.clone().into_iter_with_offsets() {
            let Ok((offset, group)) = group else {
                return Ok(());
            };
            for ty in group.types() {
                let wasmparser::CompositeInnerType::Func(ty) = &ty.composite_type.inner else {
                    continue;
                };
                let offset = offset as u64;
                at_most(
                    "params_max",
                    offset,
                    ty.params().len() as u64,
                    self.limits.params_max,
                )?;
                at_most(
                    "results_max",
                    offset,
                    ty.results().len() as u64,
                    self.limits.results_max,
                )?;
            }
        }
        Ok(())
    }

    fn body(
        &mut self,
        function: FuncToValidate<ValidatorResources>,
        body: FunctionBody<'a>,
    ) -> Result<(), Rejection> {
        let mut validator = function.into_validator(mem::take(&mut self.allocations));
        let measured = body::measure(&mut validator, &body, self.limits, &self.outline)?;
        self.allocations = validator.into_allocations();
        self.weigh(body.range().start as u64, &measured)?;
        self.outline.bodies.push(Body {
            body,
            locals: measured.locals,
            calls: measured.calls,
            cost: measured.cost,
            counted: measured.counted,
        });
        Ok(())
    }

    /// Adds a body to what the module weighs.
    fn weigh(&mut self, offset: u64, measured: &Measured) -> Result<(), Rejection> {
        self.loop_locals_total += measured.loop_locals;
        self.nested_locals_total += measured.nested_locals;
        let (loops, blocks) = (self.loop_locals_total, self.nested_locals_total);
        at_most(
            "loop_locals_total_max",
            offset,
            loops,
            self.limits.loop_locals_total_max,
        )?;
        at_most(
            "nested_locals_total_max",
            offset,
            blocks,
            self.limits.nested_locals_total_max,
        )
    }

    fn collect(&mut self, payload: Payload<'a>) -> Result<(), Rejection> {
        match payload {
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => {
                each(section, |offset, import| self.import(offset, import))
            }
            Payload::FunctionSection(section) => each(section, |_, ty| {
                self.outline.functions.push(ty);
                Ok(())
            }),
            Payload::TableSection(section) => each(section, |offset, table| {
                let has_initial_value = !matches!(table.init, TableInit::RefNull);
                self.outline.table = Some(outline::Table {
                    offset,
                    ty: table.ty,
                    has_initial_value,
                });
                Ok(())
            }),
            Payload::MemorySection(section) => each(section, |offset, ty| {
                self.outline.memory = Some(outline::Memory { offset, ty });
                Ok(())
            }),
            Payload::GlobalSection(section) => {
                each(section, |offset, global| self.global(offset, &global))
            }
            Payload::ExportSection(section) => each(section, |offset, export| {
                let wasmparser::Export { name, kind, index } = export;
                self.outline.exports.push(outline::Export {
                    offset,
                    name,
                    kind,
                    index,
                });
                Ok(())
            }),
            Payload::ElementSection(section) => {
                each(section, |offset, element| self.element(offset, element))
            }
            Payload::DataSection(section) => each(section, |offset, data| self.data(offset, &data)),
            Payload::CustomSection(section) => {
                self.outline.customs.push(section);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn types(&mut self, section: TypeSectionReader<'a>) -> Result<(), Rejection> {
        for ty in section.clone().into_iter_err_on_gc_types() {
            let ty = ty.map_err(Rejection::invalid)?;
            let offset = section.range().start as u64;
            for value in ty.params().iter().chain(ty.results()) {
                body::number(*value, offset)?;
            }
            self.outline.types.push(ty);
        }
        Ok(())
    }

    fn import(&mut self, offset: u64, imports: Imports<'a>) -> Result<(), Rejection> {
        // The validator has refused compact imports, the other encoding.
        let Imports::Single(_, import) = imports else {
            return Ok(());
        };
        let wasmparser::Import { module, name, ty } = import;
        self.outline.imports.push(outline::Import {
            offset,
            module,
            name,
            ty,
        });
        Ok(())
    }

    fn global(&mut self, offset: u64, global: &wasmparser::Global<'_>) -> Result<(), Rejection> {
        body::number(global.ty.content_type, offset)?;
        self.mutable_globals += u64::from(global.ty.mutable);
        at_most(
            "mutable_globals_max",
            offset,
            self.mutable_globals,
            self.limits.mutable_globals_max,
        )?;
        let value = constant::evaluate(&global.init_expr)?;
        self.outline.globals.push(outline::Global {
            offset,
            ty: global.ty,
            value,
        });
        Ok(())
    }

    fn element(&mut self, offset: u64, element: wasmparser::Element<'a>) -> Result<(), Rejection> {
        let segment = self.outline.elements.len() as u32;
        let ElementKind::Active { offset_expr, .. } = element.kind else {
            return Err(Rejection::InactiveElements { offset, segment });
        };
        let ElementItems::Functions(functions) = element.items else {
            return Err(Rejection::ElementExpressions { offset, segment });
        };
        let start = address(&offset_expr)?;
        self.outline.elements.push(outline::Elements {
            offset,
            start,
            functions,
        });
        Ok(())
    }

    fn data(&mut self, offset: u64, data: &wasmparser::Data<'a>) -> Result<(), Rejection> {
        let segment = self.outline.data.len() as u32;
        let DataKind::Active { offset_expr, .. } = &data.kind else {
            return Err(Rejection::PassiveData { offset, segment });
        };
        let start = address(offset_expr)?;
        self.outline.data.push(outline::Data {
            offset,
            start,
            bytes: data.data,
        });
        Ok(())
    }
}

/// The value of a segment's offset expression.
fn address(expression: &wasmparser::ConstExpr<'_>) -> Result<u64, Rejection> {
    let offset = expression.get_binary_reader().original_position() as u64;
    constant::evaluate(expression)?
        .address()
        .ok_or(Rejection::Constant { offset })
}

fn count<T>(
    limit: &'static str,
    section: &SectionLimited<'_, T>,
    max: u64,
) -> Result<(), Rejection> {
    at_most(
        limit,
        section.range().start as u64,
        u64::from(section.count()),
        max,
    )
}

/// Visits the items of a section with their offsets.
fn each<'a, T: wasmparser::FromReader<'a>>(
    section: SectionLimited<'a, T>,
    mut visit: impl FnMut(u64, T) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    for item in section.into_iter_with_offsets() {
        let (offset, item) = item.map_err(Rejection::invalid)?;
        visit(offset as u64, item)?;
    }
    Ok(())
}

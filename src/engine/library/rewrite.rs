//! Writes the component that is compiled: the same, but its core modules count their stack.
//!
//! Backends take different amounts of native stack for a frame. So that recursion ends at the same depth on all of them, each core module gets a global
//! that its functions lower by the cost of their frame, as contracts do (`engine::code::function`); below zero they trap. Each core instance has a
//! counter of its own, and the native stack has room for all of them together.
//!
//! A component is a row of sections; those of core modules are replaced, the others stay as they are. Only the outermost component may have core
//! modules and instances, so that its own sections say how many there will be.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    BlockType, CodeSection, ComponentSectionId, ConstExpr, Encode, Function, GlobalSection,
    GlobalType, Instruction, SectionId, TypeSection, ValType,
};
use wasmparser::{
    BinaryReader, FuncType, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator,
    Parser, Payload, TypeRef, ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

use super::error::LibraryError;
use crate::engine::code::{self, computed, frame_bytes};
use crate::engine::protocol::LibraryRules;

/// Bytes before the first section of a component or module.
const HEADER_BYTES: usize = 8;

/// The frame cost up to which a function that calls nothing goes without the counter.
const FREE_COST_MAX: u32 = 4_096;

/// A component that may be compiled.
pub struct Rewritten {
    /// Its bytes.
    pub component: Vec<u8>,
    /// Core instances that it makes.
    pub instances: u64,
}

/// The features of contracts, without memories that canonical functions do not reach, and with components.
fn features() -> WasmFeatures {
    code::features()
        .difference(WasmFeatures::MEMORY64)
        .union(WasmFeatures::COMPONENT_MODEL)
        .union(WasmFeatures::CALL_INDIRECT_OVERLONG)
        .union(WasmFeatures::BULK_MEMORY_OPT)
}

/// Validates a component and writes it anew.
///
/// # Errors
/// [`LibraryError`]: the rule that it breaks.
pub fn rewrite(bytes: &[u8], rules: &LibraryRules) -> Result<Rewritten, LibraryError> {
    let len = bytes.len() as u64;
    LibraryError::at_most("length", "code_bytes_max", len, rules.code_bytes_max)?;
    if !Parser::is_component(bytes) {
        let what = "it is a core module, or no WebAssembly".to_owned();
        return Err(LibraryError::Invalid { what });
    }
    Validator::new_with_features(features()).validate_all(bytes)?;
    let instances = instances(bytes)?;
    LibraryError::at_most(
        "number of core instances",
        "instances_max",
        instances,
        rules.instances_max,
    )?;
    let mut component = bytes[..HEADER_BYTES].to_vec();
    for section in sections(bytes) {
        let section = section?;
        match section.id == ComponentSectionId::CoreModule as u8 {
            true => {
                put(&mut component, section.id, &module(section.data, rules)?);
            }
            false => component.extend(section.whole),
        }
    }
    Ok(Rewritten {
        component,
        instances,
    })
}

/// Counts the core instances of the outermost component, and refuses others.
fn instances(bytes: &[u8]) -> Result<u64, LibraryError> {
    let (mut depth, mut count, mut in_module) = (0_u32, 0, false);
    for payload in Parser::new(0).parse_all(bytes) {
        let nested = |offset: usize| match depth {
            0 => Ok(()),
            _ => Err(LibraryError::Nested {
                offset: offset as u64,
            }),
        };
        match payload? {
            Payload::ModuleSection {
                unchecked_range, ..
            } => {
                nested(unchecked_range.start)?;
                in_module = true;
            }
            Payload::InstanceSection(section) => {
                nested(section.range().start)?;
                for instance in section {
                    let is_made = matches!(instance?, wasmparser::Instance::Instantiate { .. });
                    count += u64::from(is_made);
                }
            }
            Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if in_module => in_module = false,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(count)
}

/// A section of a component or module.
struct Section<'a> {
    id: u8,
    data: &'a [u8],
    /// Id and length included.
    whole: &'a [u8],
}

/// The sections of a valid component or module.
fn sections(bytes: &[u8]) -> impl Iterator<Item = Result<Section<'_>, LibraryError>> {
    let mut rest = &bytes[HEADER_BYTES..];
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let section = section(rest);
        rest = match &section {
            Ok(section) => &rest[section.whole.len()..],
            Err(_) => &[],
        };
        Some(section)
    })
}

fn section(bytes: &[u8]) -> Result<Section<'_>, LibraryError> {
    let mut reader = BinaryReader::new(bytes, 0);
    let id = reader.read_u8()?;
    let len = reader.read_var_u32()? as usize;
    let data = reader.read_bytes(len)?;
    let whole = &bytes[..reader.original_position()];
    Ok(Section { id, data, whole })
}

/// Adds a section.
fn put(bytes: &mut Vec<u8>, id: u8, data: &[u8]) {
    bytes.push(id);
    data.len().encode(bytes);
    bytes.extend(data);
}

/// What of a module its functions need.
#[derive(Default)]
struct Outline {
    types: Vec<FuncType>,
    /// Types that are added: of blocks.
    added: Vec<FuncType>,
    /// Types of functions, imported ones first.
    functions: Vec<u32>,
    /// How many are imported.
    imported: usize,
    /// Globals, imported ones included; the counter comes behind them.
    globals: u32,
}

/// Writes a core module anew.
fn module(bytes: &[u8], rules: &LibraryRules) -> Result<Vec<u8>, LibraryError> {
    let mut outline = outline(bytes)?;
    let code = code(bytes, &mut outline, rules)?;
    let mut globals = GlobalSection::new();
    let counter = GlobalType {
        val_type: ValType::I32,
        mutable: true,
        shared: false,
    };
    let first = i32::try_from(rules.stack_bytes).unwrap_or(i32::MAX);
    globals.global(counter, &ConstExpr::i32_const(first));
    let mut types = TypeSection::new();
    for ty in &outline.added {
        types.ty().func_type(&func_type(ty)?);
    }
    let mut module = bytes[..HEADER_BYTES].to_vec();
    let mut is_counted = false;
    for section in sections(bytes) {
        let section = section?;
        if is_behind_globals(section.id) && !is_counted {
            put(&mut module, SectionId::Global as u8, &data(&globals));
            is_counted = true;
        }
        if section.id == SectionId::Global as u8 {
            put(&mut module, section.id, &longer(section.data, &globals)?);
            is_counted = true;
        } else if section.id == SectionId::Type as u8 {
            put(&mut module, section.id, &longer(section.data, &types)?);
        } else if section.id == SectionId::Code as u8 {
            put(&mut module, section.id, &data(&code));
        } else {
            module.extend(section.whole);
        }
    }
    Ok(module)
}

/// Whether sections of this kind stand behind that of globals.
fn is_behind_globals(id: u8) -> bool {
    let behind = [
        SectionId::Export,
        SectionId::Start,
        SectionId::Element,
        SectionId::DataCount,
        SectionId::Code,
        SectionId::Data,
    ];
    behind.iter().any(|behind| *behind as u8 == id)
}

/// What is in a section behind its length.
fn data(section: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    section.encode(&mut bytes);
    let mut reader = BinaryReader::new(&bytes, 0);
    let len = reader
        .read_var_u32()
        .map_or(0, |_| reader.original_position());
    bytes.split_off(len)
}

/// A section with a number of entries, and more entries.
fn longer(section: &[u8], more: &impl Encode) -> Result<Vec<u8>, LibraryError> {
    let more = data(more);
    let mut more = BinaryReader::new(&more, 0);
    let mut there = BinaryReader::new(section, 0);
    let count = there.read_var_u32()?.saturating_add(more.read_var_u32()?);
    let mut bytes = Vec::with_capacity(section.len());
    count.encode(&mut bytes);
    bytes.extend(there.read_bytes(there.bytes_remaining())?);
    bytes.extend(more.read_bytes(more.bytes_remaining())?);
    Ok(bytes)
}

fn func_type(ty: &FuncType) -> Result<wasm_encoder::FuncType, LibraryError> {
    RoundtripReencoder.func_type(ty.clone()).map_err(unwritable)
}

/// What the encoder has no word for; nothing that was validated.
fn unwritable(error: wasm_encoder::reencode::Error) -> LibraryError {
    let what = error.to_string();
    LibraryError::Invalid { what }
}

fn outline(bytes: &[u8]) -> Result<Outline, LibraryError> {
    let mut outline = Outline::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    outline.types.push(ty?);
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    match import?.ty {
                        TypeRef::Func(ty) => outline.functions.push(ty),
                        TypeRef::Global(_) => outline.globals += 1,
                        _ => {}
                    }
                }
                outline.imported = outline.functions.len();
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    outline.functions.push(ty?);
                }
            }
            Payload::GlobalSection(section) => outline.globals += section.count(),
            _ => {}
        }
    }
    Ok(outline)
}

impl Outline {
    fn function(&self, defined: usize) -> Result<&FuncType, LibraryError> {
        let ty = self.functions.get(self.imported + defined);
        let ty = ty.and_then(|ty| self.types.get(*ty as usize));
        ty.ok_or_else(|| LibraryError::Invalid {
            what: "a function has no type".to_owned(),
        })
    }

    /// The type of a block that gives what this function gives.
    fn block(&mut self, defined: usize) -> Result<BlockType, LibraryError> {
        let results = self.function(defined)?.results();
        let results = match results {
            [] => return Ok(BlockType::Empty),
            [one] => {
                let one = RoundtripReencoder.val_type(*one).map_err(unwritable)?;
                return Ok(BlockType::Result(one));
            }
            more => FuncType::new([], more.iter().copied()),
        };
        let mut known = self.types.iter().chain(&self.added);
        let at = known.position(|ty| *ty == results).unwrap_or_else(|| {
            self.added.push(results);
            self.types.len() + self.added.len() - 1
        });
        Ok(BlockType::FunctionType(at as u32))
    }
}

/// The functions, with the counter.
fn code(
    bytes: &[u8],
    outline: &mut Outline,
    rules: &LibraryRules,
) -> Result<CodeSection, LibraryError> {
    let features = features().difference(WasmFeatures::COMPONENT_MODEL);
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    let (mut code, mut defined) = (CodeSection::new(), 0);
    for payload in Parser::new(0).parse_all(bytes) {
        let ValidPayload::Func(validate, body) = validator.payload(&payload?)? else {
            continue;
        };
        let mut validator = validate.into_validator(allocations);
        let found = (body.range().end - body.range().start) as u64;
        LibraryError::at_most("function", "body_bytes_max", found, rules.body_bytes_max)?;
        let measured = measure(&mut validator, &body, rules)?;
        let block = outline.block(defined)?;
        code.function(&function(&body, &measured, block, outline.globals)?);
        allocations = validator.into_allocations();
        defined += 1;
    }
    Ok(code)
}

/// What was found out about a body.
struct Measured {
    cost: i32,
    calls: bool,
    /// Its first own local index.
    locals: u32,
}

fn measure(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
    rules: &LibraryRules,
) -> Result<Measured, LibraryError> {
    let (mut operands, mut values, mut calls) = (0, 0_u32, false);
    let mut locals = body.get_locals_reader()?;
    for _ in 0..locals.get_count() {
        let offset = locals.original_position();
        let (count, ty) = locals.read()?;
        validator.define_locals(offset, count, ty)?;
    }
    let mut reader = body.get_operators_reader()?;
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        validator.op(offset, &operator)?;
        operands = operands.max(validator.operand_stack_height());
        values = values.saturating_add(computed(&operator));
        calls |= matches!(
            operator,
            Operator::Call { .. } | Operator::CallIndirect { .. }
        );
        let nesting = u64::from(validator.control_stack_height());
        LibraryError::at_most("nesting", "nesting_max", nesting, rules.nesting_max)?;
    }
    let locals = validator.len_locals();
    let slots = locals.saturating_add(operands).saturating_add(values);
    let cost = frame_bytes(slots);
    let found = u64::from(cost);
    LibraryError::at_most("largest frame", "stack_bytes", found, rules.stack_bytes)?;
    Ok(Measured {
        cost: i32::try_from(cost).unwrap_or(i32::MAX),
        calls,
        locals,
    })
}

/// Writes a function whose body is a block: whatever leaves it puts the counter back, but for traps, after which nothing of the instance is used.
fn function(
    body: &FunctionBody<'_>,
    measured: &Measured,
    block: BlockType,
    counter: u32,
) -> Result<Function, LibraryError> {
    let is_counted = measured.calls || measured.cost as u32 > FREE_COST_MAX;
    let mut locals = Vec::new();
    for local in body.get_locals_reader()? {
        let (count, ty) = local?;
        locals.push((count, RoundtripReencoder.val_type(ty).map_err(unwritable)?));
    }
    locals.extend(is_counted.then_some((1, ValType::I32)));
    let mut function = Function::new(locals);
    if !is_counted {
        let mut operators = body.get_binary_reader_for_operators()?;
        function.raw(
            operators
                .read_bytes(operators.bytes_remaining())?
                .iter()
                .copied(),
        );
        return Ok(function);
    }
    let saved = measured.locals;
    let take = [
        Instruction::GlobalGet(counter),
        Instruction::LocalTee(saved),
        Instruction::I32Const(measured.cost),
        Instruction::I32Sub,
        Instruction::GlobalSet(counter),
        Instruction::LocalGet(saved),
        Instruction::I32Const(measured.cost),
        Instruction::I32LtS,
        Instruction::If(BlockType::Empty),
        Instruction::Unreachable,
        Instruction::End,
        Instruction::Block(block),
    ];
    take.iter().for_each(|instruction| {
        function.instruction(instruction);
    });
    operators(&mut function, body)?;
    let restore = [
        Instruction::LocalGet(saved),
        Instruction::GlobalSet(counter),
        Instruction::End,
    ];
    restore.iter().for_each(|instruction| {
        function.instruction(instruction);
    });
    Ok(function)
}

/// Copies the operators; `return` becomes a branch out of the block. The last, the `end` of the body, ends the block.
fn operators(function: &mut Function, body: &FunctionBody<'_>) -> Result<(), LibraryError> {
    let mut reader = body.get_operators_reader()?;
    let mut depth = 0_u32;
    while !reader.eof() {
        let start = reader.original_position();
        let operator = reader.read()?;
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            Operator::End => depth = depth.saturating_sub(1),
            _ => {}
        }
        match operator {
            Operator::Return => {
                function.instruction(&Instruction::Br(depth));
            }
            _ => {
                let end = reader.original_position();
                let from = body.range().start;
                let bytes = body.as_bytes().get(start - from..end - from);
                function.raw(bytes.unwrap_or_default().iter().copied());
            }
        }
    }
    Ok(())
}

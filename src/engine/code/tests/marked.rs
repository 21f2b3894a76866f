//! Runs rewritten modules with a host that marks pages, and sees to it that no access goes unchecked.
//!
//! The rewritten bytes are instrumented once more: the marks table is exported, and every load and store of the
//! contract's memory first tells the host what it accesses. That looks at what was emitted and shares no code with the analysis.

use super::super::WordSize;
use std::collections::BTreeSet;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, CustomSection, EntityType, ExportKind, ExportSection, ImportSection, Instruction,
    Module, TypeSection, ValType,
};
use wasmparser::{FunctionBody, Operator, Parser, Payload, TypeRef};
use wasmtime::{Caller, Engine, Extern, Linker, Memory, Val};

/// Export of the marks table in instrumented modules.
const MARKS: &str = "test.marks";

/// Shape of a module, as far as instrumenting needs it.
#[derive(Default)]
struct Shape {
    params: Vec<u32>,
    imports: u32,
    functions: Vec<u32>,
    is_wide: bool,
    memories: usize,
}

impl Shape {
    fn of(wasm: &[u8]) -> Self {
        let mut shape = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.unwrap() {
                Payload::TypeSection(section) => {
                    let types = section.into_iter_err_on_gc_types();
                    shape.params = types.map(|ty| ty.unwrap().params().len() as u32).collect();
                }
                Payload::ImportSection(section) => {
                    let imports = section.into_imports();
                    let is_function = |ty| matches!(ty, TypeRef::Func(_));
                    shape.imports = imports
                        .filter(|import| is_function(import.as_ref().unwrap().ty))
                        .count() as u32;
                }
                Payload::FunctionSection(section) => {
                    shape.functions = section.into_iter().map(Result::unwrap).collect();
                }
                Payload::MemorySection(section) => {
                    let memories: Vec<_> = section.into_iter().map(Result::unwrap).collect();
                    shape.is_wide = memories[0].memory64;
                    shape.memories = memories.len();
                }
                _ => {}
            }
        }
        shape
    }
}

struct Auditor {
    shape: Shape,
    /// Functions read so far.
    bodies: usize,
}

impl Reencode for Auditor {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, Error<Self::Error>> {
        Ok(index + u32::from(index >= self.shape.imports))
    }

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_type_section(self, types, section)?;
        let params = [ValType::I64, ValType::I64, ValType::I32, ValType::I32];
        types.ty().function(params, []);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_import_section(self, imports, section)?;
        let ty = self.shape.params.len() as u32;
        imports.import("test", "access", EntityType::Function(ty));
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Result<(), Error<Self::Error>> {
        utils::parse_export_section(self, exports, section)?;
        if self.shape.memories == 2 {
            exports.export(MARKS, ExportKind::Memory, 1);
            exports.export("test.memory", ExportKind::Memory, 0);
        }
        Ok(())
    }

    /// Hints would be at other places.
    fn custom_section<'a>(
        &mut self,
        _: wasmparser::CustomSectionReader<'a>,
    ) -> Result<CustomSection<'a>, Error<Self::Error>> {
        Ok(CustomSection {
            name: "empty".into(),
            data: (&[]).into(),
        })
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Self::Error>> {
        let mut locals = Vec::new();
        let mut count = self.shape.params[self.shape.functions[self.bodies] as usize];
        self.bodies += 1;
        for pair in body.get_locals_reader()? {
            let (more, ty) = pair?;
            count += more;
            locals.push((more, self.val_type(ty)?));
        }
        let pointer = super::super::access::pointer(self.word_size());
        let added = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];
        locals.push((1, pointer));
        locals.extend(added.map(|ty| (1, ty)));
        let mut function = wasm_encoder::Function::new(locals);
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let operator = reader.read()?;
            if let Some((offset, width, stored)) = accessed(&operator) {
                let scratch = stored.map(|ty| {
                    let nth = added.iter().position(|added| *added == ty).unwrap();
                    count + 1 + nth as u32
                });
                self.tell(&mut function, count, scratch, offset, width);
            }
            function.instruction(&self.instruction(operator)?);
        }
        code.function(&function);
        Ok(())
    }
}

impl Auditor {
    const fn word_size(&self) -> WordSize {
        if self.shape.is_wide {
            WordSize::W64
        } else {
            WordSize::W32
        }
    }

    fn tell(
        &self,
        function: &mut wasm_encoder::Function,
        address: u32,
        stored: Option<u32>,
        offset: u64,
        width: i32,
    ) {
        if let Some(value) = stored {
            function.instruction(&Instruction::LocalSet(value));
        }
        function.instruction(&Instruction::LocalTee(address));
        if !self.shape.is_wide {
            function.instruction(&Instruction::I64ExtendI32U);
        }
        for instruction in [
            Instruction::I64Const(offset.cast_signed()),
            Instruction::I32Const(width),
            Instruction::I32Const(i32::from(stored.is_some())),
            Instruction::Call(self.shape.imports),
            Instruction::LocalGet(address),
        ] {
            function.instruction(&instruction);
        }
        if let Some(value) = stored {
            function.instruction(&Instruction::LocalGet(value));
        }
    }
}

/// Offset, width, and for stores the type of the value, of an access to memory 0.
fn accessed(operator: &Operator<'_>) -> Option<(u64, i32, Option<ValType>)> {
    use Operator as Op;
    use ValType::{F32, F64, I32, I64};
    let (memory, width, stored) = match operator {
        Op::I32Load8S { memarg }
        | Op::I32Load8U { memarg }
        | Op::I64Load8S { memarg }
        | Op::I64Load8U { memarg } => (memarg, 1, None),
        Op::I32Load16S { memarg }
        | Op::I32Load16U { memarg }
        | Op::I64Load16S { memarg }
        | Op::I64Load16U { memarg } => (memarg, 2, None),
        Op::I32Load { memarg }
        | Op::F32Load { memarg }
        | Op::I64Load32S { memarg }
        | Op::I64Load32U { memarg } => (memarg, 4, None),
        Op::I64Load { memarg } | Op::F64Load { memarg } => (memarg, 8, None),
        Op::I32Store8 { memarg } => (memarg, 1, Some(I32)),
        Op::I64Store8 { memarg } => (memarg, 1, Some(I64)),
        Op::I32Store16 { memarg } => (memarg, 2, Some(I32)),
        Op::I64Store16 { memarg } => (memarg, 2, Some(I64)),
        Op::I32Store { memarg } => (memarg, 4, Some(I32)),
        Op::F32Store { memarg } => (memarg, 4, Some(F32)),
        Op::I64Store32 { memarg } => (memarg, 4, Some(I64)),
        Op::I64Store { memarg } => (memarg, 8, Some(I64)),
        Op::F64Store { memarg } => (memarg, 8, Some(F64)),
        _ => return None,
    };
    (memory.memory == 0).then_some((memory.offset, width, stored))
}

/// The module with every access told to the host.
pub fn audited(wasm: &[u8]) -> Vec<u8> {
    let mut auditor = Auditor {
        shape: Shape::of(wasm),
        bodies: 0,
    };
    let mut module = Module::new();
    auditor
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .unwrap();
    module.finish()
}

/// What the host has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// Marks nothing, so that every check calls the host, and covers an access by the bytes behind a check's address only, not by
    /// the rest of its page.
    strict: bool,
    /// In strict mode where reads and writes were checked.
    windows: [BTreeSet<u64>; 2],
    /// Accesses inside the memory.
    pub accesses: u64,
    /// Calls of the cold path.
    pub touches: u64,
    /// Accesses whose bytes no mark covered.
    pub misses: Vec<String>,
    /// A check looked beyond the memory: the call has to end in a trap.
    pub doomed: bool,
}

impl Seen {
    /// Nothing yet.
    pub fn strict(strict: bool) -> Self {
        Self {
            strict,
            ..Self::default()
        }
    }
}

impl AsMut<Self> for Seen {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

const PAGE: u64 = 4_096;
const HEAD: u64 = 264;

struct Memories {
    contract: Memory,
    marks: Memory,
}

fn memories<T>(caller: &mut Caller<'_, T>) -> Option<Memories> {
    let mut memory = |name| caller.get_export(name).and_then(Extern::into_memory);
    Some(Memories {
        contract: memory("test.memory")?,
        marks: memory(MARKS)?,
    })
}

/// Marks the pages of a range, if it lies inside the memory.
fn mark<T: AsMut<Seen>>(caller: &mut Caller<'_, T>, address: u64, length: u64, mark: u8) {
    let Some(memories) = memories(caller) else {
        return;
    };
    let size = memories.contract.data_size(&*caller) as u64;
    if length == 0 || address.checked_add(length).is_none_or(|end| end > size) {
        caller.data_mut().as_mut().doomed |= length > 0;
        return;
    }
    let seen = caller.data_mut().as_mut();
    if seen.strict {
        return note(seen, address, length, mark);
    }
    let marks = memories.marks.data_mut(caller);
    for page in address / PAGE..=(address + length - 1) / PAGE {
        let present = &mut marks[page as usize];
        *present = mark.max(*present);
    }
}

fn note(seen: &mut Seen, address: u64, length: u64, mark: u8) {
    let [read, written] = &mut seen.windows;
    for address in (address..address + length).step_by(HEAD as usize) {
        read.insert(address);
        if mark == 3 {
            written.insert(address);
        }
    }
}

/// Whether a check at one of `windows` covers the bytes. In a 32-bit module the last bytes of the address space reach into the first.
fn is_near(windows: &BTreeSet<u64>, start: u64, width: u64, is_wide: bool) -> bool {
    let reach = HEAD - width;
    let below = start.checked_sub(reach);
    let near = windows.range(below.unwrap_or(0)..=start).next().is_some();
    let wrapped = (1_u64 << 32) + start;
    let around = !is_wide && below.is_none();
    near || (around && windows.range(wrapped - reach..).next().is_some())
}

/// Holds an access against the marks.
pub fn audit<T: AsMut<Seen>>(
    mut caller: Caller<'_, T>,
    base: i64,
    offset: i64,
    width: i32,
    writes: i32,
) {
    let Some(memories) = memories(&mut caller) else {
        return;
    };
    let size = u128::from(memories.contract.data_size(&caller) as u64);
    let start = u128::from(base.cast_unsigned()) + u128::from(offset.cast_unsigned());
    if start + width as u128 > size {
        return;
    }
    let start = start as u64;
    let needed = if writes == 1 { 3 } else { 1 };
    let marks = memories.marks.data(&caller);
    let last = (marks.len() - 1) as u64;
    let is_marked = |page: u64| marks[page as usize] >= needed;
    let is_covered = |address: u64| {
        let (page, within) = (address / PAGE, address % PAGE);
        let before = page.checked_sub(1).unwrap_or(last);
        is_marked(page) || (within < HEAD && is_marked(before))
    };
    let mut covered = (start..start + width as u64).all(is_covered);
    let is_wide = memories.contract.ty(&caller).is_64();
    let seen = caller.data_mut().as_mut();
    if seen.strict {
        let windows = &seen.windows[writes as usize];
        covered = is_near(windows, start, width as u64, is_wide);
    }
    seen.accesses += 1;
    if !covered && !seen.doomed {
        let kind = if writes == 1 { "store" } else { "load" };
        seen.misses.push(format!("{kind} of {width} at {start:#x}"));
    }
}

pub fn unsigned(value: &Val) -> u64 {
    match value {
        Val::I32(value) => u64::from(value.cast_unsigned()),
        Val::I64(value) => value.cast_unsigned(),
        other => panic!("{other:?} is no address"),
    }
}

/// A linker with the host functions that a module imports from `crostata`, and `test.access`.
pub fn linker(engine: &Engine, module: &wasmtime::Module) -> Linker<Seen> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("test", "access", audit::<Seen>).unwrap();
    for import in module
        .imports()
        .filter(|import| import.module() == "crostata")
    {
        let name = import.name().to_owned();
        let ty = import.ty().unwrap_func().clone();
        let host = move |caller: Caller<'_, Seen>, operands: &[Val], _: &mut [Val]| {
            let operands: Vec<u64> = operands.iter().map(unsigned).collect();
            touch(caller, &name, &operands);
            Ok(())
        };
        linker
            .func_new("crostata", import.name(), ty, host)
            .unwrap();
    }
    linker
}

/// What rewritten code calls before accesses.
pub fn touch<T: AsMut<Seen>>(mut caller: Caller<'_, T>, name: &str, operands: &[u64]) {
    caller.data_mut().as_mut().touches += 1;
    match (name, operands) {
        ("read", [address]) => mark(&mut caller, *address, 1, 1),
        ("write", [address]) => mark(&mut caller, *address, 1, 3),
        ("copy", [destination, source, length]) => {
            mark(&mut caller, *source, *length, 1);
            mark(&mut caller, *destination, *length, 3);
        }
        ("fill", [destination, length]) => mark(&mut caller, *destination, *length, 3),
        _ => panic!("{name} with {operands:?}"),
    }
}

//! Makes a contract of a generated module: what contracts may not have goes, functions get entries, runs get an end.

use wasm_encoder::{ConstExpr, ExportKind, Instruction as I, MemArg, ValType};

use super::module::{Body, Global, Module, Signature};
use super::operators::{self, TYPES};
use super::random::Random;
use super::statements::zeros;

/// The argument buffer's length.
pub const BUFFER_BYTES: u64 = 65_536;

/// Entries are made for no more functions.
const ENTRIES_MAX: usize = 6;

/// Globals that an entry shows.
const GLOBALS_SHOWN: usize = 12;

/// How a module is made a contract.
#[derive(Debug, Clone, Copy)]
pub struct Wrapping {
    /// Address of the argument buffer.
    pub buffer: u64,
    /// How many functions and loops are begun before all functions return zeros; without, gas ends what does not end.
    pub rounds: Option<i32>,
    /// Whether `unreachable` returns zeros instead.
    pub softened: bool,
    /// Whether the addresses of loads and stores are cut to those near the memory's size.
    pub masked: bool,
}

macro_rules! accesses {
    ($instruction:expr, $($name:ident $ty:ident $is_store:literal)*) => {
        match $instruction {
            $(I::$name(argument) => Some((argument, ValType::$ty, $is_store)),)*
            _ => None,
        }
    };
}

/// The argument of a load or store, its value's type, and whether it is a store.
pub fn access<'i>(instruction: &'i mut I<'_>) -> Option<(&'i mut MemArg, ValType, bool)> {
    accesses!(instruction,
        I32Load I32 false I64Load I64 false F32Load F32 false F64Load F64 false
        I32Load8S I32 false I32Load8U I32 false I32Load16S I32 false I32Load16U I32 false
        I64Load8S I64 false I64Load8U I64 false I64Load16S I64 false I64Load16U I64 false
        I64Load32S I64 false I64Load32U I64 false
        I32Store I32 true I64Store I64 true F32Store F32 true F64Store F64 true
        I32Store8 I32 true I32Store16 I32 true I64Store8 I64 true I64Store16 I64 true
        I64Store32 I64 true)
}

impl<'a> Module<'a> {
    /// Makes the module a contract.
    pub fn wrap(&mut self, wrapping: &Wrapping) {
        for at in 0..self.functions.len() {
            let code = std::mem::take(&mut self.functions[at].code);
            let mut tamed = Vec::with_capacity(code.len() + 8);
            for instruction in code {
                self.tame(at, wrapping, instruction, &mut tamed);
            }
            self.functions[at].code = tamed;
        }
        self.place_data();
        self.exports.clear();
        let shown = self.globals.len();
        if let Some(rounds) = wrapping.rounds {
            self.end_after(rounds);
        }
        self.enter(wrapping.buffer, shown);
        self.export_buffer(wrapping.buffer);
    }

    fn tame(
        &mut self,
        function: usize,
        how: &Wrapping,
        mut instruction: I<'a>,
        into: &mut Vec<I<'a>>,
    ) {
        match &instruction {
            I::MemoryInit { .. } => {
                into.extend([I::I32Const(0xff), I::I32And]);
                into.extend(self.is_wide.then_some(I::I64ExtendI32U));
                into.push(I::MemoryFill(0));
            }
            I::DataDrop(_) | I::ElemDrop(_) => {}
            I::TableInit { .. } | I::TableCopy { .. } => into.extend([I::Drop, I::Drop, I::Drop]),
            I::Unreachable if how.softened => {
                let ty = self.functions[function].ty;
                into.extend(zeros(&self.types[ty as usize].results));
                into.push(I::Return);
            }
            I::CallIndirect { .. } if self.table_was_wide => {
                into.extend([I::I32WrapI64, instruction])
            }
            _ => {
                if let Some((_, ty, is_store)) = access(&mut instruction).filter(|_| how.masked) {
                    self.mask(function, ty, is_store, into);
                }
                into.push(instruction);
            }
        }
    }

    /// Cuts the address of the access that follows.
    fn mask(&mut self, function: usize, ty: ValType, is_store: bool, into: &mut Vec<I<'a>>) {
        let and = if self.is_wide { I::I64And } else { I::I32And };
        let mask = [self.address(0x3_ffff), and];
        if !is_store {
            return into.extend(mask);
        }
        let scratch = self.new_local(function, ty);
        into.push(I::LocalSet(scratch));
        into.extend(mask);
        into.push(I::LocalGet(scratch));
    }

    /// A local that nobody else uses, or one of this type that was made for this.
    fn new_local(&mut self, function: usize, ty: ValType) -> u32 {
        let ty_of_function = self.functions[function].ty as usize;
        let params = self.types[ty_of_function].params.len();
        let locals = &mut self.functions[function].locals;
        locals.push(ty);
        (params + locals.len() - 1) as u32
    }

    /// Puts data where nothing else is.
    fn place_data(&mut self) {
        self.data.truncate(8);
        for (at, data) in self.data.iter_mut().enumerate() {
            data.0 = data.0.min(600) + 1_024 * (at as u64 + 1);
            data.1.truncate(400);
        }
    }

    /// Lets all functions return zeros when so many functions and loops were begun.
    fn end_after(&mut self, rounds: i32) {
        let global = self.globals.len() as u32;
        self.globals.push(Global {
            ty: ValType::I32,
            mutable: true,
            value: ConstExpr::i32_const(rounds),
        });
        for body in &mut self.functions {
            let results = &self.types[body.ty as usize].results;
            let check: Vec<I<'_>> = [I::GlobalGet(global), I::I32Eqz]
                .into_iter()
                .chain([I::If(wasm_encoder::BlockType::Empty)])
                .chain(zeros(results))
                .chain([I::Return, I::End, I::GlobalGet(global), I::I32Const(1)])
                .chain([I::I32Sub, I::GlobalSet(global)])
                .collect();
            let code = std::mem::take(&mut body.code);
            body.code.extend(check.iter().cloned());
            for instruction in code {
                let begins = matches!(instruction, I::Loop(_));
                body.code.push(instruction);
                if begins {
                    body.code.extend(check.iter().cloned());
                }
            }
        }
    }

    /// Exports an entry for functions: it takes arguments from the buffer, and puts results and globals there.
    fn enter(&mut self, buffer: u64, globals: usize) {
        let first = self.imports.len();
        for at in 0..self.functions.len().min(ENTRIES_MAX) {
            let function = (first + at) as u32;
            let entry = self.entry(function, buffer, globals);
            let index = self.add(&entry_type(), entry.locals, entry.code);
            self.exports
                .push((format!("r{at}"), ExportKind::Func, index));
        }
    }

    fn entry(&self, function: u32, buffer: u64, globals: usize) -> Body<'a> {
        let Signature { params, results } = self.signature(function).clone();
        let mut code = Vec::new();
        for (at, ty) in params.iter().enumerate() {
            code.extend([self.address(buffer + 8 * at as u64), load(*ty)]);
        }
        code.push(I::Call(function));
        code.extend((1..=results.len() as u32).rev().map(I::LocalSet));
        let shown = self.globals[..globals].iter().enumerate();
        let shown = shown
            .filter(|(_, global)| global.mutable)
            .take(GLOBALS_SHOWN);
        let shown = shown.map(|(at, global)| (I::GlobalGet(at as u32), global.ty));
        let values = (1..).map(I::LocalGet).zip(results.iter().copied());
        let size = [(I::MemorySize(0), self.pointer())];
        let values: Vec<_> = values.chain(shown).chain(size).collect();
        let len = 8 * values.len() as i32;
        for (at, (value, ty)) in values.into_iter().enumerate() {
            code.extend([self.address(buffer + 8 * at as u64), value, store(ty)]);
        }
        code.extend([I::I32Const(len), I::End]);
        Body {
            ty: 0,
            locals: results,
            code,
        }
    }

    fn export_buffer(&mut self, buffer: u64) {
        let value = match self.is_wide {
            true => ConstExpr::i64_const(buffer as i64),
            false => ConstExpr::i32_const(buffer as i32),
        };
        let (ty, index) = (self.pointer(), self.globals.len() as u32);
        self.globals.push(Global {
            ty,
            mutable: false,
            value,
        });
        self.exports
            .push(("A".to_owned(), ExportKind::Global, index));
        self.exports
            .push(("memory".to_owned(), ExportKind::Memory, 0));
    }

    /// Lets an entry give another size of the memory.
    pub fn plant(&mut self, function: &str) {
        let export = self.exports.iter().find(|export| export.0 == function);
        let index = export.unwrap().2 as usize - self.imports.len();
        let code = &mut self.functions[index].code;
        // An entry ends with the last store, the length and `end`; its last value is the memory's size.
        let last = code.len() - 4;
        assert!(matches!(code[last], I::MemorySize(0)));
        let flip = match self.is_wide {
            true => [I::I64Const(1), I::I64Xor],
            false => [I::I32Const(1), I::I32Xor],
        };
        code.splice(last + 1..last + 1, flip);
    }

    /// Exports `boom`, which writes, grows, and fails in one of these ways.
    pub fn add_boom(&mut self, random: &mut Random, buffer: u64) {
        let end = self.memory_min << 16;
        let mut code = vec![
            self.address(random.below(end - 8)),
            I::I32Const(random.next() as i32),
            store(ValType::I32),
            self.address(buffer),
            I::I64Const(-1),
            store(ValType::I64),
            self.address(1),
            I::MemoryGrow(0),
            I::Drop,
        ];
        code.extend(match random.below(5) {
            0 => vec![I::Unreachable],
            1 => vec![I::I32Const(1), I::I32Const(0), I::I32DivU],
            2 => vec![self.address(u64::MAX), load(ValType::I32)],
            3 => vec![I::I32Const(i32::MIN), I::I32Const(-1), I::I32DivS],
            _ => vec![I::F64Const(f64::NAN.into()), I::I32TruncF64S],
        });
        code.push(I::End);
        let index = self.add(&entry_type(), Vec::new(), code);
        self.exports
            .push(("boom".to_owned(), ExportKind::Func, index));
    }
}

/// The type of what contracts export.
fn entry_type() -> Signature {
    Signature {
        params: vec![ValType::I32],
        results: vec![ValType::I32],
    }
}

const PLAIN: MemArg = MemArg {
    offset: 0,
    align: 0,
    memory_index: 0,
};

fn load(ty: ValType) -> I<'static> {
    match ty {
        ValType::I32 => I::I32Load(PLAIN),
        ValType::I64 => I::I64Load(PLAIN),
        ValType::F32 => I::F32Load(PLAIN),
        _ => I::F64Load(PLAIN),
    }
}

fn store(ty: ValType) -> I<'static> {
    match ty {
        ValType::I32 => I::I32Store(PLAIN),
        ValType::I64 => I::I64Store(PLAIN),
        ValType::F32 => I::F32Store(PLAIN),
        _ => I::F64Store(PLAIN),
    }
}

/// An argument for a function with these parameters.
pub fn argument(random: &mut Random) -> Vec<u8> {
    let words = (0..random.below(7)).map(|_| {
        let ty = random.among(&TYPES);
        operators::bits(random, ty).to_le_bytes()
    });
    words.flatten().collect()
}

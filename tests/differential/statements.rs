//! Statements and expressions at random, for functions of our own and between the instructions of others.

use wasm_encoder::{BlockType, Instruction as I, MemArg, ValType};

use super::module::{Module, Signature};
use super::operators::{self, BINARY, Operator, TRAPPING_BINARY, TRAPPING_UNARY, TYPES, UNARY};
use super::random::Random;

/// Where contracts that call the host keep names and ids, and how long they are.
pub const OWN_ID: u64 = 512;
pub const OTHER_ID: u64 = 544;
const NAMES: [(u64, i32); 3] = [(576, 2), (580, 2), (584, 4)];
const QUERY: (u64, i32) = (592, 7);
const DATUM: (u64, i32) = (600, 6);
const TOPIC: (u64, i32) = (608, 5);
/// What is at 576.
pub const TEXTS: &[u8; 40] = b"r0\0\0r1\0\0boom\0\0\0\0reverse\0height\0\0topic\0\0\0";

/// What code is generated for.
pub struct Scope<'m, 'a> {
    pub module: &'m Module<'a>,
    pub random: &'m mut Random,
    /// Address of the argument buffer.
    pub buffer: u64,
    /// The function's parameters and locals; more may be added.
    pub locals: Vec<ValType>,
    /// The function, which prefers to call those before it.
    pub own: u32,
    /// Nodes that may still be made.
    pub budget: u32,
    pub code: Vec<I<'static>>,
}

/// What leaves the values of these types.
pub fn zeros<'a>(types: &[ValType]) -> impl Iterator<Item = I<'a>> {
    types
        .iter()
        .map(|ty| -> I<'a> { operators::constant(*ty, 0) })
}

impl Scope<'_, '_> {
    fn emit(&mut self, instructions: impl IntoIterator<Item = I<'static>>) {
        self.code.extend(instructions);
    }

    fn new_local(&mut self, ty: ValType) -> u32 {
        self.locals.push(ty);
        self.locals.len() as u32 - 1
    }

    fn local(&mut self, ty: ValType) -> Option<u32> {
        let of_type = self.locals.iter().enumerate();
        let of_type = of_type.filter(|(_, known)| **known == ty);
        let of_type: Vec<u32> = of_type.map(|(at, _)| at as u32).collect();
        (!of_type.is_empty()).then(|| self.random.among(&of_type))
    }

    fn global(&mut self, ty: ValType, mutable: bool) -> Option<u32> {
        let globals = self.module.globals.iter().enumerate();
        let of_type = globals.filter(|(_, global)| global.ty == ty && (global.mutable || !mutable));
        let of_type: Vec<u32> = of_type.map(|(at, _)| at as u32).collect();
        (!of_type.is_empty()).then(|| self.random.among(&of_type))
    }

    fn constant(&mut self, ty: ValType) {
        let bits = operators::bits(self.random, ty);
        self.emit([operators::constant(ty, bits)]);
    }

    /// An address, in bounds mostly, and often near the border of a page or the end.
    fn address(&mut self) {
        let pointer = self.module.pointer();
        match self.random.below(48) {
            0 => self.expression(pointer, 1),
            1..20 => {
                self.expression(pointer, 1);
                let and = match self.module.is_wide {
                    true => I::I64And,
                    false => I::I32And,
                };
                self.emit([self.module.address(0x1_ffff), and]);
            }
            n => {
                let end = self.module.memory_min << 16;
                let near = [
                    0,
                    512,
                    4_096,
                    8_192,
                    65_536,
                    self.buffer,
                    self.buffer + 65_536,
                    end,
                ];
                let near = self.random.among(&near) + self.random.below(24);
                let near = near.saturating_sub(if n < 22 { 12 } else { 24 });
                self.emit([self.module.address(near)]);
            }
        }
    }

    fn argument(&mut self, natural_align: u32) -> MemArg {
        let offset = match self.random.below(24) {
            0 => 4_080 + self.random.below(32),
            1 => 250 + self.random.below(24),
            2..6 => self.random.below(64),
            _ => 0,
        };
        MemArg {
            offset,
            align: self.random.below(u64::from(natural_align) + 1) as u32,
            memory_index: 0,
        }
    }

    fn load(&mut self, ty: ValType) {
        self.address();
        let [byte, half, word, long] = [0, 1, 2, 3].map(|align| self.argument(align));
        let load = match ty {
            ValType::I32 => self.random.among(&[
                I::I32Load(word),
                I::I32Load8S(byte),
                I::I32Load8U(byte),
                I::I32Load16S(half),
                I::I32Load16U(half),
            ]),
            ValType::I64 => self.random.among(&[
                I::I64Load(long),
                I::I64Load8S(byte),
                I::I64Load8U(byte),
                I::I64Load16S(half),
                I::I64Load16U(half),
                I::I64Load32S(word),
                I::I64Load32U(word),
            ]),
            ValType::F32 => I::F32Load(word),
            _ => I::F64Load(long),
        };
        self.emit([load]);
    }

    fn store(&mut self) {
        let ty = self.random.among(&TYPES);
        self.address();
        self.expression(ty, 2);
        let [byte, half, word, long] = [0, 1, 2, 3].map(|align| self.argument(align));
        let store = match ty {
            ValType::I32 => {
                self.random
                    .among(&[I::I32Store(word), I::I32Store8(byte), I::I32Store16(half)])
            }
            ValType::I64 => self.random.among(&[
                I::I64Store(long),
                I::I64Store8(byte),
                I::I64Store16(half),
                I::I64Store32(word),
            ]),
            ValType::F32 => I::F32Store(word),
            _ => I::F64Store(long),
        };
        self.emit([store]);
    }

    /// Leaves a value.
    pub fn expression(&mut self, ty: ValType, depth: u32) {
        if depth == 0 || self.budget == 0 {
            return self.leaf(ty);
        }
        self.budget -= 1;
        match self.random.below(16) {
            0..5 => self.operator(BINARY, 2, ty, depth),
            5..7 => self.operator(UNARY, 1, ty, depth),
            7 => self.load(ty),
            8 => {
                self.expression(ty, depth - 1);
                self.expression(ty, depth - 1);
                self.expression(ValType::I32, depth - 1);
                self.emit([I::Select]);
            }
            9 => {
                self.expression(ValType::I32, depth - 1);
                self.emit([I::If(BlockType::Result(ty))]);
                self.expression(ty, depth - 1);
                self.emit([I::Else]);
                self.expression(ty, depth - 1);
                self.emit([I::End]);
            }
            10 => {
                self.emit([I::Block(BlockType::Result(ty))]);
                self.expression(ty, depth - 1);
                self.expression(ValType::I32, depth - 1);
                self.emit([I::BrIf(0), I::Drop]);
                self.expression(ty, depth - 1);
                self.emit([I::End]);
            }
            11 => self.division(ty, depth),
            12 => self.call_for(ty),
            _ => self.leaf(ty),
        }
    }

    fn leaf(&mut self, ty: ValType) {
        let chosen = self.random.below(8);
        let local = self.local(ty).filter(|_| chosen < 4);
        let global = self.global(ty, false).filter(|_| chosen == 4);
        match (local, global) {
            (Some(local), _) => self.emit([I::LocalGet(local)]),
            (_, Some(global)) => self.emit([I::GlobalGet(global)]),
            _ if chosen == 5 && ty == self.module.pointer() => self.emit([I::MemorySize(0)]),
            _ => self.constant(ty),
        }
    }

    /// Leaves the result of an operator of so many operands.
    fn operator(&mut self, table: &[Operator], operands: u32, ty: ValType, depth: u32) {
        let fitting: Vec<_> = table.iter().filter(|known| known.2 == ty).collect();
        let (operator, of, _) = self.random.among(&fitting);
        for _ in 0..operands {
            self.expression(*of, depth - 1);
        }
        self.emit([operator.clone()]);
    }

    /// Operators that may trap, which they do rarely.
    fn division(&mut self, ty: ValType, depth: u32) {
        let or = match ty {
            ValType::I32 => I::I32Or,
            ValType::I64 => I::I64Or,
            _ => return self.operator(BINARY, 2, ty, depth),
        };
        if self.random.once_in(24) {
            return self.operator(TRAPPING_UNARY, 1, ty, depth);
        }
        let fitting: Vec<_> = TRAPPING_BINARY
            .iter()
            .filter(|known| known.2 == ty)
            .collect();
        let operator = self.random.among(&fitting).0.clone();
        self.expression(ty, depth - 1);
        self.expression(ty, depth - 1);
        if !self.random.once_in(16) {
            self.emit([operators::constant(ty, 1), or]);
        }
        self.emit([operator]);
    }

    fn functions(&self) -> u32 {
        (self.module.imports.len() + self.module.functions.len()) as u32
    }

    /// One of the module's own functions, one before this one mostly.
    fn callee(&mut self) -> Option<u32> {
        let first = self.module.imports.len() as u32;
        let end = match self.random.once_in(12) {
            true => self.functions(),
            false => self.own,
        };
        (end > first).then(|| first + self.random.below(u64::from(end - first)) as u32)
    }

    /// Calls a function that leaves such a value, if it is easily found.
    fn call_for(&mut self, ty: ValType) {
        let callee = self.callee();
        let fits = |callee: &u32| self.module.signature(*callee).results == [ty];
        match callee.filter(fits) {
            Some(callee) => self.call_with(callee, I::Call(callee)),
            None => self.leaf(ty),
        }
    }

    /// Makes a call with arguments; leaves its results.
    fn call_with(&mut self, like: u32, call: I<'static>) {
        for ty in self.module.signature(like).params.clone() {
            self.expression(ty, 1);
        }
        // The index of an indirect call comes last.
        if let I::CallIndirect { .. } = call {
            let mut index = self.module.elements.iter().position(|known| *known == like);
            if self.random.once_in(20) {
                index = Some(self.random.index(self.module.table as usize + 2));
            }
            let index = index.unwrap_or_else(|| self.random.index(self.module.table as usize));
            // What was a 64-bit table is none in the end: the wrapping cuts all indices.
            let ty = match self.module.table_was_wide {
                true => ValType::I64,
                false => ValType::I32,
            };
            self.emit([operators::constant(ty, index as u64)]);
        }
        self.emit([call]);
    }

    fn call(&mut self) {
        let Some(callee) = self.callee() else {
            return;
        };
        let is_indirect = !self.module.elements.is_empty() && self.random.once_in(2);
        let call = match is_indirect {
            true => I::CallIndirect {
                type_index: self.type_of(callee),
                table_index: 0,
            },
            false => I::Call(callee),
        };
        self.call_with(callee, call);
        let Signature { results, .. } = self.module.signature(callee).clone();
        self.take(&results);
    }

    fn type_of(&self, function: u32) -> u32 {
        self.module.functions[function as usize - self.module.imports.len()].ty
    }

    /// Drops or keeps values.
    fn take(&mut self, types: &[ValType]) {
        for ty in types.iter().rev() {
            let local = self.local(*ty).filter(|_| self.random.once_in(2));
            self.emit([local.map_or(I::Drop, I::LocalSet)]);
        }
    }

    /// Statements, which leave nothing.
    pub fn statements(&mut self, count: u64, depth: u32) {
        for _ in 0..count {
            if self.budget > 0 {
                self.budget -= 1;
                self.statement(depth);
            }
        }
    }

    fn statement(&mut self, depth: u32) {
        match self.random.below(20) {
            0..4 => {
                let ty = self.random.among(&TYPES);
                self.expression(ty, 3);
                self.take(&[ty]);
            }
            4..9 => self.store(),
            9 => self.set_global(),
            10 => self.bulk(),
            11 if self.random.once_in(3) => self.grow(),
            12 => self.call(),
            13 | 14 if !self.module.imports.is_empty() => self.import(),
            15 if depth > 0 => self.choice(depth),
            16 | 17 if depth > 0 => self.counted(depth),
            18 if depth > 0 => self.table(depth),
            _ => {
                let ty = self.random.among(&TYPES);
                self.load(ty);
                self.take(&[ty]);
            }
        }
    }

    fn set_global(&mut self) {
        let ty = self.random.among(&TYPES);
        if let Some(global) = self.global(ty, true) {
            self.expression(ty, 2);
            self.emit([I::GlobalSet(global)]);
        }
    }

    fn bulk(&mut self) {
        let lengths = [0, 1, 7, 8, 64, 200, 264, 265, 4_096, 5_000];
        let mut length = self.random.among(&lengths);
        if self.random.once_in(30) {
            length = self.random.among(&[65_536, 1 << 31, u64::from(u32::MAX)]);
        }
        self.address();
        let length = self.module.address(length);
        if self.random.once_in(2) {
            self.address();
            let copy = I::MemoryCopy {
                src_mem: 0,
                dst_mem: 0,
            };
            self.emit([length, copy]);
        } else {
            self.expression(ValType::I32, 1);
            self.emit([length, I::MemoryFill(0)]);
        }
    }

    fn grow(&mut self) {
        let by = self
            .random
            .among(&[0, 0, 1, 1, 2, 3, 100, 4_096, 65_536, u64::from(u32::MAX)]);
        let pointer = self.module.pointer();
        self.emit([self.module.address(by), I::MemoryGrow(0)]);
        self.take(&[pointer]);
    }

    fn choice(&mut self, depth: u32) {
        self.expression(ValType::I32, 2);
        self.emit([I::If(BlockType::Empty)]);
        let count = self.random.below(4);
        self.statements(count, depth - 1);
        self.emit([I::Else]);
        let count = self.random.below(4);
        self.statements(count, depth - 1);
        self.emit([I::End]);
    }

    /// A loop that ends.
    fn counted(&mut self, depth: u32) {
        let counter = self.new_local(ValType::I32);
        let rounds = 1 + self.random.below(24) as i32;
        self.emit([I::I32Const(rounds), I::LocalSet(counter)]);
        self.emit([I::Block(BlockType::Empty), I::Loop(BlockType::Empty)]);
        let count = 1 + self.random.below(4);
        self.statements(count, depth - 1);
        if self.random.once_in(3) {
            self.expression(ValType::I32, 2);
            self.emit([I::BrIf(1)]);
        }
        self.emit([I::LocalGet(counter), I::I32Const(1), I::I32Sub]);
        self.emit([I::LocalTee(counter), I::BrIf(0), I::End, I::End]);
    }

    fn table(&mut self, depth: u32) {
        let arms = 1 + self.random.below(4) as u32;
        self.emit((0..=arms).map(|_| I::Block(BlockType::Empty)));
        self.expression(ValType::I32, 2);
        self.emit([I::I32Const(7), I::I32And]);
        let labels: Vec<u32> = (0..self.random.below(7))
            .map(|_| self.random.below(u64::from(arms) + 1) as u32)
            .collect();
        self.emit([I::BrTable(labels.into(), arms)]);
        for _ in 0..=arms {
            self.emit([I::End]);
            let count = self.random.below(3);
            self.statements(count, depth - 1);
        }
    }

    /// A call of the host, with pointers and lengths that make sense mostly.
    fn import(&mut self) {
        let imports = &self.module.imports;
        let call = imports.iter().position(|import| import.0 == "c");
        let function = match call.filter(|_| self.random.once_in(3)) {
            Some(call) => call,
            None => self.random.index(imports.len()),
        };
        let name = imports[function].0.clone();
        let Signature { params, results } = self.module.signature(function as u32).clone();
        let short = self.random.below(40) as i64;
        let contract = self.random.among(&[OWN_ID, OTHER_ID]) as i64;
        let gas = self.random.among(&[0, 0, 30_000, 300_000, -1]);
        let (called, called_len) = self.random.among(&NAMES);
        let named = |(at, len): (u64, i32)| [at as i64, len.into()];
        let mut values = match name.as_str() {
            "c" => vec![contract, called as i64, called_len.into(), short, gas],
            "hq" => [&named(QUERY)[..], &[short]].concat(),
            "hd" => named(DATUM).to_vec(),
            "emit" => [&named(TOPIC)[..], &[short]].concat(),
            "owner" => vec![self.random.among(&[contract, 0])],
            _ => vec![short; params.len()],
        };
        if self.random.once_in(8) && !params.is_empty() {
            let at = self.random.index(params.len());
            values[at] = operators::bits(self.random, params[at]) as i64;
        }
        if matches!(name.as_str(), "panic" | "feed") && !self.random.once_in(12) {
            return;
        }
        let values = params.iter().zip(values);
        let values: Vec<_> = values
            .map(|(ty, value)| operators::constant(*ty, value as u64))
            .collect();
        self.emit(values);
        self.emit([I::Call(function as u32)]);
        self.take(&results);
    }
}

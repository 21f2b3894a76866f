//! P1, P2: no access of a rewritten program goes unchecked, whatever its pointers do.
//!
//! Programs are made at random to move pointers about, across pages, through branches and around the end of the address space. Their
//! memory is 4 GiB, so that hardly any access traps.

use super::super::analysis::Checking;
use super::super::{CodeLimits, WordSize, rewrite, scan};
use super::assert_valid;
use super::marked::{self, Seen};
use crate::random::Random;
use wasm_encoder::{
    BlockType, CodeSection, ExportKind, ExportSection, Function, FunctionSection, Instruction as I,
    MemArg, MemorySection, MemoryType, Module as Encoded, TypeSection, ValType,
};
use wasmtime::{Config, Engine, Module, Store, Trap};

/// Locals that hold pointers; the first is the parameter as an address.
const POINTERS: u64 = 4;
/// The local behind the parameter and the pointers: what was loaded so far.
const SUM: u32 = 1 + POINTERS as u32;
/// The local that counts rounds.
const ROUNDS: u32 = SUM + 1;
const ROUNDS_MAX: i32 = 60;

struct Program {
    random: Random,
    is_wide: bool,
    function: Function,
    /// What may be branched to, from the outermost; `false` for loops.
    labels: Vec<bool>,
    budget: u32,
    /// Functions that may be called.
    callees: u32,
}

impl Program {
    fn emit(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            self.function.instruction(instruction);
        }
    }

    fn constant(&self, value: i64) -> I<'static> {
        if self.is_wide {
            I::I64Const(value)
        } else {
            I::I32Const(value as i32)
        }
    }

    /// The 32-bit instruction, or the 64-bit one.
    fn either(&self, narrow: I<'static>, wide: I<'static>) -> I<'static> {
        if self.is_wide { wide } else { narrow }
    }

    fn add(&self) -> I<'static> {
        self.either(I::I32Add, I::I64Add)
    }

    fn pointer(&mut self) -> u32 {
        1 + self.random.below(POINTERS) as u32
    }

    fn distance(&mut self) -> i64 {
        let magnitude = match self.random.below(8) {
            0 => self.random.below(16),
            1 => 250 + self.random.below(24),
            2 => 4_090 + self.random.below(12),
            3 => self.random.next() & 0xffff_ffff,
            _ => self.random.below(600),
        };
        let sign = self.random.among(&[1, -1]);
        magnitude.cast_signed() * sign
    }

    fn address(&mut self) {
        match self.random.below(20) {
            0 => {
                let near = match self.random.below(20) {
                    0 => (1 << 32) - 300,
                    _ => self.random.among(&[0, 4_096, 65_536, 1 << 31]),
                };
                let value = near + self.random.below(300).cast_signed();
                self.emit(&[self.constant(value)]);
            }
            1 => {
                let (left, right) = (self.pointer(), self.pointer());
                let operation = self.random.among(&[
                    self.either(I::I32Add, I::I64Add),
                    self.either(I::I32Sub, I::I64Sub),
                    self.either(I::I32Xor, I::I64Xor),
                ]);
                self.emit(&[I::LocalGet(left), I::LocalGet(right), operation]);
                self.bound();
            }
            2 => {
                let pointer = self.pointer();
                let by = self.random.below(5).cast_signed();
                let operation = self.random.among(&[
                    self.either(I::I32Shl, I::I64Shl),
                    self.either(I::I32Mul, I::I64Mul),
                ]);
                self.emit(&[I::LocalGet(pointer), self.constant(by), operation]);
                self.bound();
            }
            3..=6 => {
                let (pointer, distance) = (self.pointer(), self.distance());
                let subtract = self.either(I::I32Sub, I::I64Sub);
                let operation = self.random.among(&[self.add(), subtract]);
                self.emit(&[I::LocalGet(pointer), self.constant(distance), operation]);
                if self.random.below(30) > 0 {
                    self.bound();
                }
            }
            _ => {
                let pointer = self.pointer();
                self.emit(&[I::LocalGet(pointer)]);
            }
        }
    }

    /// Keeps a 64-bit address below 2^32, which is where the memory ends.
    fn bound(&mut self) {
        if self.is_wide {
            self.emit(&[I::I64Const(0xffff_ffff), I::I64And]);
        }
    }

    fn memory(&mut self) -> MemArg {
        let offset = match self.random.below(400) {
            0..40 => 4_000 + self.random.below(200),
            40 => self
                .random
                .among(&[0xffff_fff0, 0xffff_ff00, 0x8000_0000, 1 << 20]),
            41..200 => self.random.below(320),
            _ => self.random.below(24),
        };
        MemArg {
            offset,
            align: 0,
            memory_index: 0,
        }
    }

    fn load(&mut self) {
        self.address();
        let memory = self.memory();
        let load = self.random.among(&[0, 1, 2, 3]);
        match load {
            0 => self.emit(&[I::I32Load(memory)]),
            1 => self.emit(&[I::I32Load8U(memory)]),
            2 => self.emit(&[I::I64Load(memory), I::I32WrapI64]),
            _ => self.emit(&[I::F64Load(memory), I::I64ReinterpretF64, I::I32WrapI64]),
        }
        self.mix();
    }

    /// Adds the `i32` on the stack to the sum.
    fn mix(&mut self) {
        self.emit(&[
            I::LocalGet(SUM),
            I::I32Const(31),
            I::I32Mul,
            I::I32Add,
            I::LocalSet(SUM),
        ]);
    }

    fn store(&mut self) {
        self.address();
        let memory = self.memory();
        self.emit(&[I::LocalGet(SUM)]);
        match self.random.below(5) {
            0 => self.emit(&[I::I32Store(memory)]),
            1 => self.emit(&[I::I32Store8(memory)]),
            2 => self.emit(&[I::I64ExtendI32U, I::I64Store(memory)]),
            3 => self.emit(&[I::F32ReinterpretI32, I::F32Store(memory)]),
            _ => self.emit(&[I::F64ConvertI32S, I::F64Store(memory)]),
        }
    }

    fn move_pointer(&mut self) {
        let pointer = self.pointer();
        if self.random.below(8) == 0 {
            self.address();
            let memory = self.memory();
            let load = self.either(I::I32Load(memory), I::I64Load32U(memory));
            self.emit(&[load]);
        } else {
            self.address();
        }
        if self.random.below(4) == 0 {
            self.emit(&[I::LocalTee(pointer), I::Drop, I::LocalGet(pointer)]);
        }
        self.emit(&[I::LocalSet(pointer)]);
    }

    fn bulk(&mut self) {
        self.address();
        let length = self.random.among(&[0, 1, 8, 200, 264, 265, 5_000]);
        if self.random.below(2) == 0 {
            self.address();
            self.emit(&[self.constant(length)]);
            self.emit(&[I::MemoryCopy {
                src_mem: 0,
                dst_mem: 0,
            }]);
        } else {
            self.emit(&[I::LocalGet(SUM), self.constant(length), I::MemoryFill(0)]);
        }
    }

    fn condition(&mut self) {
        let bit = 1 << self.random.below(5);
        self.emit(&[I::LocalGet(SUM), I::I32Const(bit), I::I32And]);
    }

    /// Branches somewhere out of this place, to a loop only while rounds are left.
    fn branch(&mut self) {
        if self.labels.is_empty() {
            return;
        }
        let depths = [0, 1, 2].map(|_| self.random.below(self.labels.len() as u64) as u32);
        let is_loop = |depth: u32| !self.labels[self.labels.len() - 1 - depth as usize];
        if depths.into_iter().any(is_loop) {
            self.emit(&[
                I::LocalGet(ROUNDS),
                I::I32Const(1),
                I::I32Sub,
                I::LocalTee(ROUNDS),
                I::I32Const(0),
                I::I32LeS,
                I::If(BlockType::Empty),
                I::LocalGet(SUM),
                I::Return,
                I::End,
            ]);
        }
        match self.random.below(6) {
            0 => {
                self.emit(&[I::LocalGet(SUM), I::I32Const(3), I::I32And]);
                self.emit(&[I::BrTable(vec![depths[0], depths[1]].into(), depths[2])]);
                self.statements(2); // Never reached.
            }
            1 => self.emit(&[I::Br(depths[0])]),
            2 => self.emit(&[I::LocalGet(SUM), I::Return]),
            _ => {
                self.condition();
                self.emit(&[I::BrIf(depths[0])]);
            }
        }
    }

    fn block(&mut self) {
        let is_loop = self.random.below(3) == 0;
        self.labels.push(!is_loop);
        match (is_loop, self.random.below(3)) {
            (true, _) => self.emit(&[I::Loop(BlockType::Empty)]),
            (false, 0) => {
                self.condition();
                self.emit(&[I::If(BlockType::Empty)]);
                let count = self.random.below(5);
                self.statements(count);
                if self.random.below(2) == 0 {
                    self.emit(&[I::Else]);
                }
            }
            _ => self.emit(&[I::Block(BlockType::Empty)]),
        }
        let count = 1 + self.random.below(6);
        self.statements(count);
        if is_loop && self.random.below(2) == 0 {
            self.branch();
        }
        self.emit(&[I::End]);
        self.labels.pop();
    }

    /// Gives a pointer the value of a block with several ways out.
    fn choose_pointer(&mut self) {
        let pointer = self.pointer();
        let ty = if self.is_wide {
            ValType::I64
        } else {
            ValType::I32
        };
        let opening = self.random.below(3);
        match opening {
            0 => {
                self.emit(&[I::Block(BlockType::Result(ty))]);
                self.address();
                self.condition();
                self.emit(&[I::BrIf(0), I::Drop]);
            }
            1 => self.emit(&[I::Loop(BlockType::Result(ty))]),
            _ => {
                self.condition();
                self.emit(&[I::If(BlockType::Result(ty))]);
                self.address();
                self.emit(&[I::Else]);
            }
        }
        self.labels.push(opening != 1);
        self.load();
        self.address();
        self.labels.pop();
        self.emit(&[I::End, I::LocalSet(pointer)]);
    }

    fn call(&mut self) {
        if self.callees > 0 {
            let callee = self.random.below(self.callees.into()) as u32;
            self.emit(&[I::LocalGet(SUM), I::Call(callee)]);
            self.mix();
        }
    }

    fn statements(&mut self, count: u64) {
        for _ in 0..count {
            if self.budget == 0 {
                return;
            }
            self.budget -= 1;
            match self.random.below(24) {
                0..=7 => self.load(),
                8..=13 => self.store(),
                14..=16 => self.move_pointer(),
                17 => self.choose_pointer(),
                18 => self.bulk(),
                19 => self.branch(),
                20 => self.call(),
                _ if self.labels.len() < 6 => self.block(),
                _ => self.load(),
            }
        }
    }
}

fn function(random: &mut Random, is_wide: bool, callees: u32) -> Function {
    let pointer = if is_wide { ValType::I64 } else { ValType::I32 };
    let locals = [(POINTERS as u32, pointer), (2, ValType::I32)];
    let mut program = Program {
        random: Random::new(random.next()),
        is_wide,
        function: Function::new(locals),
        labels: Vec::new(),
        budget: 80,
        callees,
    };
    for local in 1..=POINTERS as u32 {
        program.emit(&[I::LocalGet(0), I::I32Const(local as i32 * 77), I::I32Mul]);
        if is_wide {
            program.emit(&[I::I64ExtendI32U]);
        }
        program.emit(&[I::LocalSet(local)]);
    }
    program.emit(&[I::LocalGet(0), I::LocalSet(SUM)]);
    program.emit(&[I::I32Const(ROUNDS_MAX), I::LocalSet(ROUNDS)]);
    while program.budget > 0 {
        program.statements(8);
    }
    program.emit(&[I::LocalGet(SUM), I::End]);
    program.function
}

fn generate(seed: u64) -> Vec<u8> {
    let is_wide = seed % 2 == 1;
    let mut random = Random::new(seed);
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    let (mut functions, mut exports, mut code) = (
        FunctionSection::new(),
        ExportSection::new(),
        CodeSection::new(),
    );
    for index in 0..3 {
        functions.function(0);
        exports.export(&format!("f{index}"), ExportKind::Func, index);
        code.function(&function(&mut random, is_wide, index));
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 65_536,
        maximum: Some(65_536),
        memory64: is_wide,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Encoded::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories)
        .section(&exports)
        .section(&code);
    module.finish()
}

fn rewritten(code: &[u8], word_size: WordSize) -> Vec<u8> {
    let limits = CodeLimits::default();
    let outline = scan::scan(code, &limits).unwrap();
    rewrite::rewrite(&outline, word_size, &limits, Checking::default())
        .unwrap()
        .0
}

/// What the functions return, or how they trap, and what the host saw.
pub fn run(engine: &Engine, wasm: &[u8], strict: bool) -> (Vec<Result<i32, Option<Trap>>>, Seen) {
    let module = Module::new(engine, wasm).unwrap();
    let mut store = Store::new(engine, Seen::strict(strict));
    let linker = marked::linker(engine, &module);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let mut results = Vec::new();
    for (name, argument) in [("f0", 0), ("f1", 3), ("f2", 1_000_003), ("f2", -5)] {
        let function = instance
            .get_typed_func::<i32, i32>(&mut store, name)
            .unwrap();
        let result = function.call(&mut store, argument);
        let seen = store.data_mut();
        assert!(!(seen.doomed && result.is_ok()), "a doomed call went on");
        seen.doomed = false;
        results.push(result.map_err(|error| error.downcast_ref::<Trap>().copied()));
    }
    (results, store.into_data())
}

#[test]
fn no_access_goes_unchecked() {
    let engine = Engine::new(Config::new().memory_guaranteed_dense_image_size(0)).unwrap();
    let programs = std::env::var("CROSTATA_PROGRAMS").map_or(250, |count| count.parse().unwrap());
    let (mut accesses, mut touches, mut returned) = (0, 0, 0);
    for seed in 0..programs {
        let code = generate(seed);
        let word_size = if seed % 2 == 1 {
            WordSize::W64
        } else {
            WordSize::W32
        };
        let wasm = rewritten(&code, word_size);
        assert_valid(&wasm);
        let wasm = marked::audited(&wasm);
        let (expected, _) = run(&engine, &code, false);
        for strict in [false, true] {
            let (results, seen) = run(&engine, &wasm, strict);
            assert_eq!(results, expected, "seed {seed}");
            assert_eq!(seen.misses, [""; 0], "seed {seed}, strict {strict}");
            if strict {
                (accesses, touches) = (accesses + seen.accesses, touches + seen.touches);
            }
        }
        returned += expected.iter().filter(|result| result.is_ok()).count();
    }
    let calls = programs as usize * 4;
    println!(
        "{programs} programs: {accesses} accesses, {touches} checks, {returned} of {calls} calls returned"
    );
    assert!(returned * 3 > calls, "too many calls trap");
    assert!(touches * 10 < accesses * 9, "nothing is eliminated");
}

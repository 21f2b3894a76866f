//! The touch checks as code: a byte of the marks table is read, and where it is too low the host is called.
//!
//! The check changes nothing that the contract can see; it leaves the operand stack as it found it. What follows the branch
//! hint is laid out of the way.

use super::WordSize;
use super::access::{Access, pointer};
use super::coverage::{Check, Place};
use super::offsets::Placed;
use super::probe::Probes;
use wasm_encoder::{
    BlockType, BranchHint, FuncType, Function, Instruction, MemArg, MemoryType, ValType,
};

/// Module of the imports that rewritten code calls to have memory touched. Contracts can not import from it.
pub const TOUCH_MODULE: &str = "crostata";

/// Names of these imports, in their order behind the contract's own, with the number of their parameters: addresses and lengths of
/// the contract's width.
pub const TOUCH_IMPORTS: [(&str, usize); 5] = [
    ("read", 1),
    ("write", 1),
    ("copy", 3),
    ("fill", 2),
    ("grow", 1),
];

/// The mark from which on a page can be written; any but 0 lets it be read.
const MARK_WRITTEN: i32 = 3;

/// A page is `1 << PAGE_BITS` bytes.
const PAGE_BITS: u32 = 12;

/// Index of the marks table among the memories.
pub(super) const MARKS: u32 = 1;

/// Bytes covered from a check's address on.
const COVERED_BYTES: i64 = 264;

/// The marks table: a byte for each page that a memory of this width can have.
pub(super) const fn marks(word_size: WordSize) -> MemoryType {
    let maximum = match word_size {
        WordSize::W32 => 16,
        WordSize::W64 => 65_536,
    };
    MemoryType {
        minimum: 16,
        maximum: Some(maximum),
        memory64: false,
        shared: false,
        page_size_log2: None,
    }
}

/// The type of an import with so many parameters.
pub(super) fn import_type(params: usize, word_size: WordSize) -> FuncType {
    FuncType::new(std::iter::repeat_n(pointer(word_size), params), [])
}

/// A function that calls the `nth` of the imports added, with the contract's own `imports` before them.
///
/// Calling an import takes its address and its context. The compiler takes such loads out of loops, cold or not, and they
/// would take registers from the loop. A function of the module needs no more than its own context.
pub(super) fn bridge(imports: u32, nth: usize, probes: Option<Probes>) -> Function {
    let params = TOUCH_IMPORTS.get(nth).map_or(0, |(_, params)| *params);
    let mut code = Code::new(Vec::new(), false);
    if let Some(probes) = probes {
        probes.look(&mut code);
    }
    for param in 0..params {
        code.emit(&[Instruction::LocalGet(param as u32)]);
    }
    code.emit(&[Instruction::Call(imports + nth as u32), Instruction::End]);
    code.function
}

/// A function body under construction, with the hints for its branches.
pub(super) struct Code {
    pub function: Function,
    pub hints: Vec<BranchHint>,
    /// Checks of loads and stores.
    pub checks: u64,
    /// Operands on the stack where they are, all together.
    pub operands: u64,
    /// The places of operators, if somebody wants them.
    pub placed: Option<Vec<Placed>>,
}

impl Code {
    pub fn new(locals: Vec<(u32, ValType)>, notes_places: bool) -> Self {
        Self {
            function: Function::new(locals),
            hints: Vec::new(),
            checks: 0,
            operands: 0,
            placed: notes_places.then(Vec::new),
        }
    }

    pub fn emit(&mut self, instructions: &[Instruction<'_>]) {
        for instruction in instructions {
            self.function.instruction(instruction);
        }
    }

    /// Notes the places of the operator just written, `from` where what belongs to it begins.
    pub fn note(&mut self, from: u32, at: u32, original: u64, calls_import: bool) {
        if let Some(placed) = &mut self.placed {
            placed.push(Placed {
                from,
                at,
                original,
                calls_import,
            });
        }
    }

    /// Emits a branch that is hardly ever taken.
    pub fn emit_unlikely(&mut self, branch: &Instruction<'_>) {
        self.hints.push(BranchHint {
            branch_func_offset: self.function.byte_len() as u32,
            branch_hint_value: 0,
        });
        self.function.instruction(branch);
    }
}

/// Writes the checks of one function.
pub(super) struct Toucher {
    pub word_size: WordSize,
    /// Index of the first of the bridges.
    pub first_bridge: u32,
    /// Index of the first of the locals added.
    pub first_local: u32,
}

impl Toucher {
    /// The locals added: three addresses or lengths, a value of each type, and what the stack-height counter was.
    pub fn locals(&self) -> [(u32, ValType); 6] {
        [
            (3, pointer(self.word_size)),
            (1, ValType::I32),
            (1, ValType::I64),
            (1, ValType::F32),
            (1, ValType::F64),
            (1, ValType::I32),
        ]
    }

    /// Index of the added local that holds what the stack-height counter was.
    pub const fn height_local(&self) -> u32 {
        self.first_local + 7
    }

    /// Index of the `nth` added local that holds an address or a length.
    pub const fn pointer_local(&self, nth: u32) -> u32 {
        self.first_local + nth
    }

    /// Index of the added local that holds a value.
    const fn value_local(&self, ty: ValType) -> u32 {
        let place = match ty {
            ValType::I32 => 3,
            ValType::I64 => 4,
            ValType::F32 => 5,
            _ => 6,
        };
        self.first_local + place
    }

    /// Writes the check before an access, whose operands are on the stack.
    pub fn access(&self, code: &mut Code, access: &Access, check: Check) {
        match check.place {
            Place::Absolute(address) => self.absolute(code, address, check.writes),
            Place::Local(local, distance) => self.check(
                code,
                &Instruction::LocalGet(local),
                local,
                distance,
                check.writes,
            ),
            Place::Operand(distance) => self.operand(code, access, distance, check.writes),
        }
    }

    fn absolute(&self, code: &mut Code, address: i64, writes: bool) {
        let page = match self.word_size {
            WordSize::W32 => address as u32 >> PAGE_BITS,
            // The low 32 bits, as of an address that is computed.
            WordSize::W64 => (address as u64 >> PAGE_BITS) as u32,
        };
        code.emit(&[Instruction::I32Const(page.cast_signed())]);
        test(code, writes);
        code.emit_unlikely(&Instruction::If(BlockType::Empty));
        code.emit(&[self.constant(address), self.call(writes), Instruction::End]);
    }

    fn operand(&self, code: &mut Code, access: &Access, distance: i64, writes: bool) {
        let address = self.pointer_local(0);
        if let Some(ty) = access.stored {
            code.emit(&[Instruction::LocalSet(self.value_local(ty))]);
        }
        let first = Instruction::LocalTee(address);
        self.check(code, &first, address, distance, writes);
        code.emit(&[Instruction::LocalGet(address)]);
        if let Some(ty) = access.stored {
            code.emit(&[Instruction::LocalGet(self.value_local(ty))]);
        }
    }

    /// Writes a check at `distance` behind the address in a local, which `first` puts on the stack for the first time.
    fn check(
        &self,
        code: &mut Code,
        first: &Instruction<'_>,
        local: u32,
        distance: i64,
        writes: bool,
    ) {
        code.emit(std::slice::from_ref(first));
        self.add(code, distance);
        self.page(code);
        test(code, writes);
        code.emit_unlikely(&Instruction::If(BlockType::Empty));
        code.emit(&[Instruction::LocalGet(local)]);
        self.add(code, distance);
        code.emit(&[self.call(writes), Instruction::End]);
    }

    /// Writes what precedes a `memory.copy`. The marks suffice for 1 to 264 bytes from and to marked pages; of any other
    /// length the host sees both ranges.
    pub fn copy(&self, code: &mut Code) {
        let [destination, source, length] = [0, 1, 2].map(|nth| self.pointer_local(nth));
        code.emit(&[
            Instruction::LocalSet(length),
            Instruction::LocalSet(source),
            Instruction::LocalSet(destination),
        ]);
        self.bulk(code, length, &[(source, false), (destination, true)]);
        let operands = [destination, source, length].map(Instruction::LocalGet);
        code.emit(&operands);
        code.emit(&[Instruction::Call(self.first_bridge + 2), Instruction::End]);
        code.emit(&operands);
    }

    /// Writes what precedes a `memory.fill`, as for a copy.
    pub fn fill(&self, code: &mut Code) {
        let [destination, length] = [0, 1].map(|nth| self.pointer_local(nth));
        let value = self.value_local(ValType::I32);
        code.emit(&[
            Instruction::LocalSet(length),
            Instruction::LocalSet(value),
            Instruction::LocalSet(destination),
        ]);
        self.bulk(code, length, &[(destination, true)]);
        let [destination, value, length] = [destination, value, length].map(Instruction::LocalGet);
        code.emit(&[destination.clone(), length.clone()]);
        code.emit(&[Instruction::Call(self.first_bridge + 3), Instruction::End]);
        code.emit(&[destination, value, length]);
    }

    /// Writes what precedes a `memory.grow`: the host takes its price.
    pub fn grow(&self, code: &mut Code) {
        let pages = self.pointer_local(0);
        code.emit(&[
            Instruction::LocalTee(pages),
            Instruction::Call(self.first_bridge + 4),
            Instruction::LocalGet(pages),
        ]);
    }

    /// Opens a block whose rest is for the host to do, and leaves it where the marks suffice.
    ///
    /// A length of zero does not look at the marks: an address right behind the memory is in bounds then.
    fn bulk(&self, code: &mut Code, length: u32, ranges: &[(u32, bool)]) {
        let block = Instruction::Block(BlockType::Empty);
        code.emit(&[block.clone(), block, Instruction::LocalGet(length)]);
        self.add(code, -1);
        code.emit(&[self.constant(COVERED_BYTES)]);
        code.emit(&[match self.word_size {
            WordSize::W32 => Instruction::I32GeU,
            WordSize::W64 => Instruction::I64GeU,
        }]);
        code.emit_unlikely(&Instruction::BrIf(0));
        for (address, writes) in ranges {
            code.emit(&[Instruction::LocalGet(*address)]);
            self.page(code);
            test(code, *writes);
            code.emit_unlikely(&Instruction::BrIf(0));
        }
        code.emit(&[Instruction::Br(1), Instruction::End]);
    }

    const fn call(&self, writes: bool) -> Instruction<'static> {
        Instruction::Call(self.first_bridge + writes as u32)
    }

    /// A constant of an address's type, cut to its width.
    const fn constant(&self, value: i64) -> Instruction<'static> {
        match self.word_size {
            WordSize::W32 => Instruction::I32Const(value as i32),
            WordSize::W64 => Instruction::I64Const(value),
        }
    }

    /// Adds a constant to the address on the stack.
    fn add(&self, code: &mut Code, distance: i64) {
        let add = match self.word_size {
            WordSize::W32 => Instruction::I32Add,
            WordSize::W64 => Instruction::I64Add,
        };
        if distance != 0 {
            code.emit(&[self.constant(distance), add]);
        }
    }

    /// Makes the address on the stack the index of its mark.
    fn page(&self, code: &mut Code) {
        code.emit(&[self.constant(i64::from(PAGE_BITS))]);
        match self.word_size {
            WordSize::W32 => code.emit(&[Instruction::I32ShrU]),
            WordSize::W64 => code.emit(&[Instruction::I64ShrU, Instruction::I32WrapI64]),
        }
    }
}

/// Makes the index of a mark on the stack the condition that the mark is too low.
fn test(code: &mut Code, writes: bool) {
    let mark = MemArg {
        offset: 0,
        align: 0,
        memory_index: MARKS,
    };
    code.emit(&[Instruction::I32Load8U(mark)]);
    if writes {
        code.emit(&[Instruction::I32Const(MARK_WRITTEN), Instruction::I32LtU]);
    } else {
        code.emit(&[Instruction::I32Eqz]);
    }
}

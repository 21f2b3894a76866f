//! Probes: calls by which code of a profiled session tells the host where it is. Never in code that blocks run.
//!
//! | import | called | parameters |
//! |---|---|---|
//! | `enter` | where a function begins | its index, and the offset of its first operator, in the deployed module |
//! | `leave` | where a function returns, by whatever way but a trap | |
//! | `piece` | where a straight line of code begins | its offset in the deployed module |
//! | `turn` | where a loop begins, at each turn | its offset in the deployed module |
//! | `look` | where a function of the rewriter's own begins | |
//! | `before`, `after` | around an operator that looks at the gas by itself | `after`: which, [`BULK`] or [`GROWTH`] |
//!
//! A probe takes no part in what the contract does: it finds no operand and leaves none. What it costs is known
//! ([`PROBE_IMPORTS`]: a call, and a constant for each parameter), so that the host can give it back.
//!
//! `enter`, `turn` and `look` stand first where the engine looks at the gas, so that the host can look in its place, and see what the
//! engine would see without probes. Before operators on the whole memory the engine looks only if their length is not
//! constant, which it finds out for itself: between `before` and `after` it is left to do so.

use super::outline::Outline;
use super::touch::{Code, TOUCH_IMPORTS};
use wasm_encoder::{FuncType, Instruction, ValType};
use wasmparser::Operator;

/// Names of the imports that probes call, in their order behind those of the touch checks, with the number of their parameters, which are
/// constants of the type `i32`. They are imported from the same module as those.
pub const PROBE_IMPORTS: [(&str, usize); 7] = [
    ("enter", 2),
    ("leave", 0),
    ("piece", 1),
    ("turn", 1),
    ("look", 0),
    ("before", 0),
    ("after", 1),
];

const ENTER: u32 = 0;
const LEAVE: u32 = 1;
const PIECE: u32 = 2;
const TURN: u32 = 3;
const LOOK: u32 = 4;
const BEFORE: u32 = 5;
const AFTER: u32 = 6;

/// Says to `after` that the operator was `memory.copy` or `memory.fill`.
pub const BULK: i32 = 0;
/// Says to `after` that the operator was `memory.grow`.
pub const GROWTH: i32 = 1;

/// How many functions the rewriting imports behind the contract's own imports.
pub const fn added_imports(probed: bool) -> u32 {
    let probes = if probed { PROBE_IMPORTS.len() } else { 0 };
    (TOUCH_IMPORTS.len() + probes) as u32
}

/// The type of an import with so many parameters.
pub(super) fn import_type(params: usize) -> FuncType {
    FuncType::new(std::iter::repeat_n(ValType::I32, params), [])
}

/// Writes the probes of a module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probes {
    first_import: u32,
}

impl Probes {
    /// The probes of a module, if it is to have some.
    pub fn of(outline: &Outline<'_>) -> Option<Self> {
        let first_import = outline.imports.len() + TOUCH_IMPORTS.len();
        outline.probed.then_some(Self {
            first_import: first_import as u32,
        })
    }

    /// At the beginning of the function with this index in the deployed module, whose first operator is at `offset`.
    pub fn enter(self, code: &mut Code, function: u32, offset: u64) {
        let arguments = [function.cast_signed(), offset as u32 as i32];
        self.call(code, ENTER, &arguments);
    }

    /// Before a function returns.
    pub fn leave(self, code: &mut Code) {
        self.call(code, LEAVE, &[]);
    }

    /// At the beginning of a loop that holds the operator at `offset`, or stands before it.
    pub fn turn(self, code: &mut Code, offset: u64) {
        self.call(code, TURN, &[offset as u32 as i32]);
    }

    /// At the beginning of a function of the rewriter's own.
    pub fn look(self, code: &mut Code) {
        self.call(code, LOOK, &[]);
    }

    /// Before an operator that looks at the gas by itself; gives what `after` is told.
    pub fn before(self, code: &mut Code, operator: &Operator<'_>) -> Option<i32> {
        let which = match operator {
            Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => BULK,
            Operator::MemoryGrow { .. } => GROWTH,
            _ => return None,
        };
        self.call(code, BEFORE, &[]);
        Some(which)
    }

    /// Behind such an operator.
    pub fn after(self, code: &mut Code, which: i32) {
        self.call(code, AFTER, &[which]);
    }

    /// Behind an operator, where that ends a straight line of code; `next` is the offset of what follows.
    pub fn behind(self, code: &mut Code, operator: &Operator<'_>, next: u64) {
        match operator {
            Operator::Loop { .. } => self.turn(code, next),
            Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::BrIf { .. }
            | Operator::Call { .. }
            | Operator::CallIndirect { .. } => {
                self.call(code, PIECE, &[next as u32 as i32]);
            }
            _ => {}
        }
    }

    fn call(self, code: &mut Code, nth: u32, arguments: &[i32]) {
        for argument in arguments {
            code.emit(&[Instruction::I32Const(*argument)]);
        }
        code.emit(&[Instruction::Call(self.first_import + nth)]);
    }
}

//! Rewrites one function body: the stack-height counter, and the `nop`s that the gas schedule prices.
//!
//! The body becomes the contents of one block with the function's results, so that every way out
//! of it passes the epilogue: falling off its end, `return` (rewritten to a branch), and branches to
//! the function's own label, whose depth now means the block. Only traps do not, and the host
//! restores the counter after those.

use super::outline::Body;
use super::rewrite::encoded;
use super::{Rejection, WordSize};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Function, Instruction, ValType};
use wasmparser::Operator;

/// More pages than any memory can grow by.
const GROWTH_PAGES_MAX: i64 = 1 << 32;

/// What all functions of a module share.
pub(super) struct FunctionRewriter {
    /// Index of the stack-height counter.
    pub height_global: u32,
    pub word_size: WordSize,
}

impl FunctionRewriter {
    /// Writes the body anew, wrapped in a block of type `results`.
    pub fn rewrite(&self, body: &Body<'_>, results: BlockType) -> Result<Function, Rejection> {
        let mut function = Function::new(self.locals(body)?);
        // The limits keep costs far below; one above `i32` would trap at once, as it should.
        let cost = i32::try_from(body.cost).unwrap_or(i32::MAX);
        self.prologue(&mut function, cost, results);
        self.operators(&mut function, body)?;
        self.epilogue(&mut function, cost);
        Ok(function)
    }

    /// The contract's locals, and in 64-bit contracts one more for the operand of `memory.grow`.
    fn locals(&self, body: &Body<'_>) -> Result<Vec<(u32, ValType)>, Rejection> {
        let reader = body.body.get_locals_reader().map_err(Rejection::invalid)?;
        let mut locals = Vec::new();
        for local in reader {
            let (count, ty) = local.map_err(Rejection::invalid)?;
            let offset = body.body.range().start as u64;
            locals.push((count, encoded(RoundtripReencoder.val_type(ty), offset)?));
        }
        if self.word_size == WordSize::W64 {
            locals.push((1, ValType::I64));
        }
        Ok(locals)
    }

    fn prologue(&self, function: &mut Function, cost: i32, results: BlockType) {
        let height = self.height_global;
        for instruction in [
            Instruction::GlobalGet(height),
            Instruction::I32Const(cost),
            Instruction::I32Sub,
            Instruction::GlobalSet(height),
            Instruction::GlobalGet(height),
            Instruction::I32Const(0),
            Instruction::I32LtS,
            Instruction::If(BlockType::Empty),
            Instruction::Unreachable,
            Instruction::End,
            Instruction::Block(results),
        ] {
            function.instruction(&instruction);
        }
    }

    /// The contract's operators; the last is the `end` of its body, which closes the block.
    fn operators(&self, function: &mut Function, body: &Body<'_>) -> Result<(), Rejection> {
        let mut reader = body
            .body
            .get_operators_reader()
            .map_err(Rejection::invalid)?;
        let mut depth = 0_u32;
        while !reader.eof() {
            let (operator, offset) = reader.read_with_offset().map_err(Rejection::invalid)?;
            match operator {
                Operator::Nop => continue,
                Operator::Return => {
                    function.instruction(&Instruction::Br(depth));
                    continue;
                }
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
            if self.word_size == WordSize::W64 {
                widen(function, &operator, body.locals);
            }
            function.instruction(&encoded(
                RoundtripReencoder.instruction(operator),
                offset as u64,
            )?);
        }
        Ok(())
    }

    fn epilogue(&self, function: &mut Function, cost: i32) {
        let height = self.height_global;
        for instruction in [
            Instruction::GlobalGet(height),
            Instruction::I32Const(cost),
            Instruction::I32Add,
            Instruction::GlobalSet(height),
            Instruction::End,
        ] {
            function.instruction(&instruction);
        }
    }
}

/// What a 64-bit contract executes before an operator: a priced `nop` before an access, a bound before a growth.
///
/// Growth is paid by the page before it is refused, and the metering adds the price of 2^63 pages without looking
/// for overflow. No memory has 2^32 pages, so a growth by that many fails like any greater one.
fn widen(function: &mut Function, operator: &Operator<'_>, scratch: u32) {
    if accesses_memory(operator) {
        function.instruction(&Instruction::Nop);
    }
    if matches!(operator, Operator::MemoryGrow { .. }) {
        for instruction in [
            Instruction::LocalTee(scratch),
            Instruction::I64Const(GROWTH_PAGES_MAX),
            Instruction::LocalGet(scratch),
            Instruction::I64Const(GROWTH_PAGES_MAX),
            Instruction::I64LtU,
            Instruction::Select,
        ] {
            function.instruction(&instruction);
        }
    }
}

/// Whether the operator is a load or a store. Bulk operations are priced by their length instead.
const fn accesses_memory(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::I32Load { .. }
            | Operator::I64Load { .. }
            | Operator::F32Load { .. }
            | Operator::F64Load { .. }
            | Operator::I32Load8S { .. }
            | Operator::I32Load8U { .. }
            | Operator::I32Load16S { .. }
            | Operator::I32Load16U { .. }
            | Operator::I64Load8S { .. }
            | Operator::I64Load8U { .. }
            | Operator::I64Load16S { .. }
            | Operator::I64Load16U { .. }
            | Operator::I64Load32S { .. }
            | Operator::I64Load32U { .. }
            | Operator::I32Store { .. }
            | Operator::I64Store { .. }
            | Operator::F32Store { .. }
            | Operator::F64Store { .. }
            | Operator::I32Store8 { .. }
            | Operator::I32Store16 { .. }
            | Operator::I64Store8 { .. }
            | Operator::I64Store16 { .. }
            | Operator::I64Store32 { .. }
    )
}

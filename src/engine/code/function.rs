//! Rewrites one function body: the stack-height counter, the touch checks, looks at the gas, and the `nop`s that the gas schedule prices.
//!
//! Functions that call nothing and whose frame costs little are left without a counter: whoever calls them leaves that much native stack
//! unused. The body of any other becomes the contents of one block with the function's results, so that every way out
//! of it passes the epilogue: falling off its end, `return` (rewritten to a branch), and branches to
//! the function's own label, whose depth now means the block. Only traps do not, and the host
//! restores the counter after those.

use super::access::Access;
use super::analysis::{self, Checking};
use super::coverage::Check;
use super::offsets;
use super::outline::{Body, Outline};
use super::rewrite::encoded;
use super::straight_line::StraightLine;
use super::touch::{Code, TOUCH_IMPORTS, Toucher};
use super::{Rejection, WordSize};
use std::collections::BTreeMap;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Instruction, ValType};
use wasmparser::Operator;

/// The frame cost up to which a function that calls nothing goes without the counter.
const FREE_COST_MAX: u32 = 4_096;

/// What all functions of a module share.
pub(super) struct FunctionRewriter<'o, 'a> {
    pub outline: &'o Outline<'a>,
    /// Index of the stack-height counter.
    pub height_global: u32,
    pub word_size: WordSize,
    pub checking: Checking,
}

/// What one function's rewriting works with.
struct Rewriting {
    code: Code,
    toucher: Toucher,
    checks: BTreeMap<usize, Check>,
    imports: u32,
    checking: Checking,
}

impl FunctionRewriter<'_, '_> {
    /// Writes the body anew; `results` is the type of a block with the function's results.
    pub fn rewrite(&self, body: &Body<'_>, results: BlockType) -> Result<Code, Rejection> {
        let imports = self.outline.imports.len() as u32;
        let toucher = Toucher {
            word_size: self.word_size,
            first_bridge: shifted(imports, 0) + self.outline.functions.len() as u32,
            first_local: body.locals,
        };
        let mut rewriting = Rewriting {
            code: Code::new(locals(body, &toucher)?, self.checking.notes_places),
            checks: analysis::checks(self.outline, body, self.word_size, self.checking)?,
            toucher,
            imports,
            checking: self.checking,
        };
        if !body.calls && body.cost <= FREE_COST_MAX {
            rewriting.operators(body, false)?;
            return Ok(rewriting.code);
        }
        let height = Height {
            global: self.height_global,
            local: rewriting.toucher.height_local(),
            // The limits keep costs far below; one above `i32` would trap at once, as it should.
            cost: i32::try_from(body.cost).unwrap_or(i32::MAX),
        };
        height.take(&mut rewriting.code);
        rewriting.code.emit(&[Instruction::Block(results)]);
        rewriting.operators(body, true)?;
        height.restore(&mut rewriting.code);
        Ok(rewriting.code)
    }
}

/// The contract's locals, then those of the rewriting.
fn locals(body: &Body<'_>, toucher: &Toucher) -> Result<Vec<(u32, ValType)>, Rejection> {
    let reader = body.body.get_locals_reader().map_err(Rejection::invalid)?;
    let mut locals = Vec::new();
    for local in reader {
        let (count, ty) = local.map_err(Rejection::invalid)?;
        let offset = body.body.range().start as u64;
        locals.push((count, encoded(RoundtripReencoder.val_type(ty), offset)?));
    }
    locals.extend(toucher.locals());
    Ok(locals)
}

/// The stack-height counter in one function.
struct Height {
    global: u32,
    /// Holds what the counter was.
    local: u32,
    cost: i32,
}

impl Height {
    fn take(&self, code: &mut Code) {
        code.emit(&[
            Instruction::GlobalGet(self.global),
            Instruction::LocalTee(self.local),
            Instruction::I32Const(self.cost),
            Instruction::I32Sub,
            Instruction::GlobalSet(self.global),
            Instruction::LocalGet(self.local),
            Instruction::I32Const(self.cost),
            Instruction::I32LtS,
        ]);
        code.emit_unlikely(&Instruction::If(BlockType::Empty));
        code.emit(&[Instruction::Unreachable, Instruction::End]);
    }

    fn restore(&self, code: &mut Code) {
        code.emit(&[
            Instruction::LocalGet(self.local),
            Instruction::GlobalSet(self.global),
            Instruction::End,
        ]);
    }
}

impl Rewriting {
    /// Writes the contract's operators; the last is the `end` of its body, which closes the block if it is `wrapped` in one.
    fn operators(&mut self, body: &Body<'_>, wrapped: bool) -> Result<(), Rejection> {
        let mut reader = body
            .body
            .get_operators_reader()
            .map_err(Rejection::invalid)?;
        let (mut depth, mut accesses) = (0_u32, 0);
        let mut line = StraightLine::new();
        while !reader.eof() {
            let (operator, offset) = reader.read_with_offset().map_err(Rejection::invalid)?;
            match operator {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
            let from = self.code.function.byte_len() as u32;
            if line.look_due() {
                let look = [Instruction::Loop(BlockType::Empty), Instruction::End];
                self.code.emit(&look);
            }
            line.pass(&operator);
            if let Some(access) = Access::of(&operator) {
                self.access(&access, accesses);
                accesses += 1;
            }
            self.operator(operator, offset as u64, from, wrapped.then_some(depth))?;
        }
        Ok(())
    }

    fn access(&mut self, access: &Access, index: usize) {
        if let Some(check) = self.checks.get(&index) {
            self.code.checks += 1;
            self.code.operands += u64::from(check.operands);
            self.toucher.access(&mut self.code, access, *check);
        }
        if self.toucher.word_size == WordSize::W64 {
            self.code.emit(&[Instruction::Nop]);
        }
    }

    /// Writes one operator, for which something may have been put in `from` there on; `outermost` is the depth of the block around the body, if there is one.
    fn operator(
        &mut self,
        operator: Operator<'_>,
        offset: u64,
        from: u32,
        outermost: Option<u32>,
    ) -> Result<(), Rejection> {
        let calls_import = offsets::calls_import(&operator, self.imports);
        let instruction = match (operator, outermost) {
            (Operator::Nop, _) => return Ok(()),
            (Operator::Return, Some(depth)) => Instruction::Br(depth),
            (Operator::Call { function_index }, _) => {
                Instruction::Call(shifted(function_index, self.imports))
            }
            (operator, _) => {
                self.prepare(&operator);
                encoded(RoundtripReencoder.instruction(operator), offset)?
            }
        };
        let at = self.code.function.byte_len() as u32;
        self.code.emit(&[instruction]);
        self.code.note(from, at, offset, calls_import);
        Ok(())
    }

    /// Writes what precedes an operator on the whole memory.
    fn prepare(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::MemoryCopy { .. } if self.checking.stores => {
                self.toucher.copy(&mut self.code);
            }
            Operator::MemoryFill { .. } if self.checking.stores => {
                self.toucher.fill(&mut self.code);
            }
            Operator::MemoryGrow { .. } => self.toucher.grow(&mut self.code),
            _ => {}
        }
    }
}

/// The index that a contract's function has behind the imports added.
pub(super) const fn shifted(function: u32, imports: u32) -> u32 {
    if function < imports {
        function
    } else {
        function.saturating_add(TOUCH_IMPORTS.len() as u32)
    }
}

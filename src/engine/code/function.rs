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
use super::probe::Probes;
use super::rewrite::encoded;
use super::straight_line::StraightLine;
use super::touch::{Code, Toucher};
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
struct Rewriting<'r> {
    code: Code,
    toucher: Toucher,
    checks: BTreeMap<usize, Check>,
    outline: &'r Outline<'r>,
    checking: Checking,
    probes: Option<Probes>,
}

/// What stands around a body's operators.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    /// A block, behind which whatever returns has to pass.
    Block,
    /// A block, behind which whatever leaves the outermost block has to pass; `return` has not.
    Leaves,
}

impl FunctionRewriter<'_, '_> {
    /// Writes the body of the function with this index anew; `results` is the type of a block with the function's results.
    pub fn rewrite(
        &self,
        function: u32,
        body: &Body<'_>,
        results: BlockType,
    ) -> Result<Code, Rejection> {
        let probes = Probes::of(self.outline);
        let imports = self.outline.imports.len() as u32;
        let toucher = Toucher {
            word_size: self.word_size,
            first_bridge: self.outline.shifted(imports) + self.outline.functions.len() as u32,
            first_local: body.locals,
        };
        let mut rewriting = Rewriting {
            code: Code::new(locals(body, &toucher)?, self.checking.notes_places),
            checks: analysis::checks(self.outline, body, self.word_size, self.checking)?,
            toucher,
            outline: self.outline,
            checking: self.checking,
            probes,
        };
        if let Some(probes) = probes {
            let operators = body.body.get_operators_reader();
            let first = operators.map_err(Rejection::invalid)?.original_position();
            probes.enter(&mut rewriting.code, function, first as u64);
        }
        if !body.calls && body.cost <= FREE_COST_MAX {
            rewriting.without_height(body, results)?;
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
        rewriting.operators(body, Around::Block)?;
        height.restore(&mut rewriting.code);
        if let Some(probes) = probes {
            probes.leave(&mut rewriting.code);
        }
        rewriting.code.emit(&[Instruction::End]);
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
        ]);
    }
}

impl Rewriting<'_> {
    /// Writes a body that goes without the counter.
    fn without_height(&mut self, body: &Body<'_>, results: BlockType) -> Result<(), Rejection> {
        let Some(probes) = self.probes else {
            return self.operators(body, Around::Nothing);
        };
        self.code.emit(&[Instruction::Block(results)]);
        self.operators(body, Around::Leaves)?;
        probes.leave(&mut self.code);
        self.code.emit(&[Instruction::End]);
        Ok(())
    }

    /// Writes the contract's operators; the last is the `end` of its body, which closes the block if there is one `around` it.
    fn operators(&mut self, body: &Body<'_>, around: Around) -> Result<(), Rejection> {
        let mut reader = body
            .body
            .get_operators_reader()
            .map_err(Rejection::invalid)?;
        let (mut depth, mut accesses) = (0_u32, 0);
        let mut from = None;
        let mut line = StraightLine::new();
        while !reader.eof() {
            let (operator, offset) = reader.read_with_offset().map_err(Rejection::invalid)?;
            match operator {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
            // What was put in for a `nop` belongs to what follows it.
            let start = *from.get_or_insert(self.code.function.byte_len() as u32);
            if line.look_due() {
                self.look(offset as u64);
            }
            line.pass(&operator);
            if let Some(access) = Access::of(&operator) {
                self.access(&access, accesses);
                accesses += 1;
            }
            let block = (around == Around::Block).then_some(depth);
            self.operator(&operator, offset as u64, start, block)?;
            if !matches!(operator, Operator::Nop) {
                from = None;
            }
            if let Some(probes) = self.probes.filter(|_| !reader.eof()) {
                let next = reader.original_position() as u64;
                probes.behind(&mut self.code, &operator, next);
            }
        }
        Ok(())
    }

    /// A look at the gas before the operator at `offset`.
    fn look(&mut self, offset: u64) {
        self.code.emit(&[Instruction::Loop(BlockType::Empty)]);
        if let Some(probes) = self.probes {
            probes.turn(&mut self.code, offset);
        }
        self.code.emit(&[Instruction::End]);
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

    /// Writes one operator, for which something may have been put in `from` there on; `block` is the depth of the block around
    /// the body, if whatever returns has to pass its end.
    fn operator(
        &mut self,
        operator: &Operator<'_>,
        offset: u64,
        from: u32,
        block: Option<u32>,
    ) -> Result<(), Rejection> {
        let instruction = match (operator, block) {
            (Operator::Nop, _) => return Ok(()),
            (Operator::Return, Some(depth)) => Instruction::Br(depth),
            (Operator::Call { function_index }, _) => {
                Instruction::Call(self.outline.shifted(*function_index))
            }
            _ => {
                self.prepare(operator);
                let instruction = RoundtripReencoder.instruction(operator.clone());
                encoded(instruction, offset)?
            }
        };
        let probed = self.probe(operator, block);
        let at = self.code.function.byte_len() as u32;
        self.code.emit(&[instruction]);
        let calls_import = offsets::calls_import(operator, self.outline.imports.len() as u32);
        self.code.note(from, at, offset, calls_import);
        if let Some((probes, which)) = probed {
            probes.after(&mut self.code, which);
        }
        Ok(())
    }

    /// Writes the probe right before an operator; gives that for right behind it, with what it tells.
    fn probe(&mut self, operator: &Operator<'_>, block: Option<u32>) -> Option<(Probes, i32)> {
        let probes = self.probes?;
        if block.is_none() && *operator == Operator::Return {
            probes.leave(&mut self.code);
        }
        let which = probes.before(&mut self.code, operator)?;
        Some((probes, which))
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

//! Function bodies: the limits that bound compile time, the operators that are refused, and the
//! frame cost for the stack-height counter.
//!
//! Each operator is held against the limits before the validator sees it. Nothing recurses: a
//! body's nesting is a vector as deep as the limit.

use super::access::Access;
use super::effort::{Counted, Counter};
use super::limits::at_most;
use super::outline::Outline;
use super::{CodeLimits, Rejection};
use wasmparser::{BlockType, FuncValidator, FunctionBody, Operator, ValType, WasmModuleResources};

/// Stack bytes that every frame costs.
const FRAME_BYTES: u32 = 64;
/// Stack bytes that each parameter, local, operand and computed value costs. The compiler may keep any computed value
/// across a call, to use it again behind it or in a loop's next round.
const SLOT_BYTES: u32 = 8;

/// What [`measure`] found out about a body.
pub(super) struct Measured {
    /// What a frame takes from the stack-height counter.
    pub cost: u32,
    /// Parameters and locals.
    pub locals: u32,
    /// Whether it calls functions.
    pub calls: bool,
    /// Sum over its blocks of nesting depth x locals.
    pub nested_locals: u64,
    /// Sum over its loops of loop depth x locals.
    pub loop_locals: u64,
    /// What there is to compile, but for checks.
    pub counted: Counted,
}

/// Validates a body and measures it.
pub(super) fn measure<R: WasmModuleResources>(
    validator: &mut FuncValidator<R>,
    body: &FunctionBody<'_>,
    limits: &CodeLimits,
    outline: &Outline<'_>,
) -> Result<Measured, Rejection> {
    locals(validator, body, limits)?;
    let mut control_flow = ControlFlow::new(u64::from(validator.len_locals()), limits);
    let mut usage = Usage::default();
    let function = outline.imports.len() + outline.bodies.len();
    let ty = outline.function_type(function as u32);
    let results = ty.map_or(0, |ty| ty.results().len());
    let mut counter = Counter::new(validator.len_locals(), results);
    let mut reader = body.get_operators_reader().map_err(Rejection::invalid)?;
    while !reader.eof() {
        let (operator, position) = reader.read_with_offset().map_err(Rejection::invalid)?;
        let offset = position as u64;
        refuse(&operator, offset)?;
        control_flow.visit(&operator, offset)?;
        validator
            .op(position, &operator)
            .map_err(Rejection::invalid)?;
        usage.visit(&operator, validator, offset, limits)?;
        let height = validator.operand_stack_height();
        counter.visit(
            outline,
            &operator,
            height,
            computed(&operator) > 0,
            touches(&operator),
        );
    }
    reader.finish().map_err(Rejection::invalid)?;
    let locals = validator.len_locals();
    Ok(Measured {
        cost: usage.frame_cost(locals),
        locals,
        calls: usage.calls,
        loop_locals: control_flow.loop_locals,
        nested_locals: control_flow.nested_locals,
        counted: counter.counted(),
    })
}

/// What the operators read so far use.
#[derive(Default)]
struct Usage {
    /// The most operands on the stack.
    operands: u32,
    /// Values computed.
    computed: u32,
    /// Accesses to memory x locals.
    access_locals: u64,
    calls: bool,
}

impl Usage {
    fn visit<R: WasmModuleResources>(
        &mut self,
        operator: &Operator<'_>,
        validator: &FuncValidator<R>,
        offset: u64,
        limits: &CodeLimits,
    ) -> Result<(), Rejection> {
        let height = validator.operand_stack_height();
        let (found, max) = (u64::from(height), limits.operands_max);
        at_most("operands_max", offset, found, max)?;
        self.operands = self.operands.max(height);
        self.computed += computed(operator);
        self.calls |= matches!(
            operator,
            Operator::Call { .. } | Operator::CallIndirect { .. }
        );
        if touches(operator) {
            self.access_locals += u64::from(validator.len_locals());
        }
        let (found, max) = (self.access_locals, limits.access_locals_max);
        at_most("access_locals_max", offset, found, max)
    }

    fn frame_cost(&self, locals: u32) -> u32 {
        let slots = locals.saturating_add(self.operands);
        frame_bytes(slots.saturating_add(self.computed))
    }
}

/// What a frame with so many parameters, locals, operands and computed values takes from the stack-height counter.
pub(in crate::engine) const fn frame_bytes(slots: u32) -> u32 {
    FRAME_BYTES.saturating_add(SLOT_BYTES.saturating_mul(slots))
}

/// Whether the operator accesses memory, for which the rewriting may put a check before it.
fn touches(operator: &Operator<'_>) -> bool {
    let is_bulk = matches!(
        operator,
        Operator::MemoryCopy { .. } | Operator::MemoryFill { .. }
    );
    is_bulk || Access::of(operator).is_some()
}

/// How many values the operator makes that did not exist before. Constants are made again where they are needed, and
/// reading a local makes nothing. An access to memory makes at least the index of the mark that its check looks at, a bulk
/// operation one for each range, and two of its length.
pub(in crate::engine) const fn computed(operator: &Operator<'_>) -> u32 {
    match operator {
        Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => 4,
        Operator::LocalGet { .. }
        | Operator::LocalSet { .. }
        | Operator::LocalTee { .. }
        | Operator::I32Const { .. }
        | Operator::I64Const { .. }
        | Operator::GlobalSet { .. }
        | Operator::Block { .. }
        | Operator::Loop { .. }
        | Operator::If { .. }
        | Operator::Else
        | Operator::End
        | Operator::Br { .. }
        | Operator::BrIf { .. }
        | Operator::BrTable { .. }
        | Operator::Return
        | Operator::Drop
        | Operator::Nop
        | Operator::Unreachable => 0,
        _ => 1,
    }
}

/// Declares the locals, after their number and types are known to be fine.
fn locals<R: WasmModuleResources>(
    validator: &mut FuncValidator<R>,
    body: &FunctionBody<'_>,
    limits: &CodeLimits,
) -> Result<(), Rejection> {
    let mut reader = body.get_locals_reader().map_err(Rejection::invalid)?;
    let mut found = u64::from(validator.len_locals());
    for _ in 0..reader.get_count() {
        let position = reader.original_position();
        let (count, ty) = reader.read().map_err(Rejection::invalid)?;
        number(ty, position as u64)?;
        found = found.saturating_add(u64::from(count));
        at_most("locals_max", position as u64, found, limits.locals_max)?;
        validator
            .define_locals(position, count, ty)
            .map_err(Rejection::invalid)?;
    }
    Ok(())
}

/// The blocks around the operator being read, and what the function's control flow weighs so far.
///
/// Compiling is quadratic in each of these counts (blocks, loops, branch targets) and in blocks or
/// loop depths x locals, so that length alone does not bound it.
struct ControlFlow<'l> {
    limits: &'l CodeLimits,
    locals: u64,
    /// For each block around the operator whether it is a loop.
    nesting: Vec<bool>,
    blocks: u64,
    loops: u64,
    loop_depth: u64,
    nested_locals: u64,
    loop_locals: u64,
    targets: u64,
}

impl<'l> ControlFlow<'l> {
    const fn new(locals: u64, limits: &'l CodeLimits) -> Self {
        let nesting = Vec::new();
        Self {
            limits,
            locals,
            nesting,
            blocks: 0,
            loops: 0,
            loop_depth: 0,
            nested_locals: 0,
            loop_locals: 0,
            targets: 0,
        }
    }

    fn visit(&mut self, operator: &Operator<'_>, offset: u64) -> Result<(), Rejection> {
        match operator {
            Operator::Block { blockty } | Operator::If { blockty } => {
                self.enter(*blockty, false, offset)
            }
            Operator::Loop { blockty } => {
                self.enter(*blockty, true, offset)?;
                self.enter_loop(offset)
            }
            Operator::End => {
                self.leave();
                Ok(())
            }
            Operator::BrTable { targets } => self.branch(u64::from(targets.len()), offset),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, ty: BlockType, is_loop: bool, offset: u64) -> Result<(), Rejection> {
        if let BlockType::Type(ty) = ty {
            number(ty, offset)?;
        }
        self.nesting.push(is_loop);
        self.blocks += 1;
        let depth = self.nesting.len() as u64;
        at_most("nesting_max", offset, depth, self.limits.nesting_max)?;
        at_most("blocks_max", offset, self.blocks, self.limits.blocks_max)?;
        self.nested_locals += depth * self.locals;
        let (found, max) = (self.nested_locals, self.limits.nested_locals_max);
        at_most("nested_locals_max", offset, found, max)?;
        let found = self.blocks.saturating_mul(self.locals);
        at_most(
            "block_locals_max",
            offset,
            found,
            self.limits.block_locals_max,
        )
    }

    fn enter_loop(&mut self, offset: u64) -> Result<(), Rejection> {
        self.loops += 1;
        at_most("loops_max", offset, self.loops, self.limits.loops_max)?;
        self.loop_depth += 1;
        self.loop_locals += self.loop_depth * self.locals;
        at_most(
            "loop_locals_max",
            offset,
            self.loop_locals,
            self.limits.loop_locals_max,
        )
    }

    /// The function's own `end` leaves nothing.
    fn leave(&mut self) {
        if self.nesting.pop() == Some(true) {
            self.loop_depth -= 1;
        }
    }

    fn branch(&mut self, targets: u64, offset: u64) -> Result<(), Rejection> {
        at_most("br_table_max", offset, targets, self.limits.br_table_max)?;
        self.targets += targets + 1;
        at_most(
            "br_table_targets_max",
            offset,
            self.targets,
            self.limits.br_table_targets_max,
        )
    }
}

/// Refuses operators that the features allow but contracts do not have.
fn refuse(operator: &Operator<'_>, offset: u64) -> Result<(), Rejection> {
    let operator = match operator {
        Operator::TypedSelect { ty } => return number(*ty, offset),
        Operator::TableGet { .. } => "table.get",
        Operator::TableSet { .. } => "table.set",
        Operator::TableSize { .. } => "table.size",
        Operator::TableGrow { .. } => "table.grow",
        Operator::TableFill { .. } => "table.fill",
        Operator::TableCopy { .. } => "table.copy",
        Operator::TableInit { .. } => "table.init",
        Operator::ElemDrop { .. } => "elem.drop",
        Operator::DataDrop { .. } => "data.drop",
        Operator::MemoryInit { .. } => "memory.init",
        Operator::RefNull { .. } => "ref.null",
        Operator::RefIsNull => "ref.is_null",
        Operator::RefFunc { .. } => "ref.func",
        _ => return Ok(()),
    };
    Err(Rejection::Operator { offset, operator })
}

/// Refuses values that are not numbers of 32 or 64 bits.
pub(super) fn number(ty: ValType, offset: u64) -> Result<(), Rejection> {
    match ty {
        ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => Ok(()),
        ValType::V128 | ValType::Ref(_) => Err(Rejection::ValueType {
            offset,
            found: ty.to_string(),
        }),
    }
}

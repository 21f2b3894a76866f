//! Walks a function body once and finds the touch check of each access.
//!
//! Canonical: the same body gives the same checks on every machine. Nothing recurses, and what hostile code can make the
//! walk do is bounded by its length (times a logarithm) and by the limit on blocks x locals.
//!
//! # What holds on the walk
//!
//! A value number stands for what one place of the body computed when it was last reached, or for what integer operators make of such
//! values. An operand or local has a number only where every way that leads there passes that place, with the local unwritten since:
//!
//! * where a loop begins, the locals written anywhere inside it get new numbers, and so do its parameters;
//! * where a block ends that was branched out of, the locals written since the first such branch get new numbers; an `if` counts as
//!   branched out of where it begins;
//! * results of blocks branched out of get new numbers.
//!
//! A fact holds where every way that leads there passes its check, later than the place of its number: facts found since the first branch out
//! of a block are forgotten where it ends, those of an `if` at its `else` and `end`; those of a loop's body outlive it, for what is behind a loop is
//! reached through the end of its body only. Calls take nothing away: a mark that lets an access pass is lowered for a newer
//! savepoint only, which is over when the frame goes on.
//!
//! Code behind an unconditional branch is not reached; it is left as it is up to the end of its block.

use super::Rejection;
use super::WordSize;
use super::access::Access;
use super::coverage::{Check, Coverage, Pending};
use super::outline::{Body, Outline};
use super::values::{Integer, Value, Values, absolute, integer};
use super::writes::Writes;
use std::collections::BTreeMap;
use wasmparser::{
    BlockType, ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType,
};

/// Which accesses are checked: by [`Default`] all that no other check covers. Others are for measuring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checking {
    /// Whether loads are checked.
    pub loads: bool,
    /// Whether stores and bulk operations are checked.
    pub stores: bool,
    /// Whether an access that another check covers goes without.
    pub eliminates: bool,
    /// Whether the marks table is exported, for hosts that do not make the memories themselves.
    pub exports_marks: bool,
    /// Whether the places of operators are noted.
    pub notes_places: bool,
    /// Whether the code calls probes.
    pub probed: bool,
}

impl Default for Checking {
    fn default() -> Self {
        Self {
            loads: true,
            stores: true,
            eliminates: true,
            exports_marks: false,
            notes_places: false,
            probed: false,
        }
    }
}

/// Finds the checks of a function, by the index of the access (load or store, in order) that each precedes.
pub(super) fn checks(
    outline: &Outline<'_>,
    body: &Body<'_>,
    word_size: WordSize,
    checking: Checking,
) -> Result<BTreeMap<usize, Check>, Rejection> {
    let operators = operators(body)?;
    if !operators
        .iter()
        .any(|operator| Access::of(operator).is_some())
    {
        return Ok(BTreeMap::new());
    }
    let walk = Walk::over(&operators, outline, body, word_size, checking);
    Ok(walk.coverage.checks())
}

/// The steps that finding the checks takes, each of them one look-up in a map or a list.
#[cfg(test)]
pub(super) fn steps(outline: &Outline<'_>, body: &Body<'_>, word_size: WordSize) -> usize {
    let operators = operators(body).unwrap_or_default();
    let walk = Walk::over(&operators, outline, body, word_size, Checking::default());
    let (listings, numbers) = (walk.writes.listings, walk.values.count());
    walk.moment + walk.accesses + listings + numbers + walk.coverage.changes
}

fn operators<'a>(body: &Body<'a>) -> Result<Vec<Operator<'a>>, Rejection> {
    let mut operators = Vec::new();
    let mut reader = body
        .body
        .get_operators_reader()
        .map_err(Rejection::invalid)?;
    while !reader.eof() {
        operators.push(reader.read().map_err(Rejection::invalid)?);
    }
    Ok(operators)
}

/// For each loop in the order of their beginnings the locals written inside.
fn loops(operators: &[Operator<'_>], locals: usize) -> Vec<Vec<u32>> {
    let mut writes = Writes::new(locals);
    let (mut found, mut open) = (Vec::new(), Vec::new());
    for operator in operators {
        match operator {
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                writes.write(*local_index);
            }
            Operator::Block { .. } | Operator::If { .. } => open.push(None),
            Operator::Loop { .. } => {
                open.push(Some(found.len()));
                found.push(Vec::new());
                writes.enter();
            }
            Operator::End => {
                if let Some(slot) = open.pop().flatten().and_then(|index| found.get_mut(index)) {
                    *slot = writes.leave();
                }
            }
            _ => {}
        }
    }
    found
}

/// A value on the operand stack, and the local it was read from, if nothing else was done to it.
#[derive(Clone, Copy)]
struct Operand {
    value: Value,
    local: Option<u32>,
}

/// What a local holds, and the moment it was given it.
#[derive(Clone, Copy)]
struct Local {
    value: Value,
    written: usize,
}

/// A block that is open.
struct Frame {
    is_loop: bool,
    /// Operands below the block's own.
    height: usize,
    params: usize,
    results: usize,
    /// The moment of the first branch to the block's end.
    left: Option<usize>,
    /// Whether it is never entered.
    dead: bool,
}

/// The state of the walk. A moment is the place of an operator among all.
struct Walk<'w, 'a> {
    outline: &'w Outline<'a>,
    word_size: WordSize,
    loops: std::vec::IntoIter<Vec<u32>>,
    values: Values<'a>,
    coverage: Coverage,
    operands: Vec<Operand>,
    locals: Vec<Local>,
    writes: Writes,
    frames: Vec<Frame>,
    moment: usize,
    accesses: usize,
    dead: bool,
    checking: Checking,
}

impl<'w, 'a> Walk<'w, 'a> {
    /// Walks over a body.
    fn over(
        operators: &[Operator<'a>],
        outline: &'w Outline<'a>,
        body: &Body<'_>,
        word_size: WordSize,
        checking: Checking,
    ) -> Self {
        let locals = body.locals as usize;
        let mut walk = Self::new(outline, word_size, locals, loops(operators, locals));
        walk.checking = checking;
        for operator in operators {
            walk.step(operator);
        }
        walk
    }

    fn new(
        outline: &'w Outline<'a>,
        word_size: WordSize,
        locals: usize,
        loops: Vec<Vec<u32>>,
    ) -> Self {
        let mut values = Values::new();
        let mut local = || Local {
            value: values.fresh(),
            written: 0,
        };
        Self {
            outline,
            word_size,
            loops: loops.into_iter(),
            locals: (0..locals).map(|_| local()).collect(),
            values,
            coverage: Coverage::new(),
            operands: Vec::new(),
            writes: Writes::new(locals),
            frames: Vec::new(),
            moment: 0,
            accesses: 0,
            dead: false,
            checking: Checking::default(),
        }
    }

    fn step(&mut self, operator: &Operator<'a>) {
        self.moment += 1;
        let access = Access::of(operator);
        if let Some(access) = access {
            self.access(access);
        } else if !self.structure(operator) && !self.dead {
            self.compute(operator);
        }
        self.accesses += usize::from(access.is_some());
    }

    fn access(&mut self, access: Access) {
        if self.dead {
            return;
        }
        if access.writes() {
            self.pop();
        }
        let Operand { value, local } = self.pop_operand();
        let displacement = value.displacement.wrapping_add(access.offset as i64);
        let displacement = match self.word_size {
            WordSize::W32 => displacement as i32 as i64,
            WordSize::W64 => displacement,
        };
        let writes = access.writes();
        if (writes && self.checking.stores) || (!writes && self.checking.loads) {
            let still_holds = |local: &u32| self.local(*local) == Some(value);
            self.coverage.access(Pending {
                index: self.accesses,
                operand: value,
                local: local.filter(still_holds),
                displacement,
                writes,
                operands: self.operands.len() as u32,
            });
        }
        if !self.checking.eliminates {
            self.coverage.flush(self.moment);
            self.coverage.forget_after(0);
        }
        if !writes {
            self.push_fresh(1);
        }
    }

    /// Follows operators that open, close or leave blocks; `false` for others.
    fn structure(&mut self, operator: &Operator<'a>) -> bool {
        match operator {
            Operator::Block { blockty } => self.enter(*blockty, false),
            Operator::Loop { blockty } => self.enter_loop(*blockty),
            Operator::If { blockty } => self.enter_if(*blockty),
            Operator::Else => self.otherwise(),
            Operator::End => self.end(),
            _ if self.dead => {}
            Operator::Br { relative_depth } => self.branch([*relative_depth], true),
            Operator::BrIf { relative_depth } => {
                self.pop();
                self.branch([*relative_depth], false);
            }
            Operator::BrTable { targets } => {
                // Targets of accepted code can be read.
                let others = targets.targets().map_while(Result::ok);
                self.branch(others.chain([targets.default()]), true);
            }
            Operator::Return | Operator::Unreachable => self.branch([], true),
            _ => return false,
        }
        true
    }

    fn branch(&mut self, depths: impl IntoIterator<Item = u32>, always: bool) {
        self.coverage.flush(self.moment);
        for depth in depths {
            let target = self.frames.len().checked_sub(depth as usize + 1);
            if let Some(frame) = target.and_then(|target| self.frames.get_mut(target)) {
                frame.left.get_or_insert(self.moment);
            }
        }
        self.dead = always;
    }

    fn enter(&mut self, ty: BlockType, is_loop: bool) {
        let (params, results) = self.arity(ty);
        self.frames.push(Frame {
            is_loop,
            height: self.operands.len().saturating_sub(params),
            params,
            results,
            left: None,
            dead: self.dead,
        });
        self.writes.enter();
    }

    fn enter_loop(&mut self, ty: BlockType) {
        self.coverage.flush(self.moment);
        self.enter(ty, true);
        let written = self.loops.next().unwrap_or_default();
        if self.dead {
            return;
        }
        self.forget(written);
        self.begin();
    }

    fn enter_if(&mut self, ty: BlockType) {
        if !self.dead {
            self.coverage.flush(self.moment);
            self.pop();
        }
        self.enter(ty, false);
        if let Some(frame) = self.frames.last_mut() {
            frame.left = Some(self.moment);
        }
    }

    /// Gives the innermost block new parameters.
    fn begin(&mut self) {
        let (height, params) = match self.frames.last() {
            Some(frame) => (frame.height, frame.params),
            None => return,
        };
        self.operands.truncate(height);
        self.push_fresh(params);
    }

    fn otherwise(&mut self) {
        self.coverage.flush(self.moment);
        let (left, dead) = match self.frames.last() {
            Some(frame) => (frame.left, frame.dead),
            None => return,
        };
        self.dead = dead;
        if dead {
            return;
        }
        self.coverage.forget_after(left.unwrap_or(0));
        let written = self.writes.innermost().collect();
        self.forget(written);
        self.begin();
    }

    fn end(&mut self) {
        self.coverage.flush(self.moment);
        let written = self.writes.leave();
        let Some(frame) = self.frames.pop() else {
            return; // The function's own end.
        };
        if frame.dead {
            return;
        }
        let left = frame.left.filter(|_| !frame.is_loop);
        if let Some(left) = left {
            self.coverage.forget_after(left);
            self.forget_since(left, written);
        }
        if left.is_some() || self.dead {
            self.operands.truncate(frame.height);
            self.push_fresh(frame.results);
        }
        self.dead = false;
    }

    /// Forgets what those of the `written` locals hold that were written after `left`.
    fn forget_since(&mut self, left: usize, mut written: Vec<u32>) {
        written.retain(|local| {
            let local = self.locals.get(*local as usize);
            local.is_none_or(|local| local.written > left)
        });
        self.forget(written);
    }

    fn forget(&mut self, locals: Vec<u32>) {
        for index in locals {
            let value = self.values.fresh();
            self.set(index, value);
        }
    }

    fn set(&mut self, index: u32, value: Value) {
        if let Some(local) = self.locals.get_mut(index as usize) {
            *local = Local {
                value,
                written: self.moment,
            };
        }
    }

    fn write(&mut self, index: u32, value: Value) {
        self.set(index, value);
        self.writes.write(index);
    }

    /// Follows an operator that is reached and leads on to the next.
    fn compute(&mut self, operator: &Operator<'a>) {
        match operator {
            Operator::LocalGet { local_index } => {
                let value = self.local(*local_index);
                let value = value.unwrap_or_else(|| self.values.fresh());
                let local = Some(*local_index);
                self.operands.push(Operand { value, local });
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop();
                self.write(*local_index, value);
            }
            Operator::LocalTee { local_index } => {
                let value = self.pop();
                self.write(*local_index, value);
                let local = Some(*local_index);
                self.operands.push(Operand { value, local });
            }
            Operator::I32Const { value } => self.push(absolute(i64::from(*value))),
            Operator::I64Const { value } => self.push(absolute(*value)),
            _ => match integer(operator) {
                Some(Integer::Unary) => self.unary(operator),
                Some(kind) => self.binary(operator, kind),
                None => self.opaque(operator),
            },
        }
    }

    fn unary(&mut self, operator: &Operator<'a>) {
        let operand = self.pop();
        let value = self.values.unary(operator, operand);
        self.push(value);
    }

    fn binary(&mut self, operator: &Operator<'a>, kind: Integer) {
        let (right, left) = (self.pop(), self.pop());
        let value = self.values.binary(operator, kind, left, right);
        self.push(value);
    }

    /// Follows an operator of whose results nothing is known.
    fn opaque(&mut self, operator: &Operator<'a>) {
        let is_barrier = matches!(
            operator,
            Operator::Call { .. }
                | Operator::CallIndirect { .. }
                | Operator::MemoryGrow { .. }
                | Operator::MemoryCopy { .. }
                | Operator::MemoryFill { .. }
        );
        if is_barrier {
            self.coverage.flush(self.moment);
        }
        let (params, results) = self.effect(operator);
        let left = self.operands.len().saturating_sub(params);
        self.operands.truncate(left);
        self.push_fresh(results);
    }

    /// How many operands an operator takes and gives.
    fn effect(&self, operator: &Operator<'a>) -> (usize, usize) {
        match operator {
            Operator::Call { function_index } => arity(self.outline.function_type(*function_index)),
            Operator::CallIndirect { type_index, .. } => {
                let (params, results) = arity(self.outline.types.get(*type_index as usize));
                (params + 1, results)
            }
            // Every operator of accepted code has an arity.
            _ => {
                let (params, results) = operator.operator_arity(&NoModule).unwrap_or((0, 0));
                (params as usize, results as usize)
            }
        }
    }

    fn arity(&self, ty: BlockType) -> (usize, usize) {
        match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => arity(self.outline.types.get(index as usize)),
        }
    }

    fn local(&self, index: u32) -> Option<Value> {
        self.locals.get(index as usize).map(|local| local.value)
    }

    /// Accepted code has an operand wherever one is taken; a value of which nothing is known is right in any case.
    fn pop_operand(&mut self) -> Operand {
        let operand = self.operands.pop();
        operand.unwrap_or_else(|| Operand {
            value: self.values.fresh(),
            local: None,
        })
    }

    fn pop(&mut self) -> Value {
        self.pop_operand().value
    }

    fn push(&mut self, value: Value) {
        self.operands.push(Operand { value, local: None });
    }

    fn push_fresh(&mut self, count: usize) {
        for _ in 0..count {
            let value = self.values.fresh();
            self.push(value);
        }
    }
}

fn arity(ty: Option<&FuncType>) -> (usize, usize) {
    ty.map_or((0, 0), |ty| (ty.params().len(), ty.results().len()))
}

/// For the arity of operators that do not depend on the module.
struct NoModule;

impl ModuleArity for NoModule {
    fn sub_type_at(&self, _: u32) -> Option<&SubType> {
        None
    }

    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn type_index_of_function(&self, _: u32) -> Option<u32> {
        None
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        0
    }

    fn label_block(&self, _: u32) -> Option<(BlockType, FrameKind)> {
        None
    }
}

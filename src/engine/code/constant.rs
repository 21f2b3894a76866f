//! Constant expressions, evaluated at deploy so that instantiation never computes. Wrapping arithmetic, as the specification has it.

use super::Rejection;
use wasmparser::{ConstExpr, Operator};

/// The value of a constant expression. Floats are bits, so that NaN payloads stay what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Constant {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
}

impl Constant {
    /// The value as an address or an index: `i32` is unsigned there.
    pub fn address(self) -> Option<u64> {
        match self {
            Self::I32(value) => Some(u64::from(value as u32)),
            Self::I64(value) => Some(value as u64),
            Self::F32(_) | Self::F64(_) => None,
        }
    }
}

/// Evaluates a validated expression; its stack holds at most one value per operator read.
pub(super) fn evaluate(expression: &ConstExpr<'_>) -> Result<Constant, Rejection> {
    let mut reader = expression.get_operators_reader();
    let offset = reader.original_position() as u64;
    let mut stack = Vec::new();
    while !reader.is_end_then_eof() {
        let operator = reader.read().map_err(Rejection::invalid)?;
        let value = step(&operator, &mut stack).ok_or(Rejection::Constant { offset })?;
        stack.push(value);
    }
    match stack.as_slice() {
        [value] => Ok(*value),
        _ => Err(Rejection::Constant { offset }),
    }
}

/// The value that one operator pushes.
fn step(operator: &Operator<'_>, stack: &mut Vec<Constant>) -> Option<Constant> {
    Some(match operator {
        Operator::I32Const { value } => Constant::I32(*value),
        Operator::I64Const { value } => Constant::I64(*value),
        Operator::F32Const { value } => Constant::F32(value.bits()),
        Operator::F64Const { value } => Constant::F64(value.bits()),
        _ => arithmetic(operator, stack.pop()?, stack.pop()?)?,
    })
}

fn arithmetic(operator: &Operator<'_>, right: Constant, left: Constant) -> Option<Constant> {
    use Constant::{I32, I64};
    Some(match (operator, left, right) {
        (Operator::I32Add, I32(left), I32(right)) => I32(left.wrapping_add(right)),
        (Operator::I32Sub, I32(left), I32(right)) => I32(left.wrapping_sub(right)),
        (Operator::I32Mul, I32(left), I32(right)) => I32(left.wrapping_mul(right)),
        (Operator::I64Add, I64(left), I64(right)) => I64(left.wrapping_add(right)),
        (Operator::I64Sub, I64(left), I64(right)) => I64(left.wrapping_sub(right)),
        (Operator::I64Mul, I64(left), I64(right)) => I64(left.wrapping_mul(right)),
        _ => return None,
    })
}

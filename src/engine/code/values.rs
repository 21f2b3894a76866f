//! Value numbers: two places with the same number and displacement hold the same value.
//!
//! A value is written as `number + displacement`, modulo 2^32 for an `i32` and 2^64 for an `i64`, so that addresses a
//! constant apart share a number. Numbers are given to what integer operators compute from numbered operands, without
//! looking at where: equal operands give equal results wherever the operator is. What depends on anything else (memory,
//! globals, calls, floats) gets a number that nothing else has.
//!
//! Each operator costs one look-up. Nothing here is ever iterated.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use wasmparser::Operator;

/// The number of constants: their displacement is all there is to them.
pub(super) const ABSOLUTE: u32 = 0;

/// A value that an operand or a local holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Value {
    pub number: u32,
    /// Sign-extended where the value is an `i32`.
    pub displacement: i64,
}

/// How an operator's result depends on its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Integer {
    Add,
    Subtract,
    /// By its second operand.
    Multiply,
    /// Left, by its second operand.
    Shift,
    /// Anything else with two operands.
    Binary,
    Unary,
}

/// Which values have which numbers.
pub(super) struct Values<'a> {
    next: u32,
    computed: HashMap<(Discriminant<Operator<'a>>, Value, Value), u32>,
}

impl<'a> Values<'a> {
    pub fn new() -> Self {
        Self {
            next: ABSOLUTE + 1,
            computed: HashMap::new(),
        }
    }

    /// How many numbers were given.
    #[cfg(test)]
    pub const fn count(&self) -> usize {
        self.next as usize
    }

    /// A value of which nothing is known.
    pub const fn fresh(&mut self) -> Value {
        let number = self.next;
        self.next += 1;
        Value {
            number,
            displacement: 0,
        }
    }

    /// What a binary operator makes of two operands.
    pub fn binary(
        &mut self,
        operator: &Operator<'a>,
        kind: Integer,
        left: Value,
        right: Value,
    ) -> Value {
        let (l, r) = (left.displacement, right.displacement);
        let displacement = match kind {
            Integer::Add => l.wrapping_add(r),
            Integer::Subtract => l.wrapping_sub(r),
            Integer::Multiply if right.number == ABSOLUTE => l.wrapping_mul(r),
            Integer::Shift if right.number == ABSOLUTE => shifted(operator, l, r),
            _ => return self.number(operator, left, right, 0),
        };
        let displacement = wrapped(operator, displacement);
        if let Some(number) = trivial(kind, left, right) {
            return Value {
                number,
                displacement,
            };
        }
        let right_part = match kind {
            Integer::Add | Integer::Subtract => base(right),
            _ => right,
        };
        let (left, right) = match kind {
            Integer::Add if right_part < base(left) => (right_part, base(left)),
            _ => (base(left), right_part),
        };
        self.number(operator, left, right, displacement)
    }

    /// What a unary operator makes of its operand.
    pub fn unary(&mut self, operator: &Operator<'a>, operand: Value) -> Value {
        self.number(operator, operand, absolute(0), 0)
    }

    fn number(
        &mut self,
        operator: &Operator<'a>,
        left: Value,
        right: Value,
        displacement: i64,
    ) -> Value {
        let next = &mut self.next;
        let number = self
            .computed
            .entry((discriminant(operator), left, right))
            .or_insert_with(|| {
                *next += 1;
                *next - 1
            });
        Value {
            number: *number,
            displacement,
        }
    }
}

/// A constant.
pub(super) const fn absolute(displacement: i64) -> Value {
    Value {
        number: ABSOLUTE,
        displacement,
    }
}

/// The value without its displacement.
const fn base(value: Value) -> Value {
    Value {
        number: value.number,
        displacement: 0,
    }
}

/// The number of a linear operator's result where no new one is needed.
fn trivial(kind: Integer, left: Value, right: Value) -> Option<u32> {
    match kind {
        _ if left.number == ABSOLUTE && right.number == ABSOLUTE => Some(ABSOLUTE),
        Integer::Add if left.number == ABSOLUTE => Some(right.number),
        Integer::Add | Integer::Subtract if right.number == ABSOLUTE => Some(left.number),
        Integer::Subtract if left.number == right.number => Some(ABSOLUTE),
        _ => None,
    }
}

fn shifted(operator: &Operator<'_>, displacement: i64, by: i64) -> i64 {
    let mask = if matches!(operator, Operator::I32Shl) {
        31
    } else {
        63
    };
    displacement.wrapping_shl((by & mask) as u32)
}

/// A displacement as the operator's type has it.
const fn wrapped(operator: &Operator<'_>, displacement: i64) -> i64 {
    match operator {
        Operator::I32Add | Operator::I32Sub | Operator::I32Mul | Operator::I32Shl => {
            displacement as i32 as i64
        }
        _ => displacement,
    }
}

/// How an operator computes, if it depends on nothing but its integer operands.
pub(super) const fn integer(operator: &Operator<'_>) -> Option<Integer> {
    use Operator as Op;
    Some(match operator {
        Op::I32Add | Op::I64Add => Integer::Add,
        Op::I32Sub | Op::I64Sub => Integer::Subtract,
        Op::I32Mul | Op::I64Mul => Integer::Multiply,
        Op::I32Shl | Op::I64Shl => Integer::Shift,
        Op::I32DivS
        | Op::I32DivU
        | Op::I32RemS
        | Op::I32RemU
        | Op::I32And
        | Op::I32Or
        | Op::I32Xor
        | Op::I32ShrS
        | Op::I32ShrU
        | Op::I32Rotl
        | Op::I32Rotr
        | Op::I32Eq
        | Op::I32Ne
        | Op::I32LtS
        | Op::I32LtU
        | Op::I32GtS
        | Op::I32GtU
        | Op::I32LeS
        | Op::I32LeU
        | Op::I32GeS
        | Op::I32GeU
        | Op::I64DivS
        | Op::I64DivU
        | Op::I64RemS
        | Op::I64RemU
        | Op::I64And
        | Op::I64Or
        | Op::I64Xor
        | Op::I64ShrS
        | Op::I64ShrU
        | Op::I64Rotl
        | Op::I64Rotr
        | Op::I64Eq
        | Op::I64Ne
        | Op::I64LtS
        | Op::I64LtU
        | Op::I64GtS
        | Op::I64GtU
        | Op::I64LeS
        | Op::I64LeU
        | Op::I64GeS
        | Op::I64GeU => Integer::Binary,
        Op::I32Clz
        | Op::I32Ctz
        | Op::I32Popcnt
        | Op::I32Eqz
        | Op::I32Extend8S
        | Op::I32Extend16S
        | Op::I32WrapI64
        | Op::I64Clz
        | Op::I64Ctz
        | Op::I64Popcnt
        | Op::I64Eqz
        | Op::I64Extend8S
        | Op::I64Extend16S
        | Op::I64Extend32S
        | Op::I64ExtendI32S
        | Op::I64ExtendI32U => Integer::Unary,
        _ => return None,
    })
}

//! Operators by type, the values that make trouble for them, and what makes NaNs canonical.

use wasm_encoder::{Instruction as I, ValType};

use super::random::Random;

/// The types of values.
pub const TYPES: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];

/// An operator, the type of its operands, and that of its result.
pub type Operator = (I<'static>, ValType, ValType);

macro_rules! operators {
    ($($of:ident -> $to:ident: $($name:ident)*;)*) => {
        &[$($((I::$name, ValType::$of, ValType::$to),)*)*]
    };
}

/// Operators of one operand.
pub const UNARY: &[Operator] = operators! {
    I32 -> I32: I32Clz I32Ctz I32Popcnt I32Extend8S I32Extend16S I32Eqz;
    I64 -> I64: I64Clz I64Ctz I64Popcnt I64Extend8S I64Extend16S I64Extend32S;
    I64 -> I32: I64Eqz I32WrapI64;
    I32 -> I64: I64ExtendI32S I64ExtendI32U;
    F32 -> F32: F32Abs F32Neg F32Ceil F32Floor F32Trunc F32Nearest F32Sqrt;
    F64 -> F64: F64Abs F64Neg F64Ceil F64Floor F64Trunc F64Nearest F64Sqrt;
    F32 -> F64: F64PromoteF32;
    F64 -> F32: F32DemoteF64;
    I32 -> F32: F32ConvertI32S F32ConvertI32U F32ReinterpretI32;
    I64 -> F32: F32ConvertI64S F32ConvertI64U;
    I32 -> F64: F64ConvertI32S F64ConvertI32U;
    I64 -> F64: F64ConvertI64S F64ConvertI64U F64ReinterpretI64;
    F32 -> I32: I32TruncSatF32S I32TruncSatF32U I32ReinterpretF32;
    F64 -> I32: I32TruncSatF64S I32TruncSatF64U;
    F32 -> I64: I64TruncSatF32S I64TruncSatF32U;
    F64 -> I64: I64TruncSatF64S I64TruncSatF64U I64ReinterpretF64;
};

/// Operators of one operand that may trap.
pub const TRAPPING_UNARY: &[Operator] = operators! {
    F32 -> I32: I32TruncF32S I32TruncF32U;
    F64 -> I32: I32TruncF64S I32TruncF64U;
    F32 -> I64: I64TruncF32S I64TruncF32U;
    F64 -> I64: I64TruncF64S I64TruncF64U;
};

/// Operators of two operands of one type.
pub const BINARY: &[Operator] = operators! {
    I32 -> I32: I32Add I32Sub I32Mul I32And I32Or I32Xor I32Shl I32ShrS I32ShrU I32Rotl I32Rotr
        I32Eq I32Ne I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU;
    I64 -> I64: I64Add I64Sub I64Mul I64And I64Or I64Xor I64Shl I64ShrS I64ShrU I64Rotl I64Rotr;
    I64 -> I32: I64Eq I64Ne I64LtS I64LtU I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU;
    F32 -> F32: F32Add F32Sub F32Mul F32Div F32Min F32Max F32Copysign;
    F64 -> F64: F64Add F64Sub F64Mul F64Div F64Min F64Max F64Copysign;
    F32 -> I32: F32Eq F32Ne F32Lt F32Gt F32Le F32Ge;
    F64 -> I32: F64Eq F64Ne F64Lt F64Gt F64Le F64Ge;
};

/// Operators of two operands of one type that may trap.
pub const TRAPPING_BINARY: &[Operator] = operators! {
    I32 -> I32: I32DivS I32DivU I32RemS I32RemU;
    I64 -> I64: I64DivS I64DivU I64RemS I64RemU;
};

/// All operators; those of `TABLES[n]` have as many operands as those of `TABLES[n ^ 2]`.
const TABLES: [&[Operator]; 4] = [UNARY, BINARY, TRAPPING_UNARY, TRAPPING_BINARY];

/// Whether two instructions are the same operator. None of the tables' carries a value.
fn is_same(left: &I<'_>, right: &I<'_>) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}

/// Another operator with the same types, of one that is in a table.
pub fn swapped(random: &mut Random, instruction: &I<'_>) -> Option<I<'static>> {
    let find = |table: &[Operator]| {
        let found = table.iter().find(|known| is_same(&known.0, instruction))?;
        Some((found.1, found.2))
    };
    let (at, types) = (0..4).find_map(|at| Some((at, find(TABLES[at])?)))?;
    let others = TABLES[at].iter().chain(TABLES[at ^ 2]);
    let others: Vec<_> = others.filter(|known| (known.1, known.2) == types).collect();
    Some(random.among(&others).0.clone())
}

/// The type of the float that an operator computes, if it may be a NaN of the operator's making.
pub fn computed_float(instruction: &I<'_>) -> Option<ValType> {
    match instruction {
        I::F32Add | I::F32Sub | I::F32Mul | I::F32Div | I::F32Min | I::F32Max => Some(ValType::F32),
        I::F32Ceil | I::F32Floor | I::F32Trunc | I::F32Nearest | I::F32Sqrt => Some(ValType::F32),
        I::F64Add | I::F64Sub | I::F64Mul | I::F64Div | I::F64Min | I::F64Max => Some(ValType::F64),
        I::F64Ceil | I::F64Floor | I::F64Trunc | I::F64Nearest | I::F64Sqrt => Some(ValType::F64),
        I::F32DemoteF64 => Some(ValType::F32),
        I::F64PromoteF32 => Some(ValType::F64),
        _ => None,
    }
}

const EDGES_32: [u32; 22] = [
    0,
    1,
    2,
    31,
    32,
    255,
    4_095,
    4_096,
    4_097,
    65_535,
    65_536,
    65_537,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX,
    u32::MAX - 1,
    0x7fc0_0000,
    0xffc0_0000,
    0x7fa0_1234,
    0x7f80_0000,
    0x3f80_0000,
    0x4f00_0000,
];

const EDGES_64: [u64; 20] = [
    0,
    1,
    63,
    64,
    4_096,
    65_536,
    1 << 31,
    1 << 32,
    u32::MAX as u64,
    1 << 62,
    1 << 63,
    (1 << 63) - 1,
    u64::MAX,
    u64::MAX - 1,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_0000_0000,
    0x7ff4_dead_beef_0001,
    0x7ff0_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0x43e0_0000_0000_0000,
];

/// Bits of a value: edges, their neighbours, small numbers, anything.
pub fn bits(random: &mut Random, ty: ValType) -> u64 {
    let is_small = matches!(ty, ValType::I32 | ValType::F32);
    let edge = match is_small {
        true => u64::from(random.among(&EDGES_32)),
        false => random.among(&EDGES_64),
    };
    match random.below(8) {
        0..3 => edge,
        3 => edge.wrapping_add(random.below(5)).wrapping_sub(2),
        4 | 5 => random.below(300),
        6 => match ty {
            ValType::F32 => u64::from((random.below(2_000) as f32 / 8.0 - 99.0).to_bits()),
            _ => (random.below(2_000) as f64 / 8.0 - 99.0).to_bits(),
        },
        _ => random.next(),
    }
}

/// A constant of these bits.
pub fn constant(ty: ValType, bits: u64) -> I<'static> {
    match ty {
        ValType::I32 => I::I32Const(bits as i32),
        ValType::I64 => I::I64Const(bits as i64),
        ValType::F32 => I::F32Const(wasm_encoder::Ieee32::new(bits as u32)),
        _ => I::F64Const(wasm_encoder::Ieee64::new(bits)),
    }
}

/// The type and bits of a constant.
pub fn constant_bits(instruction: &I<'_>) -> Option<(ValType, u64)> {
    Some(match instruction {
        I::I32Const(value) => (ValType::I32, u64::from(*value as u32)),
        I::I64Const(value) => (ValType::I64, *value as u64),
        I::F32Const(value) => (ValType::F32, u64::from(value.bits())),
        I::F64Const(value) => (ValType::F64, value.bits()),
        _ => return None,
    })
}

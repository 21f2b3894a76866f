//! Loads and stores: what each of them moves, and from where.

use super::WordSize;
use wasm_encoder::ValType;
use wasmparser::{MemArg, Operator};

/// A load or a store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Access {
    /// The type of the value stored; `None` for a load.
    pub stored: Option<ValType>,
    /// The constant added to the address operand.
    pub offset: u64,
}

impl Access {
    /// The access that an operator makes, if it is a load or a store. Bulk operations are neither.
    pub fn of(operator: &Operator<'_>) -> Option<Self> {
        if let Some(memory) = load(operator) {
            return Some(Self {
                stored: None,
                offset: memory.offset,
            });
        }
        store(operator).map(|(ty, memory)| Self {
            stored: Some(ty),
            offset: memory.offset,
        })
    }

    /// Whether it writes.
    pub const fn writes(&self) -> bool {
        self.stored.is_some()
    }
}

const fn load(operator: &Operator<'_>) -> Option<MemArg> {
    match operator {
        Operator::I32Load { memarg }
        | Operator::I64Load { memarg }
        | Operator::F32Load { memarg }
        | Operator::F64Load { memarg }
        | Operator::I32Load8S { memarg }
        | Operator::I32Load8U { memarg }
        | Operator::I32Load16S { memarg }
        | Operator::I32Load16U { memarg }
        | Operator::I64Load8S { memarg }
        | Operator::I64Load8U { memarg }
        | Operator::I64Load16S { memarg }
        | Operator::I64Load16U { memarg }
        | Operator::I64Load32S { memarg }
        | Operator::I64Load32U { memarg } => Some(*memarg),
        _ => None,
    }
}

const fn store(operator: &Operator<'_>) -> Option<(ValType, MemArg)> {
    match operator {
        Operator::I32Store { memarg }
        | Operator::I32Store8 { memarg }
        | Operator::I32Store16 { memarg } => Some((ValType::I32, *memarg)),
        Operator::I64Store { memarg }
        | Operator::I64Store8 { memarg }
        | Operator::I64Store16 { memarg }
        | Operator::I64Store32 { memarg } => Some((ValType::I64, *memarg)),
        Operator::F32Store { memarg } => Some((ValType::F32, *memarg)),
        Operator::F64Store { memarg } => Some((ValType::F64, *memarg)),
        _ => None,
    }
}

/// The type of addresses.
pub(super) const fn pointer(word_size: WordSize) -> ValType {
    match word_size {
        WordSize::W32 => ValType::I32,
        WordSize::W64 => ValType::I64,
    }
}

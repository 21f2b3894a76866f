//! The prices of operators as wasmtime wants them: a table of single bytes.

use wasmtime::{OperatorCost, VariableOperatorCost};

use super::protocol::OperatorPrices;

/// A price above 255, which the table can not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the operator price {price} is more than 255, the most that metering can express")]
pub struct PriceTooHigh {
    /// The price.
    pub price: u64,
}

macro_rules! set {
    ($cost:ident, $price:expr, $($operator:ident)*) => {
        $($cost.$operator = $price;)*
    };
}

/// The table for these prices. Operators not priced apart keep wasmtime's own: 1, or 0 for structure.
pub(super) fn table(prices: &OperatorPrices) -> Result<OperatorCost, PriceTooHigh> {
    let mut cost = OperatorCost::new();
    set!(cost, byte(prices.wide_access)?, Nop);
    memory(&mut cost, prices)?;
    set!(cost, byte(prices.call)?, Call);
    set!(cost, byte(prices.call_indirect)?, CallIndirect);
    set!(cost, byte(prices.br_table)?, BrTable);
    set!(cost, byte(prices.branch)?, BrIf If);
    set!(cost, byte(prices.reference)?, RefFunc TableGet);
    set!(cost, byte(prices.multiply)?, I32Mul I64Mul);
    set!(cost, byte(prices.divide)?,
        I32DivS I32DivU I32RemS I32RemU I64DivS I64DivU I64RemS I64RemU);
    float(&mut cost, prices)?;
    Ok(cost)
}

/// The table for libraries: whose bulk operations nobody but the engine takes the price of.
#[cfg(feature = "libraries")]
pub(super) fn library_table(prices: &OperatorPrices) -> Result<OperatorCost, PriceTooHigh> {
    let mut cost = table(prices)?;
    set!(cost, byte(prices.memory_bulk)?, MemoryInit TableCopy TableFill TableInit);
    cost.variable = VariableOperatorCost {
        memory_copy_per_byte: 1,
        memory_fill_per_byte: 1,
        memory_init_per_byte: 1,
        // The limiter takes the price of growth.
        memory_grow_per_page: 0,
        table_copy_per_element: 60,
        table_fill_per_element: 60,
        table_init_per_element: 255,
        table_grow_per_element: 0,
        ..VariableOperatorCost::new()
    };
    Ok(cost)
}

fn memory(cost: &mut OperatorCost, prices: &OperatorPrices) -> Result<(), PriceTooHigh> {
    set!(cost, byte(prices.load)?,
        I32Load I64Load F32Load F64Load I32Load8S I32Load8U I32Load16S I32Load16U
        I64Load8S I64Load8U I64Load16S I64Load16U I64Load32S I64Load32U);
    set!(cost, byte(prices.store)?,
        I32Store I64Store F32Store F64Store I32Store8 I32Store16 I64Store8 I64Store16 I64Store32);
    set!(cost, byte(prices.memory_bulk)?, MemoryCopy MemoryFill);
    cost.variable = VariableOperatorCost {
        // The host takes the price of growth and of long operations (`touch`).
        memory_copy_per_byte: 0,
        memory_fill_per_byte: 0,
        memory_grow_per_page: 0,
        ..VariableOperatorCost::new()
    };
    Ok(())
}

fn float(cost: &mut OperatorCost, prices: &OperatorPrices) -> Result<(), PriceTooHigh> {
    set!(cost, byte(prices.float)?,
        F32Eq F32Ne F32Lt F32Gt F32Le F32Ge F64Eq F64Ne F64Lt F64Gt F64Le F64Ge
        F32Add F32Sub F32Mul F32Min F32Max F32Copysign F64Copysign F32Ceil F32Floor F32Trunc F32Nearest F32DemoteF64
        F64Add F64Sub F64Mul F64Min F64Max F64Ceil F64Floor F64Trunc F64Nearest F64PromoteF32
        I32TruncF32S I32TruncF32U I32TruncF64S I32TruncF64U I64TruncF32S I64TruncF32U
        F32ConvertI32S F32ConvertI32U F32ConvertI64S F32ConvertI64U
        F64ConvertI32S F64ConvertI32U F64ConvertI64S F64ConvertI64U
        I64TruncF64S I64TruncF64U I32TruncSatF32S I32TruncSatF32U I32TruncSatF64S
        I32TruncSatF64U I64TruncSatF32S I64TruncSatF32U I64TruncSatF64S I64TruncSatF64U);
    set!(cost, byte(prices.float_divide)?, F32Div F64Div F32Sqrt F64Sqrt);
    Ok(())
}

fn byte(price: u64) -> Result<u8, PriceTooHigh> {
    u8::try_from(price).map_err(|_| PriceTooHigh { price })
}

//! The contract's table of functions: filled once from active segments, and never changed.

use super::limits::at_most;
use super::outline::{Elements, Outline, Table};
use super::{CodeLimits, Rejection};
use wasmparser::RefType;

/// Checks the table and that every element segment lies inside it.
pub(super) fn check(outline: &Outline<'_>, limits: &CodeLimits) -> Result<(), Rejection> {
    let mut table_elements = 0;
    if let Some(table) = &outline.table {
        check_type(table)?;
        table_elements = table.ty.initial;
        at_most(
            "table_elements_max",
            table.offset,
            table_elements,
            limits.table_elements_max,
        )?;
    }
    let mut total = 0_u64;
    for (segment, elements) in (0..).zip(&outline.elements) {
        inside(segment, elements, table_elements)?;
        // Segments may overlap; each is written at every instantiation.
        total = total.saturating_add(u64::from(elements.functions.count()));
        at_most(
            "table_elements_max",
            elements.offset,
            total,
            limits.table_elements_max,
        )?;
    }
    Ok(())
}

/// Refuses tables that the rewriting does not write as they are.
pub(super) fn check_type(table: &Table) -> Result<(), Rejection> {
    if table.ty.element_type == RefType::FUNCREF && !table.has_initial_value {
        return Ok(());
    }
    let found = table.ty.element_type.to_string();
    Err(Rejection::TableType {
        offset: table.offset,
        found,
    })
}

fn inside(segment: u32, elements: &Elements<'_>, table_elements: u64) -> Result<(), Rejection> {
    let (start, count) = (elements.start, u64::from(elements.functions.count()));
    if start
        .checked_add(count)
        .is_some_and(|end| end <= table_elements)
    {
        return Ok(());
    }
    let offset = elements.offset;
    Err(Rejection::ElementsOutOfBounds {
        offset,
        segment,
        start,
        count,
        table_elements,
    })
}

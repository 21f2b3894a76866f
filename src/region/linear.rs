//! The wasmtime side of a region: memories that a module defines live in regions handed over beforehand.

use std::cell::RefCell;
use std::sync::Arc;

use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::pool::MARKS_BYTES;
use super::{GUARD_BYTES, RESERVATION_BYTES, Region};

thread_local! {
    static NEXT: RefCell<Next> = const { RefCell::new(Next::Nothing) };
}

/// What the next memory created on this thread is.
enum Next {
    Nothing,
    Contract(Arc<Region>),
    Marks(Arc<Region>),
}

/// Says which region the next memories created on this thread live in; gives back one not used up.
///
/// Called right before an instantiation of a rewritten module, which creates the contract's memory and then
/// the marks table: wasmtime creates the memories that a module defines in the order of their indices.
pub fn hand_over(region: Option<Arc<Region>>) -> Option<Arc<Region>> {
    let next = region.map_or(Next::Nothing, Next::Contract);
    match NEXT.replace(next) {
        Next::Nothing => None,
        Next::Contract(region) | Next::Marks(region) => Some(region),
    }
}

/// Creates linear memories in the regions that [`hand_over`] announced.
#[derive(Debug)]
pub struct RegionCreator;

// SAFETY: the memories returned are those of a `Region`, which reserves what is asked for (checked below) and the
// guard behind it, and faults outside of the accessible front. The contract's memory moves only when it
// grows beyond its capacity; the marks table never does.
unsafe impl MemoryCreator for RegionCreator {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        maximum: Option<usize>,
        reserved_bytes: Option<usize>,
        guard_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let enough = reserved_bytes.unwrap_or(0) as u64 <= RESERVATION_BYTES
            && guard_bytes as u64 <= GUARD_BYTES;
        if !enough {
            return Err("a region reserves less than compiled code assumes".into());
        }
        match NEXT.replace(Next::Nothing) {
            Next::Nothing => Err("no region was handed over for this memory".into()),
            Next::Contract(region) => {
                NEXT.set(Next::Marks(region.clone()));
                contract(region, minimum)
            }
            Next::Marks(region) => marks(region, minimum, maximum),
        }
    }
}

fn contract(region: Arc<Region>, minimum: usize) -> Result<Box<dyn LinearMemory>, String> {
    if region.size_bytes() < minimum {
        region.resize(minimum).map_err(|error| error.to_string())?;
    }
    Ok(Box::new(ContractLinear(region)))
}

/// A table declared larger than that of 4 GiB belongs to a 64-bit contract. It covers all that 32 bits can name from
/// the beginning, so that reading a mark never traps and the size of the table is never seen.
fn marks(
    region: Arc<Region>,
    minimum: usize,
    maximum: Option<usize>,
) -> Result<Box<dyn LinearMemory>, String> {
    let wide = maximum.is_none_or(|maximum| maximum > MARKS_BYTES);
    let size_bytes = match wide {
        true => RESERVATION_BYTES as usize,
        false => MARKS_BYTES,
    };
    if minimum > size_bytes {
        return Err("a marks table is declared larger than it can be".into());
    }
    if wide {
        region
            .open_marks_wide()
            .map_err(|error| error.to_string())?;
    }
    Ok(Box::new(MarksLinear { region, size_bytes }))
}

struct ContractLinear(Arc<Region>);

// SAFETY: `as_ptr` is the base of a mapping that lives as long as this handle or until it grows, `byte_size`
// bytes of it are accessible, and everything behind them up to the guard's end faults.
unsafe impl LinearMemory for ContractLinear {
    fn byte_size(&self) -> usize {
        self.0.size_bytes()
    }

    fn byte_capacity(&self) -> usize {
        self.0.reserved_bytes()
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        // Growing to the present size happens after a reverted growth, to make the
        // running code read the lowered length again.
        Ok(self.0.resize(new_size.max(self.0.size_bytes()))?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.0.base()
    }
}

struct MarksLinear {
    region: Arc<Region>,
    size_bytes: usize,
}

// SAFETY: `as_ptr` is the base of the region's slot, which lives as long as this handle and never moves;
// `byte_size` bytes of it are accessible, and the slot reserves 4 GiB and a guard behind it.
unsafe impl LinearMemory for MarksLinear {
    fn byte_size(&self) -> usize {
        self.size_bytes
    }

    fn byte_capacity(&self) -> usize {
        RESERVATION_BYTES as usize
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        match new_size <= self.size_bytes {
            true => Ok(()),
            false => Err(wasmtime::Error::msg("a marks table does not grow")),
        }
    }

    fn as_ptr(&self) -> *mut u8 {
        self.region.marks_base()
    }
}

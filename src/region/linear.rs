//! The wasmtime side of a region: memories that a module defines live in regions handed over beforehand.

use std::cell::RefCell;
use std::sync::Arc;

use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use super::Region;

thread_local! {
    static NEXT: RefCell<Option<Arc<Region>>> = const { RefCell::new(None) };
}

/// Says which region the next memory created on this thread lives in; gives back one not used.
///
/// Called right before an instantiation, which creates exactly one memory.
pub fn hand_over(region: Option<Arc<Region>>) -> Option<Arc<Region>> {
    NEXT.replace(region)
}

/// Creates linear memories in the regions that [`hand_over`] announced.
#[derive(Debug)]
pub struct RegionCreator;

// SAFETY: the memory returned is a `Region`, which reserves what is asked for (checked below) and the guard
// behind it, never moves, and faults outside its accessible front.
unsafe impl MemoryCreator for RegionCreator {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved_bytes: Option<usize>,
        guard_bytes: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let region = hand_over(None).ok_or("no region was handed over for this memory")?;
        let enough = reserved_bytes.unwrap_or(0) <= region.reserved_bytes()
            && guard_bytes as u64 <= super::GUARD_BYTES;
        if !enough {
            return Err("the region reserves less than compiled code assumes".into());
        }
        if region.size_bytes() < minimum {
            region.resize(minimum).map_err(|error| error.to_string())?;
        }
        Ok(Box::new(RegionMemory(region)))
    }
}

struct RegionMemory(Arc<Region>);

// SAFETY: `as_ptr` is the base of a mapping that lives as long as this handle, `byte_size` bytes of it are
// accessible, and everything behind them up to the guard's end faults.
unsafe impl LinearMemory for RegionMemory {
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

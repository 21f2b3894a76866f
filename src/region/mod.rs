//! Address space: the only code that maps memory, and, with artifact loading, the only unsafe code.
//!
//! A [`Region`] is one contract's linear memory in one session, with its marks table. The memory is a
//! reservation of address space whose first bytes (`memory.size`) are readable and writable and whose rest
//! faults. Its beginning maps an [`Image`], the committed pages, copy-on-write: the kernel copies a page at
//! its first write. The marks table is a byte per page, zero at first, that rewritten code looks at.
//! Both are read and written by copying, never by reference, so nothing here hands out a
//! pointer into memory that a contract may change.
//!
//! Regions come from a pool of the process (`pool`) and go back to it as good as new, or mapping the same image
//! still (`warm`). A memory that outgrows its place moves (`growth`); a marks table never does.
//!
//! What this module never does: decide what a page or a mark means, or when to charge for it.
//!
//! The wasmtime traits are implemented here (`linear`) and not in `engine`, because implementing them is
//! a promise about mappings and needs `unsafe`.
#![allow(unsafe_code)]

mod base;
mod contract;
mod growth;
mod image;
mod linear;
mod marks;
mod pool;
mod private;
mod reservation;
#[cfg(test)]
mod tests;
mod warm;

pub use contract::Region;
pub use image::{Image, ImageFile};
pub use linear::{RegionCreator, hand_over};
#[cfg(feature = "settings")]
pub use pool::REGIONS_MAX;
pub use pool::live_regions;

/// Address space that compiled code may assume behind every memory, in bytes.
///
/// All addresses of a 32-bit memory fall into it, which lets the compiler leave out bounds checks.
pub const RESERVATION_BYTES: u64 = 4 << 30;

/// Inaccessible bytes behind the reservation, which catch constant offsets.
pub const GUARD_BYTES: u64 = 32 << 20;

//! Pages: the unit of the state tree (4 KiB) and the unit of `memory.grow` (64 KiB).

use core::fmt;

/// Length in bytes of a page of the state: a constant of the protocol.
pub const PAGE_BYTES: usize = 4096;

/// Length in bytes of a WebAssembly page, the unit of `memory.size` and `memory.grow`.
pub const WASM_PAGE_BYTES: u64 = 65_536;

/// The number of a 4 KiB page in a contract's memory: byte address divided by 4,096.
///
/// A 64-bit memory has at most 2^30 of them (4 TiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageIndex(pub u32);

impl PageIndex {
    /// The page that holds the byte at `address`, or `None` beyond 16 TiB.
    pub fn containing(address: u64) -> Option<Self> {
        u32::try_from(address / PAGE_BYTES as u64).ok().map(Self)
    }

    /// The address of the page's first byte.
    pub fn address(self) -> u64 {
        u64::from(self.0) * PAGE_BYTES as u64
    }
}

impl fmt::Display for PageIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

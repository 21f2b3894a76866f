//! The plain memory of the model: bytes and a size. What was never written is zero, and takes no space here so that
//! memories of terabytes can be held; nothing else is clever.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::mover::{BUFFER, BUFFER_END, DATA, INITIAL_WASM_PAGES, data};
use crate::fixtures::{Wide, Width};

/// Bytes in a page.
pub const PAGE: u64 = 4_096;

/// Bytes in a WebAssembly page.
pub const WASM_PAGE: u64 = 65_536;

/// The bytes of a page.
pub type Page = [u8; PAGE as usize];

/// An access that lies outside of the memory.
#[derive(Debug)]
pub struct OutOfBounds;

/// The bytes of one contract.
#[derive(Debug, Clone)]
pub struct Bytes {
    width: Width,
    wasm_pages: u64,
    max_wasm_pages: u64,
    pages: BTreeMap<u64, Rc<Page>>,
}

impl Bytes {
    /// Those of a mover just deployed.
    pub fn new(width: Width, max_wasm_pages: u64) -> Self {
        let mut bytes = Self {
            width,
            wasm_pages: INITIAL_WASM_PAGES,
            max_wasm_pages,
            pages: BTreeMap::new(),
        };
        bytes.put(DATA, &data());
        bytes
    }

    /// The width of addresses.
    pub fn width(&self) -> Width {
        self.width
    }

    /// The size in pages of 64 KiB.
    pub fn wasm_pages(&self) -> u64 {
        self.wasm_pages
    }

    /// The size in bytes.
    pub fn len(&self) -> u64 {
        self.wasm_pages * WASM_PAGE
    }

    /// What `memory.grow` gives, as a signed number.
    pub fn grow(&mut self, wasm_pages: u64) -> u64 {
        let wasm_pages = self.wrap(wasm_pages);
        let before = self.wasm_pages;
        match before.checked_add(wasm_pages) {
            Some(after) if after <= self.max_wasm_pages => {
                self.wasm_pages = after;
                before
            }
            _ => u64::MAX,
        }
    }

    /// The address that a script names.
    pub fn place(&self, address: i64) -> u64 {
        match address < 0 {
            true => self.wrap(self.len().wrapping_add(address as u64)),
            false => self.wrap(address as u64),
        }
    }

    /// A number as the contract's pointers hold it.
    pub fn wrap(&self, number: u64) -> u64 {
        match self.width {
            Wide => number,
            _ => number & 0xffff_ffff,
        }
    }

    /// Fails unless so many bytes lie inside.
    pub fn check(&self, at: u64, len: u64) -> Result<(), OutOfBounds> {
        let end = at.checked_add(len).filter(|end| *end <= self.len());
        end.map(|_| ()).ok_or(OutOfBounds)
    }

    /// The `len` bytes at an address, as a little-endian number.
    pub fn load(&self, at: u64, len: u64) -> Result<u64, OutOfBounds> {
        self.check(at, len)?;
        let bytes = (0..len).rev().map(|index| self.byte(at + index));
        Ok(bytes.fold(0, |number, byte| number << 8 | u64::from(byte)))
    }

    /// Stores the lowest `len` bytes of a number.
    pub fn store(&mut self, at: u64, len: u64, number: u64) -> Result<(), OutOfBounds> {
        self.check(at, len)?;
        self.put(at, &number.to_le_bytes()[..len as usize]);
        Ok(())
    }

    /// The bytes of a range.
    pub fn range(&self, at: u64, len: u64) -> Vec<u8> {
        (at..at + len).map(|at| self.byte(at)).collect()
    }

    /// Writes bytes that lie inside.
    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        for (at, byte) in (at..).zip(bytes) {
            let old = self.byte(at);
            if old != *byte {
                let page = self.pages.entry(at / PAGE);
                let page = page.or_insert_with(|| Rc::new([0; PAGE as usize]));
                Rc::make_mut(page)[(at % PAGE) as usize] = *byte;
            }
        }
    }

    /// What the end of a successful call does to what it left in the argument buffer.
    pub fn clear_buffer(&mut self) {
        let pages = BUFFER / PAGE..BUFFER_END / PAGE;
        self.pages.retain(|page, _| !pages.contains(page));
    }

    /// The pages that are not all zeros, in rising order.
    pub fn pages(&self) -> impl Iterator<Item = (u64, &Page)> {
        let pages = self.pages.iter().map(|(page, bytes)| (*page, &**bytes));
        pages.filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0))
    }

    /// The pages that are not as they were, each with the last byte that is not.
    pub fn changes(&self, before: &Self) -> Vec<(u64, u64)> {
        let pages = before.pages.keys().chain(self.pages.keys());
        let pages: BTreeSet<u64> = pages.copied().collect();
        let changes = pages.into_iter().filter_map(|page| {
            let (now, then) = (self.pages.get(&page), before.pages.get(&page));
            if now.map(Rc::as_ptr) == then.map(Rc::as_ptr) {
                return None;
            }
            let start = page * PAGE;
            let mut bytes = (0..PAGE).rev();
            let last = bytes.find(|at| self.byte(start + at) != before.byte(start + at))?;
            Some((page, last))
        });
        changes.collect()
    }

    fn byte(&self, at: u64) -> u8 {
        let page = self.pages.get(&(at / PAGE));
        page.map_or(0, |page| page[(at % PAGE) as usize])
    }
}

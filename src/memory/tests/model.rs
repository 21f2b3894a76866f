//! P1, P2: random calls, nested and failing, against plain byte vectors. The model knows nothing of marks that are not
//! promised, of images, or of parking; contents, sizes and counts must agree after every operation.

use std::collections::{BTreeMap, BTreeSet};

use crostata_abi::{PAGE_BYTES, PageIndex, WASM_PAGE_BYTES};
use proptest::prelude::*;

use super::*;

const BASE_WASM_PAGES: u64 = 2;
const WASM_PAGES_MAX: u64 = 5;
const LEFTOVERS: std::ops::Range<u64> = 0x5080..0x9400;

#[derive(Debug, Clone)]
enum Operation {
    /// A check at an address, and a store up to the spill's end.
    Store {
        at: u64,
        skip: u64,
        len: u64,
        byte: u8,
    },
    /// A store that an earlier check of the same frame covers: no check.
    Again {
        fact: usize,
        offset: u64,
        len: u64,
        byte: u8,
    },
    Load {
        at: u64,
        skip: u64,
        len: u64,
    },
    /// A host access or bulk operation.
    Range {
        at: u64,
        len: u64,
        byte: u8,
    },
    /// A page gets cold.
    Chill {
        page: u32,
    },
    Grow,
    Savepoint,
    Revert,
    Release,
    /// A success of the top-level call, or its end after a failure.
    EndCall {
        clear: bool,
    },
    Park,
    Rebase,
    Check,
}

/// What the innermost frame may write without asking.
type Facts = Vec<u64>;

struct Model {
    content: Vec<u8>,
    committed: Vec<u8>,
    marks: BTreeMap<u64, u8>,
    cold: BTreeSet<u64>,
    scopes: Vec<Scope>,
    facts: Facts,
}

struct Scope {
    content: Vec<u8>,
    saved: BTreeSet<u64>,
    facts: Facts,
}

impl Model {
    fn new() -> Self {
        let pages = (BASE_WASM_PAGES * WASM_PAGE_BYTES) as usize / PAGE_BYTES;
        let content: Vec<u8> = (0..pages)
            .flat_map(|page| [Committed::byte(page as u32); PAGE_BYTES])
            .collect();
        Self {
            committed: content.clone(),
            content,
            marks: BTreeMap::new(),
            cold: BTreeSet::new(),
            scopes: Vec::new(),
            facts: Facts::new(),
        }
    }

    fn mark(&self, page: u64) -> u8 {
        self.marks.get(&page).copied().unwrap_or(0)
    }

    fn touch(&mut self, pages: std::ops::RangeInclusive<u64>, access: Access) -> Touch {
        let mut touch = Touch::default();
        for page in pages {
            let mark = self.mark(page);
            let cold = self.cold.remove(&page);
            match access {
                Access::Read if mark == 0 => {
                    touch.reads += 1;
                    self.marks.insert(page, 1);
                }
                Access::Read => touch.again += u64::from(cold),
                Access::Write => {
                    let fresh = self
                        .scopes
                        .last_mut()
                        .is_some_and(|scope| scope.saved.insert(page));
                    touch.writes += u64::from(mark < 2);
                    touch.copies += u64::from(mark == 2 && fresh);
                    touch.again += u64::from(mark == 2 && !fresh || mark == 3 && cold);
                    self.marks.insert(page, 3);
                }
            }
        }
        touch
    }

    fn cool(&mut self) {
        for mark in self.marks.values_mut() {
            *mark = (*mark).min(2);
        }
    }

    fn savepoint(&mut self) {
        let facts = std::mem::take(&mut self.facts);
        let content = self.content.clone();
        let saved = BTreeSet::new();
        self.scopes.push(Scope {
            content,
            saved,
            facts,
        });
        self.cool();
    }

    fn revert(&mut self) {
        if let Some(scope) = self.scopes.pop() {
            (self.content, self.facts) = (scope.content, scope.facts);
            self.cool();
        }
    }

    fn release(&mut self) {
        if let Some(scope) = self.scopes.pop() {
            self.facts = scope.facts;
            if let Some(below) = self.scopes.last_mut() {
                below.saved.extend(scope.saved);
            }
        }
    }

    fn end_call(&mut self) {
        self.marks.clear();
        self.cold.clear();
        self.facts.clear();
        self.scopes.iter_mut().for_each(|scope| scope.facts.clear());
    }

    /// Whether clearing leftovers would change something that the innermost scope can not undo. Calls never do that: the
    /// scopes opened in a call are closed before its end.
    fn would_escape(&self) -> bool {
        let Some(scope) = self.scopes.last() else {
            return false;
        };
        let written = self.marks.iter().filter(|(_, mark)| **mark >= 2);
        written
            .into_iter()
            .any(|(page, _)| !scope.saved.contains(page))
    }

    fn clear(&mut self) {
        let written: Vec<u64> = self
            .marks
            .iter()
            .filter(|(_, mark)| **mark >= 2)
            .map(|(page, _)| *page)
            .collect();
        for page in written {
            let start = (page * PAGE_BYTES as u64).max(LEFTOVERS.start);
            let end = ((page + 1) * PAGE_BYTES as u64 + SPILL_BYTES as u64).min(LEFTOVERS.end);
            let end = end.min(self.content.len() as u64);
            if start < end {
                self.content[start as usize..end as usize].fill(0);
            }
        }
    }

    fn differing(&self) -> impl Iterator<Item = PageIndex> {
        let pages = 0..self.content.len() / PAGE_BYTES;
        let range = |page: usize| page * PAGE_BYTES..(page + 1) * PAGE_BYTES;
        pages
            .filter(move |page| {
                let now = &self.content[range(*page)];
                match self.committed.get(range(*page)) {
                    Some(before) => now != before,
                    None => now.iter().any(|byte| *byte != 0),
                }
            })
            .map(|page| PageIndex(page as u32))
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let size = WASM_PAGES_MAX * WASM_PAGE_BYTES;
    // Few pages, so that they meet again; their edges, so that stores straddle.
    let at = prop_oneof![
        3 => (0..12u64, 0..4096u64).prop_map(|(page, offset)| page * 4096 + offset),
        3 => (0..12u64, 3800..4096u64).prop_map(|(page, offset)| page * 4096 + offset),
        2 => (1..=WASM_PAGES_MAX, 1..300u64).prop_map(|(end, back)| end * WASM_PAGE_BYTES - back),
        1 => 0..size,
    ];
    let spill = SPILL_BYTES as u64;
    prop_oneof![
        8 => (at.clone(), 0..spill, 1..=8u64, any::<u8>())
            .prop_map(|(at, skip, len, byte)| Operation::Store { at, skip, len, byte }),
        5 => (any::<usize>(), 0..4096 + spill, 1..=8u64, any::<u8>())
            .prop_map(|(fact, offset, len, byte)| Operation::Again { fact, offset, len, byte }),
        3 => (at.clone(), 0..spill, 1..=8u64).prop_map(|(at, skip, len)| Operation::Load { at, skip, len }),
        1 => (at, 0..20_000u64, any::<u8>()).prop_map(|(at, len, byte)| Operation::Range { at, len, byte }),
        3 => (0..12u32).prop_map(|page| Operation::Chill { page }),
        1 => Just(Operation::Grow),
        5 => Just(Operation::Savepoint),
        3 => Just(Operation::Revert),
        3 => Just(Operation::Release),
        1 => any::<bool>().prop_map(|clear| Operation::EndCall { clear }),
        1 => Just(Operation::Park),
        1 => Just(Operation::Rebase),
        1 => Just(Operation::Check),
    ]
}

struct Both {
    model: Model,
    memory: ContractMemory,
    copies: Copies,
}

impl Both {
    fn over(memory: ContractMemory) -> Self {
        Self {
            model: Model::new(),
            memory,
            copies: Copies::default(),
        }
    }

    fn size(&self) -> u64 {
        self.model.content.len() as u64
    }

    fn touch(&mut self, at: u64, len: u64, access: Access) {
        let page = PAGE_BYTES as u64;
        let expected = self.model.touch(at / page..=(at + len - 1) / page, access);
        assert_eq!(self.memory.pending(at, len, access), expected);
        self.memory
            .touch(&mut self.copies, at, len, access)
            .unwrap();
        assert_eq!(self.memory.pending(at, len, access), Touch::default());
    }

    /// Writes as compiled code does: straight into the region.
    fn write(&mut self, at: u64, len: u64, byte: u8) {
        let end = at + len;
        if end <= self.size() {
            let bytes = vec![byte; len as usize];
            assert!(self.memory.region().unwrap().write(at as usize, &bytes));
            self.model.content[at as usize..end as usize].fill(byte);
        }
    }

    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Store {
                at,
                skip,
                len,
                byte,
            } => {
                if at < self.size() {
                    self.touch(at, 1, Access::Write);
                    self.model.facts.push(at);
                    let skip = skip.min(SPILL_BYTES as u64 - len);
                    self.write(at + skip, len, byte);
                }
            }
            Operation::Chill { page } => {
                self.memory.chill(page);
                if self.model.mark(page.into()) > 0 {
                    self.model.cold.insert(page.into());
                }
            }
            Operation::Again {
                fact,
                offset,
                len,
                byte,
            } => {
                if let Some(count) = self.model.facts.len().checked_sub(1) {
                    let at = self.model.facts[fact % (count + 1)];
                    let page = at - at % PAGE_BYTES as u64;
                    let offset = offset.min((PAGE_BYTES + SPILL_BYTES) as u64 - len);
                    self.write(page + offset, len, byte);
                }
            }
            Operation::Load { at, skip, len } => {
                let at_end = at + skip + len <= self.size();
                if at_end && skip + len <= SPILL_BYTES as u64 {
                    self.touch(at, 1, Access::Read);
                    let mut bytes = vec![0; len as usize];
                    assert!(self.memory.read(at + skip, &mut bytes));
                    let start = (at + skip) as usize;
                    assert_eq!(bytes, self.model.content[start..start + len as usize]);
                }
            }
            Operation::Range { at, len, byte } => {
                let len = len.min(self.size().saturating_sub(at));
                if len > 0 {
                    self.touch(at, len, Access::Write);
                    self.write(at, len, byte);
                }
            }
            other => self.apply_boundary(other),
        }
    }

    fn apply_boundary(&mut self, operation: Operation) {
        match operation {
            Operation::Grow if self.size() < WASM_PAGES_MAX * WASM_PAGE_BYTES => {
                let size = (self.size() + WASM_PAGE_BYTES) as usize;
                self.memory.region().unwrap().resize(size).unwrap();
                self.model.content.resize(size, 0);
            }
            Operation::Savepoint => {
                self.memory.savepoint();
                self.model.savepoint();
            }
            Operation::Revert => {
                self.memory.revert(&mut self.copies).unwrap();
                self.model.revert();
                self.check_content();
            }
            Operation::Release => {
                self.memory.release(&mut self.copies);
                self.model.release();
            }
            Operation::EndCall { clear } => {
                if clear && !self.model.would_escape() {
                    self.memory.clear_leftovers(&LEFTOVERS);
                    self.model.clear();
                }
                self.memory.end_call();
                self.model.end_call();
            }
            Operation::Park => self.memory.park().unwrap(),
            Operation::Rebase => {
                self.memory.rebase();
                self.model.end_call();
                self.model.committed.clone_from(&self.model.content);
            }
            Operation::Check => self.check_all(),
            _ => {}
        }
    }

    fn check_content(&self) {
        assert_eq!(self.memory.size_bytes(), self.model.content.len());
        for (index, expected) in self.model.content.chunks_exact(PAGE_BYTES).enumerate() {
            let page = self.memory.page(PageIndex(index as u32)).unwrap();
            assert!(page[..] == *expected, "page {index} differs");
        }
    }

    fn check_all(&mut self) {
        self.check_content();
        let dirty: BTreeSet<_> = self.memory.dirty_pages().into_iter().collect();
        for page in self.model.differing() {
            assert!(dirty.contains(&page), "{page} is dirty");
        }
        let touched: BTreeMap<_, _> = self.memory.touched().collect();
        assert_eq!(touched.len(), self.model.marks.len());
        for (page, mark) in &self.model.marks {
            let access = touched[&PageIndex(*page as u32)];
            assert_eq!(access == Access::Write, *mark >= 2);
        }
    }

    /// Everything closed, no copy may be left.
    fn close(mut self) {
        while self.memory.scopes() > 0 {
            self.apply(Operation::Revert);
        }
        self.check_all();
        assert_eq!((self.copies.pages.used(), self.copies.heads.used()), (0, 0));
    }
}

proptest! {
    #[test]
    fn a_memory_is_plain_bytes(
        operations in prop::collection::vec(operation(), 1..400),
        alone in any::<bool>(),
    ) {
        let mut both = Both::over(match alone {
            true => memory_alone(BASE_WASM_PAGES),
            false => memory(BASE_WASM_PAGES),
        });
        for operation in operations {
            both.apply(operation);
        }
        both.check_all();
        both.close();
    }
}

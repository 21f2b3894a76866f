//! Tests of sessions' memories: atomicity (P2), costs that follow the change (P5), counts that follow from the
//! operations alone (P1), damage that is an error and nothing else (P7).

mod images;
mod model;
mod scopes;
mod sizes;
mod touches;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crostata_abi::{PAGE_BYTES, PageIndex};

use super::*;

/// A committed memory for tests: page `i` of the content is filled with `i`, one page in three is zeros.
#[derive(Debug, Default)]
struct Committed {
    size_bytes: u64,
    loads: AtomicU64,
    damaged: AtomicBool,
}

impl Committed {
    fn new(wasm_pages: u64) -> Arc<Self> {
        Arc::new(Self {
            size_bytes: wasm_pages * crostata_abi::WASM_PAGE_BYTES,
            ..Self::default()
        })
    }

    fn byte(page: u32) -> u8 {
        match page % 3 {
            0 => 0,
            _ => page as u8 | 1,
        }
    }

    fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }
}

impl PageSource for Arc<Committed> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn page(&self, page: PageIndex) -> Result<Option<Box<Page>>, PageSourceError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        if self.damaged.load(Ordering::SeqCst) {
            let reason = "the test damaged it".into();
            return Err(PageSourceError { page, reason });
        }
        let byte = Committed::byte(page.0);
        Ok((byte != 0).then(|| Box::new([byte; PAGE_BYTES])))
    }
}

fn image(committed: &Arc<Committed>) -> Arc<CommittedImage> {
    let images = Images::new(1 << 30).unwrap();
    let key = ([0; 32], committed.size_bytes);
    images.get(key, Arc::new(committed.clone())).unwrap()
}

/// A memory over `wasm_pages` committed pages.
fn memory(wasm_pages: u64) -> ContractMemory {
    ContractMemory::over(image(&Committed::new(wasm_pages))).unwrap()
}

/// The same over pages that are shared with nobody.
fn memory_alone(wasm_pages: u64) -> ContractMemory {
    let committed = Arc::new(Committed::new(wasm_pages));
    ContractMemory::over(Arc::new(CommittedImage::alone(committed))).unwrap()
}

/// What a contract does: a check at the address, then the store.
fn store(memory: &mut ContractMemory, copies: &mut Copies, address: u64, bytes: &[u8]) -> Touch {
    assert!(bytes.len() <= SPILL_BYTES);
    let touch = memory.pending(address, 1, Access::Write);
    memory.touch(copies, address, 1, Access::Write).unwrap();
    assert!(memory.write(address, bytes));
    assert_eq!(memory.pending(address, 1, Access::Write), Touch::default());
    touch
}

/// A check, then the load.
fn load(memory: &mut ContractMemory, copies: &mut Copies, address: u64) -> u8 {
    memory.touch(copies, address, 1, Access::Read).unwrap();
    let mut byte = [0];
    assert!(memory.read(address, &mut byte));
    byte[0]
}

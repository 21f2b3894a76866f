//! A small state with something of everything.

use crostata_proof::{ContractId, PAGE_BYTES, WordSize};

use super::state::{COLLIDING, Contract, Item, State};

/// Of [`sample`], the first with 32-bit memory, the second with 64-bit, and one that is not there.
pub const FIRST: ContractId = ContractId::from_bytes([7; 32]);
pub const SECOND: ContractId = ContractId::from_bytes([8; 32]);
pub const NOBODY: ContractId = ContractId::from_bytes([9; 32]);
/// Bytes that look like nothing.
fn content(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at * at / 3 + 31 * at + seed) as u8)
        .collect()
}

/// A contract with pages 0, 1, 6 and 47, of which the second has one byte.
pub fn contract(id: ContractId, word_size: WordSize, code: Vec<u8>) -> Contract {
    let page = |seed| {
        let mut page = Box::new([0; PAGE_BYTES]);
        page[..3000].copy_from_slice(&content(3000, seed));
        page
    };
    let mut byte = Box::new([0; PAGE_BYTES]);
    byte[4095] = 1;
    let pages = [(0, page(1)), (1, byte), (6, page(2)), (47, page(3))];
    Contract::new(id, word_size, 3, code, pages.into())
}

/// A small state with something of everything.
pub fn sample() -> State {
    let mut contracts = vec![
        contract(FIRST, WordSize::W32, content(5 * 1024 + 3, 4)),
        contract(SECOND, WordSize::W64, content(900, 5)),
    ];
    let small = |id| Contract::new(id, WordSize::W32, 1, vec![1], Default::default());
    contracts.extend(COLLIDING.map(small));
    contracts.extend((100..104).map(|byte| small(ContractId::from_bytes([byte; 32]))));
    State::new(contracts)
}

/// Questions about all of a state that is this small, and about a contract that is not there.
pub fn everything(state: &State) -> Vec<Item> {
    let mut items = vec![Item::Record(NOBODY)];
    for (id, contract) in &state.contracts {
        let pages = contract.record.memory_wasm_pages as u32 * 16;
        let code_len = contract.code.len() as u64;
        items.push(Item::Record(*id));
        items.extend((0..pages * 4).map(|chunk| Item::Memory(*id, u64::from(chunk) * 1024, 1024)));
        items.extend((0..pages).map(|page| Item::Page(*id, page)));
        items.extend(
            (0..code_len)
                .step_by(1024)
                .map(|at| Item::Code(*id, at, 1024.min(code_len - at) as usize)),
        );
    }
    items
}

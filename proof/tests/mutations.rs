//! P7 and the one encoding of a proof: whatever is done to its bytes, it is a typed error, or does not answer what was asked any more.

#![allow(clippy::unwrap_used)] // a malformed vectors file is a failed test

mod common;

use common::mutation::{Tally, spoil};
use common::state::{COLLIDING, Contract, Item, State};
use crostata_proof::{
    ContractId, DecodeError, NotShown, PAGE_BYTES, Root, StateProof, VerifyError, WordSize,
};
use thiserror::Error;

#[derive(Debug, Error)]
enum Refused {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// Every question about a state that a proof could answer of these contracts, and whose answers a change must not touch.
fn ask(
    encoded: &[u8],
    root: &Root,
    items: &[Item],
) -> Result<Vec<Result<Option<Vec<u8>>, NotShown>>, Refused> {
    let proof = StateProof::decode(encoded)?;
    assert_eq!(proof.encode(), encoded, "a second encoding is decoded");
    let proven = proof.verify(root)?;
    Ok(items.iter().map(|item| item.ask(&proven)).collect())
}

fn spoil_proof(state: &State, items: &[Item], places: usize) -> Tally {
    let proof = state.prove(items).encode();
    spoil(&proof, places, |bytes| ask(bytes, &state.root(), items))
}

const FIRST: ContractId = ContractId::from_bytes([7; 32]);
const SECOND: ContractId = ContractId::from_bytes([8; 32]);
const NOBODY: ContractId = ContractId::from_bytes([9; 32]);
fn content(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at * at / 3 + 31 * at + seed) as u8)
        .collect()
}

/// A contract with pages 0, 1, 6 and 47, of which the second has one byte.
fn contract(id: ContractId, word_size: WordSize, code: Vec<u8>) -> Contract {
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

fn state() -> State {
    let mut contracts = vec![
        contract(FIRST, WordSize::W32, content(5 * 1024 + 3, 4)),
        contract(SECOND, WordSize::W64, content(900, 5)),
    ];
    let small = |id| Contract::new(id, WordSize::W32, 1, vec![1], Default::default());
    contracts.extend(COLLIDING.map(small));
    contracts.extend((100..104).map(|byte| small(ContractId::from_bytes([byte; 32]))));
    State::new(contracts)
}

/// Every byte is changed in every way.
fn spoil_all(items: &[Item]) -> Tally {
    spoil_proof(&state(), items, usize::MAX)
}

#[test]
fn records() {
    let tally = spoil_all(&[Item::Record(FIRST)]);
    assert!(tally.refused > 5_000 && tally.others == 0, "{tally:?}");
    let tally = spoil_all(&[Item::Record(COLLIDING[0])]);
    assert!(tally.refused > 5_000 && tally.others == 0, "{tally:?}");
    spoil_all(&[Item::Record(COLLIDING[0]), Item::Record(COLLIDING[1])]);
}

/// The neighbour of a position without contracts may be without contracts as well.
#[test]
fn absent_contracts() {
    let tally = spoil_all(&[Item::Record(NOBODY)]);
    assert!(tally.refused > 1_000 && tally.others > 0, "{tally:?}");
    let alone = State::new([contract(COLLIDING[0], WordSize::W32, vec![])]);
    let absent = [Item::Record(COLLIDING[1])];
    let tally = spoil_proof(&alone, &absent, usize::MAX);
    assert!(tally.refused > 1_000 && tally.others == 0, "{tally:?}");
    let nothing = State::new([]);
    let tally = spoil_proof(&nothing, &absent, usize::MAX);
    assert!(tally.refused > 500 && tally.others > 0, "{tally:?}");
}

#[test]
fn pages() {
    for contract in [FIRST, SECOND] {
        spoil_proof(&state(), &[Item::Page(contract, 6)], usize::MAX);
        spoil_all(&[Item::Page(contract, 5)]);
        spoil_all(&[Item::Page(contract, 40), Item::Page(contract, 41)]);
    }
}

#[test]
fn ranges() {
    spoil_all(&[Item::Memory(FIRST, 6 * 4096 + 2000, 1)]);
    spoil_proof(&state(), &[Item::Memory(SECOND, 4000, 200)], usize::MAX);
    spoil_proof(
        &state(),
        &[Item::Memory(FIRST, 5 * 4096 + 4000, 2200)],
        usize::MAX,
    );
}

#[test]
fn code() {
    spoil_all(&[Item::Code(FIRST, 5 * 1024, 3)]);
    spoil_proof(&state(), &[Item::Code(SECOND, 0, 1)], usize::MAX);
    spoil_proof(
        &state(),
        &[Item::Code(FIRST, 0, 1), Item::Code(FIRST, 3000, 1)],
        300,
    );
}

#[test]
fn many_at_once() {
    let items = [
        Item::Record(COLLIDING[1]),
        Item::Record(NOBODY),
        Item::Page(FIRST, 5),
        Item::Memory(FIRST, 47 * 4096 + 10, 20),
        Item::Memory(SECOND, 0, 1),
        Item::Code(FIRST, 5 * 1024, 3),
        Item::Code(SECOND, 5, 5),
    ];
    let tally = spoil_proof(&state(), &items, usize::MAX);
    assert!(tally.refused > 10_000, "{tally:?}");
}

//! P4, P7: of random states, a proof shows what it was made to show, byte for byte, and nothing else; of one state and one wish there
//! is one proof, whatever the order of the wishes.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::state::{COLLIDING, Contract, Item, State, Wish};
use crostata_proof::{ContractId, NotShown, PAGE_BYTES, PageBytes, StateProof, WordSize};
use proptest::prelude::*;
use proptest::sample::Index;

const IDS: [ContractId; 6] = [
    COLLIDING[0],
    COLLIDING[1],
    ContractId::from_bytes([1; 32]),
    ContractId::from_bytes([2; 32]),
    ContractId::from_bytes([0xff; 32]),
    ContractId::from_bytes([0; 32]),
];

/// Wasm pages of the largest memory here, which has 32 pages.
const WASM_PAGES_MAX: u64 = 2;

fn page() -> impl Strategy<Value = Box<PageBytes>> {
    let run = (0..PAGE_BYTES, 1..PAGE_BYTES, any::<u8>());
    prop::collection::vec(run, 0..3).prop_map(|runs| {
        let mut page = Box::new([0; PAGE_BYTES]);
        for (start, len, byte) in runs {
            page[start..(start + len).min(PAGE_BYTES)].fill(byte);
        }
        page
    })
}

/// One of few codes, so that contracts share them.
fn code() -> impl Strategy<Value = Vec<u8>> {
    let len = prop::sample::select(vec![0, 1, 1023, 1024, 1025, 4096, 4097, 9_000]);
    (len, 0..2_usize)
        .prop_map(|(len, seed)| (0..len).map(|at| (at * at / 7 + seed) as u8).collect())
}

fn contract(id: ContractId) -> impl Strategy<Value = Contract> {
    let word_size = prop::sample::select(vec![WordSize::W32, WordSize::W64]);
    let wasm_pages = 0..=WASM_PAGES_MAX;
    (word_size, wasm_pages, code()).prop_flat_map(move |(word_size, wasm_pages, code)| {
        let pages = match wasm_pages {
            0 => Just(BTreeMap::new()).boxed(),
            _ => prop::collection::btree_map(0..wasm_pages as u32 * 16, page(), 0..6).boxed(),
        };
        pages.prop_map(move |pages| Contract::new(id, word_size, wasm_pages, code.clone(), pages))
    })
}

fn state() -> impl Strategy<Value = State> {
    let ids = prop::sample::subsequence(IDS.to_vec(), 0..=IDS.len());
    let contracts = ids.prop_flat_map(|ids| ids.into_iter().map(contract).collect::<Vec<_>>());
    contracts.prop_map(State::new)
}

/// A wish that becomes an item of a state, inside of what there is.
fn wish() -> impl Strategy<Value = Wish> {
    let id = prop::sample::select(IDS.to_vec());
    let len = prop_oneof![Just(0), Just(1), 1..3000_usize, 1..20_000_usize];
    (id, 0..4_u8, any::<Index>(), len).prop_map(|(contract, kind, at, len)| Wish {
        contract,
        kind,
        at: at.index(usize::MAX),
        len,
    })
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    prop::collection::vec(wish(), 1..8)
}

fn items(state: &State, wishes: &[Wish]) -> Vec<Item> {
    wishes.iter().map(|wish| wish.item(state)).collect()
}

/// What is outside of memory and code.
fn outside(state: &State) -> Vec<Item> {
    let items = state.contracts.values().flat_map(|contract| {
        let id = contract.record.contract;
        let memory_bytes = contract.record.memory_wasm_pages * 65_536;
        [
            Item::Memory(id, memory_bytes, 1),
            Item::Memory(id, memory_bytes + 1, 0),
            Item::Memory(id, 0, usize::MAX),
            Item::Memory(id, u64::MAX, usize::MAX),
            Item::Page(id, (memory_bytes / 4096) as u32),
            Item::Page(id, u32::MAX),
            Item::Code(id, contract.code.len() as u64, 1),
            Item::Code(id, u64::MAX, 1),
            Item::Code(id, 0, usize::MAX),
        ]
    });
    items.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn proofs_show_what_they_are_made_for(state in state(), shown in wishes(), asked in wishes()) {
        let shown = items(&state, &shown);
        let encoded = state.prove(&shown).encode();
        let proof = StateProof::decode(&encoded).unwrap();
        prop_assert_eq!(proof.encode(), encoded);
        let proven = proof.verify(&state.root()).unwrap();
        prop_assert_eq!(*proven.root(), state.root());
        for item in &shown {
            prop_assert_eq!(item.ask(&proven), Ok(state.answer(item)), "{:?}", item);
        }
        for item in items(&state, &asked) {
            let answer = item.ask(&proven);
            match state.is_shown(&item, &shown) {
                true => prop_assert_eq!(answer, Ok(state.answer(&item)), "{:?}", item),
                false => prop_assert!(answer.is_err(), "{:?}", item),
            }
        }
        for item in outside(&state) {
            prop_assert!(item.ask(&proven).is_err(), "{:?}", item);
        }
        for id in IDS.iter().filter(|id| !state.contracts.contains_key(id)) {
            let contract = *id;
            let known = proven.contract(id).is_ok();
            let expected = match known {
                true => NotShown::NoContract { contract },
                false => NotShown::Contract { contract },
            };
            prop_assert_eq!(proven.bytes(id, 0, 0).unwrap_err(), expected);
        }
    }

    #[test]
    fn order_and_repetition_do_not_show(state in state(), wishes in wishes(), by in any::<Index>()) {
        let mut items = items(&state, &wishes);
        let proof = state.prove(&items);
        items.rotate_left(by.index(wishes.len()));
        prop_assert_eq!(&state.prove(&items), &proof);
        items.reverse();
        items.extend_from_within(..);
        prop_assert_eq!(state.prove(&items).encode(), proof.encode());
    }

    /// What two proofs show is shown by one that is no longer than both.
    #[test]
    fn together_is_shorter(state in state(), one in wishes(), other in wishes()) {
        let (one, other) = (items(&state, &one), items(&state, &other));
        let both = [&one[..], &other[..]].concat();
        let len = |items: &[Item]| state.prove(items).encode().len();
        prop_assert!(len(&both) <= len(&one) + len(&other));
    }

    /// A proof of another state proves nothing here.
    #[test]
    fn other_roots_refuse(state in state(), other in state(), wishes in wishes()) {
        prop_assume!(state.root() != other.root());
        let proof = state.prove(&items(&state, &wishes));
        prop_assert!(proof.verify(&other.root()).is_err());
    }
}

//! P7 and the canonical encoding of proofs: whatever is done to the bytes of an opening, it is a
//! typed error or proves nothing; an opening of one thing is not taken for one of another.

#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use common::Tree;
use crostata_abi::{ContractId, PageIndex};
use crostata_proof::tree::{CONTRACT_TREE_HEIGHT, page_tree_height};
use crostata_proof::{
    CodeHash, ContractRecord, DecodeError, EMPTY, Hash, Owner, PageBytes, PageOpening,
    RecordOpening, Root, TreePath, VerifyError, WordSize, hash,
};

const CONTRACT: ContractId = ContractId::from_bytes([7; 32]);
const OTHER: ContractId = ContractId::from_bytes([8; 32]);
const MEMORY_WASM_PAGES: u64 = 3;

/// A state of two hundred contracts, of which one has pages.
struct State {
    record: ContractRecord,
    pages: Tree,
    contracts: Tree,
    /// What else is at the position of the contract.
    bucket_others: Vec<(ContractId, Hash)>,
}

fn page(index: u32) -> Box<PageBytes> {
    match index {
        0 | 5 | 47 => Box::new(std::array::from_fn(|at| (at as u32 * 31 + index) as u8)),
        _ => Box::new([0; 4096]),
    }
}

fn state(word_size: WordSize) -> State {
    let leaves = [0, 5, 47].map(|at| (at.into(), Some(hash::page_leaf(&page(at)))));
    let pages = Tree::new(page_tree_height(word_size)).with(&leaves);
    let record = ContractRecord {
        word_size,
        contract: CONTRACT,
        code_hash: CodeHash::from_bytes([1; 32]),
        code_len_bytes: 1234,
        layout_hash: EMPTY,
        owner: Owner::new(vec![9; 3]).unwrap(),
        memory_wasm_pages: MEMORY_WASM_PAGES,
        page_root: pages.root(),
    };
    let bucket_others = vec![
        (ContractId::from_bytes([6; 32]), [66; 32]),
        (OTHER, [88; 32]),
    ];
    let mut bucket = vec![(CONTRACT, record.hash())];
    bucket.extend(&bucket_others);
    bucket.sort_unstable();
    let mut leaves = vec![(hash::position(&CONTRACT), Some(hash::bucket(&bucket)))];
    leaves.extend((100..255).map(|byte| {
        let id = ContractId::from_bytes([byte; 32]);
        (hash::position(&id), Some(hash::bucket(&[(id, [byte; 32])])))
    }));
    State {
        record,
        pages,
        contracts: Tree::new(CONTRACT_TREE_HEIGHT).with(&leaves),
        bucket_others,
    }
}

impl State {
    fn root(&self) -> Root {
        Root::from_bytes(self.contracts.root())
    }

    fn record_opening(&self) -> RecordOpening {
        let path = self.contracts.path(hash::position(&CONTRACT));
        RecordOpening::new(self.record.clone(), self.bucket_others.clone(), path)
    }

    fn page_opening(&self, index: u32) -> PageOpening {
        let path = self.pages.path(index.into());
        PageOpening::new(self.record_opening(), path, page(index))
    }
}

#[test]
fn openings_prove_what_is_there() {
    for word_size in [WordSize::W32, WordSize::W64] {
        let state = state(word_size);
        let opening = RecordOpening::decode(&state.record_opening().encode()).unwrap();
        assert_eq!(opening, state.record_opening());
        let record = opening.verify(&state.root(), &CONTRACT).unwrap();
        assert_eq!(record.into_inner(), state.record);
        for index in [0, 1, 5, 46, 47] {
            let opening = PageOpening::decode(&state.page_opening(index).encode()).unwrap();
            assert_eq!(opening, state.page_opening(index));
            let proven = opening.verify(&state.root(), &CONTRACT, PageIndex(index));
            let proven = proven.unwrap();
            assert_eq!(proven[..], page(index)[..]);
            assert_eq!(
                (proven.index, &proven.record),
                (PageIndex(index), &state.record)
            );
        }
    }
}

/// A page of zeros is proven without its bytes.
#[test]
fn absent_pages_are_proven_shortly() {
    let state = state(WordSize::W32);
    let given = state.page_opening(0).encode().len();
    let absent = state.page_opening(1).encode().len();
    let sibling = 32; // page 0 beside page 1; page 1 is nothing beside page 0
    assert_eq!(given + sibling, absent + 4096);
}

#[test]
fn other_questions_get_typed_errors() {
    let state = state(WordSize::W32);
    let (root, opening) = (state.root(), state.page_opening(5));
    let (found, expected) = (CONTRACT, OTHER);
    let wrong_contract = Err(VerifyError::Contract { found, expected });
    assert_eq!(opening.verify(&root, &OTHER, PageIndex(5)), wrong_contract);
    let (found, expected) = (root, Root::from_bytes([1; 32]));
    let wrong_root = Err(VerifyError::Root { found, expected });
    assert_eq!(
        opening.verify(&expected, &CONTRACT, PageIndex(5)),
        wrong_root
    );
    for index in [0, 1, 4, 6, 21, 47] {
        let proven = opening.verify(&root, &CONTRACT, PageIndex(index));
        let error = proven.unwrap_err();
        assert!(matches!(
            error,
            VerifyError::PageRoot | VerifyError::Path(_)
        ));
    }
    for index in [48, 1 << 20, u32::MAX] {
        let (page, pages) = (PageIndex(index), 48);
        let outside = Err(VerifyError::PageOutOfRange { page, pages });
        assert_eq!(opening.verify(&root, &CONTRACT, page), outside);
    }
}

/// An empty page can not be shown where there is one that is not, nor the other way round.
#[test]
fn absence_is_not_for_the_asking() {
    let state = state(WordSize::W32);
    for (index, shown) in [(5, 1), (1, 5)] {
        let path = state.pages.path(index.into());
        let forged = PageOpening::new(state.record_opening(), path, page(shown));
        let proven = forged.verify(&state.root(), &CONTRACT, PageIndex(index));
        assert_eq!(proven, Err(VerifyError::PageRoot));
    }
}

#[test]
fn paths_of_other_heights_prove_nothing() {
    let state = state(WordSize::W32);
    let leaf = hash::page_leaf(&page(5));
    let short = TreePath::from_levels(0, &[]);
    let mut record = state.record.clone();
    record.page_root = leaf;
    let opening = RecordOpening::new(record.clone(), vec![], short.clone());
    let root = Root::from_bytes(hash::bucket(&[(CONTRACT, record.hash())]));
    let (found, expected) = (0, CONTRACT_TREE_HEIGHT);
    let height = Err(VerifyError::Height { found, expected });
    assert_eq!(opening.verify(&root, &CONTRACT), height);
    let opening = PageOpening::new(state.record_opening(), short, page(5));
    let (found, expected) = (0, 10);
    let height = Err(VerifyError::Height { found, expected });
    assert_eq!(
        opening.verify(&state.root(), &CONTRACT, PageIndex(5)),
        height
    );
}

/// Every way to spoil one byte: each bit flipped, dropped, doubled, and strange bytes put before it.
fn spoiled(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let flipped = move |at: usize| {
        (0..8).map(move |bit| {
            let mut other = bytes.to_vec();
            other[at] ^= 1 << bit;
            other
        })
    };
    let spliced = move |at: usize| {
        let with =
            move |middle: &[u8], skip: usize| [&bytes[..at], middle, &bytes[at + skip..]].concat();
        [
            with(&[], 1),
            with(&[bytes[at]; 2], 1),
            with(&[0], 0),
            with(&[1], 0),
            with(&[255], 0),
            bytes[..at].to_vec(),
        ]
    };
    (0..bytes.len()).flat_map(move |at| flipped(at).chain(spliced(at)))
}

#[test]
fn no_spoiled_record_opening_proves_anything() {
    let state = state(WordSize::W32);
    let bytes = state.record_opening().encode();
    for spoiled in spoiled(&bytes).filter(|spoiled| *spoiled != bytes) {
        if let Ok(opening) = RecordOpening::decode(&spoiled) {
            assert_eq!(opening.encode(), spoiled);
            assert!(opening.verify(&state.root(), &CONTRACT).is_err());
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    let extra_bytes = 1;
    let trailing = Err(DecodeError::Trailing { extra_bytes });
    assert_eq!(RecordOpening::decode(&longer), trailing);
}

#[test]
fn no_spoiled_page_opening_proves_anything() {
    for (word_size, index) in [(WordSize::W32, 1), (WordSize::W64, 46), (WordSize::W32, 5)] {
        let state = state(word_size);
        let bytes = state.page_opening(index).encode();
        for spoiled in spoiled(&bytes).filter(|spoiled| *spoiled != bytes) {
            if let Ok(opening) = PageOpening::decode(&spoiled) {
                assert_eq!(opening.encode(), spoiled);
                let proven = opening.verify(&state.root(), &CONTRACT, PageIndex(index));
                assert!(proven.is_err());
            }
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(PageOpening::decode(&longer).is_err());
    }
}

#[test]
fn kinds_and_versions_are_told_apart() {
    let state = state(WordSize::W32);
    let (record, page) = (
        state.record_opening().encode(),
        state.page_opening(0).encode(),
    );
    let (found, expected) = (2, 1);
    let kind = Err(DecodeError::Kind { found, expected });
    assert_eq!(RecordOpening::decode(&page), kind);
    assert!(PageOpening::decode(&record).is_err());
    let mut newer = record;
    newer[0] = 2;
    let version = Err(DecodeError::Version { found: 2 });
    assert_eq!(RecordOpening::decode(&newer), version);
}

/// Lengths are compared with what is there before memory is taken for them.
#[test]
fn hostile_lengths_are_cut() {
    let state = state(WordSize::W32);
    let mut bytes = state.record_opening().encode();
    let count_at = 2 + state.record.encode().len();
    bytes[count_at..count_at + 4].fill(0xff);
    assert_eq!(RecordOpening::decode(&bytes), Err(DecodeError::Cut));
    bytes.truncate(count_at + 4);
    assert_eq!(RecordOpening::decode(&bytes), Err(DecodeError::Cut));
}

/// The one encoding: order, own entry, empty siblings, padding and written-out zeros are refused.
#[test]
fn second_encodings_are_refused() {
    let state = state(WordSize::W64);
    let record = state.record_opening().encode();
    let others_at = 2 + state.record.encode().len() + 4;
    let decode = RecordOpening::decode;
    let mut swapped = record.clone();
    swapped[others_at..others_at + 128].rotate_left(64);
    assert_eq!(decode(&swapped), Err(DecodeError::Order { at: 1 }));
    let mut own = record.clone();
    own[others_at..others_at + 32].copy_from_slice(CONTRACT.as_bytes());
    assert_eq!(decode(&own), Err(DecodeError::Order { at: 0 }));
    let path_at = others_at + 128;
    let mut padded = record.clone();
    padded[path_at + 15] |= 0x80;
    assert_eq!(decode(&padded), Err(DecodeError::Padding));
    let mut empty = record;
    empty[path_at + 16..path_at + 48].fill(0);
    assert_eq!(decode(&empty), Err(DecodeError::EmptySibling));
    let mut zeros = state.page_opening(1).encode();
    *zeros.last_mut().unwrap() = 1;
    zeros.extend([0; 4096]);
    assert_eq!(PageOpening::decode(&zeros), Err(DecodeError::PageOfZeros));
    let mut marked = state.page_opening(1).encode();
    *marked.last_mut().unwrap() = 2;
    let mark = Err(DecodeError::PageMark { found: 2 });
    assert_eq!(PageOpening::decode(&marked), mark);
}

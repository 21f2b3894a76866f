//! P7: decoding and verifying takes no more memory than a constant times the bytes, whatever they say.

#![allow(unsafe_code)] // an allocator is unsafe; this one counts
#![allow(clippy::unwrap_used)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::mutation::changes;
use common::state::{Contract, Item, State};
use crostata_proof::{ContractId, ContractRecord, PAGE_BYTES, Root, StateProof, WordSize};

/// The most that may be taken at any time: so many bytes per byte of the input, and some besides.
const TIMES_INPUT: usize = 64;
const BYTES_BESIDES: usize = 1024;

struct Counting;

thread_local! {
    /// Bytes that this thread has taken and not given back, and the most there were.
    static TAKEN: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: isize) {
    TAKEN.with(|taken| {
        let (now, most) = taken.get();
        let now = now + bytes;
        taken.set((now, most.max(now)));
    });
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both are there while bytes are moved.
        count(new_size as isize);
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are the same.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

/// Decodes and verifies. Whether the bytes were decoded.
fn use_up(bytes: &[u8]) -> bool {
    TAKEN.set((0, 0));
    let proof = StateProof::decode(bytes);
    let is_proof = proof.is_ok();
    if let Ok(proof) = proof {
        assert!(proof.verify(&Root::from_bytes([1; 32])).is_err());
    }
    let taken = TAKEN.get().1 as usize;
    let len = bytes.len();
    assert!(
        taken <= TIMES_INPUT * len + BYTES_BESIDES,
        "{taken} bytes for {len}, {} times: {:02x?}...",
        taken / len.max(1),
        &bytes[..len.min(300)]
    );
    is_proof
}

/// The bytes and what is left of them when they are cut, here and there.
fn use_up_and_cut(bytes: &[u8]) -> bool {
    for end in (0..bytes.len()).step_by(bytes.len() / 20 + 1) {
        use_up(&bytes[..end]);
    }
    use_up(bytes)
}

fn numbers<const LEN: usize>(numbers: [u32; LEN]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// The way of all positions from 0 to an end: no siblings, and EMPTY waypoints.
fn path(height: u32, positions: u64) -> Vec<u8> {
    let nodes = |height: u32| positions.div_ceil(1 << (2 * height));
    let parents: u64 = (1..=height).map(nodes).sum();
    let spacing = if height == 31 { 9 } else { 5 };
    let waypoints = (1..height)
        .filter(|height| height % spacing == 0)
        .map(nodes);
    vec![0; (parents.div_ceil(2) + 32 * waypoints.sum::<u64>()) as usize]
}

fn record(word_size: WordSize, memory_wasm_pages: u64, code_len_bytes: u64) -> ContractRecord {
    let id = ContractId::from_bytes([1; 32]);
    let mut contract = Contract::new(id, word_size, memory_wasm_pages, vec![], Default::default());
    contract.record.code_len_bytes = code_len_bytes;
    contract.record
}

/// A proof up to the pages of its only contract.
fn before_pages(record: &ContractRecord) -> Vec<u8> {
    let mut bytes = [&[1, 1][..], &numbers([1, 0, 0, 1]), &[1]].concat();
    bytes.extend(record.encode());
    bytes.extend(path(31, 1));
    bytes
}

/// As many of the smallest parts as there can be.
#[test]
fn crowds() {
    for count in [1, 2, 3, 5, 33, 1000, 65_537] {
        let mut positions = [&[1, 1][..], &numbers([count])].concat();
        positions.extend((0..count).flat_map(|at| numbers([at, 0, 0])));
        positions.extend(path(31, count.into()));
        positions.extend(numbers([0]));
        assert!(use_up_and_cut(&positions));

        let mut members = [&[1, 1][..], &numbers([1, 0, 0, count])].concat();
        for number in 0..count {
            let mut member = [0; 65];
            member[1..5].copy_from_slice(&number.to_be_bytes());
            members.extend(member);
        }
        members.extend(path(31, 1));
        members.extend(numbers([0]));
        assert!(use_up_and_cut(&members));

        let mut pages = before_pages(&record(WordSize::W64, 1 << 20, 0));
        pages.extend(numbers([count]));
        pages.extend((0..count).flat_map(|at| [&at.to_le_bytes()[..], &[0]].concat()));
        pages.extend(path(15, count.into()));
        pages.extend(numbers([0]));
        assert!(use_up_and_cut(&pages));
    }
}

/// Many records, each of another contract with the same code; and many runs of chunks.
#[test]
fn records_and_runs() {
    for count in [1, 7, 3000] {
        let mut records = [&[1, 1][..], &numbers([1, 0, 0, count])].concat();
        for number in 0..count {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let mut record = record(WordSize::W32, 0, 0);
            record.contract = ContractId::from_bytes(id);
            records.push(1);
            records.extend(record.encode());
        }
        records.extend(path(31, 1));
        records.extend((0..count).flat_map(|_| numbers([0])));
        records.extend(numbers([0]));
        assert!(use_up_and_cut(&records));

        // One chunk in four of an endless code: values between them, and no chunks behind.
        let record = record(WordSize::W32, 0, u64::MAX);
        let mut runs = before_pages(&record);
        runs.extend(numbers([0, 1]));
        runs.extend(record.code_hash.as_bytes());
        runs.extend(numbers([count]));
        runs.extend((0..count).flat_map(|at| numbers([4 * at, 1])));
        assert!(!use_up_and_cut(&runs));
        runs.extend(vec![0; 40_000]);
        assert!(!use_up_and_cut(&runs));
    }
}

/// Counts that nothing follows.
#[test]
fn counts_that_lie() {
    let large = record(WordSize::W64, 1 << 20, u64::MAX);
    let code = [&numbers([0, 1])[..], large.code_hash.as_bytes()].concat();
    let heads: [Vec<u8>; 5] = [
        vec![1, 1],
        [&[1, 1][..], &numbers([1, 0, 0])].concat(),
        before_pages(&large),
        [&before_pages(&large)[..], &numbers([0])].concat(),
        [&before_pages(&large)[..], &code].concat(),
    ];
    for head in heads {
        for number in [u32::MAX, 1 << 31, 1 << 24, 100_000] {
            for rest in [0, 4, 100, 5000] {
                let bytes = [&head[..], &numbers([number]), &vec![0; rest]].concat();
                assert!(!use_up(&bytes));
            }
        }
    }
    let runs = [&before_pages(&large)[..], &code, &numbers([1, 0, u32::MAX])].concat();
    assert!(!use_up(&runs));
}

/// Changed proofs.
#[test]
fn lies_in_proofs() {
    let id = ContractId::from_bytes([3; 32]);
    let mut page = Box::new([0; PAGE_BYTES]);
    page[2000..].fill(1);
    let contract = Contract::new(id, WordSize::W32, 1, vec![5; 5000], [(3, page)].into());
    let state = State::new([contract]);
    let items = [
        Item::Page(id, 2),
        Item::Memory(id, 3 * 4096 + 2000, 1),
        Item::Code(id, 4000, 1000),
        Item::Record(ContractId::from_bytes([4; 32])),
    ];
    let proof = state.prove(&items).encode();
    let decoded = changes(&proof, 100).filter(|changed| use_up(changed));
    assert!(decoded.count() > 1000);
}

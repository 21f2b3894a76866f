//! P1 and P4: the bytes of chunks are those that `docs/format.md` says, as a second implementation makes them that was
//! written from that page, knows whole trees, and shares no code with the first but the hashes.

use std::collections::{BTreeMap, BTreeSet};

use crostata::{Commit, ContractId, Cursor, Export, PageIndex, ProofItem, VM};
use crostata_proof::tree::page_tree_height;
use crostata_proof::{ARITY, ContractRecord, EMPTY, Hash, hash};

use super::scene::*;
use crate::common::proofs::{shown_page, shown_record};
use crate::common::*;

/// All levels of a tree, from the leaves up.
type Levels = Vec<BTreeMap<u64, Hash>>;

/// A contract of the state.
struct Contract {
    record: ContractRecord,
    code: Vec<u8>,
    pages: BTreeMap<u64, Vec<u8>>,
}

/// A state, in the order of the walk.
struct State {
    contracts: Vec<Contract>,
    levels: Levels,
}

fn levels(height: u32, leaves: BTreeMap<u64, Hash>) -> Levels {
    let mut levels = vec![leaves];
    for _ in 0..height {
        let below = &levels[levels.len() - 1];
        let parents: BTreeSet<u64> = below.keys().map(|at| at >> 2).collect();
        let node = |at: &u64| {
            let child = |i| below.get(&(4 * at + i)).copied().unwrap_or(EMPTY);
            (*at, hash::node(&[0, 1, 2, 3].map(child)))
        };
        levels.push(parents.iter().map(node).collect());
    }
    levels
}

/// The edges of a run, and whether nothing follows it.
fn edges(levels: &Levels, first: u64, last: u64) -> (Vec<u8>, bool) {
    let (mut masks, mut hashes, mut ends) = (Vec::new(), Vec::<u8>::new(), true);
    for (level, row) in levels[..levels.len() - 1].iter().enumerate() {
        let [first, last] = [first, last].map(|at| at >> (2 * level));
        let mut mask = 0_u8;
        for child in 0..ARITY as u64 {
            let before = (first & !3) | child;
            if let Some(hash) = row.get(&before).filter(|_| before < first) {
                mask |= 1 << child;
                hashes.extend(hash);
            }
        }
        for child in 0..ARITY as u64 {
            let behind = (last & !3) | child;
            if let Some(hash) = row.get(&behind).filter(|_| behind > last) {
                mask |= 16 << child;
                ends = false;
                hashes.extend(hash);
            }
        }
        masks.push(mask);
    }
    masks.extend(hashes);
    (masks, ends)
}

impl State {
    fn of(vm: &VM, commit: Commit, ids: &[ContractId], codes: &[Vec<u8>]) -> Self {
        let mut contracts: Vec<Contract> = ids
            .iter()
            .map(|contract| contract_of(vm, commit, *contract, codes))
            .collect();
        contracts.sort_by_key(|contract| (place(contract), contract.record.contract));
        let leaves = contracts.chunk_by(|one, next| place(one) == place(next));
        let leaves = leaves.map(|bucket| {
            let records = bucket
                .iter()
                .map(|one| (one.record.contract, one.record.hash()));
            (
                place(&bucket[0]),
                hash::bucket(&records.collect::<Vec<_>>()),
            )
        });
        let levels = levels(31, leaves.collect());
        assert_eq!(levels[31].get(&0), Some(commit.root.as_bytes()));
        Self { contracts, levels }
    }

    fn brings_code(&self, at: usize) -> bool {
        let code = self.contracts[at].record.code_hash;
        !self.contracts[..at]
            .iter()
            .any(|earlier| earlier.record.code_hash == code)
    }

    /// The contracts at the position of one.
    fn bucket(&self, at: usize) -> std::ops::Range<usize> {
        let position = place(&self.contracts[at]);
        let same = |contract: &Contract| place(contract) == position;
        let begin = self.contracts.iter().position(same).unwrap();
        begin
            ..begin
                + self.contracts[begin..]
                    .iter()
                    .take_while(|one| same(one))
                    .count()
    }

    fn chunk(&self, cursor: Cursor, bytes_max: u64) -> (Vec<u8>, Option<Cursor>) {
        let mut left = bytes_max.min(1 << 24).saturating_sub(11_823);
        let index = |contract| {
            self.contracts
                .iter()
                .position(|one| one.record.contract == contract)
        };
        let (mut at, mut from) = match cursor {
            Cursor::Start => (0, None),
            Cursor::Inside { contract, page } => (index(contract).unwrap(), Some(page)),
            Cursor::Behind { contract } => (index(contract).unwrap() + 1, None),
        };
        let mut shown = Vec::new();
        let mut contents = Vec::new();
        let mut next = None;
        if let Cursor::Behind { contract } | Cursor::Inside { contract, .. } = cursor {
            self.show(index(contract).unwrap(), &mut shown, &mut left);
        }
        while at < self.contracts.len() {
            let contract = &self.contracts[at];
            let id = contract.record.contract;
            let code_len = if from.is_none() && self.brings_code(at) {
                contract.code.len() as u64
            } else {
                0
            };
            let is_shown = shown.contains(&at);
            let bucket = if is_shown { 0 } else { self.bucket_len(at) };
            let is_first_of_shown = is_shown && self.bucket(at).start == at;
            if !contents.is_empty() && !is_first_of_shown && bucket + code_len > left {
                break;
            }
            if !is_shown {
                self.show(at, &mut shown, &mut left);
            }
            let mut content = vec![u8::from(code_len > 0)];
            if code_len > 0 {
                content.extend(&contract.code);
            }
            left = left.saturating_sub(code_len);
            let first = from.unwrap_or(0);
            let mut pages = Vec::new();
            let mut is_whole = true;
            for (number, bytes) in contract.pages.range(first..) {
                if left < 4_100 && !(pages.is_empty() && from.is_some()) {
                    is_whole = false;
                    break;
                }
                left = left.saturating_sub(4_100);
                pages.push((*number, bytes));
            }
            content.extend((pages.len() as u32).to_le_bytes());
            for (number, bytes) in &pages {
                content.extend((*number as u32).to_le_bytes());
                content.extend(*bytes);
            }
            let mut resume = 0;
            if let Some((last, _)) = pages.last() {
                let leaf = |(number, page): (&u64, &Vec<u8>)| {
                    (
                        *number,
                        hash::page_leaf(page.as_slice().try_into().unwrap()),
                    )
                };
                let leaves = contract.pages.iter().map(leaf).collect();
                let levels = levels(page_tree_height(contract.record.word_size), leaves);
                let (bytes, ends) = edges(&levels, first, *last);
                assert_eq!(ends, is_whole);
                content.extend(bytes);
                resume = last + 1;
            }
            contents.push(content);
            if !is_whole {
                next = Some(Cursor::Inside {
                    contract: id,
                    page: resume,
                });
                break;
            }
            next = (at + 1 < self.contracts.len()).then_some(Cursor::Behind { contract: id });
            (at, from) = (at + 1, None);
        }
        (self.encode(cursor, &shown, &contents), next)
    }

    fn bucket_len(&self, at: usize) -> u64 {
        let bucket = self.contracts[self.bucket(at)].iter();
        bucket
            .map(|one| 175 + one.record.owner.as_bytes().len() as u64)
            .sum()
    }

    fn show(&self, at: usize, shown: &mut Vec<usize>, left: &mut u64) {
        shown.extend(self.bucket(at));
        *left = left.saturating_sub(self.bucket_len(at));
    }

    fn encode(&self, cursor: Cursor, shown: &[usize], contents: &[Vec<u8>]) -> Vec<u8> {
        let mut out = vec![1];
        out.extend(cursor.to_bytes());
        let contracts: Vec<&Contract> = shown.iter().map(|at| &self.contracts[*at]).collect();
        let buckets = contracts.chunk_by(|one, next| place(one) == place(next));
        out.extend((buckets.clone().count() as u32).to_le_bytes());
        for bucket in buckets {
            out.extend((bucket.len() as u32).to_le_bytes());
            for contract in bucket {
                let record = contract.record.encode();
                out.extend((record.len() as u32).to_le_bytes());
                out.extend(record);
            }
        }
        let first = match cursor {
            Cursor::Start => 0,
            _ => place(contracts[0]),
        };
        out.extend(edges(&self.levels, first, place(contracts[contracts.len() - 1])).0);
        out.extend((contents.len() as u32).to_le_bytes());
        out.extend(contents.concat());
        out
    }
}

fn place(contract: &Contract) -> u64 {
    hash::position(&contract.record.contract)
}

fn contract_of(vm: &VM, commit: Commit, contract: ContractId, codes: &[Vec<u8>]) -> Contract {
    let opening = vm.prove(commit, &[ProofItem::Contract(contract)]).unwrap();
    let record = shown_record(&opening, &commit.root, &contract).unwrap();
    let code = codes
        .iter()
        .find(|code| hash::code_hash(code) == record.code_hash);
    let page = |number: u64| {
        let page = PageIndex(number as u32);
        let opening = vm
            .prove(commit, &[ProofItem::page(contract, page)])
            .unwrap();
        let page = shown_page(&opening, &commit.root, &contract, page).unwrap();
        let is_zero = page.iter().all(|byte| *byte == 0);
        (!is_zero).then(|| (number, page.to_vec()))
    };
    let pages = (0..record.memory_wasm_pages * 16)
        .filter_map(page)
        .collect();
    Contract {
        code: code.unwrap().clone(),
        pages,
        record,
    }
}

#[test]
fn chunks_are_those_that_the_page_describes() {
    let (vm, commit) = source();
    let ids: Vec<ContractId> = (1..=6).map(id).collect();
    let other = CELLS.replace("(memory.size)", "(i32.mul (memory.size) (i32.const 1))");
    let codes = [CELLS, &other, CELLS_64].map(code);
    let state = State::of(&vm, commit, &ids, &codes);
    let export = vm.export(commit).unwrap();
    are_the_same(&export, &state);
    // Cursors that no chunk ends at.
    for page in [1, 6, 17, 79, 800] {
        let cursor = Cursor::Inside {
            contract: id(2),
            page,
        };
        assert!(export.chunk(&cursor, 30_000).unwrap().bytes == state.chunk(cursor, 30_000).0);
    }
}

#[test]
fn chunks_of_colliding_contracts_are_those_that_the_page_describes() {
    for others in [0, 5] {
        let (vm, commit) = colliding(others);
        let ids = COLLIDING.into_iter().chain(1..=others).map(id);
        let [one, other] = colliding_codes();
        let codes = [one, other, code(CELLS)];
        let state = State::of(&vm, commit, &ids.collect::<Vec<_>>(), &codes);
        are_the_same(&vm.export(commit).unwrap(), &state);
    }
}

/// At each cursor, for many sizes.
fn are_the_same(export: &Export, state: &State) {
    for size in [
        0,
        11_823,
        16_000,
        16_500,
        20_000,
        33_333,
        60_000,
        250_000,
        1 << 30,
    ] {
        let mut next = Some(Cursor::Start);
        while let Some(cursor) = next {
            let made = export.chunk(&cursor, size).unwrap();
            let expected = state.chunk(cursor, size);
            assert!(
                made.bytes == expected.0,
                "the chunk of {size} bytes behind {cursor}"
            );
            assert_eq!(made.next, expected.1);
            next = made.next;
        }
    }
}

//! P1, P4: the formats are those of `docs/format.md`, by vectors that an independent program computed
//! from that page (`docs/vectors/vectors.py`).

#![allow(clippy::unwrap_used)] // a malformed vectors file is a failed test

mod common;

use std::collections::BTreeMap;

use common::Tree;
use crostata_abi::{ContractId, Gas, PAGE_BYTES, PageIndex};
use crostata_proof::hash::{self, Kind};
use crostata_proof::receipt::{Outcome, ReceiptDigestBuilder};
use crostata_proof::tree::{CONTRACT_TREE_HEIGHT, lift, page_tree_height};
use crostata_proof::{
    CodeHash, CommitId, ContractRecord, EMPTY, Hash, Owner, PageBytes, Root, WordSize,
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../docs/vectors/vectors.json")).unwrap()
}

/// The entries of one part of the file; there is at least one.
fn part(name: &str) -> Vec<Value> {
    let entries = list(&vectors()[name]).to_vec();
    assert!(!entries.is_empty(), "{name}");
    entries
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn bytes32(value: &Value) -> Hash {
    bytes(value).try_into().unwrap()
}

fn id(value: &Value) -> ContractId {
    ContractId::from_bytes(bytes32(value))
}

fn page(runs: &Value) -> Box<PageBytes> {
    let mut page = Box::new([0; PAGE_BYTES]);
    for run in list(runs) {
        let (offset, run) = (number(&run[0]) as usize, bytes(&run[1]));
        page[offset..offset + run.len()].copy_from_slice(&run);
    }
    page
}

#[test]
fn keys() {
    let vectors = vectors();
    let keys = vectors["keys"].as_object().unwrap();
    assert_eq!(keys.len(), Kind::ALL.len() + 15);
    for (context, key) in keys {
        assert_eq!(blake3::derive_key(context, &[]), bytes32(key));
    }
    assert!(
        Kind::ALL
            .iter()
            .all(|kind| keys.contains_key(kind.context()))
    );
}

#[test]
fn leaves_and_sections() {
    for case in part("page_leaf") {
        assert_eq!(
            hash::page_leaf(&page(&case["page"])),
            bytes32(&case["hash"])
        );
    }
    for case in part("code_hash") {
        let hash = hash::code_hash(&bytes(&case["code"]));
        assert_eq!(hash.to_bytes(), bytes32(&case["hash"]));
    }
    for case in part("layout_hash") {
        let section = (!case["section"].is_null()).then(|| bytes(&case["section"]));
        assert_eq!(
            hash::layout_hash(section.as_deref()),
            bytes32(&case["hash"])
        );
    }
}

#[test]
fn nodes_and_lone_lifts() {
    let nodes = part("node");
    assert_eq!(nodes.len(), 16);
    for case in nodes {
        let children: Vec<Hash> = list(&case["children"]).iter().map(bytes32).collect();
        assert_eq!(
            hash::node(&children.try_into().unwrap()),
            bytes32(&case["hash"])
        );
    }
    for case in part("lift") {
        let (from, to) = (number(&case["from"]) as u32, number(&case["to"]) as u32);
        let lifted = lift(bytes32(&case["hash"]), number(&case["position"]), from, to);
        assert_eq!(lifted, bytes32(&case["lifted"]));
    }
}

#[test]
fn positions_and_buckets() {
    let mut seen = BTreeMap::new();
    for case in part("position") {
        let position = hash::position(&id(&case["contract"]));
        assert_eq!(position, number(&case["position"]));
        *seen.entry(position).or_insert(0) += 1;
    }
    assert!(seen.into_values().any(|count| count == 2), "a collision");
    for case in part("bucket") {
        let entry = |entry: &Value| (id(&entry[0]), bytes32(&entry[1]));
        let entries: Vec<_> = list(&case["entries"]).iter().map(entry).collect();
        assert_eq!(hash::bucket(&entries), bytes32(&case["hash"]));
    }
}

#[test]
fn trees() {
    for case in part("tree") {
        let leaf = |leaf: &Value| (number(&leaf[0]), Some(bytes32(&leaf[1])));
        let leaves: Vec<_> = list(&case["leaves"]).iter().map(leaf).collect();
        let tree = Tree::new(number(&case["height"]) as u32).with(&leaves);
        assert_eq!(tree.root(), bytes32(&case["root"]));
        if let Some(opening) = case.get("merkle_opening") {
            let position = number(&opening["position"]);
            let path = tree.path(position);
            let leaf = leaves.iter().find(|leaf| leaf.0 == position);
            let leaf = leaf.and_then(|leaf| leaf.1).unwrap();
            let found = path.to_merkle_opening(position, leaf);
            assert_eq!(found, Ok(bytes(&opening["bytes"])));
        }
    }
}

#[test]
fn commit_ids() {
    for case in part("commit_id") {
        let parent = CommitId::from_bytes(bytes32(&case["parent"]));
        let root = Root::from_bytes(bytes32(&case["root"]));
        let found = hash::commit_id(&parent, &root, &bytes32(&case["tag"]));
        assert_eq!(found.to_bytes(), bytes32(&case["id"]));
    }
}

#[test]
fn contract_ids() {
    for case in part("contract_id") {
        let code = CodeHash::from_bytes(bytes32(&case["code_hash"]));
        let (owner, init_arg) = (bytes(&case["owner"]), bytes(&case["init_arg"]));
        let found = hash::contract_id(&code, &owner, &init_arg, number(&case["nonce"]));
        assert_eq!(found, id(&case["id"]));
    }
}

#[test]
fn receipt_digests() {
    let mut outcomes = Outcome::ALL.to_vec();
    for case in part("receipt_digest") {
        let outcome = Outcome::ALL[number(&case["code"]) as usize];
        assert_eq!(u64::from(outcome.class()), number(&case["class"]));
        outcomes.retain(|other| *other != outcome);
        let (spent, limit) = (
            Gas(number(&case["gas_spent"])),
            Gas(number(&case["gas_limit"])),
        );
        let mut digest = ReceiptDigestBuilder::new(outcome, spent, limit, &bytes(&case["result"]));
        for event in list(&case["events"]) {
            let (topic, data) = (bytes(&event["topic"]), bytes(&event["data"]));
            digest = digest.event(&id(&event["source"]), &topic, &data);
        }
        assert_eq!(digest.finish().to_bytes(), bytes32(&case["digest"]));
    }
    assert_eq!(outcomes, [], "outcomes without a vector");
}

/// One contract of a state in the file, rebuilt.
struct Contract {
    record: ContractRecord,
    pages: Tree,
    contents: BTreeMap<u64, Box<PageBytes>>,
}

fn contract(case: &Value) -> Contract {
    let word_size = WordSize::from_bits(number(&case["word_size"]) as u8).unwrap();
    let content = |entry: &Value| (number(&entry["index"]), page(&entry["page"]));
    let contents: BTreeMap<_, _> = list(&case["pages"]).iter().map(content).collect();
    let leaves: Vec<_> = contents
        .iter()
        .map(|(index, page)| (*index, hash::page_leaf(page)))
        .map(|(index, leaf)| (index, (leaf != EMPTY).then_some(leaf)))
        .collect();
    let pages = Tree::new(page_tree_height(word_size)).with(&leaves);
    let code = bytes(&case["code"]);
    let layout = (!case["layout"].is_null()).then(|| bytes(&case["layout"]));
    let record = ContractRecord {
        word_size,
        contract: id(&case["contract"]),
        code_hash: hash::code_hash(&code),
        code_len_bytes: code.len() as u64,
        layout_hash: hash::layout_hash(layout.as_deref()),
        owner: Owner::new(bytes(&case["owner"])).unwrap(),
        memory_wasm_pages: number(&case["memory_wasm_pages"]),
        page_root: pages.root(),
    };
    Contract {
        record,
        pages,
        contents,
    }
}

/// A state in the file, rebuilt.
struct State {
    contracts: BTreeMap<ContractId, Contract>,
    buckets: BTreeMap<u64, Vec<(ContractId, Hash)>>,
    tree: Tree,
}

fn state(case: &Value) -> State {
    let contracts: BTreeMap<_, _> = list(&case["contracts"])
        .iter()
        .map(|case| (id(&case["contract"]), contract(case)))
        .collect();
    let mut buckets: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for (id, contract) in &contracts {
        let entry = (*id, contract.record.hash());
        buckets.entry(hash::position(id)).or_default().push(entry);
    }
    let leaf = |(at, entries): (&u64, &Vec<_>)| (*at, Some(hash::bucket(entries)));
    let leaves: Vec<_> = buckets.iter().map(leaf).collect();
    let tree = Tree::new(CONTRACT_TREE_HEIGHT).with(&leaves);
    State {
        contracts,
        buckets,
        tree,
    }
}

impl State {
    fn root(&self) -> Root {
        Root::from_bytes(self.tree.root())
    }
}

#[test]
fn records_and_state_roots() {
    for case in part("state") {
        for case in list(&case["contracts"]) {
            let record = contract(case).record;
            assert_eq!(record.page_root, bytes32(&case["page_root"]));
            assert_eq!(record.encode(), bytes(&case["record"]));
            assert_eq!(record.hash(), bytes32(&case["record_hash"]));
            let decoded = ContractRecord::decode(&bytes(&case["record"]));
            assert_eq!(decoded, Ok(record));
        }
        assert_eq!(state(&case).root().to_bytes(), bytes32(&case["root"]));
    }
}

//! P1, P4: the formats are those of `docs/format.md`, by vectors that an independent program computed
//! from that page (`docs/vectors/vectors.py`).

#![allow(clippy::unwrap_used)] // a malformed vectors file is a failed test

mod common;

use std::collections::BTreeMap;

use common::Tree;
use common::state::{Contract, Item, State};
use crostata_abi::{ContractId, Gas, PAGE_BYTES};
use crostata_proof::hash::{self, Kind};
use crostata_proof::receipt::{Outcome, ReceiptDigestBuilder};
use crostata_proof::receipts::{ReceiptLeaf, ReceiptOpening, ReceiptsTree, deployment_digest};
use crostata_proof::tree::lift;
use crostata_proof::{
    CodeHash, CommitId, ContractRecord, DecodeError, Hash, NotShown, Owner, PageBytes,
    ReceiptDigest, Root, StateProof, TreePath, ValueProof, Verified, VerifyError, WordSize,
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
            let (height, back) = (path.height(), bytes(&opening["bytes"]));
            let back = TreePath::from_merkle_opening(height, position, &back);
            assert_eq!(back, Ok((path, leaf)));
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

#[test]
fn deployment_digests() {
    for case in part("deployment_digest") {
        let init =
            (!case["init"].is_null()).then(|| ReceiptDigest::from_bytes(bytes32(&case["init"])));
        let gas = number(&case["code_gas"]);
        let digest = deployment_digest(&id(&case["contract"]), gas, init.as_ref());
        assert_eq!(digest.to_bytes(), bytes32(&case["digest"]));
    }
}

#[test]
fn receipts_of_blocks() {
    for case in part("receipts") {
        let leaf = |leaf: &Value| ReceiptLeaf {
            tag: bytes32(&leaf[0]),
            digest: ReceiptDigest::from_bytes(bytes32(&leaf[1])),
        };
        let leaves: Vec<_> = list(&case["leaves"]).iter().map(leaf).collect();
        let tree = ReceiptsTree::new(leaves.clone());
        assert_eq!(tree.root().to_bytes(), bytes32(&case["root"]));
        for opened in list(&case["openings"]) {
            let (index, proof) = (number(&opened["index"]), bytes(&opened["proof"]));
            let opening = tree.opening(index as usize).unwrap();
            assert_eq!(opening.encode(), proof);
            let proven = ReceiptOpening::decode(&proof).unwrap();
            let proven = proven.verify(&tree.root()).unwrap();
            let leaf = leaves[index as usize];
            let count = leaves.len() as u64;
            assert_eq!(
                (proven.index, proven.count, proven.leaf),
                (index, count, leaf)
            );
        }
    }
}

/// A contract of a state in the file, rebuilt.
fn contract(case: &Value) -> Contract {
    let word_size = WordSize::from_bits(number(&case["word_size"]) as u8).unwrap();
    let content = |entry: &Value| (number(&entry["index"]) as u32, page(&entry["page"]));
    let mut contract = Contract::new(
        id(&case["contract"]),
        word_size,
        number(&case["memory_wasm_pages"]),
        bytes(&case["code"]),
        list(&case["pages"]).iter().map(content).collect(),
    );
    let layout = (!case["layout"].is_null()).then(|| bytes(&case["layout"]));
    contract.record.layout_hash = hash::layout_hash(layout.as_deref());
    contract.record.owner = Owner::new(bytes(&case["owner"])).unwrap();
    contract
}

fn state(case: &Value) -> State {
    State::new(list(&case["contracts"]).iter().map(contract))
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

fn proofs() -> Value {
    serde_json::from_str(include_str!("../../docs/vectors/proofs.json")).unwrap()
}

fn states() -> BTreeMap<String, State> {
    let states = part("state").into_iter();
    let states = states.map(|case| (text(&case["name"]), state(&case)));
    states.collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn item(question: &Value) -> Item {
    let contract = id(&question["contract"]);
    let (offset, len) = (&question["offset"], &question["length"]);
    let range = || (number(offset), number(len) as usize);
    match question["ask"].as_str().unwrap() {
        "record" => Item::Record(contract),
        "page" => Item::Page(contract, number(&question["page"]) as u32),
        "memory" => Item::Memory(contract, range().0, range().1),
        "code" => Item::Code(contract, range().0, range().1),
        other => panic!("{other}"),
    }
}

/// The words of the file.
fn reason(error: NotShown) -> &'static str {
    match error {
        NotShown::Contract { .. } => "contract not shown",
        NotShown::NoContract { .. } => "no contract",
        NotShown::OutOfMemory { .. } | NotShown::OutOfCode { .. } => "out of range",
        NotShown::Memory { .. } | NotShown::Code { .. } => "chunk not shown",
        other => panic!("{other}"),
    }
}

#[test]
fn proofs_answer_what_they_show() {
    for case in list(&proofs()["proofs"]) {
        let (name, encoded) = (text(&case["name"]), bytes(&case["proof"]));
        let proof = StateProof::decode(&encoded).expect(&name);
        assert_eq!(proof.encode(), encoded, "{name}");
        let root = Root::from_bytes(bytes32(&case["root"]));
        let proven = proof.verify(&root).expect(&name);
        for question in list(&case["questions"]) {
            let answer = item(question).ask(&proven);
            match question.get("refused") {
                Some(refused) => assert_eq!(answer.map_err(reason), Err(&*text(refused)), "{name}"),
                None => {
                    let expected = &question["answer"];
                    let expected = (!expected.is_null()).then(|| bytes(expected));
                    assert_eq!(answer, Ok(expected), "{name}");
                }
            }
        }
    }
}

/// What the questions ask is all that the proof shows: the builder makes the same bytes of it.
#[test]
fn proofs_are_built_the_same() {
    let states = states();
    for case in list(&proofs()["proofs"]) {
        let (name, state) = (text(&case["name"]), &states[&text(&case["state"])]);
        assert_eq!(state.root().to_bytes(), bytes32(&case["root"]), "{name}");
        let questions = list(&case["questions"]).iter();
        let answered = questions.filter(|question| question.get("answer").is_some());
        let mut items: Vec<_> = answered.map(item).collect();
        assert_eq!(
            state.prove(&items).encode(),
            bytes(&case["proof"]),
            "{name}"
        );
        items.reverse();
        assert_eq!(
            state.prove(&items).encode(),
            bytes(&case["proof"]),
            "{name}"
        );
    }
}

#[test]
fn what_breaks_a_rule_is_no_proof() {
    for case in list(&proofs()["not_proofs"]) {
        let rule = text(&case["rule"]);
        let root = Root::from_bytes(bytes32(&case["root"]));
        let refused = match StateProof::decode(&bytes(&case["proof"])) {
            Ok(proof) => rules_of_proof(proof.verify(&root).expect_err(&rule)),
            Err(error) => rules_of_encoding(error),
        };
        assert!(refused.contains(&&*rule), "{rule}: {refused:?}");
    }
}

/// The words of the file for what a proof must be as bytes.
fn rules_of_encoding(error: DecodeError) -> &'static [&'static str] {
    match error {
        DecodeError::Cut => &["cut"],
        DecodeError::Trailing { .. } => &["left over"],
        DecodeError::Version { .. } => &["version"],
        DecodeError::Kind { .. } => &["kind"],
        DecodeError::ShowsNothing => &["no position"],
        DecodeError::Position { .. } => &["position too large"],
        DecodeError::PositionOrder { .. } => &["order of positions"],
        DecodeError::MemberMark { .. } => &["mark of a contract"],
        DecodeError::ContractOrder { .. } => &["order of contracts"],
        DecodeError::Record(_) => &["version of a record", "word size", "memory size"],
        DecodeError::PageOrder { .. } => &["order of pages"],
        DecodeError::PageOutOfRange { .. } => &["page outside the memory"],
        DecodeError::PageMark { .. } => &["mask of chunks"],
        DecodeError::PageOfZeros { .. } => &["page of zeros written out"],
        DecodeError::Padding => &["padding of a path"],
        DecodeError::EmptySibling => &["EMPTY is listed"],
        DecodeError::OwnPlace { .. } => &["child on the path is listed"],
        DecodeError::CodeOfNobody { .. } => &["code of no record"],
        DecodeError::CodeOrder { .. } => &["order of codes"],
        DecodeError::CodeChunks { .. } => &[
            "no run",
            "order of runs",
            "run of no chunk",
            "chunk outside the code",
            "code of no bytes",
        ],
        other => panic!("{other}"),
    }
}

/// The words of the file for what a proof must be for a root.
fn rules_of_proof(error: VerifyError) -> &'static [&'static str] {
    match error {
        VerifyError::Root { .. } => &["root"],
        VerifyError::Waypoint => &["waypoint"],
        VerifyError::PageRoot { .. } => &["page root", "page waypoint"],
        VerifyError::PageChunks { .. } => &["leaf", "chaining value"],
        VerifyError::Code { .. } => &["code"],
        other => panic!("{other}"),
    }
}

/// A value as the file has it.
fn value(case: &Value) -> crostata_proof::Value {
    use crostata_proof::Value::{Array, Bool, Bytes, Int, Struct, Uint};
    let (kind, content) = case.as_object().unwrap().iter().next().unwrap();
    let named = |part: &Value| (text(&part[0]), value(&part[1]));
    match kind.as_str() {
        "bool" => Bool(content.as_bool().unwrap()),
        "unsigned" => Uint(text(content).parse().unwrap()),
        "signed" => Int(text(content).parse().unwrap()),
        "bytes" => Bytes(bytes(content)),
        "array" => Array(list(content).iter().map(value).collect()),
        "struct" => Struct(list(content).iter().map(named).collect()),
        other => panic!("{other}"),
    }
}

/// What a value proof says to the question of its case.
fn ask_value(case: &Value) -> Result<Option<crostata_proof::Value>, String> {
    let (root, contract) = (
        Root::from_bytes(bytes32(&case["root"])),
        id(&case["contract"]),
    );
    let encoded = bytes(&case["proof"]);
    let proof = ValueProof::decode(&encoded).map_err(|error| error.to_string())?;
    assert_eq!(proof.encode(), encoded);
    let name = text(&case["name"]);
    let answer = match case.get("key") {
        Some(key) => {
            let answer = proof.verify_key(&root, &contract, &name, &value(key));
            answer.map(Verified::into_inner)
        }
        None => {
            let answer = proof.verify(&root, &contract, &name);
            answer.map(|answer| Some(answer.into_inner()))
        }
    };
    answer.map_err(|error| error.to_string())
}

#[test]
fn value_proofs_answer() {
    let cases = proofs();
    let cases = list(&cases["value_proofs"]);
    assert!(cases.len() > 10);
    for case in cases {
        let answer = &case["answer"];
        let answer = (!answer.is_null()).then(|| value(answer));
        assert_eq!(
            ask_value(case),
            Ok(answer),
            "{} {}",
            case["name"],
            case["key"]
        );
    }
}

#[test]
fn what_breaks_a_rule_is_no_value_proof() {
    let cases = proofs();
    let cases = list(&cases["not_value_proofs"]);
    assert!(cases.len() > 40);
    for case in cases {
        let (answer, rule) = (ask_value(case), &case["rule"]);
        println!("{rule}: {answer:?}");
        assert!(answer.is_err(), "{rule}: {answer:?}");
    }
}

//! P7 and the one encoding of a proof: whatever is done to its bytes, it is a typed error, or does not answer what was asked any more.

#![allow(clippy::unwrap_used)] // a malformed vectors file is a failed test

mod common;

use common::mutation::{Tally, spoil};
use common::sample::{FIRST, NOBODY, SECOND, contract, everything, sample};
use common::state::{COLLIDING, Item, State};
use crostata_proof::{
    ContractId, DecodeError, NotShown, Root, StateProof, Value, ValueProof, ValueProofError,
    VerifyError, WordSize,
};
use serde_json::Value as Json;
use thiserror::Error;

#[derive(Debug, Error)]
enum Refused {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

/// The answers of a proof, which says nothing of the state besides that is not so.
fn ask(encoded: &[u8], state: &State, items: &[Item]) -> Result<Vec<Answer>, Refused> {
    let proof = StateProof::decode(encoded)?;
    assert_eq!(proof.encode(), encoded, "a second encoding is decoded");
    let proven = proof.verify(&state.root())?;
    for item in everything(state) {
        if let Ok(answer) = item.ask(&proven) {
            assert_eq!(answer, state.answer(&item), "{item:?}: {encoded:02x?}");
        }
    }
    Ok(items.iter().map(|item| item.ask(&proven)).collect())
}

type Answer = Result<Option<Vec<u8>>, NotShown>;

/// Every byte is changed, and so many are in every way.
const PLACES: usize = 1_000;

fn spoil_proof(state: &State, items: &[Item]) -> Tally {
    let proof = state.prove(items).encode();
    spoil(&proof, PLACES, |bytes| ask(bytes, state, items))
}

fn spoil_sample(items: &[Item]) -> Tally {
    spoil_proof(&sample(), items)
}

#[test]
fn records() {
    let tally = spoil_sample(&[Item::Record(FIRST)]);
    assert!(tally.refused > 5_000 && tally.others == 0, "{tally:?}");
    let tally = spoil_sample(&[Item::Record(COLLIDING[0])]);
    assert!(tally.refused > 5_000 && tally.others == 0, "{tally:?}");
    spoil_sample(&[Item::Record(COLLIDING[0]), Item::Record(COLLIDING[1])]);
}

/// The neighbour of a position without contracts may be without contracts as well.
#[test]
fn absent_contracts() {
    let tally = spoil_sample(&[Item::Record(NOBODY)]);
    assert!(tally.refused > 1_000 && tally.others > 0, "{tally:?}");
    let alone = State::new([contract(COLLIDING[0], WordSize::W32, vec![])]);
    let absent = [Item::Record(COLLIDING[1])];
    let tally = spoil_proof(&alone, &absent);
    assert!(tally.refused > 1_000 && tally.others == 0, "{tally:?}");
    let nothing = State::new([]);
    let tally = spoil_proof(&nothing, &absent);
    assert!(tally.refused > 500 && tally.others > 0, "{tally:?}");
}

#[test]
fn pages() {
    for contract in [FIRST, SECOND] {
        spoil_sample(&[Item::Page(contract, 6)]);
        spoil_sample(&[Item::Page(contract, 5)]);
        spoil_sample(&[Item::Page(contract, 40), Item::Page(contract, 41)]);
    }
}

#[test]
fn ranges() {
    spoil_sample(&[Item::Memory(FIRST, 6 * 4096 + 2000, 1)]);
    spoil_sample(&[Item::Memory(SECOND, 4000, 200)]);
    spoil_sample(&[Item::Memory(FIRST, 5 * 4096 + 4000, 2200)]);
}

#[test]
fn code() {
    spoil_sample(&[Item::Code(FIRST, 5 * 1024, 3)]);
    spoil_sample(&[Item::Code(SECOND, 0, 1)]);
    spoil_sample(&[Item::Code(FIRST, 0, 1), Item::Code(FIRST, 3000, 1)]);
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
    let tally = spoil_sample(&items);
    assert!(tally.refused > 10_000, "{tally:?}");
}

#[derive(Debug, Error)]
enum RefusedValue {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Verify(#[from] ValueProofError),
}

/// The value proofs of the vectors: fields of all types, and lookups of keys that are bytes.
#[test]
fn values() {
    let cases: Json = serde_json::from_str(include_str!("../../docs/vectors/proofs.json")).unwrap();
    let cases = cases["value_proofs"].as_array().unwrap();
    let keyed = |case: &&Json| case["key"].get("bytes").is_some();
    let fields = cases.iter().filter(|case| case.get("key").is_none());
    let lookups = cases.iter().filter(keyed);
    for case in fields.chain(lookups) {
        let tally = spoil(&bytes(&case["proof"]), 20, |bytes| ask_value(bytes, case));
        assert!(tally.refused > 5_000 && tally.others == 0, "{tally:?}");
    }
}

/// The one answer: the whole proof is refused, or it is there.
fn ask_value(encoded: &[u8], case: &Json) -> Result<Vec<AnswerOfValue>, RefusedValue> {
    let root = Root::from_bytes(bytes(&case["root"]).try_into().unwrap());
    let contract = ContractId::from_bytes(bytes(&case["contract"]).try_into().unwrap());
    let proof = ValueProof::decode(encoded)?;
    assert_eq!(proof.encode(), encoded, "a second encoding is decoded");
    let name = case["name"].as_str().unwrap();
    let Some(key) = case.get("key") else {
        let value = proof.verify(&root, &contract, name)?;
        return Ok(vec![Ok(Some(value.into_inner()))]);
    };
    let key = Value::Bytes(bytes(&key["bytes"]));
    let value = proof.verify_key(&root, &contract, name, &key)?;
    Ok(vec![Ok(value.into_inner())])
}

type AnswerOfValue = Result<Option<Value>, NotShown>;

fn bytes(value: &Json) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes().chunks(2);
    let pairs = digits.map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

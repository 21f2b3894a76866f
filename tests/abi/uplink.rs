//! Bytecode compiled with Piecrust's SDK, through raw calls.
//!
//! Its arguments and results are rkyv 0.7 archives: little-endian numbers as they are, ids as their bytes.

use crostata::{ContractId, Outcome, Session, SessionData, VM, contract_bytecode};

use crate::fixtures::{LIMIT, deploy, id, reverted};

fn session() -> (Session, ContractId, ContractId) {
    let vm = VM::ephemeral().unwrap();
    let data = SessionData::builder().insert_raw("height", 77u64.to_le_bytes().to_vec());
    let mut session = vm.session(data.unwrap()).unwrap();
    let one = deploy(&mut session, 1, contract_bytecode!("uplink_counter"));
    let two = deploy(&mut session, 2, contract_bytecode!("uplink_counter"));
    (session, one, two)
}

fn call(session: &mut Session, contract: ContractId, name: &str, argument: &[u8]) -> Vec<u8> {
    let receipt = session.call_raw(contract, name, argument, LIMIT);
    receipt.unwrap().data
}

fn value(session: &mut Session, contract: ContractId) -> i64 {
    let bytes = call(session, contract, "read_value", &[]);
    i64::from_le_bytes(bytes.try_into().unwrap())
}

/// It keeps state, takes arguments and emits events.
#[test]
fn counts() {
    let (mut session, one, _) = session();
    assert_eq!(value(&mut session, one), 0xfc);
    let receipt = session.call_raw(one, "increment", [], LIMIT).unwrap();
    assert_eq!(receipt.events.len(), 1);
    let event = &receipt.events[0];
    assert_eq!((event.source, event.topic.as_str()), (one, "incremented"));
    assert_eq!(event.data, 0xfdi64.to_le_bytes());
    call(&mut session, one, "add", &(-0xfdi64).to_le_bytes());
    assert_eq!(value(&mut session, one), 0);
}

/// It calls another contract.
#[test]
fn calls_another() {
    let (mut session, one, two) = session();
    let result = call(&mut session, one, "increment_other", two.as_bytes());
    assert_eq!(result, 0xfdi64.to_le_bytes());
    assert_eq!(value(&mut session, two), 0xfd);
    assert_eq!(value(&mut session, one), 0xfc);
}

/// An archive of rkyv 0.7 of an id and a text of at most 8 bytes: the id, then the text in its own place with its length
/// in the last byte.
fn id_and_name(contract: ContractId, name: &str) -> Vec<u8> {
    assert!(name.len() < 8);
    let mut text = [0; 8];
    text[..name.len()].copy_from_slice(name.as_bytes());
    text[7] = name.len() as u8;
    [&contract.as_bytes()[..], &text].concat()
}

/// It tells the failures of a callee apart by their codes.
#[test]
fn tells_failures_apart() {
    let (mut session, one, two) = session();
    let mut outcome = |contract, name| {
        let result = call(
            &mut session,
            one,
            "outcome_of",
            &id_and_name(contract, name),
        );
        i64::from_le_bytes(result.try_into().unwrap())
    };
    assert_eq!(outcome(two, "absent"), -4);
    assert_eq!(outcome(two, "init"), -4);
    assert_eq!(outcome(id(9), "add"), -3);
}

/// It sees itself, no caller, the session's data, and that gas was spent.
#[test]
fn sees_its_surroundings() {
    let (mut session, one, _) = session();
    let seen = call(&mut session, one, "surroundings", &[]);
    // The compiler that built the artifact chose this order: height (tag, number), own id, caller (tag, id), spent.
    assert_eq!(seen.len(), 88);
    assert_eq!((seen[0], &seen[8..16]), (1, &77u64.to_le_bytes()[..]));
    assert_eq!(&seen[16..48], one.as_bytes());
    assert_eq!(seen[48], 0);
    assert_eq!(seen[81], 1);
}

/// Its panic is a panic here, with its message, and undoes its change.
#[test]
fn panics() {
    let (mut session, one, _) = session();
    let failed = reverted(session.call_raw(one, "increment_then_panic", [], LIMIT)).failure;
    assert_eq!(failed.code, Outcome::Panic);
    assert!(failed.text().contains("deliberate, at 253"), "{failed}");
    assert_eq!(value(&mut session, one), 0xfc);
}

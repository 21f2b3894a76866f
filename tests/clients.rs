//! Typed clients in front of the VM: what a contract's author wrote is what its callers get, hosts and contracts alike.
//!
//! P2: a method that returns an error undoes its call, at any depth, and the error arrives with its values.

use crostata::{CallError, ContractData, ContractId, Error, Outcome, Session, SessionData, VM};
use crostata_schema::{MethodAccess, Schema, shown};
use ledger::{LedgerClient, LedgerError, Transfer};

const LIMIT: u64 = 100_000_000;
const LEDGER: ContractId = ContractId::from_bytes([1; 32]);
const CALLER: ContractId = ContractId::from_bytes([2; 32]);
const ALICE: [u8; 32] = [0xa1; 32];

const LEDGER_CODE: &[u8] = crostata::contract_bytecode!("ledger");
const CALLER_CODE: &[u8] = crostata::contract_bytecode!("caller");

/// A session in which the contract `caller` has all 100 tokens of the ledger.
fn session() -> Session {
    let vm = VM::ephemeral().unwrap();
    let mut session = vm.session(SessionData::builder().build()).unwrap();
    let supply = LedgerClient::init(CALLER.to_bytes(), 100);
    let ledger = ContractData::builder()
        .contract_id(LEDGER)
        .init_arg(&supply)
        .build();
    session.deploy(LEDGER_CODE, ledger, LIMIT).unwrap();
    let caller = ContractData::builder().contract_id(CALLER).build();
    session.deploy(CALLER_CODE, caller, LIMIT).unwrap();
    session
}

#[test]
fn a_host_gets_values_and_errors_of_a_method() {
    let mut session = session();
    let mut ledger = LedgerClient::over(session.calls(LIMIT), LEDGER);
    assert_eq!(ledger.balance_of(CALLER.to_bytes()).unwrap(), 100);
    ledger.transfer(CALLER.to_bytes(), ALICE, 30).unwrap();
    let error = ledger.transfer(ALICE, CALLER.to_bytes(), 31).unwrap_err();
    assert!(
        matches!(error, CallError::Contract(LedgerError::BalanceTooSmall(30))),
        "{error}"
    );
    let error = ledger.transfer([7; 32], ALICE, 1).unwrap_err();
    assert_eq!(error.to_string(), "there is no such account");
    assert_eq!(ledger.balance_of(ALICE).unwrap(), 30);
    let mut nobody = LedgerClient::over(session.calls(LIMIT), ContractId::from_bytes([9; 32]));
    assert!(matches!(
        nobody.accounts(),
        Err(CallError::Failed(Error::Rejected(_)))
    ));
}

/// Who knows no type reads the text; who has the schema reads all of it.
#[test]
fn a_raised_error_is_a_panic_with_a_text() {
    let mut session = session();
    let argument = (ALICE, CALLER.to_bytes(), 1u64);
    let error = session
        .call::<_, ()>(LEDGER, "transfer", &argument, LIMIT)
        .unwrap_err();
    let Error::Reverted(reverted) = error else {
        panic!("{error}")
    };
    assert_eq!(reverted.failure.code, Outcome::Panic);
    assert_eq!(reverted.failure.text(), "there is no such account");
    let schema = Schema::of_code(LEDGER_CODE).unwrap().unwrap();
    let raised = schema.raised(&reverted.failure.message).unwrap();
    assert_eq!(raised, "LedgerError::NoSuchAccount");
}

#[test]
fn an_error_travels_through_contracts_and_can_be_caught() {
    let mut session = session();
    let call = |session: &mut Session, function, amount: u64| {
        session.call::<_, u64>(CALLER, function, &(LEDGER, ALICE, amount), LIMIT)
    };
    let error = call(&mut session, "pay", 101).unwrap_err();
    let Error::Reverted(reverted) = error else {
        panic!("{error}")
    };
    let schema = Schema::of_code(CALLER_CODE).unwrap().unwrap();
    let raised = schema.raised(&reverted.failure.message).unwrap();
    assert_eq!(raised, "PaymentError::Refused(BalanceTooSmall(100))");
    assert_eq!(reverted.failure.contract, CALLER);
    let value = |session: &mut Session| {
        session
            .call::<_, i64>(CALLER, "value", &(), LIMIT)
            .unwrap()
            .data
    };
    assert_eq!(
        value(&mut session),
        0,
        "the error undid the change before the call"
    );
    assert_eq!(call(&mut session, "pay_at_most", 40).unwrap().data, 40);
    assert_eq!(
        call(&mut session, "pay_at_most", 101).unwrap().data,
        60,
        "the callee's error was caught"
    );
    let error = call(&mut session, "pay_at_most", 1).unwrap_err();
    let Error::Reverted(reverted) = error else {
        panic!("{error}")
    };
    let raised = schema.raised(&reverted.failure.message).unwrap();
    assert_eq!(raised, "PaymentError::Refused(NoSuchAccount)");
}

#[test]
fn deployed_code_describes_itself() {
    let schema = Schema::of_code(LEDGER_CODE).unwrap().unwrap();
    assert_eq!(schema, Schema::of_section(LedgerClient::SCHEMA).unwrap());
    let transfer = schema.method("transfer").unwrap();
    assert_eq!(
        transfer.signature(),
        "transfer(from: [u8; 32], to: [u8; 32], amount: u64) -> Result<(), LedgerError>"
    );
    assert_eq!(
        schema.method("balance_of").unwrap().access,
        MethodAccess::ReadOnly
    );
    let mut session = session();
    let json: Vec<_> = [
        "0xa1".to_owned() + &"00".repeat(31),
        format!("{CALLER}"),
        "1".into(),
    ]
    .iter()
    .zip(&transfer.arguments)
    .map(|(text, field)| field.value_type.parse(text).unwrap())
    .collect();
    let argument = transfer.encode(&json).unwrap();
    assert_eq!(
        transfer.shown_call(&argument),
        "transfer(from: 0xa1000000…, to: 0x02020202…, amount: 1)"
    );
    assert!(
        session
            .call_raw(LEDGER, "transfer", argument, LIMIT)
            .is_err()
    );
    let moved = (CALLER.to_bytes(), ALICE, 5u64);
    let receipt = session
        .call::<_, ()>(LEDGER, "transfer", &moved, LIMIT)
        .unwrap();
    let event = schema.event(&receipt.events[0].topic).unwrap();
    let value = event.data.decode(&receipt.events[0].data).unwrap();
    assert_eq!(
        shown(&value, &event.data),
        "Transfer { from: 0x02020202…, to: 0xa1a1a1a1…, amount: 5 }"
    );
    let typed: Transfer = crostata_abi::typed::decode(&receipt.events[0].data).unwrap();
    assert_eq!(typed.amount, 5);
}

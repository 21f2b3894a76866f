//! A contract's typed client over a chain: values and errors come as the contract's author wrote them, and the caller is who the client acts as.

use std::process::Command;

use crostata::contract_bytecode;
use crostata::testing::{CAPSULES, Chain, Failed};
use crostata::{CallError, ContractId};
use ledger::{LedgerClient, LedgerError, Transfer};

#[test]
fn a_client_calls_as_the_account_it_acts_as() {
    let mut chain = Chain::new();
    let (alice, bob) = (chain.account("alice"), chain.account("bob"));
    let (from, to) = (alice.id().to_bytes(), bob.id().to_bytes());
    let code = contract_bytecode!("ledger");
    let ledger = chain
        .deploy(code)
        .init(&LedgerClient::init(from, 10))
        .send();

    let mut by_alice = LedgerClient::over(chain.calls_as(&alice), ledger);
    by_alice.transfer(from, to, 4).unwrap();
    let error = by_alice.transfer(from, to, 7).unwrap_err();
    assert_eq!(error, CallError::Contract(LedgerError::BalanceTooSmall(6)));
    let mut by_bob = LedgerClient::over(chain.calls_as(&bob), ledger);
    let error = by_bob.transfer(from, to, 1).unwrap_err();
    assert_eq!(error, CallError::Contract(LedgerError::NotTheirs));

    let mut by_nobody = LedgerClient::over(chain.calls(), ledger);
    by_nobody.transfer(from, to, 1).unwrap();
    assert_eq!(by_nobody.balance_of(to), Ok(5));
    let nothing = ContractId::from_bytes([9; 32]);
    let mut of_nothing = LedgerClient::over(chain.calls(), nothing);
    let error = of_nothing.accounts().unwrap_err();
    assert!(
        matches!(error, CallError::Failed(Failed::Rejected { .. })),
        "{error}"
    );
}

/// Who unwraps what a client gave sees the trace, as calls by name show it; and failures compare by what happened.
#[test]
fn a_failure_of_a_client_shows_its_trace() {
    let mut chain = Chain::new();
    let code = contract_bytecode!("ledger");
    let init = LedgerClient::init([1; 32], 10);
    let ledger = chain.deploy(code).label("ledger").init(&init).send();
    chain.set_gas_limit(1_000);
    let mut short = || LedgerClient::over(chain.calls(), ledger).accounts();
    let (error, again) = (short().unwrap_err(), short().unwrap_err());
    assert_eq!(error, again);
    let text = format!("{error:?}");
    assert!(text.contains("Failed(reverted: out of gas"), "{text}");
    assert!(text.contains("ledger::accounts() FAILED"), "{text}");
}

/// The events of a call that a client made are those that it emitted.
#[test]
fn the_last_call_is_that_of_the_client() {
    let mut chain = Chain::new();
    let (from, to) = ([1; 32], [2; 32]);
    let code = contract_bytecode!("ledger");
    let ledger = chain.deploy(code).init(&(from, 10u64)).send();
    let mut client = LedgerClient::over(chain.calls(), ledger);
    client.transfer(from, to, 4).unwrap();
    chain
        .last_call()
        .expect_event::<Transfer>("transfer", |event| event.amount == 4);
    LedgerClient::over(chain.calls(), ledger)
        .accounts()
        .unwrap();
    chain.last_call().expect_no_event("transfer");
}

const OWN_NAME: &str = "clients::an_unwrapped_error_comes_with_the_trace";

/// The value that a contract returned as its error knows of no call: the chain itself tells how it came to that, and only if the test fails.
#[test]
fn an_unwrapped_error_comes_with_the_trace() {
    let own_run = std::env::var_os(CAPSULES);
    let mut chain = Chain::new();
    let (from, to) = ([1; 32], [2; 32]);
    let code = contract_bytecode!("ledger");
    let deploy = chain.deploy(code).label("ledger");
    let ledger = deploy.init(&(from, 10u64)).send();
    let transferred = LedgerClient::over(chain.calls(), ledger).transfer(from, to, 11);
    if own_run.is_some() {
        return transferred.unwrap();
    }
    assert!(transferred.is_err());
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", OWN_NAME, "--nocapture"])
        .env(CAPSULES, folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr);
    for part in [
        "Contract(BalanceTooSmall(10))",
        "ledger::transfer(from: ",
        "saved as a capsule: crostata replay ",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    let saved = format!("{}.labels.json", OWN_NAME.replace("::", "."));
    let labels = std::fs::read_to_string(folder.path().join(saved)).unwrap();
    assert!(
        labels.contains(&format!("\"ledger\": \"{ledger}\"")),
        "{labels}"
    );
}

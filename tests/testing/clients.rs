//! A contract's typed client over a chain: values and errors come as the contract's author wrote them, and the caller is who the client acts as.

use crostata::contract_bytecode;
use crostata::testing::{Chain, Failed};
use crostata::{CallError, ContractId};
use ledger::{LedgerClient, LedgerError};

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

//! Mocks: a test answers for contracts and host queries, and sees what they were asked. What contracts observe of a mock is what they
//! observe of a contract.

use crostata::testing::{Chain, ContractId, Outcome, Price};
use crostata::{ContractError, contract_bytecode};

const CALLER: &[u8] = contract_bytecode!("caller");
const QUERY: &[u8] = contract_bytecode!("host_query");

/// A contract that calls a mock gets its answers, typed, constant and computed.
#[test]
fn contracts_get_the_answers_of_mocks() {
    let mut chain = Chain::new();
    let caller = chain.deploy(CALLER).label("caller").send();
    let mut price = 40i64;
    let oracle = chain
        .mock_contract("oracle")
        .returns("fixed", &7i64)
        .answers("rising", move |(): ()| {
            price += 1;
            Ok(price)
        })
        .answers("double", |number: i64| Ok(2 * number))
        .send();
    let ask = |chain: &mut Chain, function: &str| {
        let argument = (oracle.id(), function.to_owned());
        chain
            .call::<_, i64>(caller, "call_and_return", &argument)
            .value()
    };
    assert_eq!(
        [
            ask(&mut chain, "fixed"),
            ask(&mut chain, "rising"),
            ask(&mut chain, "rising")
        ],
        [7, 41, 42]
    );
    assert_eq!(
        chain.call::<_, i64>(oracle.id(), "double", &21i64).value(),
        42
    );
    assert_eq!(oracle.asked("rising").times(), 2);
    assert_eq!(oracle.asked("double").arguments::<i64>(), [21]);
    assert_eq!(oracle.asked("fixed").arguments_raw(), [Vec::<u8>::new()]);
    chain
        .call::<_, ()>(oracle.id(), "other", &())
        .expect_rejected("no function `other`");
}

/// A mock's failure is a panic with its message: callers catch it, and the effects of what does not are undone.
#[test]
fn mocks_fail_as_contracts_do() {
    let mut chain = Chain::new();
    let caller = chain.deploy(CALLER).send();
    let broken = chain
        .mock_contract("broken")
        .fails("price", "no price today")
        .send();
    chain
        .call::<_, ()>(broken.id(), "price", &())
        .expect_outcome(Outcome::Panic)
        .expect_revert("no price today");
    let argument = (broken.id(), "price".to_owned());
    let caught =
        chain.call::<_, Result<Vec<u8>, ContractError>>(caller, "call_catching", &argument);
    assert_eq!(
        caught.value(),
        Err(ContractError::Panic("no price today".to_owned()))
    );
}

/// A mocked query costs what it is said to cost, and its failure traps in the contract that asked.
#[test]
fn queries_are_answered_at_their_price() {
    let mut chain = Chain::new();
    let asking = chain.deploy(QUERY).send();
    let gas_of = |chain: &mut Chain, price: Price| {
        let asked = chain.mock_query_raw("reverse", price, |bytes| {
            Ok(bytes.iter().rev().copied().collect())
        });
        let argument = ("reverse".to_owned(), vec![1u8, 2, 3]);
        // The contract's allocator is where it was.
        let before = chain.savepoint();
        let called = chain.call::<_, Vec<u8>>(asking, "ask", &argument);
        assert_eq!(called.value(), [3, 2, 1]);
        chain.rollback(before);
        assert_eq!(asked.times(), 1);
        called.gas_spent()
    };
    let free = gas_of(&mut chain, Price::default());
    assert_eq!(gas_of(&mut chain, Price::from(1_000)), free + 1_000);
    let per_byte = Price {
        gas: 5,
        gas_per_byte: 100,
    };
    assert_eq!(gas_of(&mut chain, per_byte), free + 305);

    chain.mock_query_raw("reverse", 0, |_| Err("mirror broken".to_owned()));
    let argument = ("reverse".to_owned(), Vec::<u8>::new());
    chain
        .call::<_, Vec<u8>>(asking, "ask", &argument)
        .expect_outcome(Outcome::HostFunctionMisuse)
        .expect_revert("mirror broken");
}

/// A closure that uses the chain it answers for gets an error in place of a dead lock.
#[test]
fn a_mock_can_not_use_its_chain() {
    let chain = std::sync::Arc::new(std::sync::Mutex::new(Chain::new()));
    let used = chain.clone();
    let mock = chain
        .lock()
        .unwrap()
        .mock_contract("curious")
        .answers("ask", move |(): ()| match used.try_lock() {
            Ok(_) => Ok(()),
            Err(_) => Err("the chain is in use".to_owned()),
        })
        .send();
    let called = chain.lock().unwrap().call::<_, ()>(mock.id(), "ask", &());
    called.expect_revert("in use");
}

/// Mocks have ids that follow from their names, or those that are given, and labels.
#[test]
fn mocks_stand_where_they_are_put() {
    let mut chain = Chain::new();
    let at = ContractId::from_bytes([5; 32]);
    let mock = chain.mock_contract("fixed").id(at).returns("f", &()).send();
    assert_eq!(mock.id(), at);
    assert_eq!(chain.labelled("fixed"), at);
    let here = chain.mock_contract("named").send().id();
    assert_eq!(Chain::new().mock_contract("named").send().id(), here);
}

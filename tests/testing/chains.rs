//! Chains: what runs on one is what a session runs (P1), calls as accounts are like direct ones but for the caller, savepoints
//! bring everything back (P2), chains are independent and leave nothing behind.

use crostata::testing::{Chain, ContractId, Outcome};
use crostata::{BlockContext, ContractData, SessionData, VM, contract_bytecode};

const COUNTER: &[u8] = contract_bytecode!("counter");
const CALLER: &[u8] = contract_bytecode!("caller");

fn panic_of(code: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(code).expect_err("it should have panicked");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

/// P1: id, results, gas and root of a chain are those of a session of a VM on disk.
#[test]
fn a_chain_is_a_session() {
    let mut chain = Chain::new();
    let counter = chain.deploy(COUNTER).nonce(7).owner([3; 32]).send();
    let called = chain.call::<_, ()>(counter, "increment", &());

    let vm = VM::ephemeral().unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    let data = ContractData::builder().nonce(7).owner([3; 32]);
    let same = session.deploy(COUNTER, data, 1_000_000).unwrap();
    let receipt = session
        .call::<_, ()>(same, "increment", &(), 1_000_000)
        .unwrap();
    assert_eq!(counter, same);
    assert_eq!(called.gas_spent(), receipt.gas_spent);
    assert_eq!(chain.root(), *session.root().unwrap().as_bytes());
    let facts = chain.contract(counter).unwrap();
    assert_eq!(facts.owner, [3; 32]);
}

/// An account's call is the call itself, seen from the account: the caller's id, the limit, the failure; and its gas without what
/// entering a contract costs, which the caller pays.
#[test]
fn accounts_are_callers() {
    let mut chain = Chain::new();
    let alice = chain.account("alice");
    let metadata = chain.deploy(contract_bytecode!("metadata")).send();
    let caller = chain.call_as::<_, Option<ContractId>>(&alice, metadata, "caller", &());
    assert_eq!(caller.value(), Some(alice.id()));
    let caller = chain.call::<_, Option<ContractId>>(metadata, "caller", &());
    assert_eq!(caller.value(), None);

    let counter = chain.deploy(COUNTER).send();
    let entering = ["increment", "read_value"].map(|function| {
        let direct = chain.call_raw(counter, function, []);
        let same = chain.call_raw_as(&alice, counter, function, []);
        assert_eq!(same.frames().len(), 1);
        direct.expect_success().gas_spent() - same.expect_success().gas_spent()
    });
    assert_eq!(entering[0], entering[1]);

    chain.set_gas_limit(1_000);
    let failed = chain.call_as::<_, ()>(&alice, counter, "increment", &());
    failed.expect_outcome(Outcome::OutOfGas);
    assert_eq!(failed.gas_spent(), 1_000);
}

/// What can not start is rejected, from an account as from nobody.
#[test]
fn refused_calls_say_why() {
    let mut chain = Chain::new();
    let alice = chain.account("alice");
    let counter = chain.deploy(COUNTER).label("counter").send();
    chain
        .call::<_, ()>(counter, "decrement", &())
        .expect_rejected("no function `decrement`");
    chain
        .call_as::<_, ()>(&alice, counter, "decrement", &())
        .expect_rejected("no function `decrement`");
    let nobody = ContractId::from_bytes([9; 32]);
    chain
        .call_as::<_, ()>(&alice, nobody, "f", &())
        .expect_rejected("there is no contract");
    let text = panic_of(move || {
        chain.call::<_, ()>(counter, "decrement", &()).value();
    });
    assert!(
        text.starts_with("counter::decrement failed: rejected: contract counter exports"),
        "{text}"
    );
}

/// P2: a savepoint brings back memories, contracts, accounts, and block data; nested ones too.
#[test]
fn savepoints_bring_everything_back() {
    let mut chain = Chain::new();
    let counter = chain.deploy(COUNTER).send();
    let alice = chain.account("alice");
    let root = chain.root();
    chain.block().height(5);
    let outer = chain.savepoint();
    chain.block().advance(2).datum("price", &3u32);
    chain
        .call_as::<_, ()>(&alice, counter, "increment", &())
        .expect_success();
    let second = chain.savepoint();
    chain.deploy(COUNTER).send();
    chain.rollback(second);
    assert_eq!(
        chain.call::<_, i64>(counter, "read_value", &()).value(),
        0xfd
    );
    assert_eq!(chain.block().get::<u64>(BlockContext::HEIGHT), Some(7));
    assert_eq!(chain.block().get(BlockContext::TIME), Some(20_000_u64));
    chain.rollback(outer);
    assert_eq!(chain.root(), root);
    assert_eq!(chain.block().get::<u64>(BlockContext::HEIGHT), Some(5));
    assert_eq!(chain.block().get::<u32>("price"), None);
    // The account's proxy was rolled back, and is there when it is needed.
    chain
        .call_as::<_, ()>(&alice, counter, "increment", &())
        .expect_success();
    let text = panic_of(move || chain.rollback(second));
    assert!(text.contains("it is gone"), "{text}");
}

/// Expectations fail with what happened instead, in names.
#[test]
fn failed_expectations_show_what_happened() {
    let scene = || {
        let mut chain = Chain::new();
        let caller = chain.deploy(CALLER).label("caller").send();
        let counter = chain.deploy(COUNTER).label("counter").send();
        (chain, caller, counter)
    };
    let text = panic_of(move || {
        let (mut chain, caller, counter) = scene();
        chain
            .call::<_, ()>(caller, "increment_then_fail", &counter)
            .expect_success();
    });
    assert!(text.starts_with("caller::increment_then_fail failed: panic in caller::increment_then_fail: failed after the increment"), "{text}");
    assert!(text.contains("counter::increment"), "the call tree: {text}");
    let text = panic_of(move || {
        let (mut chain, caller, counter) = scene();
        chain
            .call::<_, ()>(caller, "increment_then_fail", &counter)
            .expect_revert("another reason");
    });
    assert!(
        text.contains("should have failed with \"another reason\", and failed otherwise"),
        "{text}"
    );
    let text = panic_of(move || {
        let (mut chain, _, counter) = scene();
        chain
            .call::<_, ()>(counter, "increment", &())
            .expect_revert("");
    });
    assert!(
        text.starts_with("counter::increment should have failed, and succeeded"),
        "{text}"
    );
    let text = panic_of(move || {
        let (mut chain, _, counter) = scene();
        chain
            .call::<_, ()>(counter, "increment", &())
            .assert_gas(10);
    });
    assert!(text.contains("more than the 10 expected"), "{text}");
    let text = panic_of(move || {
        let (mut chain, _, counter) = scene();
        chain.call::<_, String>(counter, "read_value", &()).value();
    });
    assert!(text.contains("gave something else"), "{text}");
    let (mut chain, caller, counter) = scene();
    let failed = chain.call::<_, ()>(caller, "increment_then_fail", &counter);
    failed
        .expect_revert("after the increment")
        .expect_outcome(Outcome::Panic);
}

/// A thousand chains at once, from many threads, each with contracts of its own; their memory and address space are given back.
#[test]
fn a_thousand_chains_live_at_once() {
    for _ in 0..3 {
        let chains: Vec<Vec<Chain>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| scope.spawn(move || chains_of(thread)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let all: usize = chains.iter().map(Vec::len).sum();
        assert_eq!(all, 1_000);
    }
}

fn chains_of(thread: i64) -> Vec<Chain> {
    let chain = |number| {
        let mut chain = Chain::new();
        let counter = chain.deploy(COUNTER).send();
        let times = thread + number % 3;
        for _ in 0..times {
            chain
                .call::<_, ()>(counter, "increment", &())
                .expect_success();
        }
        let value = chain.call::<_, i64>(counter, "read_value", &()).value();
        assert_eq!(value, 0xfc + times);
        chain
    };
    (0..125i64).map(chain).collect()
}

/// The token's error, as its crate has it.
#[derive(Debug, PartialEq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
#[rkyv(crate = rkyv)]
enum TokenError {
    Balance { has: u64, needs: u64 },
    Allowance { has: u64, needs: u64 },
    NotOwner,
    Supply,
    Nobody,
}

use crostata::rkyv;

/// An error that a contract returned is compared with its values, and one that differs is shown.
#[test]
fn returned_errors_are_compared_by_value() {
    let scene = || {
        let mut chain = Chain::new();
        let (alice, bob) = (chain.account("alice"), chain.account("bob"));
        let deploy = chain.deploy(contract_bytecode!("token")).label("token");
        let token = deploy.init(&(alice.id(), 10u64)).send();
        chain.call_as::<_, ()>(&alice, token, "transfer", &(bob.id(), 11u64))
    };
    let error = TokenError::Balance { has: 10, needs: 11 };
    scene().expect_error(&error);
    let text = panic_of(move || {
        scene().expect_error(&TokenError::NotOwner);
    });
    assert!(
        text.starts_with(
            "token::transfer should have failed with NotOwner; it is Balance { has: 10, needs: 11 }"
        ),
        "{text}"
    );
    assert!(
        !text.contains("raised"),
        "the bytes of the value are no text: {text}"
    );
}

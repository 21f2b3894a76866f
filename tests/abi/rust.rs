//! The contracts built from Rust, through typed calls.

use std::collections::BTreeMap;

use crostata::rkyv::{Archive, Deserialize, Serialize};
use crostata::{
    CallReceipt, ContractData, ContractError, ContractId, Decode, Encode, Error, Outcome,
    PricedQuery, Session, SessionData, VM, contract_bytecode,
};
use crostata_abi::typed::decode;

use crate::fixtures::{LIMIT, fresh, id, reverted};

/// A session with contracts in it.
struct Chain(Session);

impl Chain {
    fn new() -> Self {
        Self(fresh(&VM::ephemeral().unwrap()))
    }

    fn deploy(&mut self, number: u8, code: &[u8]) -> ContractId {
        let data = ContractData::builder().contract_id(id(number));
        self.0
            .deploy(code, data.owner([number; 33]), LIMIT)
            .unwrap()
    }

    fn call<A: Encode, R: Decode>(&mut self, contract: ContractId, name: &str, argument: A) -> R {
        let receipt: CallReceipt<R> = self.0.call(contract, name, &argument, LIMIT).unwrap();
        receipt.data
    }

    fn fails<A: Encode>(&mut self, contract: ContractId, name: &str, argument: A) -> Outcome {
        let failed = self.0.call::<A, ()>(contract, name, &argument, LIMIT);
        reverted(failed).failure.code
    }
}

/// A counter counts, and its getters change nothing.
#[test]
fn counter() {
    let mut chain = Chain::new();
    let counter = chain.deploy(1, contract_bytecode!("counter"));
    assert_eq!(chain.call::<_, i64>(counter, "read_value", ()), 0xfc);
    let root = chain.0.root().unwrap();
    assert_eq!(chain.call::<_, i64>(counter, "read_value", ()), 0xfc);
    assert_eq!(chain.0.root().unwrap(), root);
    chain.call::<_, ()>(counter, "increment", ());
    assert_eq!(chain.call::<_, i64>(counter, "read_value", ()), 0xfd);
    assert_ne!(chain.0.root().unwrap(), root);
}

/// A ledger moves tokens, keeps its supply, emits transfers, and refuses what is not covered.
#[test]
fn ledger() {
    let mut chain = Chain::new();
    let (alice, bob) = ([1u8; 32], [2u8; 32]);
    let data = ContractData::builder().init_arg(&(alice, 100u64));
    let ledger = chain
        .0
        .deploy(contract_bytecode!("ledger"), data, LIMIT)
        .unwrap();
    let moved = chain
        .0
        .call::<_, ()>(ledger, "transfer", &(alice, bob, 40u64), LIMIT);
    let moved = moved.unwrap();
    assert_eq!(moved.events.len(), 1);
    assert_eq!(moved.events[0].topic, "transfer");
    assert_eq!(
        decode::<(ContractId, ContractId, u64)>(&moved.events[0].data).unwrap(),
        (alice.into(), bob.into(), 40)
    );
    assert_eq!(
        chain.fails(ledger, "transfer", (bob, alice, 41u64)),
        Outcome::Panic
    );
    assert_eq!(chain.call::<_, u64>(ledger, "balance_of", alice), 60);
    assert_eq!(chain.call::<_, u64>(ledger, "balance_of", bob), 40);
    chain.call::<_, ()>(ledger, "mint_many", (5u64, 1_000u64, 3u64));
    assert_eq!(chain.call::<_, u64>(ledger, "total_supply", ()), 3_100);
    assert_eq!(chain.call::<_, u64>(ledger, "accounts", ()), 1_002);
}

/// A contract calls others and itself, hands results on, and survives their failures.
#[test]
fn caller() {
    let mut chain = Chain::new();
    let caller = chain.deploy(1, contract_bytecode!("caller"));
    let counter = chain.deploy(2, contract_bytecode!("counter"));
    let fallible = chain.deploy(3, contract_bytecode!("fallible"));
    let argument = (counter, "read_value".to_owned());
    assert_eq!(
        chain.call::<_, i64>(caller, "call_and_return", argument),
        0xfc
    );
    assert_eq!(chain.call::<_, i64>(caller, "call_self", 5i64), 5);
    let survived: (i64, i64) = chain.call(caller, "outer_survives", fallible);
    assert_eq!(survived, (7, 7));
    let undone: i64 = chain.call(caller, "nested_failure_undoes_both", counter);
    assert_eq!(undone, 0xfc);
    assert_eq!(chain.call::<_, i64>(caller, "value", ()), 7);
    assert_eq!(chain.call::<_, u32>(caller, "chain", 10u32), 10);
}

/// What a calling contract learns of each failure.
#[test]
fn failures_as_contracts_see_them() {
    let mut chain = Chain::new();
    let caller = chain.deploy(1, contract_bytecode!("caller"));
    let fallible = chain.deploy(2, contract_bytecode!("fallible"));
    let mut outcome = |contract: ContractId, function: &str, limit: u64| {
        let argument = (contract, function.to_owned(), Vec::<u8>::new(), limit);
        chain.call::<_, Result<Vec<u8>, ContractError>>(caller, "forward", argument)
    };
    match outcome(fallible, "panics", 0) {
        Err(ContractError::Panic(message)) => assert!(message.starts_with("deliberate")),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        outcome(fallible, "unreachable", 0),
        Err(ContractError::Unknown)
    );
    assert_eq!(outcome(fallible, "absent", 0), Err(ContractError::Unknown));
    assert_eq!(
        outcome(fallible, "spends_all", 1_000_000),
        Err(ContractError::OutOfGas)
    );
    assert_eq!(outcome(id(9), "value", 0), Err(ContractError::DoesNotExist));
    assert!(outcome(fallible, "value", 0).is_ok());
}

/// Ids, owners, callers and call stacks, as contracts see them.
#[test]
fn metadata() {
    let mut chain = Chain::new();
    let one = chain.deploy(1, contract_bytecode!("metadata"));
    let two = chain.deploy(2, contract_bytecode!("metadata"));
    assert_eq!(chain.call::<_, ContractId>(one, "self_id", ()), one);
    assert_eq!(chain.call::<_, Vec<u8>>(one, "owner", ()), [1; 33]);
    assert_eq!(
        chain.call::<_, Option<[u8; 33]>>(one, "owner_33", ()),
        Some([1; 33])
    );
    let owner: Option<Vec<u8>> = chain.call(one, "owner_of", two);
    assert_eq!(owner, Some(vec![2; 33]));
    assert_eq!(
        chain.call::<_, Option<Vec<u8>>>(one, "owner_of", id(9)),
        None
    );
    assert_eq!(chain.call::<_, Option<ContractId>>(one, "caller", ()), None);
    type Seen<T> = Result<T, ContractError>;
    let seen: Seen<Option<ContractId>> = chain.call(one, "caller_seen_by", two);
    assert_eq!(seen, Ok(Some(one)));
    let path = vec![two, one, two];
    let stack: Seen<Vec<ContractId>> = chain.call(one, "callstack_through", path);
    assert_eq!(stack, Ok(vec![one, two, one]));
}

/// A feeder's values arrive in order; without a feeder call it traps.
#[test]
fn feeder() {
    let mut chain = Chain::new();
    let feeder = chain.deploy(1, contract_bytecode!("feeder"));
    let (sender, receiver) = std::sync::mpsc::channel();
    let fed = chain
        .0
        .feeder_call::<_, ()>(feeder, "feed_numbers", &100u32, LIMIT, sender);
    fed.unwrap();
    let numbers: Vec<u32> = receiver.iter().map(|fed| decode(&fed).unwrap()).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
    assert_eq!(
        chain.fails(feeder, "feed_numbers", 1u32),
        Outcome::FeedOutsideFeeder
    );
}

/// Host queries answer contracts, typed and raw.
#[test]
fn host_query() {
    let mut vm = VM::ephemeral().unwrap();
    let hash = |argument: &[u8]| {
        let bytes: Vec<u8> = decode(argument).unwrap();
        Ok(vec![bytes.len() as u8; 32])
    };
    vm.register_host_query("hash", PricedQuery::new(10, hash));
    let echo = |argument: &[u8]| Ok(argument.to_vec());
    vm.register_host_query("echo", PricedQuery::new(10, echo));
    let mut chain = Chain(fresh(&vm));
    let asker = chain.deploy(1, contract_bytecode!("host_query"));
    assert_eq!(
        chain.call::<_, [u8; 32]>(asker, "hash", vec![0u8; 5]),
        [5; 32]
    );
    let argument = ("echo".to_owned(), vec![1u8, 2, 3]);
    assert_eq!(chain.call::<_, Vec<u8>>(asker, "ask", argument), [1, 2, 3]);
    let argument = ("absent".to_owned(), vec![]);
    let outcome = chain.fails::<(String, Vec<u8>)>(asker, "ask", argument);
    assert_eq!(outcome, Outcome::HostFunctionMisuse);
}

/// Session data reach contracts; what is not there is `None`; they can be changed between calls.
#[test]
fn everest() {
    let vm = VM::ephemeral().unwrap();
    let data = SessionData::builder().insert("height", &8_849u64).unwrap();
    let mut chain = Chain(vm.session(data).unwrap());
    let everest = chain.deploy(1, contract_bytecode!("everest"));
    let height = |chain: &mut Chain| chain.call::<_, Option<u64>>(everest, "height", ());
    assert_eq!(height(&mut chain), Some(8_849));
    chain.0.set_meta("height", &5u64).unwrap();
    assert_eq!(height(&mut chain), Some(5));
    chain.0.remove_meta("height");
    assert_eq!(height(&mut chain), None);
}

/// `init` runs at deploy with its argument, and never again.
#[test]
fn initializer() {
    let mut chain = Chain::new();
    let data = ContractData::builder().init_arg(&0x10i64);
    let code = contract_bytecode!("initializer");
    let receipt = chain.0.deploy_with_receipt(code, data, LIMIT).unwrap();
    let init = receipt.init.unwrap();
    assert_eq!(init.events.len(), 1);
    let contract = receipt.contract_id;
    assert_eq!(chain.call::<_, i64>(contract, "read_value", ()), 0x10);
    let again = chain.0.call::<_, ()>(contract, "init", &1i64, LIMIT);
    assert!(matches!(again, Err(Error::Rejected(_))), "{again:?}");
    let caller = chain.deploy(2, contract_bytecode!("caller"));
    let argument = (contract, "init".to_owned());
    let caught: Result<Vec<u8>, ContractError> = chain.call(caller, "call_catching", argument);
    assert_eq!(caught, Err(ContractError::Unknown));
}

/// Growth stays after success, goes with a failure, and what was outside is zeros when it is grown again.
#[test]
fn grower() {
    let mut chain = Chain::new();
    let grower = chain.deploy(1, contract_bytecode!("grower"));
    let size: u32 = chain.call(grower, "size", ());
    let grown: Option<u32> = chain.call(grower, "grow_and_fill", (3u32, 9u64));
    assert_eq!(grown, Some(size));
    let sizes: (u32, u32) = chain.call(grower, "catch_grow_then_fail", (5u32, 9u64));
    // Catching takes a page for the message, by the contract's own allocator; the five pages are gone.
    assert_eq!(sizes.0, size + 3);
    assert!(sizes.1 <= size + 4, "{sizes:?}");
    let behind = sizes.1 << 16;
    assert_eq!(
        chain.fails(grower, "load", behind),
        Outcome::MemoryOutOfBounds
    );
    assert_eq!(
        chain.call::<_, Option<u32>>(grower, "grow", 1u32),
        Some(sizes.1)
    );
    assert_eq!(chain.call::<_, u64>(grower, "load", behind), 0);
    assert_eq!(chain.call::<_, u64>(grower, "load", size << 16), 9);
    assert_eq!(chain.call::<_, Option<u32>>(grower, "grow", 5_000u32), None);
}

/// Recursion ends in a typed failure, inside the module and by calls, and the contract is usable afterwards.
#[test]
fn recursion() {
    let mut chain = Chain::new();
    let recursion = chain.deploy(1, contract_bytecode!("recursion"));
    assert_eq!(chain.call::<_, u32>(recursion, "within", 1_000u32), 1_000);
    assert_eq!(
        chain.fails(recursion, "within_forever", ()),
        Outcome::StackExhausted
    );
    assert_eq!(chain.call::<_, u32>(recursion, "by_calls", 20u32), 20);
    assert_eq!(chain.call::<_, u32>(recursion, "deepest", ()), 21);
    let refused: u32 = chain.call(recursion, "by_calls_until_refused", ());
    assert_eq!(refused, 63);
}

/// A contract sees its limit and spending, and those of a callee with a limit of its own.
#[test]
fn spender() {
    let mut chain = Chain::new();
    let one = chain.deploy(1, contract_bytecode!("spender"));
    let two = chain.deploy(2, contract_bytecode!("spender"));
    let (limit, spent): (u64, u64) = chain.call(one, "limit_and_spent", ());
    assert!(limit == LIMIT && spent < LIMIT);
    let (before, after): (u64, u64) = chain.call(one, "spent_around", 1_000u64);
    assert!(after - before > 1_000);
    type Seen = Result<(u64, u64), ContractError>;
    let seen: Seen = chain.call(one, "limit_seen_by", (two, 2_012_345u64));
    assert_eq!(seen.unwrap().0, 2_012_345);
    assert_eq!(chain.fails(one, "spend_all", ()), Outcome::OutOfGas);
}

#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
#[rkyv(crate = crostata::rkyv)]
struct Crossing {
    name: String,
    number: i64,
    contract: Option<ContractId>,
    lists: BTreeMap<String, Vec<u32>>,
}

/// Arguments and results of all shapes and sizes come back as they went, also through another contract.
#[test]
fn crossing_argument() {
    let mut chain = Chain::new();
    let one = chain.deploy(1, contract_bytecode!("crossing_argument"));
    let two = chain.deploy(2, contract_bytecode!("crossing_argument"));
    let value = Crossing {
        name: "crostata di more".to_owned(),
        number: i64::MIN,
        contract: Some(two),
        lists: [("a".to_owned(), vec![1, 2]), (String::new(), vec![])].into(),
    };
    let back: Crossing = chain.call(one, "echo_struct", value.clone());
    assert_eq!(back, value);
    for len in [0usize, 1, 4_095, 4_096, 65_000, 65_528] {
        let bytes = vec![0x5a; len];
        assert_eq!(
            chain.call::<_, Vec<u8>>(one, "echo_bytes", bytes.clone()),
            bytes
        );
    }
    let through: Result<Vec<u8>, ContractError> =
        chain.call(one, "echo_through", (two, vec![3u8; 60_000]));
    assert_eq!(through, Ok(vec![3; 60_000]));
    let too_long = chain
        .0
        .call::<_, Vec<u8>>(one, "echo_bytes", &vec![0u8; 65_536], LIMIT);
    assert!(matches!(too_long, Err(Error::Rejected(_))), "{too_long:?}");
}

/// A result of another type than asked for is an error that keeps the receipt.
#[test]
fn a_result_of_another_type() {
    let mut chain = Chain::new();
    let counter = chain.deploy(1, contract_bytecode!("counter"));
    let wrong = chain
        .0
        .call::<_, [u64; 2]>(counter, "read_value", &(), LIMIT);
    match wrong {
        Err(Error::Undecodable(undecodable)) => {
            assert_eq!(undecodable.receipt.data, 0xfci64.to_le_bytes());
        }
        other => panic!("{other:?}"),
    }
}

/// A 64-bit contract keeps numbers, grows, calls a 32-bit one, and traps outside its memory.
#[test]
fn counter64() {
    let mut chain = Chain::new();
    let wide = chain.deploy(1, contract_bytecode!("counter64"));
    let narrow = chain.deploy(2, contract_bytecode!("counter"));
    chain.call::<_, ()>(wide, "increment", ());
    assert_eq!(chain.call::<_, i64>(wide, "read_value", ()), 0xfd);
    let other: Result<i64, ContractError> = chain.call(wide, "increment_other", narrow);
    assert_eq!(other, Ok(0xfd));
    chain.call::<_, ()>(wide, "store_far", (100u64 << 20, 77u64));
    assert_eq!(chain.call::<_, u64>(wide, "load", 100u64 << 20), 77);
    let outside = 1u64 << 40;
    assert_eq!(
        chain.fails(wide, "load", outside),
        Outcome::MemoryOutOfBounds
    );
    assert_eq!(
        chain.fails(wide, "store_far", (1u64 << 33, 1u64)),
        Outcome::Panic
    );
}

//! Host queries: what they see, what they cost, and when they are there.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crostata::{
    Backend, ContractId, Executed, Outcome, PricedQuery, Query, QueryContext, QueryError,
    SessionData, Transaction, TransactionOutcome, VM, contract_bytecode,
};
use crostata_abi::typed::{decode, encode};

use crate::fixtures::{BACKENDS, LIMIT, Narrow, ephemeral, id};
use crate::world::{World, context, deploys};

const ASKER: u8 = 40;

/// A world with the contract that asks.
fn world(vm: VM) -> World {
    let world = World::over(vm, Narrow);
    let mut block = world.block();
    let asker = deploys(ASKER, contract_bytecode!("host_query"));
    assert!(block.execute(&asker).unwrap().outcome.is_success());
    let base = block.seal([0; 32]).unwrap().commit();
    // Its base is committed.
    World {
        base: base.unwrap(),
        ..world
    }
}

fn asks(name: &str, argument: Vec<u8>) -> Transaction {
    let argument = (name.to_owned(), argument);
    Transaction::call(id(ASKER), "ask", &argument, LIMIT).unwrap()
}

fn at_height(world: &World, height: u64, transaction: &Transaction) -> Arc<Executed> {
    let mut settings = world.settings();
    settings.context = context(height).into();
    let mut block = world.vm.block(settings).unwrap();
    block.execute(transaction).unwrap()
}

fn answered(executed: &Executed) -> Option<Vec<u8>> {
    executed.data().map(|data| decode(data).unwrap())
}

fn misused(executed: &Executed) -> bool {
    match &executed.outcome {
        TransactionOutcome::Reverted(reverted) => {
            reverted.failure.code == Outcome::HostFunctionMisuse
        }
        _ => false,
    }
}

/// P1: an answer may depend on the block and on who asks; nothing has to be global for that.
#[test]
fn queries_see_block_contract_and_name() {
    for backend in BACKENDS {
        let mut vm = ephemeral(backend);
        let seen = |context: &QueryContext<'_>, bytes: Vec<u8>| {
            let height = context.block().map(|block| block.height());
            let proposer = context.block().map(|block| block.proposer().to_vec());
            let asker = context.contract().to_bytes().to_vec();
            Ok((context.name().to_owned(), height, proposer, asker, bytes))
        };
        vm.register_query("who", Query::new(10, seen)).unwrap();
        let world = world(vm);
        type Seen = (String, Option<u64>, Option<Vec<u8>>, Vec<u8>, Vec<u8>);
        let asks = asks("who", encode(&vec![1_u8, 2]).unwrap());
        let seen: Seen = decode(&answered(&at_height(&world, 9, &asks)).unwrap()).unwrap();
        let asker = id(ASKER).to_bytes().to_vec();
        let expected = (
            "who".into(),
            Some(9),
            Some(vec![9; 48]),
            asker.clone(),
            vec![1, 2],
        );
        assert_eq!(seen, expected);

        let data = SessionData::builder().base(world.base);
        let mut session = world.vm.session(data).unwrap();
        let argument = ("who".to_owned(), encode(&vec![3_u8]).unwrap());
        let receipt = session.call::<_, Vec<u8>>(id(ASKER), "ask", &argument, LIMIT);
        let seen: Seen = decode(&receipt.unwrap().data).unwrap();
        assert_eq!(seen, ("who".into(), None, None, asker, vec![3]));
    }
}

/// P1: a query switched by height is there in its blocks, and everywhere else, also where there is no block, the same as if nobody had
/// registered it, to the last unit of gas.
#[test]
fn queries_are_switched_by_height() {
    let mut vm = ephemeral(BACKENDS[0]);
    let answers = |version: u8| move |_: &QueryContext<'_>, (): ()| Ok(version);
    let (first, second) = (Query::new(50, answers(1)), Query::new(70, answers(2)));
    vm.register_query("rule", first.from_height(5).until_height(10))
        .unwrap();
    vm.register_query("rule", second.from_height(10).until_height(12))
        .unwrap();
    let world = world(vm);
    let asks = asks("rule", encode(&()).unwrap());
    let answer = |height| {
        let executed = at_height(&world, height, &asks);
        let version = answered(&executed).map(|answer| decode::<u8>(&answer).unwrap());
        (version, executed.gas_spent)
    };
    let unknown = at_height(
        &world,
        7,
        &crate::queries::asks("lure", encode(&()).unwrap()),
    );
    assert!(misused(&unknown));
    for height in [0, 4, 12, 13] {
        assert_eq!(answer(height), (None, unknown.gas_spent), "{height}");
    }
    for (height, version) in [(5, 1), (9, 1), (10, 2), (11, 2)] {
        assert_eq!(answer(height).0, Some(version), "{height}");
    }
    assert_eq!(answer(9).1 + 20, answer(10).1, "each has its own price");
    let data = SessionData::builder().base(world.base);
    let mut session = world.vm.session(data).unwrap();
    let argument = ("rule".to_owned(), encode(&()).unwrap());
    let without = session.call::<_, Vec<u8>>(id(ASKER), "ask", &argument, LIMIT);
    let reverted = without.unwrap_err();
    assert_eq!(
        reverted.reverted().unwrap().failure.code,
        Outcome::HostFunctionMisuse
    );
}

/// Of one name no two queries are in force at once: the second is refused, and the first stays.
#[test]
fn heights_that_meet_are_refused() {
    let mut vm = ephemeral(BACKENDS[0]);
    let raw = || PricedQuery::new(1, |_: &[u8]| Ok(vec![]));
    vm.register_query("q", raw().until_height(10)).unwrap();
    let taken = vm.register_query("q", raw()).unwrap_err();
    assert_eq!(taken.name, "q");
    let text = taken.to_string();
    assert!(
        text.contains("until height 10") && text.contains("always"),
        "{text}"
    );
    assert!(vm.register_query("q", raw().from_height(9)).is_err());
    vm.register_query("q", raw().from_height(10)).unwrap();
    assert_eq!(vm.host_queries().names().collect::<Vec<_>>(), ["q"]);
    let queries = vm.host_queries();
    assert!(queries.get("q", None).is_none());
    assert!(queries.get("q", Some(&context(3))).is_some());
    vm.register_host_query("q", raw());
    assert!(vm.host_queries().get("q", None).is_some());
}

/// P1, P6: the price is taken before the answer runs, and by the argument where it is a function of that; what is no argument of the type
/// is refused, and paid for.
#[test]
fn typed_queries_are_paid_before_they_answer() {
    for backend in BACKENDS {
        let runs = Arc::new(AtomicU64::new(0));
        let mut vm = ephemeral(backend);
        let price = |_: &QueryContext<'_>, argument: &[u8]| 100_000 * argument.len() as u64;
        let counted = runs.clone();
        let sum = move |_: &QueryContext<'_>, numbers: Vec<u64>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let sum = numbers
                .iter()
                .try_fold(0_u64, |sum, more| sum.checked_add(*more));
            sum.ok_or_else(|| QueryError("too much".to_owned()))
        };
        vm.register_query("sum", Query::priced_by(price, sum))
            .unwrap();
        let world = world(vm);
        let spent = |numbers: &[u64]| {
            let argument = encode(&numbers.to_vec()).unwrap();
            let len = argument.len() as u64;
            let executed = at_height(&world, 1, &asks("sum", argument));
            (answered(&executed), executed.gas_spent, len)
        };
        let (two, more) = (spent(&[3, 4]), spent(&[3, 4, 5, 6]));
        assert_eq!(two.0, Some(encode(&7_u64).unwrap()));
        assert!(more.1 - two.1 >= 100_000 * (more.2 - two.2));
        assert_eq!(runs.load(Ordering::Relaxed), 2);
        assert!(misused(&at_height(
            &world,
            1,
            &asks("sum", encode(&vec![u64::MAX, 1]).unwrap())
        )));
        assert_eq!(runs.load(Ordering::Relaxed), 3);
        assert!(misused(&at_height(&world, 1, &asks("sum", vec![255; 32]))));
        let unpaid = Transaction {
            limit_gas: two.1 - 100_000,
            ..asks("sum", encode(&vec![3_u64, 4]).unwrap())
        };
        let unpaid = at_height(&world, 1, &unpaid);
        assert!(!unpaid.outcome.is_success());
        assert_eq!(
            runs.load(Ordering::Relaxed),
            3,
            "what was not paid for did not run"
        );
    }
}

/// P1, P7: a query is given exactly the bytes of the argument, wherever they come from and however many: none, a page's end, a whole
/// buffer; for pages never written zeros.
#[test]
fn arguments_are_the_buffers_bytes() {
    use crate::fixtures::{deploy, module};
    const ASKS: &str = r#"
      (data (PTR.const 0) "keep")
      (func (export "zeros") (param i32) (result i32) (call $hq (PTR.const 0) (i32.const 4) (i32.const 65536)))
      (func (export "echo") (param i32) (result i32)
        (call $hq (PTR.const 0) (i32.const 4) (local.get 0)))"#;
    for (backend, width) in BACKENDS.into_iter().zip(crate::fixtures::WIDTHS) {
        let kept: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let keep = kept.clone();
        let mut vm = ephemeral(backend);
        let query = move |argument: &[u8]| {
            keep.lock().unwrap().push(argument.to_vec());
            Ok(argument.iter().rev().copied().collect())
        };
        vm.register_host_query("keep", PricedQuery::new(1, query));
        let mut session = vm.session(SessionData::builder()).unwrap();
        let asker = deploy(&mut session, 1, &module(width, ASKS));
        let zeros = session.call_raw(asker, "zeros", [], LIMIT).unwrap();
        assert_eq!(zeros.data, vec![0; 65_536]);
        for len in [0, 1, 4_095, 4_096, 4_097, 65_536] {
            let argument: Vec<u8> = (0..len).map(|at: usize| (at % 251) as u8).collect();
            let reversed: Vec<u8> = argument.iter().rev().copied().collect();
            let receipt = session.call_raw(asker, "echo", &argument, LIMIT).unwrap();
            assert_eq!(receipt.data, reversed);
            assert_eq!(kept.lock().unwrap().last(), Some(&argument));
        }
        assert_eq!(kept.lock().unwrap()[0], vec![0; 65_536]);
    }
}

/// P1: a block that asks and was recorded is done again by somebody who can not ask, also where the query was not there yet.
#[test]
fn answers_are_in_the_witness() {
    use crostata::{Config, Verifier};
    let mut vm = ephemeral(Backend::default());
    let height =
        |context: &QueryContext<'_>, (): ()| Ok(context.block().map_or(0, |block| block.height()));
    let query = Query::new(10, height).from_height(7);
    vm.register_query("height", query).unwrap();
    vm.register_query("later", Query::new(10, height).from_height(8))
        .unwrap();
    let world = world(vm);
    let mut block = world.vm.block(world.settings().recording()).unwrap();
    for name in ["height", "later"] {
        block.execute(&asks(name, encode(&()).unwrap())).unwrap();
    }
    let verifier = Verifier::new(Config::default()).unwrap();
    let verified = verifier.verify_call(&world.base.root, block.witness().unwrap());
    let verified = verified.unwrap();
    let digests = verified.receipts.iter().map(|receipt| receipt.digest());
    let expected = block.receipts().iter();
    assert!(digests.eq(expected.map(|one| one.included.map(|one| one.digest))));
    assert_eq!(verified.root_after, block.root().unwrap());
}

/// Queries can be tested by themselves.
#[test]
fn a_query_can_be_asked_without_a_vm() {
    use crostata::HostQuery;
    let query = Query::new(7, |context: &QueryContext<'_>, more: u64| {
        Ok(context.block().map_or(0, |block| block.height()) + more)
    });
    let block = context(40);
    let context = QueryContext::new("q", ContractId::from_bytes([1; 32]), Some(&block));
    assert_eq!(query.price(&context, &[]), 7);
    let answer = query.answer(&context, &encode(&2_u64).unwrap()).unwrap();
    assert_eq!(decode::<u64>(&answer).unwrap(), 42);
    assert!(query.answer(&context, &[1]).is_err());
}

//! P1, P4: the SDK's storage types do in a contract, over two allocators, what those of `alloc` do beside them; and what they hold is
//! proven by name, element by element, presence and absence.

mod common;
#[path = "common/proven.rs"]
mod proven;

use common::{fresh, over, with_id};
use crostata::{ContractId, Session, VM, Value, contract_bytecode};
use proptest::prelude::*;
use proven::{entry, value};

const GAS: u64 = 1 << 40;
/// Collections of the contract: the first of a pair is the SDK's, the second does the same.
const PAIRS: [[u8; 2]; 4] = [[0, 1], [2, 3], [4, 5], [6, 7]];
const SET: u8 = 2;
const VECTOR: u8 = 4;
const QUEUE: u8 = 6;

fn deploy(session: &mut Session, code: &[u8]) -> ContractId {
    session.deploy(code, with_id(7), GAS).unwrap()
}

fn call<R: crostata::Decode>(
    session: &mut Session,
    contract: ContractId,
    function: &str,
    argument: &impl crostata::Encode,
) -> R {
    let receipt = session.call(contract, function, argument, GAS);
    receipt.unwrap().data
}

#[derive(Debug, Clone)]
enum Step {
    /// A function that takes a number, and the number.
    One(&'static str, u64),
    Fill(u64, u64),
    TakeMany(u64),
    Enclose,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = || prop_oneof![0..40u64, 0..2_000u64];
    let one = |function| number().prop_map(move |number| Step::One(function, number));
    let step = prop_oneof![
        4 => one("insert"),
        2 => one("get"),
        2 => one("update"),
        4 => one("remove"),
        3 => one("take"),
        3 => (number(), 1..700u64).prop_map(|(first, count)| Step::Fill(first, count)),
        1 => (1..400u64).prop_map(Step::TakeMany),
        1 => Just(Step::Enclose),
    ];
    prop::collection::vec(step, 1..40)
}

/// Does a step to both of a pair, which answer the same.
fn apply(session: &mut Session, contract: ContractId, pair: [u8; 2], step: &Step) {
    let mut both = |function: &str, number: u64| {
        let [ours, plain] =
            pair.map(|kind| call::<Option<u64>>(session, contract, function, &(kind, number)));
        assert_eq!(ours, plain, "{function} {number} of {pair:?}");
    };
    match *step {
        Step::One(function, number) => both(function, number),
        Step::TakeMany(count) => (0..count).for_each(|_| both("take", 0)),
        Step::Fill(first, count) => pair.iter().for_each(|kind| {
            call::<()>(session, contract, "fill", &(*kind, first, count));
        }),
        Step::Enclose => call::<()>(session, contract, "enclose", &()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn collections_do_what_those_of_alloc_do(steps in steps(), is_talc in any::<bool>()) {
        let vm = VM::ephemeral().unwrap();
        let mut session = fresh(&vm);
        let code: &[u8] = match is_talc {
            true => contract_bytecode!("collections_talc"),
            false => contract_bytecode!("collections"),
        };
        let contract = deploy(&mut session, code);
        for step in &steps {
            for pair in PAIRS {
                apply(&mut session, contract, pair, step);
            }
        }
        for pair in PAIRS {
            let [ours, plain] = pair.map(|kind| call::<u64>(&mut session, contract, "digest", &kind));
            prop_assert_eq!(ours, plain, "what {:?} hold", pair);
        }
    }
}

/// A vector that grew to three levels of nodes, shrank and grew again: each time its length and elements are proven, and that there are no others.
#[test]
fn vectors_are_proven_by_length_and_number() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let contract = deploy(&mut session, contract_bytecode!("collections"));
    let mut commit = session.commit().unwrap();
    let mut len = 0u64;
    for target in [
        0u64, 1, 84, 85, 7_056, 7_057, 20_000, 7_057, 7_056, 84, 1, 300, 0,
    ] {
        let mut session = over(&vm, commit);
        let added = target.saturating_sub(len);
        call::<()>(&mut session, contract, "fill", &(VECTOR, len, added));
        for _ in target..len {
            call::<Option<u64>>(&mut session, contract, "take", &(VECTOR, 0u64));
        }
        len = target;
        commit = session.commit().unwrap();
        let root = commit.root;
        assert_eq!(value(&vm, root, contract, "vector.len"), Value::from(len));
        for index in [
            0,
            1,
            83,
            84,
            85,
            7_055,
            7_056,
            7_057,
            19_999,
            len.max(1) - 1,
            len,
        ] {
            let found = entry(&vm, root, contract, "vector.elements", index as u32);
            let expected = (index < len).then_some(Value::from(index));
            assert_eq!(found, expected, "{index} of {len}");
        }
    }
}

/// The numbers of a queue's ends are proven, what waits under which number, and that a number does not wait any more or yet.
#[test]
fn queues_are_proven_by_number() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let contract = deploy(&mut session, contract_bytecode!("collections"));
    let (mut first, mut end) = (0u64, 0u64);
    let mut commit = session.commit().unwrap();
    for (pushed, popped) in [
        (1u64, 0u64),
        (62, 0),
        (1, 40),
        (500, 23),
        (5_000, 5_500),
        (10, 11),
    ] {
        let mut session = over(&vm, commit);
        call::<()>(&mut session, contract, "fill", &(QUEUE, end, pushed));
        for _ in 0..popped {
            call::<Option<u64>>(&mut session, contract, "take", &(QUEUE, 0u64));
        }
        (first, end) = ((first + popped).min(end + pushed), end + pushed);
        commit = session.commit().unwrap();
        let root = commit.root;
        assert_eq!(
            value(&vm, root, contract, "queue.first"),
            Value::from(first)
        );
        assert_eq!(value(&vm, root, contract, "queue.end"), Value::from(end));
        for number in [0, first.max(1) - 1, first, first + 1, end.max(1) - 1, end] {
            let found = entry(&vm, root, contract, "queue.elements", number);
            let waits = (first..end).contains(&number);
            assert_eq!(
                found,
                waits.then_some(Value::from(number)),
                "{number} of {first}..{end}"
            );
        }
    }
}

/// A member of a set is proven as `true`, what is none as absent.
#[test]
fn members_of_sets_are_proven() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let contract = deploy(&mut session, contract_bytecode!("collections"));
    call::<()>(&mut session, contract, "fill", &(SET, 0u64, 300u64));
    let commit = session.commit().unwrap();
    let zero = key(0);
    assert_eq!(
        entry(&vm, commit.root, contract, "set", zero),
        Some(Value::Bool(true))
    );
    assert_eq!(entry(&vm, commit.root, contract, "set", [0; 32]), None);
    let mut session = over(&vm, commit);
    call::<Option<u64>>(&mut session, contract, "remove", &(SET, 0u64));
    let root = session.commit().unwrap().root;
    assert_eq!(entry(&vm, root, contract, "set", zero), None);
}

/// The contract's key of a number.
fn key(number: u64) -> [u8; 32] {
    let mut key = [0; 32];
    let mut state = number;
    for part in key.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    key
}

/// P5: an operation on a vector or queue touches as few pages of a large one as of a small one, also where a `Vec` would grow.
#[test]
fn vectors_and_queues_touch_few_pages() {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    let contract = deploy(&mut session, contract_bytecode!("collections"));
    // Elements to a leaf: where one begins, the levels above it and what the allocator keeps are touched too.
    for (kind, per_leaf) in [(VECTOR, 84), (QUEUE, 63)] {
        for first in (0..65_000u64).step_by(1_000) {
            call::<()>(&mut session, contract, "fill", &(kind, first, 1_000u64));
        }
        call::<()>(&mut session, contract, "enclose", &());
        for number in 65_000..66_000u64 {
            call::<Option<u64>>(&mut session, contract, "insert", &(kind, number));
            let accesses = session.page_accesses();
            let pages: usize = accesses.iter().map(|one| one.pages.len()).sum();
            // Stack, argument, state, and a leaf.
            let expected = match number % per_leaf {
                0 => 10,
                _ => 4,
            };
            assert!(pages <= expected, "{pages} pages at {number} of {kind}");
        }
    }
}

//! What witnesses must cope with, one by one.

use crostata::{Error, NoWitness, Rejected, Reply, SessionData, Step, StepReceipt, Unrecordable};
use crostata_proof::{PageChunks, ProvenState, hash};

use super::world::{
    PROBE, data, digest, owner_of, populated, recorded, replies, verifiers, verifies, vm, witness,
};
use crate::fixtures::actor::{Call, Grow, See, Write, cell, script};
use crate::fixtures::{BACKENDS, LIMIT, WIDTHS, Width, id, probe, use_argument};

/// P5: of a state of many contracts and pages there is what was used.
#[test]
fn a_witness_is_as_large_as_what_was_used() {
    let (vm, commit) = populated(Width::Narrow);
    let mut session = recorded(&vm, commit);
    let steps = [See(cell(3_000))];
    session
        .call_raw(id(0), "run", script(&steps), LIMIT)
        .unwrap();
    let state = witness(&session)
        .state()
        .clone()
        .verify(&commit.root)
        .unwrap();
    assert_eq!(state.positions().len(), 1);
    assert_eq!(state.positions()[0].position(), hash::position(&id(0)));
    let shown = state.positions()[0].members()[0].shown().unwrap();
    // Data, buffer, script stack, and the cell; each with the head of the next page.
    assert_eq!(shown.pages().len(), 8, "{:?}", shown.pages());
}

/// P1: pages behind the memory that the state has are zeros; the way to the root from where they will be is shown.
#[test]
fn memories_may_grow() {
    let verifiers = verifiers();
    for width in WIDTHS {
        let (vm, commit) = populated(width);
        let mut session = recorded(&vm, commit);
        let steps = [
            Grow(2),
            Write((4 << 16) + 5_000, 7),
            Write((6 << 16) - 6, 9),
            See((5 << 16) + 8),
            Call(2, vec![Grow(1), Write((5 << 16) - 4, 1)]),
        ];
        let called = session.call_raw(id(0), "run", script(&steps), LIMIT);
        assert!(called.is_ok());
        verifies(&verifiers, &commit.root, &session, &[digest(&called)]);
        let state = witness(&session)
            .state()
            .clone()
            .verify(&commit.root)
            .unwrap();
        let members = state
            .positions()
            .iter()
            .flat_map(|position| position.members());
        let contracts = members.filter_map(|member| member.shown());
        let behind = contracts.flat_map(|contract| {
            let record = contract.record();
            let pages = contract.pages().iter();
            pages
                .filter(|page| !record.has_page(page.index()))
                .count()
                .checked_sub(0)
        });
        assert_eq!(
            behind.sum::<usize>(),
            3,
            "pages that were written and are not zeros"
        );
    }
}

/// P1: what reaches over the end of a page is in the head of the next one, of which a chunk suffices unless it changed.
#[test]
fn accesses_that_spill_take_a_chunk() {
    let verifiers = verifiers();
    let (vm, commit) = populated(Width::Narrow);
    // The second of these pages is not zeros.
    let mut session = vm.session(data().base(commit)).unwrap();
    let filled = script(&[Write(cell(1_024) + 4_000, 5)]);
    session.call_raw(id(0), "run", filled, LIMIT).unwrap();
    let commit = session.commit().unwrap();
    for (step, chunks) in [
        (See(cell(1_024) - 2), PageChunks::of_bytes(0..1)),
        (Write(cell(1_024) - 2, 0), PageChunks::of_bytes(0..1)),
        (Write(cell(1_024) - 2, 1), PageChunks::of_bytes(0..1)),
        (Write(cell(1_024) - 2, 0x10000), PageChunks::ALL),
    ] {
        let mut session = recorded(&vm, commit);
        let called = session.call_raw(id(0), "run", script(std::slice::from_ref(&step)), LIMIT);
        assert!(called.is_ok());
        verifies(&verifiers, &commit.root, &session, &[digest(&called)]);
        let state = witness(&session)
            .state()
            .clone()
            .verify(&commit.root)
            .unwrap();
        let shown = state.positions()[0].members()[0].shown().unwrap();
        let page = crostata::PageIndex(49);
        let page = shown
            .pages()
            .iter()
            .find(|shown| shown.index() == page)
            .unwrap();
        assert_eq!(page.chunks(), chunks, "{step:?}");
    }
}

/// A buffer that ends inside of a page with other things in it, and a store over that page's beginning.
const REACHING: &str = r#"(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65636))
  (data (i32.const 133072) "kept")
  (func (export "reach") (param i32) (result i32)
    (i64.store (i32.const 131069) (i64.const -1))
    (i32.const 0)))"#;

/// P1: what is cleared when a call ends may be the head of a page of which nothing else is known.
#[test]
fn leftovers_may_be_in_a_head() {
    let vm = vm(BACKENDS[0]);
    let mut session = vm.session(data()).unwrap();
    let contract = crostata::ContractData::builder().contract_id(id(1));
    let code = wat::parse_str(REACHING).unwrap();
    session.deploy(code, contract, LIMIT).unwrap();
    let commit = session.commit().unwrap();
    let mut session = recorded(&vm, commit);
    let called = session.call_raw(id(1), "reach", [], LIMIT);
    assert!(called.is_ok());
    assert_eq!(session.root().unwrap(), commit.root);
    verifies(&verifiers(), &commit.root, &session, &[digest(&called)]);
    let state = proven(&session, &commit);
    let shown = state.positions()[0].members()[0].shown().unwrap();
    let chunks: Vec<_> = shown.pages().iter().map(|page| page.chunks()).collect();
    assert_eq!(chunks, [PageChunks::NONE, PageChunks::of_bytes(0..1)]);
}

/// P1: so many contracts that instances are dropped and memories parked between calls.
#[test]
fn many_contracts_follow_from_a_witness() {
    const CONTRACTS: u16 = 600;
    let vm = vm(BACKENDS[0]);
    let mut session = vm.session(data()).unwrap();
    let numbered = |number: u16| {
        let mut bytes = [9; 32];
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        crostata::ContractId::from_bytes(bytes)
    };
    let code = crate::fixtures::actor::actor(Width::Narrow);
    for number in 0..CONTRACTS {
        let contract = crostata::ContractData::builder().contract_id(numbered(number));
        session.deploy(&code, contract, LIMIT).unwrap();
    }
    let commit = session.commit().unwrap();
    let mut session = recorded(&vm, commit);
    let mut seen = Vec::new();
    for round in 1..3 {
        for number in 0..CONTRACTS {
            let steps = [Write(cell(1_024) - 2, round), See(cell(2_048))];
            let called = session.call_raw(numbered(number), "run", script(&steps), LIMIT);
            assert!(called.is_ok());
            seen.push(digest(&called));
        }
    }
    verifies(&verifiers(), &commit.root, &session, &seen);
}

/// What the witness of a session shows.
fn proven(session: &crostata::Session, commit: &crostata::Commit) -> ProvenState {
    let state = witness(session).state().clone();
    state.verify(&commit.root).unwrap().into_inner()
}

/// P1: contracts that are not there are shown as absent: called, asked for their owner, called by the host.
#[test]
fn absence_is_shown() {
    let (vm, commit) = populated(Width::Narrow);
    let mut session = recorded(&vm, commit);
    let (import, parameters, buffer) = owner_of(99);
    let argument = use_argument(&parameters, &buffer, 8);
    let owner = session.call_raw(id(PROBE), &format!("use_{import}"), argument, LIMIT);
    let argument = use_argument(&[65_536, 0, 3, 8, 0], id(98).as_bytes(), 8);
    let call = session.call_raw(id(PROBE), "use_c", argument, LIMIT);
    let refused = session.call_raw(id(97), "run", [], LIMIT);
    assert!(matches!(&refused, Err(Error::Rejected(Rejected::Call(_)))));
    assert!(owner.is_ok() && call.is_ok());
    let seen = [digest(&owner), digest(&call), None];
    verifies(&verifiers(), &commit.root, &session, &seen);
    let state = witness(&session)
        .state()
        .clone()
        .verify(&commit.root)
        .unwrap();
    for number in [97, 98, 99] {
        let shown = state.contract(&id(number)).unwrap().into_inner();
        assert_eq!(shown, None);
    }
}

/// P1: answers of host queries are given again: answers, refusals, prices that nobody can pay, and that there is no such query.
#[test]
fn answers_are_given_again() {
    let (vm, commit) = populated(Width::Wide);
    let mut session = recorded(&vm, commit);
    let mut seen = Vec::new();
    for (at, name) in (0..).zip(["double", "dear", "none"]) {
        let argument = [&(1_000_u32 + 16 * at).to_le_bytes()[..], name.as_bytes()].concat();
        seen.push(digest(&session.call_raw(
            id(PROBE),
            "poke",
            argument,
            LIMIT,
        )));
    }
    for (at, len, argument) in [
        (1_000, 6, &b"abc"[..]),
        (1_000, 6, b""),
        (1_016, 4, b"x"),
        (1_032, 4, b"y"),
    ] {
        let parameters = [at, len, argument.len() as i64];
        let argument = use_argument(&parameters, argument, 8);
        seen.push(digest(&session.call_raw(
            id(PROBE),
            "use_hq",
            argument,
            LIMIT,
        )));
    }
    verifies(&verifiers(), &commit.root, &session, &seen);
    let expected = [
        Some(Reply::Answered(b"abcabc".to_vec())),
        Some(Reply::Refused),
        Some(Reply::Unpaid),
        None,
    ];
    assert_eq!(replies(&witness(&session)), expected);
}

/// P1: feeders, estimates and what is undone are steps like others; nobody is fed.
#[test]
fn whatever_a_session_does_is_a_step() {
    let (vm, commit) = populated(Width::Narrow);
    let mut session = recorded(&vm, commit);
    let argument = use_argument(&[4], b"abcd", 0);
    let (feeder, fed) = std::sync::mpsc::channel();
    let called = session.feeder_call_raw(id(PROBE), "use_feed", &argument, LIMIT, feeder);
    assert_eq!(fed.recv().unwrap(), b"abcd");
    let trapped = session.call_raw(id(PROBE), "use_feed", &argument, LIMIT);
    assert!(called.is_ok() && trapped.is_err());
    let estimate = session
        .estimate(id(0), "run", script(&[Write(cell(0), 3)]), LIMIT)
        .unwrap();
    session.set_meta("height", &1_u64).unwrap();
    let witness = witness(&session);
    let steps = &witness.context().steps;
    assert_eq!(steps.len(), 3 + 3 * estimate.runs as usize);
    assert_eq!(steps[steps.len() - 2], Step::Rollback { open: 0 });
    for verifier in verifiers() {
        let verified = verifier.verify_call(&commit.root, witness.clone()).unwrap();
        assert_eq!(verified.root_after, session.root().unwrap());
        let StepReceipt::Call(fed) = &verified.receipts[0] else {
            panic!("a call was expected");
        };
        assert_eq!(digest(fed), digest(&called));
        assert_eq!(verified.receipts[1].digest(), digest(&trapped));
    }
}

/// P1: deployments are shown to be possible: the id is free. Their code comes with the witness.
#[test]
fn deployments_follow_from_witnesses() {
    let vm = vm(BACKENDS[0]);
    let mut session = vm.session(data().recording()).unwrap();
    let empty = session.root().unwrap();
    let code = probe(Width::Wide);
    let data = || {
        crostata::ContractData::builder()
            .contract_id(id(5))
            .owner([1, 2, 3])
    };
    session.deploy(&code, data(), LIMIT).unwrap();
    assert!(matches!(
        session.deploy(&code, data(), LIMIT),
        Err(Error::Rejected(Rejected::ContractExists { .. }))
    ));
    verifies(&verifiers(), &empty, &session, &[None, None]);
    let witness = witness(&session);
    assert_eq!(
        witness.codes().map(|(_, code)| code).collect::<Vec<_>>(),
        [code]
    );
}

/// P7: what has no witness says why.
#[test]
fn sessions_without_witness_say_why() {
    let (vm, commit) = populated(Width::Narrow);
    let plain = vm.session(SessionData::builder().base(commit)).unwrap();
    assert!(matches!(plain.witness(), Err(NoWitness::NotRecorded)));
    let mut session = recorded(&vm, commit);
    assert!(matches!(session.witness(), Err(NoWitness::Nothing)));
    assert!(session.contract_metadata(&id(0)).unwrap().is_some());
    assert_eq!(session.memory_pages(id(0)).unwrap().count(), 1);
    assert!(matches!(session.witness(), Err(NoWitness::Nothing)));
    session.call_raw(id(0), "run", [], LIMIT).unwrap();
    assert!(session.witness().is_ok());
    session.set_call_hook(|_: &crostata::FrameStart<'_>| None);
    let hooked = session.witness();
    assert!(matches!(
        hooked,
        Err(NoWitness::Unrecordable(Unrecordable::CallHook))
    ));
    let mut session = recorded(&vm, commit);
    let code = probe(Width::Narrow);
    let migrated = session.migrate(
        id(0),
        code,
        crostata::ContractData::builder(),
        LIMIT,
        |_, _| Ok(()),
    );
    migrated.unwrap();
    let migrated = session.witness();
    assert!(matches!(
        migrated,
        Err(NoWitness::Unrecordable(Unrecordable::Migration))
    ));
}

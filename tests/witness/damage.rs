//! Witnesses that somebody changed.

use crostata::{
    Missing, ProofItem, Step, VM, VerifyError, Witness, WitnessDecodeError, WitnessError,
};
use crostata_proof::{PageChunks, ProvenState, StateProof, hash};

use super::world::{
    Digest, PROBE, data, owner_of, populated, recorded, result, verifier, verifiers, witness,
};
use crate::fixtures::actor::{Call, Write, cell, script};
use crate::fixtures::{BACKENDS, LIMIT, Width, id, use_argument};

/// A witness with everything in it, the root before, and what it comes to.
struct Scene {
    vm: VM,
    commit: crostata::Commit,
    witness: Witness,
    result: (crostata::Root, Vec<Digest>),
}

/// Calls between two contracts that read and write, end a page, look for nobody, ask, and fail.
fn scene() -> Scene {
    let (vm, commit) = populated(Width::Narrow);
    let commit = filled(&vm, commit);
    let mut session = recorded(&vm, commit);
    let steps = [
        Write(cell(1_024) - 2, 7),
        Call(2, vec![Write(cell(5_000), 9)]),
    ];
    session
        .call_raw(id(0), "run", script(&steps), LIMIT)
        .unwrap();
    let (import, parameters, buffer) = owner_of(99);
    let argument = use_argument(&parameters, &buffer, 8);
    let function = format!("use_{import}");
    session
        .call_raw(id(PROBE), &function, argument, LIMIT)
        .unwrap();
    let named = [&1_000_u32.to_le_bytes()[..], b"double"].concat();
    session.call_raw(id(PROBE), "poke", named, LIMIT).unwrap();
    let argument = use_argument(&[1_000, 6, 3], b"abc", 8);
    session
        .call_raw(id(PROBE), "use_hq", argument, LIMIT)
        .unwrap();
    assert!(
        session
            .call_raw(id(0), "run", script(&[Write(u32::MAX, 1)]), LIMIT)
            .is_err()
    );
    let witness = witness(&session);
    let result = result(&verifier(BACKENDS[0]), &commit.root, witness.clone()).unwrap();
    assert_eq!(result.0, session.root().unwrap());
    Scene {
        vm,
        commit,
        witness,
        result,
    }
}

/// Puts something into every page of two actors.
fn filled(vm: &VM, commit: crostata::Commit) -> crostata::Commit {
    let mut session = vm.session(data().base(commit)).unwrap();
    for number in [0, 2] {
        let pages = (0..15).map(|page| Write(cell(1_024 * page + 7), 5));
        let steps: Vec<_> = pages.collect();
        let called = session.call_raw(id(number), "run", script(&steps), LIMIT);
        called.unwrap();
    }
    session.commit().unwrap()
}

impl Scene {
    fn verify(&self, witness: Witness) -> WitnessError {
        result(&verifier(BACKENDS[0]), &self.commit.root, witness).unwrap_err()
    }

    fn codes(&self) -> Vec<Vec<u8>> {
        self.witness
            .codes()
            .map(|(_, code)| code.to_vec())
            .collect()
    }

    fn with_state(&self, state: StateProof) -> Witness {
        Witness::new(self.witness.context().clone(), state, self.codes())
    }

    fn proven(&self) -> ProvenState {
        let state = self.witness.state().clone();
        state.verify(&self.commit.root).unwrap().into_inner()
    }

    /// What the witness shows of the state, one by one.
    fn items(&self) -> Vec<ProofItem> {
        let proven = self.proven();
        let mut items = Vec::new();
        for position in proven.positions() {
            let known = (0..=255)
                .map(id)
                .find(|id| hash::position(id) == position.position());
            items.push(ProofItem::Contract(known.unwrap()));
            let shown = position
                .members()
                .iter()
                .filter_map(|member| member.shown());
            for contract in shown {
                for page in contract.pages() {
                    let id = contract.record().contract;
                    items.push(match page.chunks() == PageChunks::of_bytes(0..1) {
                        true => ProofItem::bytes(id, page.index().address(), 1),
                        false => ProofItem::page(id, page.index()),
                    });
                }
            }
        }
        items
    }
}

/// P7: a witness has what is used and nothing else: without any part of it, or with more, it shows nothing.
#[test]
fn nothing_can_be_left_out_or_added() {
    let scene = scene();
    let items = scene.items();
    let heads = items
        .iter()
        .filter(|item| matches!(item, ProofItem::Bytes { .. }));
    assert!(heads.count() > 1, "{items:?}");
    let prove = |items: &[ProofItem]| scene.vm.prove(scene.commit, items).unwrap();
    assert_eq!(prove(&items), *scene.witness.state());
    for at in 0..items.len() {
        let mut fewer = items.clone();
        let gone = fewer.remove(at);
        let state = prove(&fewer);
        if state == *scene.witness.state() {
            // A contract is shown with its pages, too.
            assert!(matches!(gone, ProofItem::Contract(_)));
            continue;
        }
        let error = scene.verify(scene.with_state(state));
        assert!(
            matches!(error, WitnessError::Incomplete(_)),
            "{gone:?}: {error}"
        );
    }
    let more = [
        ProofItem::Contract(id(120)),
        ProofItem::Contract(id(98)),
        ProofItem::page(id(0), crostata::PageIndex(60)),
        ProofItem::bytes(id(0), cell(0).into(), 8_192),
    ];
    for item in more {
        let state = prove(&[&items[..], &[item]].concat());
        assert_ne!(state, *scene.witness.state());
        let error = scene.verify(scene.with_state(state));
        assert!(
            matches!(error, WitnessError::Superfluous(_)),
            "{item:?}: {error}"
        );
    }
    let with_code = prove(&[&items[..], &[ProofItem::code(id(0), 0, 10)]].concat());
    let error = scene.verify(scene.with_state(with_code));
    assert!(matches!(
        error,
        WitnessError::Superfluous(Missing::Code { .. })
    ));
}

/// P7: the same for codes.
#[test]
fn codes_are_needed_and_no_others() {
    let scene = scene();
    let (context, state) = (scene.witness.context(), scene.witness.state());
    assert_eq!(scene.codes().len(), 3);
    for at in 0..3 {
        let mut codes = scene.codes();
        let gone = crostata::code_hash(&codes.remove(at));
        let fewer = Witness::new(context.clone(), state.clone(), codes);
        let missing = Missing::Code { code: gone };
        let error = scene.verify(fewer);
        assert!(
            matches!(error, WitnessError::Incomplete(code) if code == missing),
            "{error}"
        );
    }
    let mut codes = scene.codes();
    codes.push(b"junk".to_vec());
    let error = scene.verify(Witness::new(context.clone(), state.clone(), codes));
    let junk = Missing::Code {
        code: crostata::code_hash(b"junk"),
    };
    assert!(
        matches!(error, WitnessError::Superfluous(code) if code == junk),
        "{error}"
    );
}

/// P1: code that is left out comes from elsewhere, or was compiled before, and nothing else changes.
#[test]
fn codes_may_come_apart() {
    let scene = scene();
    let bare = scene.witness.clone().without_code();
    assert!(bare.encode().len() < scene.witness.encode().len());
    for verifier in verifiers() {
        let root = &scene.commit.root;
        let error = result(&verifier, root, bare.clone()).unwrap_err();
        assert!(
            matches!(error, WitnessError::Incomplete(Missing::Code { .. })),
            "{error}"
        );
        let codes = scene.codes();
        let verifier = verifier.supplied_by(move |hash: &crostata::CodeHash| {
            codes
                .iter()
                .find(|code| crostata::code_hash(code) == *hash)
                .cloned()
        });
        assert_eq!(result(&verifier, root, bare.clone()).unwrap(), scene.result);
        // Whoever supplies other code is not believed, and not asked for what was compiled.
        let verifier = verifier.supplied_by(|_: &crostata::CodeHash| Some(b"junk".to_vec()));
        assert_eq!(result(&verifier, root, bare.clone()).unwrap(), scene.result);
    }
    let liar = verifier(BACKENDS[0]).supplied_by(|_: &crostata::CodeHash| Some(b"junk".to_vec()));
    let error = result(&liar, &scene.commit.root, bare).unwrap_err();
    assert!(
        matches!(error, WitnessError::Incomplete(Missing::Code { .. })),
        "{error}"
    );
}

/// P4: the state before is the one that is asked for, down to every byte of it.
#[test]
fn another_state_is_refused() {
    let scene = scene();
    let other = crostata::Root::from_bytes([7; 32]);
    let error = result(&verifier(BACKENDS[0]), &other, scene.witness.clone()).unwrap_err();
    assert!(
        matches!(error, WitnessError::State(VerifyError::Root { .. })),
        "{error}"
    );
    let mut session = scene.vm.session(data().base(scene.commit)).unwrap();
    let write = script(&[Write(cell(1_030), 8)]);
    session.call_raw(id(0), "run", write, LIMIT).unwrap();
    let later = session.commit().unwrap();
    let state = scene.vm.prove(later, &scene.items()).unwrap();
    let error = scene.verify(scene.with_state(state));
    assert!(
        matches!(error, WitnessError::State(VerifyError::Root { .. })),
        "{error}"
    );
}

/// P1: another argument, datum or answer is another context, and whoever compares it sees so.
#[test]
fn another_context_is_another_witness() {
    let scene = scene();
    let verifier = verifier(BACKENDS[0]);
    let digest = scene.witness.context().digest();
    let mut contexts = Vec::new();
    let mut change = |change: &dyn Fn(&mut crostata::WitnessContext)| {
        let mut context = scene.witness.context().clone();
        change(&mut context);
        assert_ne!(context.digest(), digest);
        contexts.push(context);
    };
    change(&|context| match &mut context.steps[0] {
        Step::Call(call) => call.argument[8] ^= 1,
        step => panic!("{step:?}"),
    });
    change(&|context| drop(context.data.remove("name")));
    change(&|context| match &mut context.answers[0].asked {
        Some(asked) => asked.price_gas += 1,
        None => panic!("nobody was asked"),
    });
    change(&|context| context.answers[0].asked = None);
    for context in contexts {
        let state = scene.witness.state().clone();
        let witness = Witness::new(context.clone(), state, scene.codes());
        let verified = verifier.verify_call(&scene.commit.root, witness).unwrap();
        assert_eq!(verified.context_digest, context.digest());
        assert_eq!(verified.context, context);
    }
}

/// P7: answers are those to the questions, each once; steps end savepoints that are open; protocols are known.
#[test]
fn contexts_that_can_not_be_are_refused() {
    let scene = scene();
    let verify = |change: &dyn Fn(&mut crostata::WitnessContext)| {
        let mut context = scene.witness.context().clone();
        change(&mut context);
        let state = scene.witness.state().clone();
        scene.verify(Witness::new(context, state, scene.codes()))
    };
    let is_answer = |error: WitnessError| matches!(error, WitnessError::Answer { at: 0 });
    assert!(is_answer(verify(&|context| context.answers.clear())));
    assert!(is_answer(verify(&|context| context.answers[0]
        .query
        .push('!'))));
    assert!(is_answer(verify(&|context| {
        let asked = context.answers[0].asked.as_mut().unwrap();
        asked.argument.push(1);
    })));
    assert!(is_answer(verify(&|context| {
        context.answers[0].asked.as_mut().unwrap().reply = crostata::Reply::Unpaid;
    })));
    let twice = verify(&|context| {
        let again = context.answers[0].clone();
        context.answers.push(again);
    });
    assert!(matches!(twice, WitnessError::Answer { at: 1 }), "{twice}");
    for step in [Step::Rollback { open: 0 }, Step::Release { open: 9 }] {
        let error = verify(&|context| context.steps.push(step.clone()));
        assert!(matches!(error, WitnessError::Step { at: 5 }), "{error}");
    }
    let long = verify(&|context| drop(context.data.insert("n".repeat(256), vec![])));
    assert!(matches!(long, WitnessError::Datum(_)), "{long}");
    let ruled = verify(&|context| context.protocol.0[3] ^= 1);
    assert!(
        matches!(ruled, WitnessError::UnknownProtocol { .. }),
        "{ruled}"
    );
}

/// P7: whatever is done to the bytes, they are no witness, or one that is refused, or one of another context. Never is there
/// another result for the same context.
#[test]
fn changed_bytes_show_nothing_else() {
    let scene = scene();
    let verifier = verifier(BACKENDS[0]);
    assert_eq!(
        result(&verifier, &scene.commit.root, scene.witness.clone()).unwrap(),
        scene.result
    );
    let (digest, bytes) = (scene.witness.context().digest(), scene.witness.encode());
    let (mut refused, mut others) = (0, 0);
    let mut try_bytes = |bytes: &[u8]| {
        let Ok(witness) = Witness::decode(bytes) else {
            refused += 1;
            return;
        };
        assert_eq!(witness.encode(), bytes);
        match verifier.verify_call(&scene.commit.root, witness) {
            Err(WitnessError::Fatal(error)) => panic!("{error}"),
            Err(_) => refused += 1,
            Ok(verified) => {
                assert_ne!(verified.context_digest, digest);
                others += 1;
            }
        }
    };
    // Pages and codes are long: a step that is odd meets all parts of them.
    for at in (0..bytes.len()).step_by(13) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        try_bytes(&changed);
    }
    for at in (0..bytes.len()).step_by(101) {
        try_bytes(&[&bytes[..at], &bytes[at + 1..]].concat());
        try_bytes(&[&bytes[..at], &[0], &bytes[at..]].concat());
        try_bytes(&bytes[..at]);
        try_bytes(
            &[
                &bytes[..at],
                &bytes[at..(at + 40).min(bytes.len())],
                &bytes[at..],
            ]
            .concat(),
        );
    }
    assert!(
        refused > 1_000 && others > 10,
        "{refused} refused, {others} others"
    );
    assert_eq!(
        result(&verifier, &scene.commit.root, scene.witness.clone()).unwrap(),
        scene.result
    );
}

/// P7: errors of decoding say what and where.
#[test]
fn bytes_that_are_none_are_told() {
    let bytes = scene().witness.encode();
    let decode = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        Witness::decode(&bytes).unwrap_err()
    };
    assert_eq!(
        decode(&|bytes| bytes[0] = 2),
        WitnessDecodeError::Version { found: 2 }
    );
    assert_eq!(
        decode(&|bytes| bytes[1] = 1),
        WitnessDecodeError::Kind { found: 1 }
    );
    assert_eq!(
        decode(&|bytes| bytes.push(0)),
        WitnessDecodeError::Trailing { extra_bytes: 1 }
    );
    let cut = WitnessDecodeError::Cut {
        at: 2,
        len_bytes: 32,
    };
    assert_eq!(decode(&|bytes| bytes.truncate(20)), cut);
    let cut = WitnessDecodeError::Cut {
        at: 42,
        len_bytes: u64::from(u32::MAX),
    };
    assert_eq!(decode(&|bytes| bytes[38..42].fill(255)), cut);
    assert_eq!(
        decode(&|bytes| bytes[43] = 255),
        WitnessDecodeError::Text { at: 38 }
    );
    assert_eq!(
        decode(&|bytes| bytes[42] = b'z'),
        WitnessDecodeError::Order { at: 60 }
    );
}

/// P6, P7: a witness brings its own gas limits; a verifier that is limited refuses before it runs anything.
#[test]
fn verifiers_may_be_limited() {
    let Scene {
        commit, witness, ..
    } = scene();
    let gas = 5 * LIMIT;
    let limited = |gas_max: u64| verifier(BACKENDS[0]).limited_to(gas_max);
    let verified = limited(gas).verify_call(&commit.root, witness.clone());
    assert_eq!(verified.unwrap().receipts.len(), 5);
    let refused = limited(gas - 1).verify_call(&commit.root, witness);
    let gas_max = gas - 1;
    assert!(matches!(
        refused,
        Err(WitnessError::TooMuchGas { gas: found, gas_max: max }) if found == gas && max == gas_max
    ));
}

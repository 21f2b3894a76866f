//! P1: whoever has the libraries runs a call again, from a witness, in a block on several threads, or with aids for authors, to the same end.

use std::num::NonZeroUsize;

use crostata::{Action, BlockSettings, Execution, Transaction, VM, Verifier, Witness};

use super::*;

/// A chain with both libraries, and what its contracts ask.
fn scene() -> (Chain, Vec<Vec<u8>>) {
    let (toolbox, world) = (toolbox(), world());
    let chain = Chain::with(&[&toolbox, &world]);
    let hash = code_hash(&toolbox);
    let asked = vec![
        asking(hash, "reverse", b"some bytes"),
        asking(code_hash(&world), "tell", b"x"),
        asking(hash, "divide", &[0]),
        asking(hash, "recurse", &words(&[900_000])),
    ];
    (chain, asked)
}

#[test]
fn witnesses_are_verified() {
    let (chain, asked) = scene();
    let vm = chain.open(Backend::default()).unwrap();
    let commit = session(&vm, None).commit().unwrap();
    let data = SessionData::builder().base(commit).block(block()).unwrap();
    let mut session = vm.session(data.recording()).unwrap();
    let digests: Vec<_> = asked
        .iter()
        .map(|asked| {
            session.set_meta_raw("transaction", asked.clone()).unwrap();
            match session.call_raw(id(1), "ask", asked, LIMIT) {
                Ok(receipt) => receipt.digest,
                Err(error) => reverted(Err::<(), _>(error)).receipt.digest,
            }
        })
        .collect();
    let witness = session.witness().unwrap().encode();
    let root = session.root().unwrap();
    for backend in Backend::BUILT {
        let verifier = Verifier::new(chain.config(*backend)).unwrap();
        let witness = Witness::decode(&witness).unwrap();
        let verified = verifier.verify_call(&commit.root, witness).unwrap();
        assert_eq!(verified.root_after, root);
        let found: Vec<_> = verified
            .receipts
            .iter()
            .map(|one| one.digest().unwrap())
            .collect();
        assert_eq!(found, digests);
    }
    // Who does not know the protocol says so, and guesses nothing.
    let stranger = Verifier::new(Config::default()).unwrap();
    let refused = stranger.verify_call(&commit.root, Witness::decode(&witness).unwrap());
    assert!(matches!(
        refused,
        Err(crostata::WitnessError::UnknownProtocol { .. })
    ));
}

#[test]
fn lanes_and_serial_blocks_agree() {
    let (chain, asked) = scene();
    let vm: VM = chain.open(Backend::default()).unwrap();
    let commit = session(&vm, None).commit().unwrap();
    let transactions: Vec<Transaction> = (0..24)
        .map(|number| {
            let action = Action::Call {
                contract: id(1 + number % 2),
                function: "ask".to_owned(),
                argument: asked[number as usize % asked.len()].clone(),
                may_feed: false,
            };
            let transaction = Transaction::new(action, LIMIT);
            // What chance comes of, too.
            transaction
                .with_datum("transaction", &(number / 8))
                .unwrap()
        })
        .collect();
    let run = |execution| {
        let settings = BlockSettings::new(block(), u64::MAX)
            .base(commit)
            .execution(execution);
        let mut block = vm.block(settings).unwrap();
        block.execute_all(&transactions).unwrap();
        block.receipts_root()
    };
    let threads = NonZeroUsize::new(4).unwrap();
    assert_eq!(run(Execution::Serial), run(Execution::Parallel { threads }));
}

/// P8: watching changes nothing.
#[test]
fn aids_change_nothing() {
    let (chain, asked) = scene();
    let vm = chain.open(Backend::default()).unwrap();
    let commit = session(&vm, None).commit().unwrap();
    let data = || SessionData::builder().base(commit).block(block()).unwrap();
    let run = |data| {
        let mut session = vm.session(data).unwrap();
        let all = asked
            .iter()
            .map(|asked| ask(&mut session, id(1), asked, LIMIT));
        all.collect::<Vec<Came>>()
    };
    let plain = run(data());
    assert_eq!(run(data().located()), plain);
    assert_eq!(run(data().profiled()), plain);
    assert_eq!(run(data().interrupted_after(1_000)), plain);
}

//! P1, P7: bytes that are a witness are its only encoding, and a witness that was changed shows what the session came to, or says under another context
//! what it shows, or is an error.
#![no_main]

use std::cell::RefCell;

use crostata::{Config, Root, Verifier, Witness, WitnessError};
use crostata_fuzz::{Calls, Cells, changed};
use libfuzzer_sys::fuzz_target;

/// Gas of a call, and of all calls that a changed witness may make.
const GAS: u64 = 20_000_000;

/// A witness, the root before, and what it comes to.
struct Recorded {
    bytes: Vec<u8>,
    before: Root,
    after: Root,
    context: [u8; 32],
}

struct Scene {
    verifier: Verifier,
    recorded: Vec<Recorded>,
}

const SESSIONS: [Calls; 4] = [
    &[(1, "load", [8, 0])],
    &[(1, "store", [4_096, 7]), (2, "store_then_fail", [0, 1])],
    &[
        (1, "grow", [2, 0]),
        (1, "store", [200_000, 9]),
        (2, "size", [0, 0]),
    ],
    &[
        (3, "load", [0, 0]),
        (2, "store", [65_534, 1]),
        (1, "load", [u32::MAX, 0]),
    ],
];

impl Scene {
    fn new() -> Self {
        let cells = Cells::new();
        let recorded = SESSIONS.map(|calls| {
            let (mut session, _) = cells.record(calls, GAS);
            let witness = session.witness().unwrap();
            Recorded {
                bytes: witness.encode(),
                before: cells.base.root,
                after: session.root().unwrap(),
                context: witness.context().digest().to_bytes(),
            }
        });
        let verifier = Verifier::new(Config::default()).unwrap();
        Self {
            verifier: verifier.limited_to(3 * GAS),
            recorded: recorded.into(),
        }
    }

    fn run(&self, data: &[u8]) {
        if let Ok(witness) = Witness::decode(data) {
            assert_eq!(witness.encode(), data);
        }
        let Some((chosen, changes)) = data.split_first() else {
            return;
        };
        let recorded = &self.recorded[usize::from(*chosen) % self.recorded.len()];
        let bytes = changed(recorded.bytes.clone(), changes);
        let Ok(witness) = Witness::decode(&bytes) else {
            return;
        };
        assert_eq!(witness.encode(), bytes);
        match self.verifier.verify_call(&recorded.before, witness) {
            Ok(verified) if verified.context_digest.to_bytes() == recorded.context => {
                assert_eq!(verified.root_after, recorded.after);
                assert_eq!(bytes, recorded.bytes);
            }
            Err(WitnessError::Fatal(error)) => panic!("{error}"),
            Ok(_) | Err(_) => {}
        }
    }
}

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::new(Scene::new());
}

fuzz_target!(|data: &[u8]| {
    SCENE.with_borrow(|scene| scene.run(data));
});

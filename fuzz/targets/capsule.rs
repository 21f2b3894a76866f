//! P1, P7: a capsule with a checksum that is right and contents that are not is an error, or comes to what it says; and its traces can be shown.
#![no_main]

use std::cell::RefCell;

use crostata::inspect::{Known, Level, Style, render};
use crostata::{Capsule, Config, ReplayError, Verifier, WitnessError};
use crostata_fuzz::{Calls, Cells, changed};
use libfuzzer_sys::fuzz_target;

/// Gas of a call, and of all calls that a changed capsule may make.
const GAS: u64 = 20_000_000;

/// What stands before the contents: eight bytes of a name, the version, the checksum.
const SUM: std::ops::Range<usize> = 9..41;

const CHECKSUM_CONTEXT: &str = "crostata 2026-11 replay capsule";

const SESSIONS: [Calls; 3] = [
    &[(1, "load", [8, 0])],
    &[(1, "store", [4_096, 7]), (2, "store_then_fail", [0, 1])],
    &[(1, "grow", [2, 0]), (1, "no_such_function", [0, 0])],
];

struct Scene {
    verifier: Verifier,
    capsules: Vec<Vec<u8>>,
}

impl Scene {
    fn new() -> Self {
        let cells = Cells::new();
        let capsules = SESSIONS.map(|calls| {
            let (session, digests) = cells.record(calls, GAS);
            session.capsule(&digests).unwrap().encode()
        });
        let verifier = Verifier::new(Config::default()).unwrap();
        Self {
            verifier: verifier.limited_to(3 * GAS).watched(),
            capsules: capsules.into(),
        }
    }

    fn run(&self, data: &[u8]) {
        if let Ok(capsule) = Capsule::decode(data) {
            assert_eq!(capsule.encode(), data);
        }
        let Some((chosen, changes)) = data.split_first() else {
            return;
        };
        let recorded = &self.capsules[usize::from(*chosen) % self.capsules.len()];
        let mut body = changed(recorded[SUM.end..].to_vec(), changes);
        if chosen & 0x80 != 0 {
            body = changes.to_vec();
        }
        let mut bytes = recorded[..SUM.start].to_vec();
        bytes.extend(blake3::derive_key(CHECKSUM_CONTEXT, &body));
        bytes.extend(body);
        let Ok(capsule) = Capsule::decode(&bytes) else {
            return;
        };
        assert_eq!(capsule.encode(), bytes);
        self.replay(capsule);
    }

    fn replay(&self, capsule: Capsule) {
        let mut known = Known::new();
        for (_, code) in capsule.witness.codes() {
            let _ = known.add_code(code);
        }
        let said = (capsule.root_after, capsule.digests.clone());
        let replayed = match self.verifier.replay(capsule) {
            Ok(replayed) => replayed,
            Err(ReplayError::Witness(WitnessError::Fatal(error))) => panic!("{error}"),
            Err(_) => return,
        };
        let digests = replayed.receipts.iter().map(|receipt| receipt.digest());
        assert_eq!((replayed.root_after, digests.collect()), said);
        for trace in replayed.traces.iter().flatten() {
            let text = render(trace, &known, Level::Everything, Style::Plain);
            let is_harmless = |shown: char| shown == '\n' || !shown.is_control();
            assert!(text.chars().all(is_harmless), "{text:?}");
        }
    }
}

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::new(Scene::new());
}

fuzz_target!(|data: &[u8]| {
    SCENE.with_borrow(|scene| scene.run(data));
});

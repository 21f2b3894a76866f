//! P4 and the one encoding: whatever is done to a proof of a small state, it never proves anything of it that is not so, nor the same in other
//! bytes. The fuzzer's bytes say which proof it is and what is done to it.
#![no_main]

use std::sync::OnceLock;

use crostata_proof::{ProvenPosition, StateProof, hash};
use crostata_proof_fuzz::Choices;
use crostata_proof_fuzz::common::sample::{NOBODY, everything, sample};
use crostata_proof_fuzz::common::state::{Item, State, Wish};
use libfuzzer_sys::fuzz_target;

fn state() -> &'static State {
    static STATE: OnceLock<State> = OnceLock::new();
    STATE.get_or_init(sample)
}

fn questions() -> &'static [Item] {
    static QUESTIONS: OnceLock<Vec<Item>> = OnceLock::new();
    QUESTIONS.get_or_init(|| everything(state()))
}

struct Proof {
    bytes: Vec<u8>,
    answers: Vec<usize>,
}

/// Proofs of all kinds, made once: that takes longer than verifying.
fn proofs() -> &'static [Proof] {
    static PROOFS: OnceLock<Vec<Proof>> = OnceLock::new();
    PROOFS.get_or_init(|| {
        let seeds = (0..256_u64).map(|seed| (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let bytes = seeds.map(|seed| [seed, seed.rotate_left(21), seed.rotate_left(42), !seed]);
        let bytes = bytes.map(|words| words.map(|word| (word ^ word >> 31).to_le_bytes()));
        bytes
            .map(|bytes| new_proof(Choices(bytes.as_flattened())))
            .collect()
    })
}

/// A proof of something of the state.
fn new_proof(mut choices: Choices<'_>) -> Proof {
    let count = 1 + choices.below(4);
    let items: Vec<_> = (0..count).map(|_| item(&mut choices)).collect();
    let bytes = state().prove(&items).encode();
    let answers = answers(&bytes).expect("a proof");
    Proof { bytes, answers }
}

fn item(choices: &mut Choices<'_>) -> Item {
    let ids: Vec<_> = state().contracts.keys().copied().chain([NOBODY]).collect();
    let wish = Wish {
        contract: ids[choices.below(ids.len())],
        kind: choices.byte(),
        at: choices.below(1 << 16) * 7,
        len: choices.below(6000),
    };
    wish.item(state())
}

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices(data);
    let mut proof = proofs()[usize::from(choices.byte())].bytes.clone();
    let other = &proofs()[usize::from(choices.byte())].bytes;
    for _ in 0..1 + choices.below(4) {
        choices.change(&mut proof, other);
    }
    let Some(answers) = answers(&proof) else {
        return;
    };
    let same = proofs().iter().find(|known| known.answers == answers);
    if let Some(same) = same {
        assert_eq!(same.bytes, proof, "a second encoding");
    }
});

/// What a proof shows: the places of the items in [`everything`]. None if it is no proof, or shows something besides: that at yet another
/// position there is nothing.
fn answers(proof: &[u8]) -> Option<Vec<usize>> {
    let decoded = StateProof::decode(proof).ok()?;
    assert_eq!(decoded.encode(), proof);
    let proven = decoded.verify(&state().root()).ok()?;
    let is_asked = |position: &ProvenPosition| {
        let mut asked = state().contracts.keys().chain([&NOBODY]);
        asked.any(|asked| hash::position(asked) == position.position())
    };
    if !proven.positions().iter().all(is_asked) {
        return None;
    }
    let mut shown = Vec::new();
    for (at, item) in questions().iter().enumerate() {
        if let Ok(answer) = item.ask(&proven) {
            assert_eq!(answer, state().answer(item), "{item:?}");
            shown.push(at);
        }
    }
    Some(shown)
}

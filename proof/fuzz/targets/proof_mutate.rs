//! P4 and the one encoding: whatever is done to a proof of a small state, it never proves anything of it that is not so, nor the same in other
//! bytes. The fuzzer's bytes say which proof it is and what is done to it.
#![no_main]

use std::sync::OnceLock;

use crostata_proof::{ProvenPosition, StateProof, hash};
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
            .map(|bytes| Choices(bytes.as_flattened()).new_proof())
            .collect()
    })
}

/// Bytes of the input, zeros at its end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or_default()
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        (usize::from(self.byte()) | usize::from(self.byte()) << 8) % end.max(1)
    }

    fn item(&mut self) -> Item {
        let ids: Vec<_> = state().contracts.keys().copied().chain([NOBODY]).collect();
        let wish = Wish {
            contract: ids[self.below(ids.len())],
            kind: self.byte(),
            at: self.below(1 << 16) * 7,
            len: self.below(6000),
        };
        wish.item(state())
    }

    fn new_proof(&mut self) -> Proof {
        let count = 1 + self.below(4);
        let items: Vec<_> = (0..count).map(|_| self.item()).collect();
        let bytes = state().prove(&items).encode();
        let answers = answers(&bytes).expect("a proof");
        Proof { bytes, answers }
    }

    /// A part of so many bytes.
    fn part(&mut self, end: usize) -> std::ops::Range<usize> {
        const LENGTHS: [usize; 10] = [0, 1, 4, 5, 8, 32, 64, 65, 1024, 4096];
        let start = self.below(end);
        let len = match self.below(2 * LENGTHS.len()) {
            named if named < LENGTHS.len() => LENGTHS[named],
            _ => self.below(end),
        };
        start..(start + len).min(end)
    }

    fn change(&mut self, proof: &mut Vec<u8>, other: &[u8]) {
        let at = self.part(proof.len());
        match self.below(7) {
            0 if at.start < proof.len() => proof[at.start] ^= self.byte(),
            1 => drop(proof.drain(at)),
            2 => {
                let doubled = proof[at.clone()].to_vec();
                proof.splice(at.start..at.start, doubled);
            }
            3 => {
                let to = self.below(proof.len() - at.len());
                let moved: Vec<u8> = proof.drain(at).collect();
                proof.splice(to..to, moved);
            }
            4 => {
                let from = self.part(other.len());
                proof.splice(at, other[from].iter().copied());
            }
            5 => proof[at].fill(0),
            _ => {
                let put = [self.byte(), self.byte(), self.byte(), self.byte()];
                let count = self.below(5);
                proof.splice(at, put.into_iter().take(count));
            }
        }
    }
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

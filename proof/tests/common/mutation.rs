//! Everything that one may do to the bytes of a proof, and what must come of it. For every kind of proof alike.

use std::error::Error;
use std::fmt::Debug;

/// What came of the changes to one proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Typed errors.
    pub refused: usize,
    /// Proofs of something else that is so, which does not answer what was asked: the absence of the neighbour of an absent page, say.
    pub others: usize,
}

/// Changes every byte of `proof`, and in many ways the first and last bytes and those at about so many places between.
///
/// `ask` decodes and verifies, and asks all that the proof shows. Whatever the change, that is a typed error, or at least one
/// question is, and no question gets another answer. So no other bytes answer the same.
pub fn spoil<Answer, Refusal, NoAnswer>(
    proof: &[u8],
    places: usize,
    ask: impl Fn(&[u8]) -> Result<Vec<Result<Answer, NoAnswer>>, Refusal>,
) -> Tally
where
    Answer: PartialEq + Debug,
    Refusal: Error,
    NoAnswer: Error,
{
    let answers = match ask(proof) {
        Ok(answers) => answers,
        Err(refusal) => panic!("the proof itself is refused: {refusal}"),
    };
    assert!(answers.iter().any(Result::is_ok), "nothing is asked");
    let mut tally = Tally::default();
    for changed in changes(proof, places).filter(|changed| changed != proof) {
        match ask(&changed) {
            Err(_) => tally.refused += 1,
            Ok(others) => {
                compare(&answers, &others, &changed);
                tally.others += 1;
            }
        }
    }
    tally
}

fn compare<Answer: PartialEq + Debug, NoAnswer: Error>(
    answers: &[Result<Answer, NoAnswer>],
    others: &[Result<Answer, NoAnswer>],
    changed: &[u8],
) {
    assert_eq!(answers.len(), others.len());
    let mut lost = 0;
    for (answer, other) in answers.iter().zip(others) {
        match (answer, other) {
            (Ok(answer), Ok(other)) => assert_eq!(answer, other, "{changed:02x?}"),
            (Ok(_), Err(_)) => lost += 1,
            (Err(_), _) => {}
        }
    }
    assert!(
        lost > 0,
        "the same is proven by other bytes: {changed:02x?}"
    );
}

/// The changes of a proof: some at every byte, all at some.
pub fn changes(proof: &[u8], places: usize) -> impl Iterator<Item = Vec<u8>> {
    let end = proof.len();
    let stride = (end / places).max(1);
    let is_place = move |at: &usize| *at < 64 || *at + 64 > end || at.is_multiple_of(stride);
    let at_places = (0..end).filter(is_place).flat_map(move |at| {
        let spliced_and_moved = spliced(proof, at).chain(moved(proof, at));
        flipped(proof, at).chain(spliced_and_moved)
    });
    let at_bytes = (0..end).flat_map(move |at| at_byte(proof, at));
    at_bytes.chain(at_places).chain(whole(proof))
}

/// One byte changed, dropped, put in, doubled, and exchanged with the next.
fn at_byte(proof: &[u8], at: usize) -> [Vec<u8>; 5] {
    let (before, byte, behind) = (&proof[..at], proof[at], &proof[at + 1..]);
    let with = |middle: &[u8], behind: &[u8]| [before, middle, behind].concat();
    let (next, rest) = match behind {
        [next, rest @ ..] => (&[*next, byte][..], rest),
        [] => (&[byte][..], behind),
    };
    [
        with(&[byte ^ 1 << (at % 8)], behind),
        with(&[], behind),
        with(&[!byte, byte], behind),
        with(&[byte, byte], behind),
        with(next, rest),
    ]
}

/// Each bit of one byte, and all of them, changed.
fn flipped(proof: &[u8], at: usize) -> impl Iterator<Item = Vec<u8>> {
    let masks = (0..8).map(|bit| 1 << bit).chain([0xff, proof[at]]);
    masks.map(move |mask| {
        let mut changed = proof.to_vec();
        changed[at] ^= mask;
        changed
    })
}

/// Bytes dropped, put in, and doubled: one, and as many as counts, hashes and chunks have.
fn spliced(proof: &[u8], at: usize) -> impl Iterator<Item = Vec<u8>> {
    let with = move |middle: &[u8], skip: usize| {
        let rest = proof.get(at + skip..).unwrap_or_default();
        [&proof[..at], middle, rest].concat()
    };
    let strange = [0, 1, 0xff].map(|byte| with(&[byte], 0)).into_iter();
    let lengths = [1, 4, 5, 8, 32, 64, 1024, 4096].into_iter();
    let lengths = lengths.filter(move |len| at + len <= proof.len());
    let dropped_and_doubled =
        lengths.flat_map(move |len| [with(&[], len), with(&proof[at..at + len], 0)]);
    let cut = [proof[..at].to_vec()].into_iter();
    strange.chain(dropped_and_doubled).chain(cut)
}

/// What stands here exchanged with what stands behind it.
fn moved(proof: &[u8], at: usize) -> impl Iterator<Item = Vec<u8>> {
    let lengths = [1, 4, 5, 8, 12, 32, 64, 65, 1024].into_iter();
    let lengths = lengths.filter(move |len| at + 2 * len <= proof.len());
    lengths.map(move |len| {
        let mut changed = proof.to_vec();
        changed[at..at + 2 * len].rotate_left(len);
        changed
    })
}

/// The proof turned about, twice in a row, and with something behind it.
fn whole(proof: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let third = proof.len() / 3;
    let turned = |by: usize| [&proof[by..], &proof[..by]].concat();
    let behind = |rest: &[u8]| [proof, rest].concat();
    let all = [
        turned(third),
        turned(2 * third),
        [&proof[..2], &proof[third..], &proof[2..third]].concat(),
        behind(proof),
        behind(&[0]),
        behind(&[1]),
    ];
    all.into_iter()
}

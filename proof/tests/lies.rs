//! P4: states that can not be, since somebody computed a root of records that lie. What a proof shows of one contract is not taken for another's.

#![allow(clippy::unwrap_used)]

mod common;

use common::sample::{FIRST, SECOND, contract, sample};
use common::state::{Item, State};
use crostata_proof::{StateProof, WordSize, hash};

/// Two records have the same code hash and different lengths. The code is shown by the first; of the other it says nothing.
#[test]
fn codes_have_the_length_in_the_record() {
    let code = sample().contracts[&FIRST].code.clone();
    let mut ids = [FIRST, SECOND];
    ids.sort_by_key(hash::position);
    let [honest_id, lying_id] = ids;
    let honest = contract(honest_id, WordSize::W32, code.clone());
    for lie in [
        0,
        1,
        1024,
        5 * 1024,
        code.len() as u64 - 1,
        code.len() as u64 + 1,
    ] {
        let mut lying = contract(lying_id, WordSize::W32, code.clone());
        lying.record.code_len_bytes = lie;
        let state = State::new([honest.clone(), lying]);
        let proof = state.prove(&[Item::Code(honest_id, 0, 10), Item::Record(lying_id)]);
        let proof = StateProof::decode(&proof.encode()).unwrap();
        let proven = proof.verify(&state.root()).unwrap();
        assert_eq!(proven.code(&honest_id, 0, 10).unwrap()[..], code[..10]);
        let answer = proven.code(&lying_id, 0, 1);
        assert!(answer.is_err(), "{lie}: {answer:?}");
    }
}

//! P7 and the one encoding: of any bytes, decoding gives a typed error or a proof that encodes to them; verifying it, and asking it
//! anything, gives typed errors or answers.
#![no_main]

use crostata_proof::{ContractId, ProvenState, Root, StateProof, ValueProof, VerifyError};
use libfuzzer_sys::fuzz_target;

/// Of each contract listed: its record, and its memory and code at both ends and where something is shown.
fn ask_everything(proven: &ProvenState) {
    let _ = proven.contract(&ContractId::from_bytes([0; 32]));
    for member in proven
        .positions()
        .iter()
        .flat_map(|position| position.members())
    {
        let contract = member.contract();
        let _ = proven.contract(contract);
        let pages = member.shown().map_or(&[][..], |shown| shown.pages());
        let offsets = pages.iter().map(|page| u64::from(page.index().0) * 4096);
        for offset in offsets.chain([0, 1 << 42, u64::MAX]) {
            for (before, len) in [
                (0, 0),
                (0, 1),
                (1, 2),
                (5, 4096),
                (0, 9000),
                (0, usize::MAX),
            ] {
                let _ = proven.bytes(contract, offset.saturating_sub(before), len);
                let _ = proven.code(contract, offset.saturating_sub(before), len);
            }
        }
        for page in pages {
            let _ = proven.page(contract, page.index());
        }
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(proof) = ValueProof::decode(data) {
        assert_eq!(proof.encode(), data);
        return;
    }
    let Ok(proof) = StateProof::decode(data) else {
        return;
    };
    assert_eq!(proof.encode(), data);
    // The root that it leads to is the one that it is for.
    match proof.clone().verify(&Root::from_bytes([1; 32])) {
        Err(VerifyError::Root { found, .. }) => {
            ask_everything(&proof.verify(&found).expect("its root"));
        }
        Err(_) => {}
        Ok(_) => panic!("a root that nobody computed"),
    }
});

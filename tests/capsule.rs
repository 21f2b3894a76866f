//! Capsules: what a session did comes to the same anywhere (P1); whatever else the bytes say is a typed error (P7).

mod common;

use common::*;
use crostata::{
    Capsule, CapsuleDecodeError, Config, ReceiptDigest, ReplayError, Root, SessionData, VM,
    Verifier, WitnessError,
};

fn capsule() -> Capsule {
    let vm = VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    deploy_cells(&mut session, 1);
    let commit = session.commit().unwrap();
    let data = SessionData::builder().base(commit).recording();
    let mut session = vm.session(data).unwrap();
    let stored = session
        .call_raw(id(1), "store", words(&[0, 9]), LIMIT)
        .unwrap();
    let failed = session
        .call_raw(id(1), "store", words(&[0, 9]), 10)
        .unwrap_err();
    let rejected = session.call_raw(id(1), "no_such_function", [], LIMIT);
    assert!(rejected.is_err());
    let failed = failed.reverted().unwrap().receipt.digest;
    session
        .capsule(&[Some(stored.digest), Some(failed), None])
        .unwrap()
}

/// P1: calls that succeed, fail and are rejected are done again, to the root and receipts that the capsule has.
#[test]
fn a_capsule_is_replayed() {
    let capsule = Capsule::decode(&capsule().encode()).unwrap();
    let verifier = Verifier::new(Config::default()).unwrap();
    let replayed = verifier.replay(capsule.clone()).unwrap();
    assert_eq!(replayed.root_after, capsule.root_after);
    assert_ne!(replayed.root_after, capsule.root_before);
}

/// P7: a capsule that claims another root, receipt or number of receipts than its calls come to is told so.
#[test]
fn other_claims_are_told() {
    let verifier = Verifier::new(Config::default()).unwrap();
    let good = capsule();
    let other = Root::from_bytes([7; 32]);
    let mut claims = good.clone();
    claims.root_after = other;
    let error = verifier.replay(claims).unwrap_err();
    assert!(matches!(error, ReplayError::Root { recorded, .. } if recorded == other));
    let mut claims = good.clone();
    claims.root_before = other;
    let error = verifier.replay(claims).unwrap_err();
    assert!(
        matches!(error, ReplayError::Witness(WitnessError::State(_))),
        "{error:?}"
    );
    let mut claims = good.clone();
    claims.digests[1] = Some(ReceiptDigest::from_bytes([7; 32]));
    assert!(matches!(
        verifier.replay(claims).unwrap_err(),
        ReplayError::Receipt { at: 1 }
    ));
    let mut claims = good;
    claims.digests.pop();
    assert!(matches!(
        verifier.replay(claims).unwrap_err(),
        ReplayError::Receipt { at: 2 }
    ));
}

/// P7: every changed bit and every cut of the bytes is an error, and what is encoded is decoded to the same.
#[test]
fn changed_bytes_are_told() {
    let good = capsule();
    let bytes = good.encode();
    assert_eq!(Capsule::decode(&bytes).unwrap(), good);
    for len in 0..bytes.len() {
        assert!(Capsule::decode(&bytes[..len]).is_err());
    }
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        let error = Capsule::decode(&other).unwrap_err();
        match at {
            0..8 => assert_eq!(error, CapsuleDecodeError::Stranger),
            8 => assert!(matches!(error, CapsuleDecodeError::Version { .. })),
            _ => assert_eq!(error, CapsuleDecodeError::Changed),
        }
    }
    assert_eq!(
        Capsule::decode(&[bytes, vec![0]].concat()),
        Err(CapsuleDecodeError::Changed)
    );
}

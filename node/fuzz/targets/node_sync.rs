//! P7: any bytes are a question of state sync, or a proof of finality, that encodes to them, or a typed error; no bytes but the validators' are an offer, or prove anything.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use commonware_codec::{Decode, Encode};
use crostata_chain::{FinalityProof, Offer, Scheme, SyncKey, Trusted};
use crostata_node_fuzz::{committee, genesis, scheme_of, within_bounds};
use libfuzzer_sys::fuzz_target;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

static SCHEME: LazyLock<Scheme> = LazyLock::new(|| scheme_of(3));

static TRUSTED: LazyLock<Trusted> =
    LazyLock::new(|| Trusted::new(genesis().chain(), committee()).unwrap());

fuzz_target!(|data: &[u8]| {
    if let Ok(key) = within_bounds(data, |data| {
        SyncKey::decode_cfg(Bytes::copy_from_slice(data), &())
    }) {
        assert_eq!(key.encode(), data);
        let _ = key.to_string();
    }
    let (scheme, trusted) = (&*SCHEME, &*TRUSTED);
    let mut random = StdRng::seed_from_u64(0);
    if let Ok(offer) = within_bounds(data, |data| Offer::decode(data, scheme, &mut random)) {
        assert_eq!(offer.encode(), data);
        assert_eq!(
            offer.finalization.proposal.payload.0,
            offer.header.digest().to_bytes()
        );
    }
    if let Ok(proof) = within_bounds(data, FinalityProof::decode) {
        assert_eq!(proof.encode(), data);
        let proven = within_bounds(data, |_| proof.verify(trusted, &mut random));
        if let Ok(proven) = proven {
            assert!(proven.signers >= 3 && data.ends_with(&proven.header.encode()));
        }
    }
});

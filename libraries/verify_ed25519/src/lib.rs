//! A library that verifies signatures of Ed25519, as RFC 8032 says, strictly: keys and nonces of small order are refused, so that there are no two opinions.
#![cfg_attr(target_family = "wasm", no_std)]

#[cfg(all(target_family = "wasm", feature = "component"))]
mod component;

use ed25519_dalek::{PUBLIC_KEY_LENGTH, SIGNATURE_LENGTH, Signature, VerifyingKey};

/// Whether a message is signed: `signed` is a public key of 32 bytes, a signature of 64, and the message.
pub fn verify(signed: &[u8]) -> bool {
    let Some((key, rest)) = signed.split_first_chunk::<PUBLIC_KEY_LENGTH>() else {
        return false;
    };
    let Some((signature, message)) = rest.split_first_chunk::<SIGNATURE_LENGTH>() else {
        return false;
    };
    let signature = Signature::from_bytes(signature);
    let key = VerifyingKey::from_bytes(key);
    key.is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits
            .map(|pair| {
                let pair = std::str::from_utf8(pair).expect("digits");
                u8::from_str_radix(pair, 16).expect("digits")
            })
            .collect()
    }

    /// The second example of RFC 8032: a message of one byte.
    fn signed() -> Vec<u8> {
        bytes(concat!(
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            "72"
        ))
    }

    #[test]
    fn what_is_signed_is() {
        assert!(verify(&signed()));
    }

    /// No other bytes are, shorter or longer ones neither.
    #[test]
    fn nothing_else_is() {
        let signed = signed();
        for at in 0..signed.len() {
            let mut other = signed.clone();
            other[at] ^= 1;
            assert!(!verify(&other), "{at}");
            assert!(!verify(&signed[..at]), "{at}");
        }
        assert!(!verify(&[&signed[..], &[0]].concat()));
    }

    /// The identity as a key: under it any message would be signed by a signature of zeros.
    #[test]
    fn keys_of_small_order_are_refused() {
        let mut signed = [0; 97];
        signed[0] = 1;
        signed[32] = 1;
        assert!(!verify(&signed));
    }
}

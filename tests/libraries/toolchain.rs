//! P1 and P6: a component of the usual toolchain is a library: a verifier of signatures, called by a contract of the SDK, gives the verdicts that the
//! same code gives inside of the contract, for what calling it costs besides.

use super::*;

const VERIFIER: &[u8] = include_bytes!("../../libraries/artifacts/verify_ed25519.wasm");
const NOTARY: &[u8] = include_bytes!("../../libraries/artifacts/notary.wasm");

/// A key, a signature and a message: the third example of RFC 8032.
fn signed() -> Vec<u8> {
    let text = concat!(
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        "af82"
    );
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn a_verifier_of_signatures() {
    let chain = Chain::with(&[VERIFIER]);
    let library = code_hash(VERIFIER).to_string();
    let (good, mut bad) = (signed(), signed());
    bad[96] ^= 1;
    let (by_library, alone, call) = everywhere(&chain, |vm| {
        let mut session = vm.session(SessionData::builder()).unwrap();
        session.deploy(NOTARY, with_id(1), 1 << 40).unwrap();
        let mut see = |signed: &Vec<u8>, expected: bool| {
            let argument = (library.clone(), signed.clone());
            let by_library = session.call::<_, bool>(id(1), "see", &argument, 1 << 40);
            let alone = session.call::<_, bool>(id(1), "see_alone", signed, 1 << 40);
            let (by_library, alone) = (by_library.unwrap(), alone.unwrap());
            assert_eq!((by_library.data, alone.data), (expected, expected));
            (by_library.gas_spent, alone.gas_spent)
        };
        let gas = see(&good, true);
        see(&bad, false);
        see(&good[..95].to_vec(), false);
        let seen = session.call::<_, u64>(id(1), "seen", &(), LIMIT).unwrap();
        assert_eq!(seen.data, 2);
        (gas.0, gas.1, seen.gas_spent)
    });
    println!(
        "a signature: {} gas by the library, {} in the contract; {call} for calling it",
        by_library - call,
        alone - call
    );
    // The call, an instance and a few pages of memory.
    assert!(by_library < alone + 1_500_000);
}

//! P7: no bytes make preparing panic, and what it accepts is valid.

use super::super::{CodeLimits, prepare};
use super::{assert_valid, contract, contract_64};
use proptest::prelude::*;

fn sample(is_wide: bool) -> Vec<u8> {
    let index = if is_wide { "i64" } else { "i32" };
    let fields = format!(
        r#"(type $pair (func (param i32) (result i32 i64)))
        (global $g (mut i64) (i64.const 40)) (table 4 funcref) (elem (i32.const 1) $f)
        (data ({index}.const 16) "some data") (@custom "crostata.reentry" "\01")
        (@custom "crostata.stack" "\00\10\00\00\00\00\00\00\00\10\00\00\00\00\00\00")
        (func $pair (type $pair) (block (br_if 0 (local.get 0)) (return (i32.const 1) (i64.const 2)))
          (i32.const 1) (i64.const 3))
        (func $f (export "f") (param i32) (result i32) (local i64 i64 f64)
          (loop (br_if 0 (local.get 0)) (block (br_table 0 1 0 (local.get 0))))
          (drop (call_indirect (param i32) (result i32) (local.get 0) (i32.const 1)))
          (global.set $g (i64.load ({index}.const 8)))
          (i32.load8_u offset=4 ({index}.const 0)))"#
    );
    if is_wide {
        contract_64(&fields)
    } else {
        contract(&fields)
    }
}

fn holds(code: &[u8]) {
    let Ok(prepared) = prepare(code, &CodeLimits::default()) else {
        return;
    };
    assert_valid(&prepared.wasm);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_contracts_never_panic(
        is_wide: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut code = sample(is_wide);
        for (index, byte) in changes {
            let index = index.index(code.len());
            code[index] = byte;
        }
        if let Some(cut) = cut {
            code.truncate(cut.index(code.len()));
        }
        holds(&code);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        holds(&bytes);
        let mut with_header = b"\0asm\x01\0\0\0".to_vec();
        with_header.extend(bytes);
        holds(&with_header);
    }
}

#[test]
fn the_sample_itself_is_accepted() {
    for is_wide in [false, true] {
        prepare(&sample(is_wide), &CodeLimits::default()).unwrap();
    }
}

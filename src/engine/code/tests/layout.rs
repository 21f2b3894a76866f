//! P4, P7: a storage layout is made canonical, or refused by a rule that is named.

use super::{contract, contract_64, prepared, rejected};
use crate::engine::code::{Rejection, Reserved, storage_layout};
use crostata_proof::Layout;
use crostata_proof::layout::LayoutProblem;

const STATE: &str = r#"(global (export "state") i32 (i32.const 1024))"#;
const U64: &[u8] = &[2, 8];

/// A source layout of fields: name, offset, type.
fn source(fields: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![1, 5];
    bytes.extend(b"state");
    bytes.extend((fields.len() as u16).to_le_bytes());
    for (name, offset, value_type) in fields {
        bytes.push(name.len() as u8);
        bytes.extend(name.as_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(*value_type);
    }
    bytes
}

/// The custom section with these contents, in text.
fn section(bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!(r#"(@custom "crostata.layout" "{escaped}")"#)
}

fn code(bytes: &[u8]) -> Vec<u8> {
    contract(&format!("{STATE} {}", section(bytes)))
}

fn problem(bytes: &[u8]) -> LayoutProblem {
    match rejected(&code(bytes)) {
        Rejection::StorageLayout { problem, .. } => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn fields_get_addresses_and_are_sorted() {
    let fields = [
        ("zeta", 8, U64),
        ("alpha", 16, &[1][..]),
        ("beta", 0, &[6, 2, 4, 3, 2]),
    ];
    let code = code(&source(&fields));
    let facts = prepared(&code).facts;
    let mut expected = vec![1, 3, 0];
    for (name, address, value_type) in [
        ("alpha", 1_040u64, &[1][..]),
        ("beta", 1_024, &[6, 2, 4, 3, 2]),
        ("zeta", 1_032, U64),
    ] {
        expected.push(name.len() as u8);
        expected.extend(name.as_bytes());
        expected.extend(address.to_le_bytes());
        expected.extend(value_type);
    }
    assert_eq!(facts.layout.as_ref(), Some(&expected));
    let layout = Layout::decode(&expected).unwrap();
    assert_eq!(layout.encode(), expected);
    assert_eq!(storage_layout(&code), Ok(Some(layout)));
    assert_eq!(storage_layout(&contract("")), Ok(None));

    let state = r#"(global (export "state") i64 (i64.const 196000))"#;
    let wide = contract_64(&format!("{state} {}", section(&source(&[("a", 600, U64)]))));
    let layout = storage_layout(&wide).unwrap().unwrap();
    assert_eq!(layout.fields()[0].place, 196_600);
    assert_eq!(prepared(&wide).facts.layout, Some(layout.encode()));
}

#[test]
fn malformed_layouts_are_refused_where_they_break() {
    use LayoutProblem as P;
    let one = |value_type: &[u8]| source(&[("a", 0, value_type)]);
    let named = |name: &str| source(&[(name, 0, U64)]);
    let long = "a".repeat(65);
    let deep = [4u8, 1, 0, 0, 0].repeat(8);
    for (bytes, expected) in [
        (vec![], P::Cut),
        (vec![2], P::Version { found: 2 }),
        (one(U64)[..12].to_vec(), P::Cut),
        (
            [&one(U64)[..], &[0]].concat(),
            P::Trailing { extra_bytes: 1 },
        ),
        (vec![1; 16_385], P::Long { found: 16_385 }),
        (named(""), P::Name),
        (named("a b"), P::Name),
        (named("ä"), P::Name),
        (named(&long), P::Name),
        (
            source(&[("a", 0, U64), ("a", 8, U64)]),
            P::Twice { name: "a".into() },
        ),
        (one(&[0]), P::Type { found: 0 }),
        (one(&[7]), P::Type { found: 7 }),
        (one(&[2, 3]), P::Number { found: 3 }),
        (one(&[3, 0]), P::Number { found: 0 }),
        (one(&[&deep[..], &[1]].concat()), P::Depth),
        (one(&[4, 0, 0, 0, 0, 1]), P::Nothing),
        (one(&[5, 4, 0, 0, 0, 0, 0]), P::Nothing),
        (one(&[4, 1, 0, 1, 0, 1]), P::Large { found: 65_537 }),
        (
            one(&[4, 0xff, 0xff, 0xff, 0xff, 2, 16]),
            P::Large {
                found: 16 * 0xffff_ffff,
            },
        ),
        (one(&[4, 1, 0, 0, 0, 6, 1, 1]), P::Map),
        (one(&[6, 1, 6, 1, 1]), P::Map),
        (
            one(&[6, 4, 0x46, 1, 0, 0, 1, 1]),
            P::Entry {
                key_bytes: 326,
                value_bytes: 1,
            },
        ),
        (
            one(&[6, 1, 4, 0xf8, 1, 0, 0, 1]),
            P::Entry {
                key_bytes: 1,
                value_bytes: 504,
            },
        ),
        // Beyond the struct; and one over the other.
        (
            one(&[5, 8, 0, 0, 0, 1, 0, 1, b'x', 1, 0, 0, 0, 2, 8]),
            P::Struct { len_bytes: 8 },
        ),
        (
            one(&[
                5, 1, 0, 0, 0, 2, 0, 1, b'x', 0, 0, 0, 0, 1, 1, b'y', 0, 0, 0, 0, 1,
            ]),
            P::Struct { len_bytes: 1 },
        ),
    ] {
        assert_eq!(problem(&bytes), expected);
    }
    // Where: the section's contents begin behind its name.
    let code = code(&one(&[7]));
    let start = code
        .windows(15)
        .position(|name| name == b"crostata.layout")
        .unwrap()
        + 15;
    match rejected(&code) {
        Rejection::StorageLayout { offset, .. } => assert_eq!(offset, start as u64 + 15),
        other => panic!("{other:?}"),
    }
}

/// At the bounds, layouts are still accepted.
#[test]
fn layouts_are_accepted_up_to_their_bounds() {
    let longest = "a".repeat(64);
    let deep = [&[4u8, 1, 0, 0, 0].repeat(7)[..], &[1]].concat();
    let many: Vec<(String, u32)> = (0..800)
        .map(|at| (format!("field_{at:03}"), at * 8))
        .collect();
    let many: Vec<_> = many.iter().map(|(name, at)| (&**name, *at, U64)).collect();
    for fields in [
        &[][..],
        &[(&*longest, 0, U64)],
        &[("a", 0, &deep)],
        &[("a", 0, &[4, 0xff, 0xfb, 0, 0, 1])],
        &[("a", 0, &[6, 4, 0x45, 1, 0, 0, 1, 1])],
        &[("a", 0, &[6, 1, 4, 0xf7, 1, 0, 0, 1])],
        &many,
    ] {
        let facts = prepared(&code(&source(fields))).facts;
        let layout = Layout::decode(&facts.layout.unwrap()).unwrap();
        assert_eq!(layout.fields().len(), fields.len());
    }
}

#[test]
fn layouts_need_a_state_inside_the_memory() {
    let fields = section(&source(&[("a", 8, U64)]));
    let refused = |state: &str| rejected(&contract(&format!("{state} {fields}")));
    let at = |address: u32| {
        refused(&format!(
            r#"(global (export "state") i32 (i32.const {address}))"#
        ))
    };
    assert!(matches!(refused(""), Rejection::StateMissing { name, .. } if name == "state"));
    let wide = refused(r#"(global (export "state") i64 (i64.const 8))"#);
    assert!(
        matches!(
            wide,
            Rejection::StateType {
                expected: "i32",
                ..
            }
        ),
        "{wide}"
    );
    let end = 3 * 65_536;
    let outside = at(end - 15);
    assert!(
        matches!(&outside, Rejection::FieldOutOfBounds { name, start, len_bytes: 8, .. }
            if name == "a" && *start == u64::from(end) - 7),
        "{outside}"
    );
    let last = at(u32::MAX);
    assert!(matches!(last, Rejection::FieldOutOfBounds { .. }), "{last}");
    for address in [65_536 - 15, 65_536, 2 * 65_536 - 9] {
        let reserved = Reserved::ArgumentBuffer;
        let overlap = at(address);
        assert!(
            matches!(&overlap, Rejection::FieldOverlaps { reserved: found, .. } if *found == reserved),
            "{overlap}"
        );
    }
    let stack = r#"(@custom "crostata.stack" "\00\10\00\00\00\00\00\00\00\10\00\00\00\00\00\00")"#;
    let in_stack = refused(&format!(
        r#"(global (export "state") i32 (i32.const 4081)) {stack}"#
    ));
    assert!(
        matches!(
            &in_stack,
            Rejection::FieldOverlaps {
                reserved: Reserved::Stack,
                ..
            }
        ),
        "{in_stack}"
    );
}

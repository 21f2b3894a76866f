//! P7: a schema and an archive are anybody's bytes. What they become stays in proportion to their length, and so does the work.

use crostata_schema::{Field, Schema, SchemaError, Type, Variant, shown};

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn name(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// A section with these definitions, and a method that takes so many arguments of the last of them.
fn section(definitions: &[Vec<u8>], arguments: usize) -> Vec<u8> {
    let mut bytes = vec![1, 2];
    bytes.extend(name("Hostile"));
    bytes.extend(leb(definitions.len()));
    bytes.extend(definitions.concat());
    bytes.extend([1, 0]);
    bytes.extend([name("f"), name("")].concat());
    bytes.extend(leb(arguments));
    bytes.extend([0, 63 + definitions.len() as u8].repeat(arguments));
    bytes.extend([0, 0]);
    bytes
}

/// A struct whose fields, without names, are all of a defined type.
fn struct_of(text: &str, fields: usize, index: u8) -> Vec<u8> {
    [
        name(text),
        vec![0],
        leb(2 * fields),
        vec![64 + index; fields],
    ]
    .concat()
}

fn reason(section: &[u8]) -> &'static str {
    match Schema::of_section(section) {
        Err(SchemaError::Damaged { reason, .. }) => reason,
        other => panic!("{:?}", other.map(|schema| schema.methods.len())),
    }
}

/// Long names, and types that are there again wherever they are used, do not make a megabyte of a kilobyte.
#[test]
fn a_section_does_not_stand_for_far_more_than_it_is() {
    let long = "x".repeat(255);
    let empty = || struct_of(&long, 0, 0);
    assert!(Schema::of_section(&section(&[empty()], 100)).is_ok());
    let names = section(&[empty(), struct_of("Many", 63, 0)], 1_000);
    assert_eq!(reason(&names), "its types are too many for its length");
    let uses = section(&[struct_of("", 0, 0), struct_of("Many", 63, 0)], 20_000);
    assert_eq!(reason(&uses), "its types are too many for its length");
    let padded = [section(&[], 0), vec![0; 1 << 16]].concat();
    assert_eq!(reason(&padded), "it has more than 64 KiB");
}

/// The parts of a type are not gone through again for each value of a list: with that, this test takes hours.
#[test]
fn a_list_of_values_of_a_large_type_is_read() {
    let variant = |nth: usize| Variant {
        name: format!("V{nth}"),
        fields: vec![Field {
            name: String::new(),
            value_type: Type::Unit,
        }],
    };
    let large = Type::Enum {
        name: "Large".into(),
        variants: (0..60_000).map(variant).collect(),
    };
    let element = Type::Tuple(vec![large, Type::Unit]);
    let count = 30_000;
    let mut bytes = vec![0; count];
    bytes.extend((-(count as i32)).to_le_bytes());
    bytes.extend((count as u32).to_le_bytes());
    let list = Type::List(Box::new(element));
    let value = list.decode(&bytes).unwrap();
    assert_eq!(value.as_array().unwrap().len(), count);
    assert!(shown(&value, &list).len() < 1_000);
}

/// Each value that an archive's length allows costs memory; those that pointers make of one another are counted, and a long archive has no more
/// of them for each byte than a short one.
#[test]
fn a_long_archive_does_not_become_millions_of_values() {
    let only = |value_type: Type| Type::Struct {
        name: String::new(),
        fields: vec![Field {
            name: "n".into(),
            value_type,
        }],
    };
    let mut deep = Type::Unit;
    for _ in 0..20 {
        deep = only(deep);
    }
    let count = 40_000u32;
    let mut bytes = vec![0; 60_000];
    bytes.extend((-60_000i32).to_le_bytes());
    bytes.extend(count.to_le_bytes());
    let error = Type::List(Box::new(deep)).decode(&bytes).unwrap_err();
    assert!(error.reason.contains("more than its length"), "{error}");
    // What is really there is read, however deep.
    let mut deep = Type::Bool;
    for _ in 0..20 {
        deep = only(deep);
    }
    let mut bytes = vec![1; 5_000];
    bytes.extend((-5_000i32).to_le_bytes());
    bytes.extend(5_000u32.to_le_bytes());
    assert!(Type::List(Box::new(deep)).decode(&bytes).is_ok());
}

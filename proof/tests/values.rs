//! P7: layouts, values and maps out of bytes that may be anything: decoding and lookups end, never panic, read and allocate no more than
//! stated, and what decodes has one encoding.

use crostata_proof::layout::{Field, Layout, LayoutProblem, SourceLayout, Type};
use crostata_proof::map::{LEVELS_MAX, MapError, MemoryBytes, NODE_BYTES, Shape, find};
use crostata_proof::value::ValueError;
use crostata_proof::{Value, ValueLookupError, look_up_field, look_up_key};
use proptest::prelude::*;

const U8: Type = Type::Uint { len_bytes: 1 };

fn field(name: &str, place: u64, value_type: Type) -> Field {
    let name = name.into();
    Field {
        name,
        place,
        value_type,
    }
}

fn array(count: u32, element: Type) -> Type {
    let element = Box::new(element);
    Type::Array { count, element }
}

fn map(key: Type, value: Type) -> Type {
    let (key, value) = (Box::new(key), Box::new(value));
    Type::Map { key, value }
}

/// A source with every type in it.
fn source() -> SourceLayout {
    let pair = Type::Struct {
        len_bytes: 24,
        fields: vec![
            field("high", 8, Type::Int { len_bytes: 16 }),
            field("low", 0, Type::Bool),
        ],
    };
    SourceLayout {
        global: "state".into(),
        fields: vec![
            field("total", 0, Type::Uint { len_bytes: 8 }),
            field(
                "balances",
                8,
                map(array(32, U8), Type::Uint { len_bytes: 8 }),
            ),
            field("pairs", 32, array(3, pair.clone())),
            field("by_pair", 16, map(pair, array(2, Type::Bool))),
        ],
    }
}

fn layout() -> Layout {
    source().resolve(1_000).unwrap()
}

#[test]
fn layouts_are_sorted_and_round_trip() {
    let layout = layout();
    let names: Vec<_> = layout
        .fields()
        .iter()
        .map(|field| (&*field.name, field.place))
        .collect();
    assert_eq!(
        names,
        [
            ("balances", 1_008),
            ("by_pair", 1_016),
            ("pairs", 1_032),
            ("total", 1_000)
        ]
    );
    assert_eq!(Layout::decode(&layout.encode()), Ok(layout));
    let high = source().resolve(u64::MAX - 7).unwrap_err();
    assert!(
        matches!(high.problem, LayoutProblem::Place { .. }),
        "{high}"
    );
    // Out of order, though each field is right.
    let two = |names: [&str; 2]| {
        let mut bytes = vec![1, 2, 0];
        for name in names {
            bytes.push(1);
            bytes.extend(name.as_bytes());
            bytes.extend([0; 8]);
            bytes.push(1);
        }
        Layout::decode(&bytes)
    };
    assert!(two(["a", "b"]).is_ok());
    let order = two(["b", "a"]).unwrap_err();
    assert_eq!(order.problem, LayoutProblem::Order { name: "a".into() });
}

#[test]
fn every_byte_of_a_layout_counts() {
    let bytes = layout().encode();
    for at in 0..bytes.len() {
        assert!(Layout::decode(&bytes[..at]).is_err());
        for flip in 1..=255 {
            let mut other = bytes.clone();
            other[at] ^= flip;
            if let Ok(layout) = Layout::decode(&other) {
                assert_eq!(layout.encode(), other, "byte {at}");
            }
        }
    }
}

#[test]
fn values_are_typed_and_shown() {
    let memory = |value_type: &Type, bytes: &[u8]| Value::from_memory(value_type, bytes);
    let int = |len_bytes| Type::Int { len_bytes };
    assert_eq!(memory(&int(1), &[0x80]), Ok(Value::Int(-128)));
    assert_eq!(
        memory(&int(4), &[0xfe, 0xff, 0xff, 0xff]),
        Ok(Value::Int(-2))
    );
    assert_eq!(memory(&int(16), &[0xff; 16]), Ok(Value::Int(-1)));
    let uint = Type::Uint { len_bytes: 16 };
    assert_eq!(memory(&uint, &[0xff; 16]), Ok(Value::Uint(u128::MAX)));
    assert_eq!(memory(&array(2, U8), &[1, 2]), Ok(Value::from([1, 2])));
    let bools = array(3, Type::Bool);
    let error = ValueError::Bool { at: 1, found: 2 };
    assert_eq!(memory(&bools, &[1, 2, 0]), Err(error));
    let error = ValueError::Size {
        found: 2,
        expected: 3,
    };
    assert_eq!(memory(&bools, &[1, 0]), Err(error));
    let shown = memory(&bools, &[1, 0, 1]).unwrap().to_string();
    assert_eq!(shown, "[true, false, true]");
    assert_eq!(Value::from([0xab, 1]).to_string(), "0xab01");
    assert_eq!(bools.to_string(), "[bool; 3]");
}

#[test]
fn keys_are_of_their_type() {
    let key = |value: Value, key_type: &Type| value.to_key(key_type).ok();
    let (int, uint) = (Type::Int { len_bytes: 2 }, Type::Uint { len_bytes: 2 });
    assert_eq!(key(Value::Int(-1), &int), Some(vec![0x7f, 0xff]));
    assert_eq!(key(Value::Int(0), &int), Some(vec![0x80, 0]));
    assert_eq!(key(Value::Int(-32_768), &int), Some(vec![0, 0]));
    assert_eq!(key(Value::Int(32_768), &int), None);
    assert_eq!(key(Value::Int(-32_769), &int), None);
    assert_eq!(
        key(Value::Int(i128::MIN), &Type::Int { len_bytes: 16 }),
        Some(vec![0; 16])
    );
    assert_eq!(key(Value::Uint(258), &uint), Some(vec![1, 2]));
    assert_eq!(key(Value::Uint(65_536), &uint), None);
    assert_eq!(key(Value::Uint(1), &int), None);
    assert_eq!(
        key(Value::Bytes(vec![7, 8]), &uint),
        Some(vec![7, 8]),
        "as they are"
    );
    assert_eq!(key(Value::Bytes(vec![7]), &uint), None);
    let bools = array(2, Type::Bool);
    assert_eq!(
        key(Value::Array(vec![true.into(), false.into()]), &bools),
        Some(vec![1, 0])
    );
    assert_eq!(key(Value::Array(vec![true.into()]), &bools), None);
}

/// A memory of these bytes from 0 on, and zeros behind them; counts what is read.
struct Memory {
    bytes: Vec<u8>,
    reads: usize,
}

impl Memory {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, reads: 0 }
    }
}

impl MemoryBytes for Memory {
    type Error = u64;

    fn read(&mut self, address: u64, bytes: &mut [u8]) -> Result<(), u64> {
        self.reads += 1;
        if address
            .checked_add(bytes.len() as u64)
            .is_none_or(|end| end > 1 << 20)
        {
            return Err(address);
        }
        for (at, byte) in (address as usize..).zip(bytes) {
            *byte = self.bytes.get(at).copied().unwrap_or(0);
        }
        Ok(())
    }
}

/// Nodes that lead to each other in a circle, and down a way that is too long.
#[test]
fn a_lookup_in_a_circle_ends() {
    let shape = Shape::new(1, 1).unwrap();
    let node = |level: u16, child: u64| {
        let mut bytes = [0; NODE_BYTES];
        bytes[2..4].copy_from_slice(&level.to_le_bytes());
        bytes[119..127].copy_from_slice(&child.to_le_bytes()); // behind room for 111 keys
        bytes
    };
    let header = |root: u64| {
        let mut bytes = vec![0; NODE_BYTES];
        bytes[..8].copy_from_slice(&root.to_le_bytes());
        bytes
    };
    let mut circle = Memory::new([&header(1_024)[..], &node(5, 1_024)].concat());
    let error = find(&mut circle, shape, 0, &[1]).unwrap();
    assert!(
        matches!(
            error,
            Err(MapError::Level {
                found: 5,
                expected: 4,
                ..
            })
        ),
        "{error:?}"
    );
    let mut bytes = header(1_024);
    for level in (0..LEVELS_MAX as u16).rev() {
        bytes.extend(node(level, bytes.len() as u64 + 1_024));
    }
    let mut deep = Memory::new(bytes.clone());
    assert_eq!(find(&mut deep, shape, 0, &[1]), Ok(Ok(None)));
    assert_eq!(deep.reads, 1 + LEVELS_MAX);
    bytes[1_024 + 2] = LEVELS_MAX as u8;
    let error = find(&mut Memory::new(bytes), shape, 0, &[1]).unwrap();
    assert!(
        matches!(
            error,
            Err(MapError::Level {
                found: 32,
                expected: 31,
                ..
            })
        ),
        "{error:?}"
    );
}

fn memory() -> impl Strategy<Value = Vec<u8>> {
    let node = (0u16..40, 0u16..6, prop::collection::vec(0u64..8, 128)).prop_map(
        |(count, level, words)| {
            let mut bytes: Vec<u8> = Vec::new();
            bytes.extend(count.to_le_bytes());
            bytes.extend(level.to_le_bytes());
            let words = words.iter().flat_map(|word| (word * 1_024).to_le_bytes());
            bytes.extend(words.take(NODE_BYTES - 4));
            bytes
        },
    );
    prop::collection::vec(node, 1..6).prop_map(|nodes| nodes.concat())
}

proptest! {
    #[test]
    fn a_lookup_in_anything_ends(bytes in memory(), wild in prop::collection::vec(any::<u8>(), 0..3_000)) {
        let layout = layout();
        for bytes in [bytes, wild] {
            for (name, key) in [("balances", Value::from([0; 32])), ("by_pair", Value::from([1; 17]))] {
                let mut memory = Memory::new(bytes.clone());
                let found = look_up_key(&layout, name, &key, &mut memory);
                prop_assert!(memory.reads <= 1 + LEVELS_MAX);
                let is_about_memory = found.err().is_none_or(|error| {
                    use ValueLookupError as E;
                    matches!(error, E::Memory(_) | E::Map { .. } | E::Value { .. })
                });
                prop_assert!(is_about_memory);
            }
            let mut memory = Memory::new(bytes);
            let _ = look_up_field(&layout, "pairs", &mut memory);
            prop_assert_eq!(memory.reads, 1);
        }
    }

    #[test]
    fn decoding_anything_ends(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(layout) = Layout::decode(&bytes) {
            prop_assert_eq!(layout.encode(), bytes.clone());
        }
        let _ = SourceLayout::decode(&bytes);
        if let Ok(proof) = crostata_proof::ValueProof::decode(&bytes) {
            prop_assert_eq!(proof.encode(), bytes);
        }
    }
}

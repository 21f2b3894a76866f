//! Archives made and read by a schema are those of `rkyv`, so that what a command line sends is what a typed client would send.
//!
//! For values of every kind of type: the bytes are `rkyv`'s own, and both directions agree on the value. P7: bytes that are damaged or
//! hostile never panic, and mean what they mean to `rkyv` wherever it accepts them.

use std::fmt::Debug;

use crostata_abi::rkyv::{Archive, Deserialize, Serialize};
use crostata_abi::typed::{self, Decode, Encode};
use crostata_abi::{ARGBUF_LEN, ContractId};
use crostata_schema::{DecodeError, Field, Type, Value, Variant, shown};
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(crate = crostata_abi::rkyv)]
struct Terms {
    open: bool,
    names: Vec<String>,
    limit: Option<u128>,
    pair: (u8, String),
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(crate = crostata_abi::rkyv)]
enum Order {
    Nothing,
    Sell(u64),
    Swap(String, [u8; 3]),
    Terms { terms: Box<Terms>, to: ContractId },
}

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(crate = crostata_abi::rkyv)]
struct Wrapped(Option<Option<i8>>);

#[derive(Debug, Clone, PartialEq, Archive, Serialize, Deserialize)]
#[rkyv(crate = crostata_abi::rkyv)]
struct Two(char, Vec<Vec<u8>>);

fn uint(len_bytes: u8) -> Type {
    let signed = false;
    Type::Int { signed, len_bytes }
}

fn option(value: Type) -> Type {
    Type::Option(Box::new(value))
}

fn list(element: Type) -> Type {
    Type::List(Box::new(element))
}

fn field(name: &str, value_type: Type) -> Field {
    let name = name.to_owned();
    Field { name, value_type }
}

fn variant(name: &str, fields: Vec<Field>) -> Variant {
    let name = name.to_owned();
    Variant { name, fields }
}

fn terms_type() -> Type {
    let fields = vec![
        field("open", Type::Bool),
        field("names", list(Type::String)),
        field("limit", option(uint(16))),
        field("pair", Type::Tuple(vec![uint(1), Type::String])),
    ];
    let name = "Terms".to_owned();
    Type::Struct { name, fields }
}

fn order_type() -> Type {
    let terms = Type::Boxed(Box::new(terms_type()));
    let variants = vec![
        variant("Nothing", vec![]),
        variant("Sell", vec![field("", uint(8))]),
        variant(
            "Swap",
            vec![field("", Type::String), field("", Type::FixedBytes(3))],
        ),
        variant(
            "Terms",
            vec![field("terms", terms), field("to", Type::ContractId)],
        ),
    ];
    let name = "Order".to_owned();
    Type::Enum { name, variants }
}

fn wrapped_type() -> Type {
    let signed = Type::Int {
        signed: true,
        len_bytes: 1,
    };
    let fields = vec![field("", option(option(signed)))];
    let name = "Wrapped".to_owned();
    Type::Struct { name, fields }
}

fn two_type() -> Type {
    let fields = vec![field("", Type::Char), field("", list(Type::Bytes))];
    let name = "Two".to_owned();
    Type::Struct { name, fields }
}

type Everything = (
    Vec<Order>,
    [Wrapped; 2],
    Two,
    Result<(), Terms>,
    (i64, i128, (), u16),
    Vec<()>,
);

fn everything_type() -> Type {
    let int = |len_bytes| Type::Int {
        signed: true,
        len_bytes,
    };
    Type::Tuple(vec![
        list(order_type()),
        Type::Array(Box::new(wrapped_type()), 2),
        two_type(),
        Type::Result(Box::new(Type::Unit), Box::new(terms_type())),
        Type::Tuple(vec![int(8), int(16), Type::Unit, uint(2)]),
        list(Type::Unit),
    ])
}

fn terms() -> impl Strategy<Value = Terms> {
    let names = prop::collection::vec(".{0,12}", 0..4);
    (
        any::<bool>(),
        names,
        any::<Option<u128>>(),
        (any::<u8>(), ".{0,12}"),
    )
        .prop_map(|(open, names, limit, pair)| Terms {
            open,
            names,
            limit,
            pair,
        })
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Nothing),
        any::<u64>().prop_map(Order::Sell),
        (".{0,70}", any::<[u8; 3]>()).prop_map(|(name, code)| Order::Swap(name, code)),
        (terms(), any::<[u8; 32]>()).prop_map(|(terms, to)| Order::Terms {
            terms: Box::new(terms),
            to: ContractId::from_bytes(to),
        }),
    ]
}

fn everything() -> impl Strategy<Value = Everything> {
    let result = prop_oneof![Just(Ok(())), terms().prop_map(Err)];
    (
        prop::collection::vec(order(), 0..4),
        any::<[Option<Option<i8>>; 2]>().prop_map(|both| both.map(Wrapped)),
        (any::<char>(), any::<Vec<Vec<u8>>>()).prop_map(|(letter, bytes)| Two(letter, bytes)),
        result,
        any::<(i64, i128, (), u16)>(),
        prop::collection::vec(Just(()), 0..9),
    )
}

/// What both directions promise of one value.
fn agrees<T: Encode + Decode + PartialEq + Debug>(value: &T, value_type: &Type) -> Value {
    let bytes = typed::encode(value).unwrap();
    let json = value_type.decode(&bytes).unwrap();
    assert_eq!(value_type.encode(&json).unwrap(), bytes, "{json}");
    assert_eq!(typed::decode::<T>(&bytes).as_ref(), Ok(value));
    shown(&json, value_type);
    json
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_type_has_the_bytes_of_rkyv(value in everything()) {
        agrees(&value, &everything_type());
    }

    /// P7, and: what `rkyv` accepts is read as the same value.
    #[test]
    fn a_flipped_bit_is_read_as_rkyv_reads_it(value in everything(), bit in any::<prop::sample::Index>()) {
        let mut bytes = typed::encode(&value).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        same_as_rkyv(&bytes)?;
    }

    #[test]
    fn bytes_of_any_kind_do_not_panic(bytes in any::<Vec<u8>>()) {
        same_as_rkyv(&bytes)?;
    }
}

/// Holds bytes against `rkyv`'s judgement of them.
fn same_as_rkyv(bytes: &[u8]) -> Result<(), TestCaseError> {
    let read = everything_type().decode(bytes);
    if let Ok(value) = typed::decode::<Everything>(bytes) {
        let canonical = typed::encode(&value).unwrap();
        prop_assert_eq!(read, everything_type().decode(&canonical));
    }
    Ok(())
}

#[test]
fn every_bit_of_an_archive_can_flip() {
    let order = Order::Terms {
        terms: Box::new(Terms {
            open: true,
            names: vec!["a name that lies apart".to_owned(), "short".to_owned()],
            limit: Some(7),
            pair: (9, "twelve chars".to_owned()),
        }),
        to: ContractId::from_bytes([5; 32]),
    };
    let order_type = order_type();
    let bytes = typed::encode(&order).unwrap();
    let mut accepted = 0;
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let read = order_type.decode(&bytes);
        if let Ok(value) = typed::decode::<Order>(&bytes) {
            assert_eq!(read.unwrap(), agrees(&value, &order_type), "bit {bit}");
            accepted += 1;
        }
    }
    assert!(accepted > 100, "{accepted}");
}

/// A list of a list ... of one byte: each level points to the elements of the same place, so that few bytes mean a great many values.
#[test]
fn archives_that_point_to_themselves_stay_small() {
    let mut value_type = uint(2);
    for _ in 0..12 {
        value_type = list(value_type);
    }
    let mut bytes = Vec::new();
    for index in 0..64i32 {
        bytes.extend((-8 * index).to_le_bytes());
        bytes.extend(64u32.to_le_bytes());
    }
    let error = value_type.decode(&bytes).unwrap_err();
    assert!(error.reason.contains("more than its length"), "{error}");
    let many = [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
    let error: DecodeError = list(Type::Unit).decode(&many).unwrap_err();
    assert!(error.reason.contains("more than its length"), "{error}");
    assert!(list(uint(1)).decode(&many).is_err());
}

#[test]
fn json_is_what_the_documentation_says() {
    let json = |value: &Everything| agrees(value, &everything_type());
    let value = (
        vec![
            Order::Nothing,
            Order::Sell(5),
            Order::Swap("x".into(), [1, 2, 3]),
        ],
        [Wrapped(Some(None)), Wrapped(Some(Some(-1)))],
        Two('ß', vec![vec![], vec![255]]),
        Ok(()),
        (i64::MIN, i128::MIN, (), 65_535),
        vec![()],
    );
    let expected = r#"[["Nothing",{"Sell":5},{"Swap":["x","0x010203"]}],[{"Some":null},{"Some":-1}],["ß",["0x","0xff"]],{"Ok":null},[-9223372036854775808,"-170141183460469231731687303715884105728",null,65535],[null]]"#;
    assert_eq!(json(&value).to_string(), expected);
    let terms = Terms {
        open: false,
        names: vec![],
        limit: None,
        pair: (0, String::new()),
    };
    let json = agrees(&terms, &terms_type());
    assert_eq!(
        json.to_string(),
        r#"{"open":false,"names":[],"limit":null,"pair":[0,""]}"#
    );
    assert_eq!(
        shown(&json, &terms_type()),
        r#"Terms { open: false, names: [], limit: None, pair: (0, "") }"#
    );
}

#[test]
fn words_of_a_command_line_are_values() {
    for (value_type, text, expected) in [
        (uint(8), "1_000", "1000"),
        (uint(1), "0xff", "255"),
        (uint(16), "5", "5"),
        (Type::Bool, "true", "true"),
        (Type::String, "two words", r#""two words""#),
        (Type::String, r#""quoted""#, r#""quoted""#),
        (Type::String, "5", r#""5""#),
        (Type::Bytes, "0x0aff", r#""0x0aff""#),
        (option(uint(8)), "none", "null"),
        (option(uint(8)), "0x10", "16"),
        (option(Type::String), "text", r#""text""#),
        (order_type(), "Nothing", r#""Nothing""#),
        (order_type(), r#"{"Sell": 3}"#, r#"{"Sell":3}"#),
        (Type::Unit, "", "null"),
        (list(uint(8)), "[1, 2]", "[1,2]"),
    ] {
        let value = value_type
            .parse(text)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value.to_string(), expected, "{text}");
        assert!(value_type.encode(&value).is_ok());
    }
}

#[test]
fn values_that_do_not_fit_are_named() {
    for (value_type, text, expected) in [
        (uint(1), "256", "the value must be u8, not 256"),
        (uint(8), "-1", "the value must be u64, not -1"),
        (Type::ContractId, "0x12", "64 hexadecimal digits"),
        (
            Type::FixedBytes(2),
            "0x123",
            "2 bytes (`0x` and 4 hexadecimal digits)",
        ),
        (
            order_type(),
            "Buy",
            r#"Order (Nothing | Sell | Swap | Terms), not "Buy""#,
        ),
        (
            order_type(),
            r#"{"Sell": "x"}"#,
            r#"the value.Sell must be u64, not "x""#,
        ),
        (
            list(uint(1)),
            "[1, 300]",
            "the value[1] must be u8, not 300",
        ),
        (
            terms_type(),
            r#"{"open": true}"#,
            "Terms { open: bool, names: Vec<String>",
        ),
    ] {
        let error = value_type.parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let long = Value::String("x".repeat(ARGBUF_LEN));
    assert!(
        Type::String
            .encode(&long)
            .unwrap_err()
            .to_string()
            .contains("send less")
    );
}

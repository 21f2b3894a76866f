//! The custom section `crostata.layout`: names, types and places of the declared fields.
//!
//! Everything here is computed by the compiler; a contract has the section and no code for it. Its format is in
//! `docs/format.md`, "Storage layout"; the VM makes addresses of the places when the contract is deployed.

const VERSION: u8 = 1;
const NAME_BYTES_MAX: usize = 64;
const VALUE_BYTES_MAX: usize = 65_536;
/// The export that `#[contract(storage)]` gives to the state.
const GLOBAL: &str = "crostata_state";

/// The type of a declared value, as the section tells it.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// `bool`.
    Bool,
    /// An unsigned number of so many bytes.
    Uint(u8),
    /// A signed number of so many bytes.
    Int(u8),
    /// So many elements.
    Array(usize, &'static Type),
    /// A struct of so many bytes, and its fields.
    Struct(usize, &'static [Field]),
    /// A map from keys to values.
    Map(&'static Type, &'static Type),
}

/// A declared field of a struct.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its offset in the struct.
    pub offset: usize,
    /// Its type.
    pub value_type: &'static Type,
}

/// A type that a contract can declare a field of: a [`Stored`](crate::Stored) value, a [`Map`](crate::Map), [`Set`](crate::Set),
/// [`Vector`](crate::Vector) or [`Queue`](crate::Queue), or a struct of these that derives [`Storage`](macro@crate::Storage).
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be declared: who verifies a proof could not read it",
    label = "neither a value of fixed size nor a `Map`, `Set`, `Vector` or `Queue` of such",
    note = "leave the field out with `#[storage(skip)]`, or derive `Stored` for its type"
)]
pub trait Declared {
    /// The type in the layout.
    const TYPE: Type;
}

impl Type {
    /// Bytes of a value as the key of a map.
    pub const fn key_bytes(&self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Uint(len_bytes) | Self::Int(len_bytes) => *len_bytes as usize,
            Self::Array(count, element) => *count * element.key_bytes(),
            Self::Struct(_, fields) => {
                let (mut at, mut sum) = (0, 0);
                while at < fields.len() {
                    sum += fields[at].value_type.key_bytes();
                    at += 1;
                }
                sum
            }
            Self::Map(..) => panic!("a map can not be a key"),
        }
    }
}

/// The length of the section for a state of this type.
pub const fn section_bytes(state: &Type) -> usize {
    write_section(Bytes { bytes: [], len: 0 }, state).len
}

/// The section for a state of this type.
pub const fn section<const N: usize>(state: &Type) -> [u8; N] {
    write_section(
        Bytes {
            bytes: [0; N],
            len: 0,
        },
        state,
    )
    .bytes
}

/// Bytes in the making; those for which there is no room are counted only.
struct Bytes<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Bytes<N> {
    const fn byte(mut self, byte: u8) -> Self {
        if self.len < N {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
        self
    }

    const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            self = self.byte(bytes[at]);
            at += 1;
        }
        self
    }

    const fn number(self, number: usize) -> Self {
        assert!(
            number <= u32::MAX as usize,
            "a declared value is too large: leave its field out with `#[storage(skip)]`"
        );
        self.bytes(&(number as u32).to_le_bytes())
    }
}

const fn write_section<const N: usize>(bytes: Bytes<N>, state: &Type) -> Bytes<N> {
    let Type::Struct(_, fields) = state else {
        panic!("the state of a contract is a struct that derives `Storage`")
    };
    let bytes = bytes
        .byte(VERSION)
        .byte(GLOBAL.len() as u8)
        .bytes(GLOBAL.as_bytes());
    write_fields(bytes, fields)
}

const fn write_fields<const N: usize>(bytes: Bytes<N>, fields: &[Field]) -> Bytes<N> {
    assert!(
        fields.len() <= u16::MAX as usize,
        "a struct has too many fields"
    );
    let mut bytes = bytes.bytes(&(fields.len() as u16).to_le_bytes());
    let mut at = 0;
    while at < fields.len() {
        let field = &fields[at];
        assert!(
            field.name.len() <= NAME_BYTES_MAX,
            "the name of a declared field is longer than 64 bytes"
        );
        bytes = bytes
            .byte(field.name.len() as u8)
            .bytes(field.name.as_bytes());
        bytes = write_type(bytes.number(field.offset), field.value_type);
        at += 1;
    }
    bytes
}

const fn write_type<const N: usize>(bytes: Bytes<N>, value_type: &Type) -> Bytes<N> {
    match value_type {
        Type::Bool => bytes.byte(1),
        Type::Uint(len_bytes) => bytes.byte(2).byte(*len_bytes),
        Type::Int(len_bytes) => bytes.byte(3).byte(*len_bytes),
        Type::Array(count, element) => write_type(bytes.byte(4).number(*count), element),
        Type::Struct(len_bytes, fields) => {
            assert!(!fields.is_empty(), "a declared struct has no fields");
            write_fields(bytes.byte(5).number(*len_bytes), fields)
        }
        Type::Map(key, value) => write_type(write_type(bytes.byte(6), key), value),
    }
}

/// Stops the build where a value is larger than a layout can declare.
pub const fn refuse_large<T>() {
    assert!(
        size_of::<T>() > 0 && size_of::<T>() <= VALUE_BYTES_MAX,
        "a declared value has 1 to 65,536 bytes: leave the field out with `#[storage(skip)]`"
    );
}

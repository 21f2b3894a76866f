//! Typed values: read from the bytes that a contract's memory holds, and written as keys of maps.
//!
//! A value is never made of more parts than its type has bytes, which a [layout](crate::layout) bounds.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::layout::{Field, Type};

/// A value of a contract's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// An unsigned number of any size.
    Uint(u128),
    /// A signed number of any size.
    Int(i128),
    /// An array of bytes; a contract id is one, too.
    Bytes(Vec<u8>),
    /// An array of anything else.
    Array(Vec<Value>),
    /// The fields of a struct and their names, in the order of their declaration.
    Struct(Vec<(String, Value)>),
}

/// Why bytes are not a value of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueError {
    /// A byte that should be a truth value is neither 0 nor 1.
    #[error("byte {at} of the value is {found}, neither false (0) nor true (1)")]
    Bool {
        /// Which byte of the value, from 0.
        at: usize,
        /// The byte.
        found: u8,
    },
    /// The value holds a map, whose entries are not part of it.
    #[error("it holds a map: ask for the value of a key, or for another field by its name")]
    Map,
    /// There are more or fewer bytes than the type has.
    #[error("{found} bytes for a value of {expected}")]
    Size {
        /// How many bytes there are.
        found: usize,
        /// The size of the type.
        expected: u64,
    },
}

/// A value is no key of a map: it has another type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{found}` is no key of the type {expected}")]
pub struct KeyError {
    /// The value, as text.
    pub found: String,
    /// The type of the map's keys, as Rust writes it.
    pub expected: String,
}

impl Value {
    /// The value that these bytes of a memory are.
    ///
    /// # Errors
    /// [`ValueError`] if they are none of this type.
    pub fn from_memory(value_type: &Type, bytes: &[u8]) -> Result<Self, ValueError> {
        let expected = value_type.len_bytes();
        if bytes.len() as u64 != expected {
            let found = bytes.len();
            return Err(ValueError::Size { found, expected });
        }
        read(value_type, bytes, 0)
    }

    /// The bytes that this value is found under, as a key of this type.
    ///
    /// Numbers are big-endian, signed ones with the sign bit flipped; elements and fields follow each other. So keys are
    /// ordered as their bytes are. Bytes of the right length are taken as they are, for a key of any type.
    ///
    /// # Errors
    /// [`KeyError`] if the value has another type.
    pub fn to_key(&self, key_type: &Type) -> Result<Vec<u8>, KeyError> {
        let mut bytes = Vec::new();
        let is_raw = |raw: &Vec<u8>| raw.len() as u64 == key_type.key_bytes();
        match self {
            Self::Bytes(raw) if is_raw(raw) => Ok(raw.clone()),
            _ if self.write_key(key_type, &mut bytes) => Ok(bytes),
            _ => Err(KeyError {
                found: alloc::format!("{self}"),
                expected: alloc::format!("{key_type}"),
            }),
        }
    }

    /// Appends the key's bytes; `false` if the value has another type.
    fn write_key(&self, key_type: &Type, bytes: &mut Vec<u8>) -> bool {
        match (self, key_type) {
            (Self::Bool(value), Type::Bool) => bytes.push(u8::from(*value)),
            (Self::Uint(value), Type::Uint { len_bytes }) => {
                return write_number(*value, *len_bytes, bytes);
            }
            (Self::Int(value), Type::Int { len_bytes }) => {
                return write_signed(*value, *len_bytes, bytes);
            }
            (Self::Bytes(value), Type::Array { count, element }) => {
                let is_bytes = **element == Type::Uint { len_bytes: 1 };
                bytes.extend(value);
                return is_bytes && value.len() as u64 == u64::from(*count);
            }
            (Self::Array(values), Type::Array { count, element }) => {
                let mut each = values.iter();
                return values.len() as u64 == u64::from(*count)
                    && each.all(|value| value.write_key(element, bytes));
            }
            (Self::Struct(values), Type::Struct { fields, .. }) => {
                let mut each = values.iter().zip(fields);
                return values.len() == fields.len()
                    && each.all(|((name, value), field)| {
                        *name == field.name && value.write_key(&field.value_type, bytes)
                    });
            }
            _ => return false,
        }
        true
    }
}

fn write_number(value: u128, len_bytes: u8, bytes: &mut Vec<u8>) -> bool {
    let all = value.to_be_bytes();
    let (head, tail) = all.split_at(all.len() - usize::from(len_bytes).min(all.len()));
    bytes.extend(tail);
    head.iter().all(|byte| *byte == 0)
}

fn write_signed(value: i128, len_bytes: u8, bytes: &mut Vec<u8>) -> bool {
    let unused_bits = 128 - 8 * u32::from(len_bytes).min(16);
    let is_small = (value << unused_bits) >> unused_bits == value;
    let sign = 1u128 << (127 - unused_bits);
    let low = u128::MAX >> unused_bits;
    is_small && write_number((value as u128 & low) ^ sign, len_bytes, bytes)
}

/// The value in all of `bytes`, which has the type's length; its first byte is byte `at` of the whole.
fn read(value_type: &Type, bytes: &[u8], at: usize) -> Result<Value, ValueError> {
    match value_type {
        Type::Bool => match bytes.first() {
            Some(0) => Ok(Value::Bool(false)),
            Some(1) => Ok(Value::Bool(true)),
            found => {
                let found = found.copied().unwrap_or(0);
                Err(ValueError::Bool { at, found })
            }
        },
        Type::Uint { .. } => Ok(Value::Uint(little_endian(bytes, 0))),
        Type::Int { .. } => {
            let sign = bytes.last().map_or(0, |last| (*last as i8 >> 7) as u8);
            Ok(Value::Int(little_endian(bytes, sign) as i128))
        }
        Type::Array { element, .. } if **element == Type::Uint { len_bytes: 1 } => {
            Ok(Value::Bytes(bytes.to_vec()))
        }
        Type::Array { element, .. } => {
            let size = element.len_bytes().max(1) as usize; // at most 65,536 in a layout
            let parts = (at..).step_by(size).zip(bytes.chunks_exact(size));
            let values = parts.map(|(at, part)| read(element, part, at));
            values.collect::<Result<_, _>>().map(Value::Array)
        }
        Type::Struct { fields, .. } => {
            let values = fields.iter().map(|field| read_field(field, bytes, at));
            values.collect::<Result<_, _>>().map(Value::Struct)
        }
        Type::Map { .. } => Err(ValueError::Map),
    }
}

fn read_field(field: &Field, bytes: &[u8], at: usize) -> Result<(String, Value), ValueError> {
    let expected = field.value_type.len_bytes();
    let start = field.place as usize; // inside the struct, in a layout
    let part = start
        .checked_add(expected as usize)
        .and_then(|end| bytes.get(start..end));
    let found = bytes.len();
    let part = part.ok_or(ValueError::Size { found, expected })?;
    Ok((
        field.name.clone(),
        read(&field.value_type, part, at + start)?,
    ))
}

/// The number in at most 16 bytes, with `sign` for the others.
fn little_endian(bytes: &[u8], sign: u8) -> u128 {
    let mut all = [sign; 16];
    all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u128::from_le_bytes(all)
}

/// Bytes in hex after `0x`, arrays in brackets, structs in braces with their names.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Uint(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Bytes(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Array(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Struct(fields) => {
                f.write_str("{ ")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if at == 0 { "" } else { ", " })?;
                }
                f.write_str(" }")
            }
        }
    }
}

macro_rules! from_numbers {
    ($($number:ty => $variant:ident),*) => {$(
        impl From<$number> for Value {
            fn from(value: $number) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from_numbers!(bool => Bool, u8 => Uint, u16 => Uint, u32 => Uint, u64 => Uint, u128 => Uint,
    i8 => Int, i16 => Int, i32 => Int, i64 => Int, i128 => Int);

impl<const N: usize> From<[u8; N]> for Value {
    fn from(bytes: [u8; N]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<crostata_abi::ContractId> for Value {
    fn from(contract: crostata_abi::ContractId) -> Self {
        contract.to_bytes().into()
    }
}

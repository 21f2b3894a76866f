//! From bytes to JSON.
//!
//! Archives come from anybody: pointers may lead anywhere in the bytes, also many of them to one place. A budget, in proportion
//! to their length, bounds what they can become; archives that `rkyv` writes stay below it.

use std::collections::HashMap;
use std::marker::PhantomData;

use serde_json::{Map, Number, Value};

use super::INLINE_BYTES;
use crate::DecodeError;
use crate::json::{self, Shape, hex, may_be_null, tagged};
use crate::types::{Field, Method, Type};

/// Values that a byte of an archive may become: each level of types around it is one.
const VALUES_PER_BYTE: usize = 40;
/// The same in archives whose values would otherwise be too many: few values of a long one lie deep.
const VALUES_PER_BYTE_OF_LONG: usize = 4;
const VALUES_OF_LONG: usize = 1 << 17;
/// Values that have no bytes, or are around such.
const VALUES_FREE: usize = 4_096;

type Result<T, E = DecodeError> = core::result::Result<T, E>;

impl Type {
    /// The value whose archive this is.
    ///
    /// # Errors
    /// Bytes that are no archive of the type.
    pub fn decode(&self, bytes: &[u8]) -> Result<Value> {
        let mut reader = Reader {
            bytes,
            budget: budget(bytes.len()),
            places: HashMap::new(),
            types: PhantomData,
        };
        let start = (bytes.len() as u64).checked_sub(reader.place_bytes(self));
        match start {
            Some(start) => reader.value(self, start as usize),
            None => Err(reader.error(0, "the archive is shorter than its type")),
        }
    }
}

impl Method {
    /// The arguments of a call, with their names.
    ///
    /// # Errors
    /// Bytes that are no archive of them.
    pub fn decode_arguments(&self, bytes: &[u8]) -> Result<Vec<(String, Value)>> {
        let value = self.argument().decode(bytes)?;
        let names = self.arguments.iter().map(|field| field.name.clone());
        Ok(match (self.arguments.len(), value) {
            (0, _) => Vec::new(),
            (1, value) => names.zip([value]).collect(),
            (_, Value::Array(values)) => names.zip(values).collect(),
            (_, value) => names.zip([value]).collect(),
        })
    }
}

/// Values that an archive of this length may become.
fn budget(len_bytes: usize) -> usize {
    let long = len_bytes.saturating_mul(VALUES_PER_BYTE_OF_LONG);
    let values = len_bytes.saturating_mul(VALUES_PER_BYTE);
    let values = values.min(long.saturating_add(VALUES_OF_LONG));
    values.saturating_add(VALUES_FREE)
}

struct Reader<'a, 't> {
    bytes: &'a [u8],
    budget: usize,
    /// What values of types take in their place: a type has as many parts as its author likes, and a list of values asks for each.
    places: HashMap<*const Type, u64>,
    types: PhantomData<&'t Type>,
}

impl<'t> Reader<'_, 't> {
    fn place_bytes(&mut self, value_type: &'t Type) -> u64 {
        let known = self.places.entry(std::ptr::from_ref(value_type));
        *known.or_insert_with(|| value_type.place_bytes())
    }

    fn value(&mut self, value_type: &'t Type, at: usize) -> Result<Value> {
        self.spend(at, 1)?;
        Ok(match value_type {
            Type::Unit => Value::Null,
            Type::Bool => Value::Bool(self.tag(at, 2)? == 1),
            Type::Char => self.char(at)?,
            Type::Int { signed, len_bytes } => self.int(at, *signed, *len_bytes)?,
            Type::String => Value::String(self.string(at)?),
            Type::Bytes => self.list_bytes(at)?,
            Type::FixedBytes(len) | Type::Opaque { len_bytes: len, .. } => {
                Value::String(hex(self.slice(at, *len)?))
            }
            Type::ContractId => Value::String(hex(self.slice(at, 32)?)),
            Type::Option(value) => self.option(value, at)?,
            Type::Result(value, error) => match self.tag(at, 2)? {
                0 => tagged("Ok", self.value(value, at + 1)?),
                _ => tagged("Err", self.value(error, at + 1)?),
            },
            Type::List(element) => self.list(element, at)?,
            Type::Array(element, count) => self.elements(element, *count, at)?,
            Type::Tuple(types) => self.parts(types.iter(), at)?,
            Type::Boxed(value) => {
                let len = self.place_bytes(value);
                let to = self.pointed(at, at, 1, len)?;
                self.value(value, to)?
            }
            Type::Struct { name, fields } => {
                self.spend(at, name.len() / 8)?;
                self.fields(fields, at)?
            }
            Type::Enum { variants, .. } => {
                let tag = self.slice(at, 1)?[0];
                let Some(variant) = variants.get(usize::from(tag)) else {
                    return Err(self.error(at, "there is no such variant"));
                };
                self.spend(at, variant.name.len() / 8)?;
                match variant.fields.is_empty() {
                    true => Value::String(variant.name.clone()),
                    false => tagged(&variant.name, self.fields(&variant.fields, at + 1)?),
                }
            }
        })
    }

    fn fields(&mut self, fields: &'t [Field], at: usize) -> Result<Value> {
        let types = || fields.iter().map(|field| &field.value_type);
        match json::shape(fields) {
            Shape::Nothing => Ok(Value::Null),
            Shape::Only(value_type) => self.value(value_type, at),
            Shape::Array => self.parts(types(), at),
            Shape::Object => {
                let (mut at, mut object) = (at, Map::new());
                for field in fields {
                    self.spend(at, field.name.len() / 8)?;
                    object.insert(field.name.clone(), self.value(&field.value_type, at)?);
                    at += self.place_bytes(&field.value_type) as usize;
                }
                Ok(Value::Object(object))
            }
        }
    }

    fn parts(&mut self, types: impl Iterator<Item = &'t Type>, mut at: usize) -> Result<Value> {
        let mut values = Vec::new();
        for value_type in types {
            values.push(self.value(value_type, at)?);
            at += self.place_bytes(value_type) as usize;
        }
        Ok(Value::Array(values))
    }

    fn option(&mut self, value_type: &'t Type, at: usize) -> Result<Value> {
        if self.tag(at, 2)? == 0 {
            return Ok(Value::Null);
        }
        let value = self.value(value_type, at + 1)?;
        Ok(match may_be_null(value_type) {
            true => tagged("Some", value),
            false => value,
        })
    }

    fn list(&mut self, element: &'t Type, at: usize) -> Result<Value> {
        let count = self.u32(at + 4)? as usize;
        let len = self.place_bytes(element);
        let start = self.pointed(at, at, count, len)?;
        self.elements(element, count, start)
    }

    fn elements(&mut self, element: &'t Type, count: usize, at: usize) -> Result<Value> {
        let len = self.place_bytes(element) as usize;
        // Not with room for all: that many were only promised.
        let mut values = Vec::new();
        for index in 0..count {
            values.push(self.value(element, at + index * len)?);
        }
        Ok(Value::Array(values))
    }

    fn list_bytes(&mut self, at: usize) -> Result<Value> {
        let count = self.u32(at + 4)? as usize;
        let start = self.pointed(at, at, count, 1)?;
        self.spend(at, count)?;
        Ok(Value::String(hex(self.slice(start, count)?)))
    }

    fn string(&mut self, at: usize) -> Result<String> {
        let place = self.slice(at, INLINE_BYTES)?;
        let bytes = match place[0] & 0xc0 {
            0x80 => {
                let head = self.u32(at)?;
                let len = (head & 0x3f | (head & !0xff) >> 2) as usize;
                if len <= INLINE_BYTES {
                    return Err(self.error(at, "a short string lies apart"));
                }
                let start = self.pointed(at + 4, at, len, 1)?;
                self.spend(at, len)?;
                self.slice(start, len)?
            }
            _ => place.split(|byte| *byte == 0xff).next().unwrap_or_default(),
        };
        match core::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(self.error(at, "a string is not UTF-8")),
        }
    }

    fn char(&self, at: usize) -> Result<Value> {
        match char::from_u32(self.u32(at)?) {
            Some(letter) => Ok(Value::String(letter.to_string())),
            None => Err(self.error(at, "a `char` is no Unicode scalar value")),
        }
    }

    fn int(&self, at: usize, signed: bool, len_bytes: u8) -> Result<Value> {
        let mut bytes = [0; 16];
        let len = usize::from(len_bytes);
        bytes[..len].copy_from_slice(self.slice(at, len)?);
        let value = u128::from_le_bytes(bytes);
        let spare = 128 - 8 * u32::from(len_bytes);
        Ok(match (signed, len_bytes) {
            (false, 16) => Value::String(value.to_string()),
            (true, 16) => Value::String((value as i128).to_string()),
            (false, _) => Value::Number(Number::from(value as u64)),
            (true, _) => Value::Number(Number::from(((value << spare) as i128 >> spare) as i64)),
        })
    }

    /// A tag below `end`.
    fn tag(&self, at: usize, end: u8) -> Result<u8> {
        match self.slice(at, 1)?[0] {
            tag if tag < end => Ok(tag),
            _ => Err(self.error(at, "there is no such variant")),
        }
    }

    /// Where the pointer at `at` leads from `base`, to `count` values that are all in the bytes.
    fn pointed(&self, at: usize, base: usize, count: usize, len: u64) -> Result<usize> {
        let distance = i64::from(self.u32(at)? as i32);
        let start = usize::try_from(base as i64 + distance).ok();
        let len = (count as u64).saturating_mul(len);
        let inside =
            start.filter(|start| (*start as u64).saturating_add(len) <= self.bytes.len() as u64);
        inside.ok_or_else(|| self.error(at, "a pointer leads out of the archive"))
    }

    fn u32(&self, at: usize) -> Result<u32> {
        let bytes = self.slice(at, 4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn slice(&self, at: usize, len: usize) -> Result<&[u8]> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        match rest.get(..len) {
            Some(bytes) => Ok(bytes),
            None => Err(self.error(at, "the archive ends too early")),
        }
    }

    fn spend(&mut self, at: usize, values: usize) -> Result<()> {
        match self.budget.checked_sub(values) {
            Some(left) => self.budget = left,
            None => return Err(self.error(at, "the archive means more than its length can hold")),
        }
        Ok(())
    }

    const fn error(&self, offset: usize, reason: &'static str) -> DecodeError {
        DecodeError {
            offset,
            len_bytes: self.bytes.len(),
            reason,
        }
    }
}

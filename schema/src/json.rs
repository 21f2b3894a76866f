//! What JSON stands for which bytes, shared by both directions.

use std::fmt::Write;

use serde_json::Value;

use crate::types::{Field, Type};

/// `0x` and two digits per byte.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        // INVARIANT: writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes of hexadecimal digits, with or without `0x`.
pub fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if digits.len() % 2 == 1 {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?))
        .collect()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Whether a value of this type can be `null`, so that an option of it can not be `null` for `None` alone.
pub fn may_be_null(value_type: &Type) -> bool {
    match value_type {
        Type::Unit | Type::Option(_) => true,
        Type::Boxed(value) => may_be_null(value),
        Type::Struct { fields, .. } => match fields.as_slice() {
            [] => true,
            [only] if only.name.is_empty() => may_be_null(&only.value_type),
            _ => false,
        },
        _ => false,
    }
}

/// How the fields of a struct or variant are written.
pub enum Shape<'a> {
    /// `null`.
    Nothing,
    /// The field's own value.
    Only(&'a Type),
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The shape of these fields.
pub fn shape(fields: &[Field]) -> Shape<'_> {
    match fields {
        [] => Shape::Nothing,
        [only] if only.name.is_empty() => Shape::Only(&only.value_type),
        [first, ..] if first.name.is_empty() => Shape::Array,
        _ => Shape::Object,
    }
}

/// `{name: value}`.
pub fn tagged(name: &str, value: Value) -> Value {
    Value::Object([(name.to_owned(), value)].into_iter().collect())
}

/// The name and value of an object of one entry.
pub fn untagged(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    object
        .iter()
        .next()
        .map(|(name, value)| (name.as_str(), value))
}

//! What people type, as JSON: `parse` is lenient where a type leaves no doubt.

use serde_json::Value;

use crate::EncodeError;
use crate::types::Type;

impl Type {
    /// The value that a word on a command line means.
    ///
    /// Numbers may have underscores or be hexadecimal (`0x10`), strings need no quotes, an id or bytes are hexadecimal digits with or without
    /// `0x`, a variant without fields is its name, and no option is `none` or `null`. Anything else is JSON.
    ///
    /// # Errors
    /// A text that means no value of this type.
    pub fn parse(&self, text: &str) -> Result<Value, EncodeError> {
        let value = match self {
            Self::Unit if text.trim().is_empty() => Value::Null,
            Self::Option(inner) => return self.parse_option(inner, text),
            Self::Boxed(inner) => return inner.parse(text),
            Self::Int { .. } => digits(text).unwrap_or_else(|| json(text)),
            Self::String => json_string(text).unwrap_or_else(|| Value::String(text.to_owned())),
            Self::Char | Self::Bytes | Self::FixedBytes(_) | Self::ContractId => {
                json_string(text).unwrap_or_else(|| Value::String(text.trim().to_owned()))
            }
            _ => json(text),
        };
        // What can not be encoded is refused here, where the text is still known.
        match self.encode(&value) {
            Ok(_) => Ok(value),
            Err(error) => Err(error),
        }
    }

    fn parse_option(&self, inner: &Self, text: &str) -> Result<Value, EncodeError> {
        if matches!(text.trim(), "none" | "None" | "null") {
            return Ok(Value::Null);
        }
        let value = inner.parse(text);
        let whole = json(text);
        match (value, self.encode(&whole)) {
            (_, Ok(_)) => Ok(whole),
            (Ok(value), _) if self.encode(&value).is_ok() => Ok(value),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}

/// JSON, or else a string: names of variants need no quotes.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.trim().to_owned()))
}

fn json_string(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().filter(Value::is_string)
}

fn digits(text: &str) -> Option<Value> {
    let text = text.trim().replace('_', "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok()?,
    };
    let text = format!("{sign}{value}");
    // Where JSON has the number exactly, it is one, as in decoded values.
    let number = text.parse::<i64>().map(Value::from);
    let number = number.or_else(|_| text.parse::<u64>().map(Value::from));
    Some(number.unwrap_or(Value::String(text)))
}

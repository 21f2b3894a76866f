//! Values of contracts' states, as `crostata-proof` has them: keys that are given on a command line, and values that are shown.

use crostata_proof::Value;
use serde_json::{Map, Value as Json, json};

use crate::error::CliError;
use crate::hex;
use crate::labels::Labels;

/// The key that a text means: a number, `true` or `false`, a contract's label, `0x…` for bytes, or JSON.
pub fn key(text: &str, labels: Option<&Labels>) -> Result<Value, CliError> {
    if let Some(labels) = labels
        && let Some((_, id)) = labels.iter().find(|(label, _)| *label == text)
    {
        return Ok(Value::from(id.to_bytes()));
    }
    if let Some(value) = number(text) {
        return Ok(value);
    }
    if text.starts_with("0x") || text.len() == 64 {
        return hex::bytes(text).map(Value::Bytes);
    }
    let json = serde_json::from_str(text).ok();
    json.as_ref().and_then(from_json).ok_or_else(|| {
        CliError::input(
            format!("`{text}` is no key"),
            "write a number, true, a label, 0x… for bytes, or JSON for arrays and structs",
        )
    })
}

fn number(text: &str) -> Option<Value> {
    match text.starts_with('-') {
        true => text.parse().ok().map(Value::Int),
        false => text.parse().ok().map(Value::Uint),
    }
}

fn from_json(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(value) => number(&value.to_string())?,
        Json::String(text) if text.starts_with("0x") => Value::Bytes(hex::bytes(text).ok()?),
        Json::String(text) => number(text)?,
        Json::Array(values) => Value::Array(values.iter().map(from_json).collect::<Option<_>>()?),
        Json::Object(fields) => {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| Some((name.clone(), from_json(value)?)));
            Value::Struct(fields.collect::<Option<_>>()?)
        }
        Json::Null => return None,
    })
}

/// A value as JSON: numbers beyond 64 bits are decimal strings, bytes are `0x…`.
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => json!(value),
        Value::Uint(value) => match u64::try_from(*value) {
            Ok(value) => json!(value),
            Err(_) => json!(value.to_string()),
        },
        Value::Int(value) => match i64::try_from(*value) {
            Ok(value) => json!(value),
            Err(_) => json!(value.to_string()),
        },
        Value::Bytes(bytes) => json!(hex::shown(bytes)),
        Value::Array(values) => values.iter().map(to_json).collect(),
        Value::Struct(fields) => {
            let fields = fields.iter();
            let fields: Map<String, Json> = fields
                .map(|(name, value)| (name.clone(), to_json(value)))
                .collect();
            Json::Object(fields)
        }
    }
}

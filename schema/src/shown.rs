//! Values for people: short, in the order of the type, as Rust would print them.

use crostata_abi::raised::Raised;
use serde_json::Value;

use crate::json::{self, Shape, untagged};
use crate::types::{ErrorType, Field, Method, Schema, Type};

/// Characters of a string, elements of a list and bytes of a hash that are shown.
const TEXT_MAX: usize = 60;
const ELEMENTS_MAX: usize = 8;
const DIGITS_MAX: usize = 16;

/// A value of a type in few words; whatever is long is cut.
pub fn shown(value: &Value, value_type: &Type) -> String {
    match value_type {
        Type::Unit => "()".to_owned(),
        Type::String => shown_text(value),
        Type::Bytes | Type::FixedBytes(_) | Type::ContractId | Type::Opaque { .. } => {
            shown_hex(value)
        }
        Type::Option(inner) => shown_option(value, inner),
        Type::Result(ok, error) => match untagged(value) {
            Some(("Ok", value)) => format!("Ok({})", shown(value, ok)),
            Some(("Err", value)) => format!("Err({})", shown(value, error)),
            _ => value.to_string(),
        },
        Type::Boxed(inner) => shown(value, inner),
        Type::List(element) | Type::Array(element, _) => shown_list(value, element),
        Type::Tuple(types) => format!("({})", joined(value, types.iter())),
        Type::Struct { name, fields } => format!("{name}{}", shown_fields(value, fields)),
        Type::Enum { variants, .. } => {
            let (name, content) = match value {
                Value::String(name) => (name.as_str(), &Value::Null),
                _ => untagged(value).unwrap_or(("?", value)),
            };
            let variant = variants.iter().find(|variant| variant.name == name);
            let fields = variant.map(|variant| shown_fields(content, &variant.fields));
            format!("{name}{}", fields.unwrap_or_default())
        }
        Type::Bool | Type::Char | Type::Int { .. } => match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        },
    }
}

impl Schema {
    /// The error that a panic's message carries, for people: `TokenError::TooSmall { balance: 3 }`. `None` if it carries none of this
    /// contract's.
    pub fn raised(&self, message: &[u8]) -> Option<String> {
        let (error, value) = self.raised_value(message)?;
        Some(match &error.value {
            Type::Enum { name, .. } => format!("{name}::{}", shown(&value, &error.value)),
            other => shown(&value, other),
        })
    }

    /// The error that a panic's message carries, and its type.
    pub fn raised_value(&self, message: &[u8]) -> Option<(&ErrorType, Value)> {
        let raised = Raised::read(message)?;
        let error = self.error(core::str::from_utf8(raised.name).ok()?)?;
        let value = error.value.decode(raised.archive).ok()?;
        Some((error, value))
    }
}

impl Method {
    /// A call for people: `transfer(to: 0x1234…, amount: 5)`; arguments that are none are shown as bytes.
    pub fn shown_call(&self, argument: &[u8]) -> String {
        let arguments = match self.decode_arguments(argument) {
            Ok(arguments) => arguments,
            Err(_) => return format!("{}({})", self.name, cut_hex(&json::hex(argument))),
        };
        let typed = arguments.iter().zip(&self.arguments);
        let shown: Vec<String> = typed
            .map(|((name, value), field)| format!("{name}: {}", shown(value, &field.value_type)))
            .collect();
        format!("{}({})", self.name, shown.join(", "))
    }
}

fn shown_text(value: &Value) -> String {
    let mut text = value.as_str().unwrap_or_default().to_owned();
    let end = text.char_indices().nth(TEXT_MAX).map(|(end, _)| end);
    let rest = match end {
        Some(end) => {
            text.truncate(end);
            "…"
        }
        None => "",
    };
    format!("{text:?}{rest}")
}

fn shown_hex(value: &Value) -> String {
    cut_hex(value.as_str().unwrap_or_default())
}

fn cut_hex(text: &str) -> String {
    match text.get(..2 + DIGITS_MAX / 2) {
        Some(head) if text.len() > 2 + DIGITS_MAX => format!("{head}…"),
        _ => text.to_owned(),
    }
}

fn shown_option(value: &Value, inner: &Type) -> String {
    match (value, untagged(value)) {
        (Value::Null, _) => "None".to_owned(),
        (_, Some(("Some", value))) if json::may_be_null(inner) => {
            format!("Some({})", shown(value, inner))
        }
        _ => format!("Some({})", shown(value, inner)),
    }
}

fn shown_list(value: &Value, element: &Type) -> String {
    let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let head = values.iter().take(ELEMENTS_MAX);
    let mut parts: Vec<String> = head.map(|value| shown(value, element)).collect();
    if values.len() > ELEMENTS_MAX {
        parts.push(format!("… {} more", values.len() - ELEMENTS_MAX));
    }
    format!("[{}]", parts.join(", "))
}

fn shown_fields(value: &Value, fields: &[Field]) -> String {
    let types = fields.iter().map(|field| &field.value_type);
    match json::shape(fields) {
        Shape::Nothing => String::new(),
        Shape::Only(value_type) => format!("({})", shown(value, value_type)),
        Shape::Array => format!("({})", joined(value, types)),
        Shape::Object => {
            let parts: Vec<String> = fields
                .iter()
                .map(|field| {
                    format!(
                        "{}: {}",
                        field.name,
                        shown(&value[&field.name], &field.value_type)
                    )
                })
                .collect();
            format!(" {{ {} }}", parts.join(", "))
        }
    }
}

fn joined<'t>(value: &Value, types: impl Iterator<Item = &'t Type>) -> String {
    let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let parts: Vec<String> = values
        .iter()
        .zip(types)
        .map(|(value, one)| shown(value, one))
        .collect();
    parts.join(", ")
}

//! What a contract's functions take and give, as far as its code says it.

use crostata_schema::{EncodeError, Method, Schema, Type, shown};
use serde_json::Value;

use crate::arguments::GivenArguments;
use crate::error::CliError;
use crate::hex;
use crate::labels::Labels;

/// A contract's interface.
#[derive(Debug, Default)]
pub struct Interface {
    schema: Option<Schema>,
}

/// A value, for programs and for people.
#[derive(Debug)]
pub struct Decoded {
    /// As JSON.
    pub json: Value,
    /// In few words.
    pub text: String,
}

impl Interface {
    /// The interface that a contract's code declares. A schema that can not be read is none: it decides nothing.
    pub fn of(code: &[u8]) -> Self {
        Self {
            schema: Schema::of_code(code).ok().flatten(),
        }
    }

    /// The declarations of its functions; none if the code says nothing of them.
    pub fn signatures(&self) -> Vec<String> {
        let methods = self.schema.iter().flat_map(|schema| &schema.methods);
        methods.map(Method::signature).collect()
    }

    /// The bytes that a function is given.
    pub fn argument(
        &self,
        function: &str,
        given: &GivenArguments,
        labels: &Labels,
    ) -> Result<Vec<u8>, CliError> {
        if let Some(digits) = &given.hex {
            return hex::bytes(digits);
        }
        let is_bare = given.arguments.is_empty() && given.arguments_json.is_none();
        let Some(schema) = &self.schema else {
            return if is_bare {
                Ok(Vec::new())
            } else {
                Err(no_schema(function))
            };
        };
        match schema.method(function) {
            Some(method) => encoded(method, given, labels),
            // The call itself says best that there is no such function.
            None if is_bare => Ok(Vec::new()),
            None => Err(self.no_function(function)),
        }
    }

    fn no_function(&self, function: &str) -> CliError {
        CliError::input(
            format!("the contract declares no function `{function}`"),
            format!("it declares: {}", self.signatures().join("; ")),
        )
    }

    /// What a function gave, if its type is known.
    pub fn result(&self, function: &str, bytes: &[u8]) -> Option<Decoded> {
        let method = self.schema.as_ref()?.method(function)?;
        decoded(&method.result, bytes)
    }

    /// What an event says, if its type is known.
    pub fn event(&self, topic: &str, bytes: &[u8]) -> Option<Decoded> {
        let event = self.schema.as_ref()?.event(topic)?;
        decoded(&event.data, bytes)
    }
}

fn decoded(value_type: &Type, bytes: &[u8]) -> Option<Decoded> {
    let json = value_type.decode(bytes).ok()?;
    let text = shown(&json, value_type);
    Some(Decoded { json, text })
}

fn no_schema(function: &str) -> CliError {
    CliError::input(
        format!("the contract's code does not say what `{function}` takes: it has no schema"),
        "give the argument's bytes with `--hex 0x…`, or build the contract with crostata-sdk's `#[contract]`",
    )
}

fn encoded(method: &Method, given: &GivenArguments, labels: &Labels) -> Result<Vec<u8>, CliError> {
    let values = match &given.arguments_json {
        Some(text) => json_array(text)?,
        None => typed(method, &given.arguments, labels)?,
    };
    method
        .encode(&values)
        .map_err(|error| unfit(method, &error))
}

fn unfit(method: &Method, error: &EncodeError) -> CliError {
    let signature = method.signature();
    CliError::input(error.to_string(), format!("it is declared as {signature}"))
}

/// What is wrong with one argument, by its name.
fn unfit_word(method: &Method, argument: &str, error: EncodeError) -> CliError {
    let error = match error {
        EncodeError::Unfit {
            place,
            expected,
            found,
        } => EncodeError::Unfit {
            place: place.replacen("the value", &format!("`{argument}`"), 1),
            expected,
            found,
        },
        error => error,
    };
    unfit(method, &error)
}

fn json_array(text: &str) -> Result<Vec<Value>, CliError> {
    serde_json::from_str(text).map_err(|error| {
        CliError::input(
            format!("the arguments are no JSON array: {error}"),
            "write one value for each argument, like '[\"0x07…\", 5]'",
        )
    })
}

fn typed(method: &Method, words: &[String], labels: &Labels) -> Result<Vec<Value>, CliError> {
    let mut values = Vec::with_capacity(words.len());
    if words.len() != method.arguments.len() {
        // Their number is wrong, whatever they are, and the method says so.
        return Ok(words.iter().cloned().map(Value::String).collect());
    }
    for (word, argument) in words.iter().zip(&method.arguments) {
        let value_type = &argument.value_type;
        let is_id = matches!(value_type, Type::ContractId | Type::FixedBytes(32));
        let label = labels.iter().find(|(label, _)| is_id && label == word);
        let value = match label {
            Some((_, id)) => Ok(Value::String(hex::shown(id.as_bytes()))),
            None => value_type.parse(word),
        };
        values.push(value.map_err(|error| unfit_word(method, &argument.name, error))?);
    }
    Ok(values)
}

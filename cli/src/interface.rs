//! What a contract's functions take and give, as far as its code says it.

use serde_json::Value;

use crate::arguments::GivenArguments;
use crate::error::CliError;
use crate::hex;
use crate::labels::Labels;

/// A contract's interface.
#[derive(Debug, Default)]
pub struct Interface {}

impl Interface {
    /// The interface of a contract's code.
    pub fn of(_code: &[u8]) -> Self {
        Self {}
    }

    /// The bytes that a function is given.
    pub fn argument(
        &self,
        function: &str,
        given: &GivenArguments,
        _labels: &Labels,
    ) -> Result<Vec<u8>, CliError> {
        if let Some(digits) = &given.hex {
            return hex::bytes(digits);
        }
        if given.arguments.is_empty() && given.arguments_json.is_none() {
            return Ok(Vec::new());
        }
        Err(CliError::input(
            format!("the contract's code does not say what `{function}` takes: it has no schema"),
            "give the argument's bytes with `--hex 0x…`, or build the contract with an SDK that writes schemas",
        ))
    }

    /// What a function gave, if its type is known.
    pub fn result(&self, _function: &str, _bytes: &[u8]) -> Option<Value> {
        None
    }

    /// What an event says, if its type is known.
    pub fn event(&self, _topic: &str, _bytes: &[u8]) -> Option<Value> {
        None
    }
}

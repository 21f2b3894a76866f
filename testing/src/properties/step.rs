//! Steps: what a random sequence is made of.

use crostata_abi::ContractId;
use serde::{Deserialize, Serialize};

use super::literal::Names;

/// One step of a sequence. Contracts and accounts are named by their labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A call.
    Call(StepCall),
    /// So many blocks pass.
    Advance {
        /// How many.
        blocks: u64,
    },
}

/// A call of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCall {
    /// The account that calls; nobody if there is none.
    pub caller: Option<String>,
    /// The contract.
    pub contract: String,
    /// The function.
    pub function: String,
    /// The argument's bytes, as hexadecimal digits.
    #[serde(with = "hex")]
    pub argument: Vec<u8>,
    /// The argument as a Rust expression; none where only its bytes are known.
    pub expression: Option<String>,
    /// The argument as it is shown.
    pub shown: String,
}

impl Step {
    /// The step as a line of a message.
    pub fn line(&self) -> String {
        match self {
            Self::Call(call) => {
                let caller = call.caller.as_deref().unwrap_or("nobody");
                let (contract, function) = (&call.contract, &call.function);
                format!(
                    "{caller}: {contract}.{function}{}",
                    parenthesised(&call.shown)
                )
            }
            Self::Advance { blocks } => format!("{blocks} blocks pass"),
        }
    }
}

fn parenthesised(shown: &str) -> String {
    match shown.starts_with('(') {
        true => shown.to_owned(),
        false => format!("({shown})"),
    }
}

/// Labels of a campaign as Rust expressions.
#[derive(Debug, Clone, Default)]
pub struct Expressions {
    /// Each id with the expression for it.
    pub known: Vec<(ContractId, String)>,
}

impl Names for Expressions {
    fn of(&self, id: &ContractId) -> Option<String> {
        let mut known = self.known.iter();
        let found = known.find(|(of, _)| of == id);
        found.map(|(_, expression)| expression.clone())
    }
}

/// Bytes as hexadecimal digits.
mod hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        to.serialize_str(&digits)
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<u8>, D::Error> {
        let digits = String::deserialize(from)?;
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair: &[u8]| {
            let text = str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
            u8::from_str_radix(text, 16).ok()
        };
        let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
        bytes.ok_or_else(|| D::Error::custom("an argument is not written in hexadecimal digits"))
    }
}

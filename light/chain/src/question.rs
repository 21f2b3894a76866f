//! Questions: what of a contract is to be shown. The same text for the node that makes the proof, the client that verifies it
//! and the page:
//!
//! | text | what it asks for |
//! |---|---|
//! | `record` | the contract's record (code, owner, size of the memory), or that there is no such contract |
//! | `bytes:65592:8` | 8 bytes of its memory from the address 65,592 on |
//! | `code:0:64` | the first 64 bytes of its code |
//! | `value:total_supply` | the value that it declares under a name |
//! | `value:balances:616c…` | what its map of this name has under a key, in hex, or that it has nothing |

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::hex::{self, HexError};

/// The most bytes that one question asks for.
pub const QUESTION_BYTES_MAX: u64 = 65_536;

/// The longest name of a value, in bytes: more than any declaration has.
const NAME_BYTES_MAX: usize = 1_024;

/// What is asked about a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Its record, or that there is none.
    Record,
    /// A range of its memory.
    Bytes {
        /// Where it begins.
        offset: u64,
        /// How long it is, in bytes.
        len: u64,
    },
    /// A range of its code.
    Code {
        /// Where it begins.
        offset: u64,
        /// How long it is, in bytes.
        len: u64,
    },
    /// A value that it declares.
    Value {
        /// Under which name; a field of a struct is `struct.field`.
        name: String,
        /// Of a map, the value under this key.
        key: Option<Vec<u8>>,
    },
}

/// Why a text is not a question.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuestionError {
    /// It has none of the forms of the table.
    #[error(
        "`{found}` can not be asked for; write record, bytes:OFFSET:LENGTH, code:OFFSET:LENGTH, value:NAME or value:NAME:KEY"
    )]
    Form {
        /// How it begins.
        found: String,
    },
    /// An offset or a length is not a number.
    #[error("`{found}` is not a number in decimal digits")]
    Number {
        /// What is there.
        found: String,
    },
    /// A name that no value has.
    #[error(
        "a name has letters, digits, `_` and `.`, and at least one of them; `{found}` is not one"
    )]
    Name {
        /// What is there.
        found: String,
    },
    /// A key is not bytes in hex.
    #[error("the key: {0}")]
    Key(#[from] HexError),
    /// The range is empty, too long, or ends beyond every memory.
    #[error(
        "a range has 1 to {QUESTION_BYTES_MAX} bytes and ends before 2^64; this one starts at {offset} and has {len}"
    )]
    Range {
        /// Where it begins.
        offset: u64,
        /// Its length in bytes.
        len: u64,
    },
}

impl FromStr for Question {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            ["record"] => Ok(Self::Record),
            ["bytes", offset, len] => {
                range(offset, len).map(|(offset, len)| Self::Bytes { offset, len })
            }
            ["code", offset, len] => {
                range(offset, len).map(|(offset, len)| Self::Code { offset, len })
            }
            ["value", name] => value(name, None),
            ["value", name, key] => value(name, Some(key)),
            _ => Err(QuestionError::Form { found: short(text) }),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record => f.write_str("record"),
            Self::Bytes { offset, len } => write!(f, "bytes:{offset}:{len}"),
            Self::Code { offset, len } => write!(f, "code:{offset}:{len}"),
            Self::Value { name, key: None } => write!(f, "value:{name}"),
            Self::Value {
                name,
                key: Some(key),
            } => write!(f, "value:{name}:{}", hex::encode(key)),
        }
    }
}

fn range(offset: &str, len: &str) -> Result<(u64, u64), QuestionError> {
    let (offset, len) = (number(offset)?, number(len)?);
    match (1..=QUESTION_BYTES_MAX).contains(&len) && offset.checked_add(len).is_some() {
        true => Ok((offset, len)),
        false => Err(QuestionError::Range { offset, len }),
    }
}

fn value(name: &str, key: Option<&str>) -> Result<Question, QuestionError> {
    let in_names = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(in_names) {
        return Err(QuestionError::Name { found: short(name) });
    }
    Ok(Question::Value {
        name: name.into(),
        key: key.map(hex::decode).transpose()?,
    })
}

fn number(text: &str) -> Result<u64, QuestionError> {
    let found = || short(text);
    text.parse()
        .map_err(|_| QuestionError::Number { found: found() })
}

/// Enough of a text from outside to be recognised.
fn short(text: &str) -> String {
    text.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// P7: a text is a question, written the same way again, or a typed error.
    #[test]
    fn texts_are_questions_or_say_why_not() {
        for text in [
            "record",
            "bytes:65592:8",
            "code:0:64",
            "value:counters.transfers",
            "value:balances:00ff",
        ] {
            assert_eq!(Question::from_str(text).unwrap().to_string(), text);
        }
        let refused = |text: &str| Question::from_str(text).unwrap_err();
        for text in ["", "record:1", "bytes:1", "code:0:1:2", "value", "all"] {
            assert!(matches!(refused(text), QuestionError::Form { .. }));
        }
        assert!(matches!(refused("code:-1:8"), QuestionError::Number { .. }));
        assert!(matches!(refused("bytes:0:0"), QuestionError::Range { .. }));
        assert!(matches!(
            refused("bytes:0:65537"),
            QuestionError::Range { .. }
        ));
        assert!(matches!(refused("value:"), QuestionError::Name { .. }));
        assert!(matches!(refused("value:a b"), QuestionError::Name { .. }));
        assert!(matches!(refused("value:a:0"), QuestionError::Key(_)));
        assert!(matches!(
            refused("value:a:00:1"),
            QuestionError::Form { .. }
        ));
        let end = "bytes:18446744073709551615:1";
        assert!(matches!(refused(end), QuestionError::Range { .. }));
    }
}

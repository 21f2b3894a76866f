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
    /// It begins with no word of the table.
    #[error(
        "`{found}` can not be asked for; write record, bytes:OFFSET:LENGTH, code:OFFSET:LENGTH, value:NAME or value:NAME:KEY"
    )]
    Kind {
        /// What it begins with.
        found: String,
    },
    /// A part is missing, or there is one too many.
    #[error("write {form}: the question has {found} parts with a colon between any two")]
    Parts {
        /// How it is written.
        form: &'static str,
        /// How many parts there are.
        found: usize,
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
        match text.split(':').next().unwrap_or_default() {
            "record" => parts("record", text).map(|[_]| Self::Record),
            "bytes" => {
                range("bytes:OFFSET:LENGTH", text).map(|(offset, len)| Self::Bytes { offset, len })
            }
            "code" => {
                range("code:OFFSET:LENGTH", text).map(|(offset, len)| Self::Code { offset, len })
            }
            "value" => value(text),
            found => Err(QuestionError::Kind {
                found: found.chars().take(32).collect(),
            }),
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

fn parts<'a, const N: usize>(
    form: &'static str,
    text: &'a str,
) -> Result<[&'a str; N], QuestionError> {
    let found = text.split(':').count();
    if found != N {
        return Err(QuestionError::Parts { form, found });
    }
    let mut parts = [""; N];
    parts
        .iter_mut()
        .zip(text.split(':'))
        .for_each(|(part, found)| *part = found);
    Ok(parts)
}

fn range(form: &'static str, text: &str) -> Result<(u64, u64), QuestionError> {
    let [_, offset, len] = parts(form, text)?;
    let (offset, len) = (number(offset)?, number(len)?);
    match (1..=QUESTION_BYTES_MAX).contains(&len) && offset.checked_add(len).is_some() {
        true => Ok((offset, len)),
        false => Err(QuestionError::Range { offset, len }),
    }
}

fn value(text: &str) -> Result<Question, QuestionError> {
    let form = "value:NAME or value:NAME:KEY";
    let (name, key) = match text.split(':').count() {
        2 => parts(form, text).map(|[_, name]| (name, None))?,
        _ => parts(form, text).map(|[_, name, key]| (name, Some(key)))?,
    };
    let in_names = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(in_names) {
        return Err(QuestionError::Name {
            found: name.chars().take(32).collect(),
        });
    }
    Ok(Question::Value {
        name: name.into(),
        key: key.map(hex::decode).transpose()?,
    })
}

fn number(text: &str) -> Result<u64, QuestionError> {
    text.parse().map_err(|_| QuestionError::Number {
        found: text.chars().take(32).collect(),
    })
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
        assert!(matches!(refused(""), QuestionError::Kind { .. }));
        assert!(matches!(
            refused("record:1"),
            QuestionError::Parts { found: 2, .. }
        ));
        assert!(matches!(
            refused("bytes:1"),
            QuestionError::Parts { found: 2, .. }
        ));
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
            QuestionError::Parts { found: 4, .. }
        ));
        let end = "bytes:18446744073709551615:1";
        assert!(matches!(refused(end), QuestionError::Range { .. }));
    }
}

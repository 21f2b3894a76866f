//! Newtypes over 32 bytes, so that a root is not taken for a commit id or for the hash of some code.
//!
//! They are compared as bytes and written as 64 lower-case hex digits. None of them is secret.

use thiserror::Error;

/// Why a text is not a 32-byte hash: it must be exactly 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseHashError {
    /// The text has this many bytes instead of 64.
    #[error("a hash is 64 hex digits, not {0} bytes")]
    Length(usize),
    /// The byte at this place of the text is not a hex digit.
    #[error("byte {0} of the hash is not a hex digit")]
    Digit(usize),
}

/// Reads 64 hex digits of either case.
pub(crate) fn parse_hex(text: &str) -> Result<[u8; 32], ParseHashError> {
    let text = text.as_bytes();
    if text.len() != 64 {
        return Err(ParseHashError::Length(text.len()));
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = digit(text, 2 * at)? << 4 | digit(text, 2 * at + 1)?;
    }
    Ok(bytes)
}

fn digit(text: &[u8], at: usize) -> Result<u8, ParseHashError> {
    match text[at] {
        byte @ b'0'..=b'9' => Ok(byte - b'0'),
        byte @ b'a'..=b'f' => Ok(byte - b'a' + 10),
        byte @ b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(ParseHashError::Digit(at)),
    }
}

macro_rules! bytes32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The value with these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes of this value.
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0
            }

            /// A view of the bytes of this value.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::bytes::ParseHashError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::bytes::parse_hex(text).map(Self)
            }
        }
    };
}
pub(crate) use bytes32;

bytes32! {
    /// The root of a state: it binds every contract's id, code, owner, memory size and memory.
    ///
    /// The state without contracts has the root of 32 zero bytes.
    Root
}

bytes32! {
    /// The id of a commit: keyed hash of its parent's id, its root and its tag.
    CommitId
}

bytes32! {
    /// The keyed hash of deployed code, over exactly the deployed bytes.
    CodeHash
}

bytes32! {
    /// The digest of what calls ran under, and of the calls: protocol, session data, answers of host queries.
    ContextDigest
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    /// P7: text from outside is a value or a typed error that says where it is wrong.
    #[test]
    fn text_round_trips_and_bad_text_says_where() {
        let root = Root::from_bytes(core::array::from_fn(|i| i as u8 * 7));
        assert_eq!(root.to_string().parse(), Ok(root));
        assert_eq!(root.to_string().to_uppercase().parse(), Ok(root));
        assert_eq!(format!("{root:?}"), format!("Root({root})"));
        assert_eq!("ab".parse::<Root>(), Err(ParseHashError::Length(2)));
        let mut text = root.to_string();
        text.replace_range(9..10, "g");
        assert_eq!(text.parse::<CodeHash>(), Err(ParseHashError::Digit(9)));
    }
}

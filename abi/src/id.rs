//! Contract identifiers: 32 bytes, compared and hashed as bytes, written as lower-case hex.

use core::fmt;
use core::str::FromStr;

/// Length in bytes of a [`ContractId`].
pub const CONTRACT_ID_BYTES: usize = 32;

/// The identifier of a deployed contract.
///
/// Ids are opaque: the VM never interprets their bytes. They are written as 64 hex digits.
///
/// ```
/// use crostata_abi::ContractId;
///
/// let id = ContractId::from_bytes([0xab; 32]);
/// assert_eq!(id.to_string().parse(), Ok(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "typed",
    derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)
)]
#[repr(C)]
pub struct ContractId([u8; CONTRACT_ID_BYTES]);

impl ContractId {
    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; CONTRACT_ID_BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of this id.
    pub const fn to_bytes(self) -> [u8; CONTRACT_ID_BYTES] {
        self.0
    }

    /// A view of the bytes of this id.
    pub const fn as_bytes(&self) -> &[u8; CONTRACT_ID_BYTES] {
        &self.0
    }
}

impl From<[u8; CONTRACT_ID_BYTES]> for ContractId {
    fn from(bytes: [u8; CONTRACT_ID_BYTES]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for ContractId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ContractId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContractId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContractId({self})")
    }
}

/// Why a text is not a [`ContractId`]: it must be exactly 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseIdError {
    /// The text has this many bytes instead of 64.
    Length(usize),
    /// The byte at this place of the text is not a hex digit.
    Digit(usize),
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => write!(f, "a contract id is 64 hex digits, not {len} bytes"),
            Self::Digit(at) => write!(f, "byte {at} of the contract id is not a hex digit"),
        }
    }
}

impl core::error::Error for ParseIdError {}

impl FromStr for ContractId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let text = text.as_bytes();
        if text.len() != 2 * CONTRACT_ID_BYTES {
            return Err(ParseIdError::Length(text.len()));
        }
        let mut bytes = [0; CONTRACT_ID_BYTES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = digit(text, 2 * at)? << 4 | digit(text, 2 * at + 1)?;
        }
        Ok(Self(bytes))
    }
}

fn digit(text: &[u8], at: usize) -> Result<u8, ParseIdError> {
    match text[at] {
        byte @ b'0'..=b'9' => Ok(byte - b'0'),
        byte @ b'a'..=b'f' => Ok(byte - b'a' + 10),
        byte @ b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(ParseIdError::Digit(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn text_round_trips_and_bad_text_says_where() {
        let id = ContractId::from_bytes(core::array::from_fn(|i| i as u8 * 7));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("ab".parse::<ContractId>(), Err(ParseIdError::Length(2)));
        let mut text = id.to_string();
        text.replace_range(9..10, "g");
        assert_eq!(text.parse::<ContractId>(), Err(ParseIdError::Digit(9)));
    }
}

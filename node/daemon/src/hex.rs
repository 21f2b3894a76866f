//! Bytes as hexadecimal digits, in files, on the command line and over HTTP.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// 32 bytes, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hex32(pub [u8; 32]);

/// Bytes, written as hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hex(pub Vec<u8>);

/// Text that is not the hexadecimal digits that are wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// There are more or fewer than 64.
    #[error("64 hexadecimal digits are wanted, and there are {0} characters")]
    Length(usize),
    /// Something else is among them.
    #[error("hexadecimal digits are wanted, two for each byte: {0}")]
    Digits(#[from] const_hex::FromHexError),
}

impl FromStr for Hex32 {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        if text.len() != 64 {
            return Err(HexError::Length(text.chars().count()));
        }
        Ok(Self(const_hex::decode_to_array(text)?))
    }
}

impl FromStr for Hex {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        Ok(Self(const_hex::decode(text)?))
    }
}

macro_rules! as_text {
    ($($name:ty)*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&const_hex::encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        })*
    };
}

as_text! { Hex32 Hex }

/// A secret of 32 bytes. It is never shown; [`reveal`](Self::reveal) is for files.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Hex32);

impl Secret {
    /// A new one, from the machine's source of randomness.
    ///
    /// # Errors
    /// When the machine has none.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(Hex32(bytes)))
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.0
    }

    /// Its digits, for a file that others can not read.
    pub fn reveal(&self) -> String {
        self.0.to_string()
    }
}

impl FromStr for Secret {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        Ok(Self(text.parse()?))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: whatever is not 64 digits is an error that says so; secrets are not shown.
    #[test]
    fn only_sixty_four_digits_are_32_bytes() {
        let text = "0a".repeat(32);
        assert_eq!(text.parse(), Ok(Hex32([10; 32])));
        assert_eq!(Hex32([10; 32]).to_string(), text);
        assert_eq!("0a".parse::<Hex32>(), Err(HexError::Length(2)));
        for wrong in ["0g".repeat(32), "ä".repeat(32), "0x".repeat(32)] {
            assert!(wrong.parse::<Hex32>().is_err(), "{wrong}");
        }
        assert!("abc".parse::<Hex>().is_err());
        let secret: Secret = text.parse().unwrap();
        assert!(!format!("{secret:?}").contains("0a"));
    }
}

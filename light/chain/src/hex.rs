//! Bytes as hex digits, for addresses and pages.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use thiserror::Error;

/// Why a text is not bytes in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HexError {
    /// The number of digits is odd.
    #[error("{0} hex digits are not whole bytes: one is missing or too many")]
    Odd(usize),
    /// What is at this place of the text is not a hex digit.
    #[error("character {0} is not a hex digit (0 to 9, a to f)")]
    Digit(usize),
}

/// Two lower-case digits for each byte.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string can not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes of these digits, of either case. White space between them, as comes with pasting, means nothing.
///
/// # Errors
/// [`HexError`] if there is anything else in the text.
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let mut digits = 0;
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for (at, character) in text.bytes().enumerate() {
        if character.is_ascii_whitespace() {
            continue;
        }
        let digit = char::from(character).to_digit(16);
        let digit = digit.ok_or(HexError::Digit(at))? as u8;
        match digits % 2 {
            0 => bytes.push(digit << 4),
            _ => bytes[digits / 2] |= digit,
        }
        digits += 1;
    }
    match digits % 2 {
        0 => Ok(bytes),
        _ => Err(HexError::Odd(digits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: any text is bytes or a typed error that says where it is wrong.
    #[test]
    fn texts_are_bytes_or_say_where_they_are_not() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        assert_eq!(decode(" 0A\n fF "), Ok([0x0a, 0xff].into()));
        assert_eq!(decode("0a f"), Err(HexError::Odd(3)));
        assert_eq!(decode("0ä"), Err(HexError::Digit(1)));
        assert_eq!(decode(""), Ok(Vec::new()));
    }
}

//! Bytes as hex digits.

use std::fmt::Write;

use crate::error::CliError;

/// The bytes with `0x` before them.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes that hex digits are, with or without `0x` before them.
pub fn bytes(text: &str) -> Result<Vec<u8>, CliError> {
    let digits = without_mark(text).as_bytes();
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    match bytes {
        Some(bytes) if rest.is_empty() => Ok(bytes),
        _ => Err(CliError::input(
            format!("`{text}` is no row of bytes in hex"),
            "write two of the digits 0-9 and a-f for each byte, like 0x00ff",
        )),
    }
}

/// Thirty-two bytes.
pub fn hash(text: &str, what: &str) -> Result<[u8; 32], CliError> {
    let bytes = bytes(text).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| {
        CliError::input(
            format!("`{text}` is not {what}: that has 64 hex digits"),
            "copy all of it; labels and short forms do not do here",
        )
    })
}

/// The digits behind `0x`.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix("0x").unwrap_or(text)
}

fn byte(pair: &[u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let value = digit(pair[0])? * 16 + digit(pair[1])?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the command prints as bytes it reads as the same bytes, and it reads nothing else (P7).
    #[test]
    fn what_is_shown_is_read() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&shown(&all)).unwrap(), all);
        assert_eq!(bytes("ABcd").unwrap(), [0xab, 0xcd]);
        for wrong in ["0", "0x0", "zz", "0x0g", "€€", "0x0x00", "+1"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}

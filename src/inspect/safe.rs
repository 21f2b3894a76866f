//! Bytes and names of contracts, made harmless: nothing that a terminal would obey, and no more than fits a line.

use std::fmt::Write;

/// Characters of a text that are shown.
const TEXT_MAX: usize = 200;

/// Bytes that are shown as hexadecimal digits where they are not decoded.
const BYTES_MAX: usize = 16;

/// Whether a terminal may do something else with it than show it, or shows it where it does not belong.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A text on one line: harmful characters are escaped, the rest of a long one is cut.
pub fn line(text: &str) -> String {
    cut(text, TEXT_MAX)
}

/// The same with another length.
pub fn cut(text: &str, chars_max: usize) -> String {
    let mut shown = String::new();
    for (nth, character) in text.chars().enumerate() {
        if nth == chars_max {
            shown.push('…');
            break;
        }
        match is_harmful(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

/// Bytes that are meant as a text, in quotes if they are one, else as digits.
pub fn message(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("\"{}\"", line(text)),
        Err(_) => hex(bytes, bytes.len()),
    }
}

/// The first of some bytes as digits, and how many there are.
pub fn hex(bytes: &[u8], len_bytes: usize) -> String {
    digits(bytes, len_bytes, BYTES_MAX)
}

/// All bytes that a trace has.
pub fn all_hex(bytes: &[u8], len_bytes: usize) -> String {
    digits(bytes, len_bytes, usize::MAX)
}

fn digits(bytes: &[u8], len_bytes: usize, bytes_max: usize) -> String {
    let mut text = String::from("0x");
    for byte in bytes.iter().take(bytes_max) {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len().min(bytes_max) < len_bytes {
        let _ = write!(text, "… ({len_bytes} bytes)");
    }
    text
}

/// A number with commas between groups of three digits.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No byte of a contract moves a cursor, changes a colour, or turns the direction of a line.
    #[test]
    fn nothing_harmful_is_shown() {
        let hostile = "a\x1b[31mb\r\n\u{7}\u{202e}c\u{9b}2J\u{200b}\0\u{61c}\u{e0041}\u{fffa}";
        let shown = line(hostile);
        assert!(!shown.chars().any(is_harmful), "{shown:?}");
        assert!(shown.ends_with("\\u{61c}\\u{e0041}\\u{fffa}"), "{shown}");
        assert!(shown.starts_with("a\\u{1b}[31mb\\r\\n"), "{shown}");
        assert_eq!(line(&"ä".repeat(300)).chars().count(), TEXT_MAX + 1);
        assert_eq!(message(b"plain"), "\"plain\"");
        assert_eq!(message(&[0xff, 1]), "0xff01");
    }

    #[test]
    fn bytes_and_numbers_are_short() {
        assert_eq!(hex(&[0xab; 3], 3), "0xababab");
        assert_eq!(
            hex(&[0; 20], 20),
            format!("0x{}… (20 bytes)", "00".repeat(16))
        );
        assert_eq!(all_hex(&[1], 5), "0x01… (5 bytes)");
        assert_eq!(all_hex(&[7; 40], 40).len(), 82);
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
    }
}

//! Errors that travel in the message of a panic: a text for people, then a value for who knows its type.
//!
//! `docs/format.md`, "Raised errors", has the bytes. What follows the text has its length at the end, so that a message that was cut
//! is a text and nothing else. To the VM all of it is the message of a panic.

/// What ends a message that carries a value.
pub const MARKER: [u8; 8] = *b"\0raised\x01";

/// Length of what follows the archive: the length of the name, that of the archive, and [`MARKER`].
pub const TRAILER_BYTES: usize = 1 + 2 + MARKER.len();

/// The parts of a message that carries a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raised<'a> {
    /// What people read.
    pub text: &'a [u8],
    /// The name of the value's type.
    pub name: &'a [u8],
    /// The archive of the value.
    pub archive: &'a [u8],
}

impl<'a> Raised<'a> {
    /// The parts of a message; `None` if it is a text and nothing else.
    pub fn read(message: &'a [u8]) -> Option<Self> {
        let rest = message.strip_suffix(&MARKER)?;
        let (rest, lengths) = rest.split_last_chunk::<3>()?;
        let archive_len = usize::from(u16::from_le_bytes([lengths[1], lengths[2]]));
        let (rest, archive) = rest.split_at_checked(rest.len().checked_sub(archive_len)?)?;
        let name_len = usize::from(lengths[0]);
        let (text, name) = rest.split_at_checked(rest.len().checked_sub(name_len)?)?;
        Some(Self {
            text,
            name,
            archive,
        })
    }
}

/// What ends a message whose name and archive have these lengths.
pub fn trailer(name_len: u8, archive_len: u16) -> [u8; TRAILER_BYTES] {
    let [low, high] = archive_len.to_le_bytes();
    let [a, b, c, d, e, f, g, h] = MARKER;
    [name_len, low, high, a, b, c, d, e, f, g, h]
}

/// What people read of a message: all of it, if it carries no value.
pub fn text(message: &[u8]) -> &[u8] {
    Raised::read(message).map_or(message, |raised| raised.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn message(text: &[u8], name: &[u8], archive: &[u8]) -> Vec<u8> {
        let trailer = trailer(name.len() as u8, archive.len() as u16);
        [text, name, archive, &trailer].concat()
    }

    #[test]
    fn parts_come_apart_again() {
        let bytes = message(b"too small", b"TokenError", &[1, 2, 3]);
        let raised = Raised::read(&bytes).unwrap();
        assert_eq!(raised.text, b"too small");
        assert_eq!(raised.name, b"TokenError");
        assert_eq!(raised.archive, [1, 2, 3]);
        assert_eq!(text(&bytes), b"too small");
        assert_eq!(text(b"a plain panic"), b"a plain panic");
        let empty = message(b"", b"", b"");
        assert_eq!(Raised::read(&empty).unwrap().archive, b"");
    }

    /// P7: a message is a contract's to choose.
    #[test]
    fn lengths_that_lie_and_cut_messages_are_texts() {
        let bytes = message(b"text", b"Name", &[1; 300]);
        for start in 1..bytes.len() {
            let cut = &bytes[start..];
            assert!(Raised::read(cut).is_none() || start <= 4, "{start}");
        }
        for end in 0..bytes.len() {
            assert_eq!(Raised::read(&bytes[..end]), None);
        }
    }
}

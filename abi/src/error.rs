//! What a contract learns about a call to another contract that failed.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::raised;

/// The failure of a contract-to-contract call, as the calling contract sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "typed",
    derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)
)]
pub enum ContractError {
    /// The callee panicked with this message. Its unused gas came back.
    Panic(String),
    /// The callee ran out of gas. All it was given is spent.
    OutOfGas,
    /// There is no contract with this id. Only the call's price is spent.
    DoesNotExist,
    /// Anything else: no such function, `init`, call depth, refused re-entry, a trap.
    Unknown,
}

/// The negative results of the import `c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum ErrorCode {
    /// The callee panicked; the buffer holds a `u32` (little-endian) and that many message bytes.
    Panic = -1,
    /// The callee ran out of gas.
    OutOfGas = -2,
    /// There is no such contract.
    DoesNotExist = -3,
    /// Anything else.
    Unknown = i32::MIN,
}

impl ContractError {
    /// The longest panic message that reaches the caller: the buffer less its `u32` length.
    pub const MESSAGE_MAX_BYTES: usize = crate::ARGBUF_LEN - 4;

    /// Reads the failure out of the result of `c` (a negative `code`) and the argument buffer.
    ///
    /// Message bytes that are not UTF-8 are shown with replacement characters. Of an error that carries a value
    /// ([`raised`](crate::raised)) the message is the text.
    pub fn from_parts(code: i32, buffer: &[u8]) -> Self {
        match code {
            -1 => Self::Panic(read_message(buffer)),
            -2 => Self::OutOfGas,
            -3 => Self::DoesNotExist,
            _ => Self::Unknown,
        }
    }

    /// Writes the failure the way [`from_parts`](Self::from_parts) reads it; gives the code.
    ///
    /// A message longer than the buffer less 4 bytes is cut.
    pub fn to_parts(&self, buffer: &mut [u8]) -> i32 {
        match self {
            Self::Panic(message) => {
                write_message(message.as_bytes(), buffer);
                ErrorCode::Panic as i32
            }
            Self::OutOfGas => ErrorCode::OutOfGas as i32,
            Self::DoesNotExist => ErrorCode::DoesNotExist as i32,
            Self::Unknown => ErrorCode::Unknown as i32,
        }
    }
}

fn read_message(buffer: &[u8]) -> String {
    let (head, text) = match buffer.split_first_chunk::<4>() {
        Some(parts) => parts,
        None => return String::new(),
    };
    let len = (u32::from_le_bytes(*head) as usize).min(text.len());
    String::from_utf8_lossy(raised::text(&text[..len])).into_owned()
}

fn write_message(message: &[u8], buffer: &mut [u8]) {
    let Some((head, text)) = buffer.split_first_chunk_mut::<4>() else {
        return;
    };
    let len = message
        .len()
        .min(text.len())
        .min(ContractError::MESSAGE_MAX_BYTES);
    *head = (len as u32).to_le_bytes();
    text[..len].copy_from_slice(&message[..len]);
}

/// The bytes that the caller of a panicking contract finds in its buffer.
///
/// `u32` little-endian length, then the message, cut to [`ContractError::MESSAGE_MAX_BYTES`].
pub fn panic_parts(message: &[u8]) -> Vec<u8> {
    let len = message.len().min(ContractError::MESSAGE_MAX_BYTES);
    let mut bytes = alloc::vec![0; len + 4];
    write_message(message, &mut bytes);
    bytes
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(message) => write!(f, "the contract panicked: {message}"),
            Self::OutOfGas => f.write_str("the contract ran out of gas"),
            Self::DoesNotExist => f.write_str("there is no such contract"),
            Self::Unknown => f.write_str("the call failed"),
        }
    }
}

impl core::error::Error for ContractError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn parts_round_trip() {
        let mut buffer = vec![0; 64];
        for error in [
            ContractError::Panic("no funds".to_string()),
            ContractError::OutOfGas,
            ContractError::DoesNotExist,
            ContractError::Unknown,
        ] {
            let code = error.to_parts(&mut buffer);
            assert!(code < 0);
            assert_eq!(ContractError::from_parts(code, &buffer), error);
        }
    }

    #[test]
    fn hostile_buffers_do_not_panic() {
        assert_eq!(
            ContractError::from_parts(-1, &[]),
            ContractError::Panic(String::new())
        );
        let lying = [0xff, 0xff, 0xff, 0xff, b'h', b'i'];
        assert_eq!(
            ContractError::from_parts(-1, &lying),
            ContractError::Panic("hi".to_string())
        );
        assert_eq!(
            ContractError::Panic("x".to_string()).to_parts(&mut [0; 2]),
            -1
        );
    }
}

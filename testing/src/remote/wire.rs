//! The messages between a test program and `crostata machine`, and their bytes.
//!
//! What arrives is checked: a length beyond [`MESSAGE_BYTES_MAX`] is refused before anything is made for it, and room is made as bytes come.

use std::io::{self, ErrorKind, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::machine::{Base, MachineError, Request, Response};

/// The version of the messages. Command and test program must agree.
pub const VERSION: u32 = 1;

/// What the machine begins with.
const MAGIC: &[u8; 16] = b"crostata machine";

/// Bytes of a message at most.
pub const MESSAGE_BYTES_MAX: u32 = 256 << 20;

/// What a test program says about one of its chains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToMachine {
    /// Makes the chain: [`FromMachine::Started`].
    Start {
        /// What it starts from.
        base: Base,
        /// The test that makes it, as far as it is known.
        test: Option<String>,
    },
    /// Asks the machine: [`FromMachine::Answered`], after any number of [`FromMachine::Query`].
    Ask(Request),
    /// Answers a query.
    Answer(Result<Vec<u8>, String>),
    /// The chain is not needed any more. Nothing comes back.
    End,
}

/// What the machine says about one of the chains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromMachine {
    /// The chain is there, or not.
    Started(Result<(), MachineError>),
    /// What came of a request.
    Answered(Box<Result<Response, MachineError>>),
    /// A contract asks a host query: [`ToMachine::Answer`].
    Query {
        /// The query's name.
        name: String,
        /// Its argument.
        argument: Vec<u8>,
    },
}

/// Why messages can not be exchanged.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The stream fails or ends.
    #[error("the stream fails: {0}")]
    Io(#[from] io::Error),
    /// The other end is something else.
    #[error("it is no `crostata machine`")]
    Stranger,
    /// The other end has other messages.
    #[error(
        "it speaks version {found} of the machine's messages, and these tests version {VERSION}; install the command and use the crate of the same version"
    )]
    Version {
        /// Its version.
        found: u32,
    },
    /// A message is longer than any that there is.
    #[error("a message of {len_bytes} bytes; {MESSAGE_BYTES_MAX} at most")]
    TooLong {
        /// Its length.
        len_bytes: u64,
    },
    /// A message's bytes are no message.
    #[error("a message can not be read or written: {0}")]
    Malformed(#[from] postcard::Error),
}

/// Writes what the machine begins with.
///
/// # Errors
/// [`WireError::Io`].
pub fn write_hello(out: &mut impl Write) -> Result<(), WireError> {
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    Ok(out.flush()?)
}

/// Reads what the machine begins with.
///
/// # Errors
/// [`WireError::Stranger`] and [`WireError::Version`] for another program, and another version of it.
pub fn read_hello(input: &mut impl Read) -> Result<(), WireError> {
    let mut magic = [0; MAGIC.len()];
    let read = input.read_exact(&mut magic);
    if read.is_err() || magic != *MAGIC {
        return Err(WireError::Stranger);
    }
    let mut version = [0; 4];
    input.read_exact(&mut version)?;
    match u32::from_le_bytes(version) {
        VERSION => Ok(()),
        found => Err(WireError::Version { found }),
    }
}

/// Writes a message about a chain.
///
/// # Errors
/// [`WireError`]; nothing was written unless the stream fails.
pub fn write<T: Serialize>(out: &mut impl Write, chain: u64, message: &T) -> Result<(), WireError> {
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&chain.to_le_bytes());
    let mut bytes = postcard::to_extend(message, bytes)?;
    let len_bytes = bytes.len() as u64 - 4;
    let len = u32::try_from(len_bytes).ok();
    let len = len.filter(|len| *len <= MESSAGE_BYTES_MAX);
    let len = len.ok_or(WireError::TooLong { len_bytes })?;
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    out.write_all(&bytes)?;
    Ok(out.flush()?)
}

/// Reads a message and the number of its chain; nothing where the stream ends between messages.
///
/// # Errors
/// [`WireError`].
pub fn read<T: DeserializeOwned>(input: &mut impl Read) -> Result<Option<(u64, T)>, WireError> {
    let mut len = [0; 4];
    match input.read_exact(&mut len) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let len = u32::from_le_bytes(len);
    if len > MESSAGE_BYTES_MAX {
        let len_bytes = len.into();
        return Err(WireError::TooLong { len_bytes });
    }
    let mut bytes = Vec::new();
    let read = input.take(len.into()).read_to_end(&mut bytes)?;
    let Some((chain, body)) = bytes.split_first_chunk() else {
        return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
    };
    if read != len as usize {
        return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
    }
    Ok(Some((
        u64::from_le_bytes(*chain),
        postcard::from_bytes(body)?,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: cut and changed messages are errors, or other messages; never a panic, and no room for lengths that are only claimed.
    #[test]
    fn damaged_messages_are_errors() {
        let message = ToMachine::Answer(Ok(vec![7; 300]));
        let mut bytes = Vec::new();
        write(&mut bytes, 9, &message).unwrap();
        assert_eq!(read(&mut &bytes[..]).unwrap(), Some((9, message)));
        for len in 4..bytes.len() {
            assert!(read::<ToMachine>(&mut &bytes[..len]).is_err(), "{len}");
        }
        for bit in 0..bytes.len().min(40) * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let _ = read::<ToMachine>(&mut &other[..]);
        }
        let mut hello = Vec::new();
        write_hello(&mut hello).unwrap();
        assert!(read_hello(&mut &hello[..]).is_ok());
        hello[16] += 1;
        assert!(matches!(
            read_hello(&mut &hello[..]),
            Err(WireError::Version { found: 2 })
        ));
        assert!(matches!(
            read_hello(&mut &b"anything else that is long"[..]),
            Err(WireError::Stranger)
        ));
    }
}

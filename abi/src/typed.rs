//! The typed layer: arguments, results, events and session data as `rkyv` 0.8 archives.
//!
//! An archive is unaligned and little-endian with 32-bit relative pointers, its root object at the end,
//! and is validated with bytecheck before it is read. Archives are malleable (junk before
//! the root is accepted), so nothing that consensus hashes is a decoded value: bytes are hashed.

use core::fmt;
use core::mem::MaybeUninit;

use rkyv::api::low::{LowSerializer, LowValidator};
use rkyv::bytecheck::CheckBytes;
use rkyv::de::pooling::Unpool;
use rkyv::rancor::{Failure, Strategy};
use rkyv::ser::allocator::{Arena, ArenaHandle};
use rkyv::ser::writer::{Buffer, Positional};
use rkyv::{Archive, Deserialize, Serialize};

use crate::ARGBUF_LEN;

/// The serialiser of the typed layer: `rkyv` 0.8 writing into a fixed buffer.
pub type StandardBufSerializer<'a> = LowSerializer<Buffer<'a>, ArenaHandle<'a>, Failure>;

/// A value that can be sent: an argument, a result, an event's data, a session datum.
///
/// Implemented for every type that derives `rkyv`'s `Archive` and `Serialize`
/// (except types with shared pointers, which have no place in an argument).
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be sent to a contract or from it",
    label = "an argument, result or part of one that has no archive",
    note = "write `#[crostata_sdk::data]` above the definition of `{Self}`, and of each type in it that is yours"
)]
pub trait Encode: for<'a> Serialize<StandardBufSerializer<'a>> {}

impl<T: for<'a> Serialize<StandardBufSerializer<'a>>> Encode for T {}

/// A value that can be received: a result, or an argument on the contract's side.
///
/// Implemented for every type that derives `rkyv`'s `Archive` and `Deserialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can not be sent to a contract or from it",
    label = "an argument, result or part of one that has no archive",
    note = "write `#[crostata_sdk::data]` above the definition of `{Self}`, and of each type in it that is yours"
)]
pub trait Decode:
    Archive<
        Archived: for<'a> CheckBytes<LowValidator<'a, Failure>>
                      + Deserialize<Self, Strategy<Unpool, Failure>>,
    > + Sized
{
}

impl<T> Decode for T where
    T: Archive<
        Archived: for<'a> CheckBytes<LowValidator<'a, Failure>>
                      + Deserialize<T, Strategy<Unpool, Failure>>,
    >
{
}

/// Why a value could not be turned into bytes, or bytes not into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecError {
    /// The value's archive does not fit into the buffer.
    TooLong {
        /// The Rust name of the type.
        type_name: &'static str,
        /// Length of the buffer in bytes.
        max_bytes: usize,
    },
    /// The bytes are not a valid archive of the expected type.
    Invalid {
        /// The Rust name of the type.
        type_name: &'static str,
        /// How many bytes there were.
        len_bytes: usize,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong {
                type_name,
                max_bytes,
            } => write!(
                f,
                "the archive of this {type_name} does not fit into {max_bytes} bytes"
            ),
            Self::Invalid {
                type_name,
                len_bytes,
            } => write!(
                f,
                "{len_bytes} bytes are not a valid archive of {type_name}"
            ),
        }
    }
}

impl core::error::Error for CodecError {}

/// Writes the archive of `value` to the front of `buffer` and gives its length in bytes.
///
/// # Errors
/// [`CodecError::TooLong`] if it does not fit.
pub fn encode_into<T: Encode>(
    value: &T,
    buffer: &mut [MaybeUninit<u8>],
) -> Result<usize, CodecError> {
    let max_bytes = buffer.len();
    let mut arena = Arena::new();
    let written = rkyv::api::low::to_bytes_in_with_alloc::<_, _, Failure>(
        value,
        Buffer::from(buffer),
        arena.acquire(),
    );
    match written {
        Ok(buffer) => Ok(buffer.pos()),
        Err(Failure) => Err(CodecError::TooLong {
            type_name: core::any::type_name::<T>(),
            max_bytes,
        }),
    }
}

/// The archive of `value`.
///
/// # Errors
/// [`CodecError::TooLong`] beyond the argument buffer's 65,536 bytes.
pub fn encode<T: Encode>(value: &T) -> Result<alloc::vec::Vec<u8>, CodecError> {
    let mut buffer = alloc::boxed::Box::new_uninit_slice(ARGBUF_LEN);
    let mut arena = Arena::new();
    rkyv::api::low::to_bytes_in_with_alloc::<_, _, Failure>(
        value,
        Buffer::from(&mut buffer[..]),
        arena.acquire(),
    )
    .map(|written| written.to_vec())
    .map_err(|Failure| CodecError::TooLong {
        type_name: core::any::type_name::<T>(),
        max_bytes: ARGBUF_LEN,
    })
}

/// The value whose archive `bytes` is, validated before it is read.
///
/// # Errors
/// [`CodecError::Invalid`] if the bytes are no valid archive of `T`.
pub fn decode<T: Decode>(bytes: &[u8]) -> Result<T, CodecError> {
    rkyv::api::low::from_bytes::<T, Failure>(bytes).map_err(|Failure| CodecError::Invalid {
        type_name: core::any::type_name::<T>(),
        len_bytes: bytes.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContractId, Event};
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use alloc::{format, vec};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// P1: the archive format does not depend on the machine, nor on who else uses `rkyv`.
    #[test]
    fn golden_bytes() {
        assert_eq!(
            hex(&encode(&0x0102_0304_0506_0708u64).unwrap()),
            "0807060504030201"
        );
        assert_eq!(hex(&encode(&(1u8, 2u32)).unwrap()), "0102000000");
        assert_eq!(
            hex(&encode(&vec!["crostata".to_string(), "pie".to_string()]).unwrap()),
            "63726f7374617461706965fffffffffff0ffffff02000000"
        );
        assert_eq!(encode(&()).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn values_round_trip() {
        let event = Event {
            source: ContractId::from_bytes([7; 32]),
            topic: "moved".to_string(),
            data: vec![1, 2, 3],
            reverted: false,
        };
        let bytes = encode(&event).unwrap();
        assert_eq!(decode::<Event>(&bytes), Ok(event));
        assert_eq!(
            decode::<Option<i64>>(&encode(&Some(-3i64)).unwrap()),
            Ok(Some(-3))
        );
        let many: Vec<String> = (0..3000).map(|i| format!("number {i}")).collect();
        assert_eq!(decode::<Vec<String>>(&encode(&many).unwrap()), Ok(many));
    }

    #[test]
    fn bad_bytes_and_long_values_are_errors() {
        assert!(matches!(
            decode::<u64>(&[1, 2, 3]),
            Err(CodecError::Invalid { len_bytes: 3, .. })
        ));
        assert!(matches!(
            decode::<bool>(&[2]),
            Err(CodecError::Invalid { .. })
        ));
        assert!(matches!(
            decode::<String>(&[0xc3; 8]),
            Err(CodecError::Invalid { .. })
        ));
        let long = vec![0u8; ARGBUF_LEN];
        assert!(matches!(encode(&long), Err(CodecError::TooLong { .. })));
        let mut small = [MaybeUninit::uninit(); 4];
        assert!(encode_into(&1u64, &mut small).is_err());
        assert_eq!(encode_into(&1u32, &mut small), Ok(4));
    }
}

//! Values to and from the argument buffer, as archives of `crostata_abi::typed`.
//!
//! Written straight into the buffer, validated before they are read.

use crostata_abi::rkyv::Serialize;
use crostata_abi::rkyv::api::low::{LowSerializer, to_bytes_in_with_alloc};
use crostata_abi::rkyv::rancor::{Failure, Source};
use crostata_abi::rkyv::ser::writer::{Positional, Writer};
use crostata_abi::typed::{self, Decode};

use crate::boundary::{HeapScratch, buffer};
use crate::output::abort;

/// The serialiser that [`Encode`] types write themselves with.
pub type ContractSerializer = LowSerializer<BufferWriter, HeapScratch, Failure>;

/// A value that a contract can send: an argument, a result, an event's data.
///
/// Implemented for every type that derives `rkyv`'s `Archive` and `Serialize` (except types with
/// shared pointers). The archive is byte for byte that of `crostata_abi::typed::Encode`; only the
/// place that scratch memory comes from differs.
pub trait Encode: Serialize<ContractSerializer> {}

impl<T: Serialize<ContractSerializer>> Encode for T {}

/// Writes an archive to the front of the argument buffer.
pub struct BufferWriter {
    position: usize,
}

impl Positional for BufferWriter {
    fn pos(&self) -> usize {
        self.position
    }
}

impl Writer<Failure> for BufferWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if !buffer::write(self.position, bytes) {
            return Err(<Failure as Source>::new(TooLong));
        }
        self.position += bytes.len();
        Ok(())
    }
}

#[derive(Debug)]
struct TooLong;

impl core::fmt::Display for TooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the archive does not fit into the argument buffer")
    }
}

impl core::error::Error for TooLong {}

/// Puts the archive of `value` into the argument buffer and gives its length.
#[track_caller]
pub fn encode<T: Encode>(value: &T) -> u32 {
    match to_bytes_in_with_alloc(value, BufferWriter { position: 0 }, HeapScratch) {
        Ok(written) => written.position as u32,
        Err(Failure) => panic!("a value is longer than the argument buffer"),
    }
}

/// Puts the archive of `value` into the argument buffer from `position` on, and gives where it ends; `None` if it does not fit.
pub fn encode_at<T: Encode>(position: usize, value: &T) -> Option<usize> {
    let written = to_bytes_in_with_alloc(value, BufferWriter { position }, HeapScratch);
    written.ok().map(|written| written.position)
}

/// The value whose archive is the first `len` bytes of the argument buffer, if they are one.
pub fn decode<T: Decode>(len: u32) -> Option<T> {
    buffer::with(len as usize, |bytes| typed::decode(bytes).ok())
}

/// The argument of a call of `function`; ends the call if the bytes are not one.
pub fn argument<T: Decode>(len: u32, function: &str) -> T {
    match decode(len) {
        Some(argument) => argument,
        None => abort(&["the argument of `", function, "` is not valid"]),
    }
}

/// Puts the result of a call of `function` into the argument buffer; ends the call if it is too long.
pub fn result<T: Encode>(value: &T, function: &str) -> u32 {
    match to_bytes_in_with_alloc(value, BufferWriter { position: 0 }, HeapScratch) {
        Ok(written) => written.position as u32,
        Err(Failure) => abort(&["the result of `", function, "` is too long"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use alloc::{format, vec};

    fn same_bytes<T: Encode + typed::Encode>(value: T) {
        let len = encode(&value);
        assert_eq!(buffer::to_vec(len as usize), typed::encode(&value).unwrap());
    }

    /// P1: a contract and the VM write the same archive for the same value.
    #[test]
    fn archives_are_those_of_the_abi() {
        same_bytes(());
        same_bytes((7u8, -1i64));
        same_bytes(vec!["crostata".to_string(), "pie".to_string()]);
        same_bytes((0..500).map(|i| format!("{i}")).collect::<Vec<_>>());
    }

    #[test]
    fn values_round_trip_and_bad_bytes_are_refused() {
        let value = (vec![1u64, 2, 3], Some("text".to_string()));
        let len = encode(&value);
        assert_eq!(decode::<(Vec<u64>, Option<String>)>(len), Some(value));
        assert_eq!(decode::<u64>(3), None);
    }

    #[test]
    #[should_panic(expected = "longer than the argument buffer")]
    fn a_long_value_panics() {
        encode(&vec![0u8; 65_536]);
    }
}

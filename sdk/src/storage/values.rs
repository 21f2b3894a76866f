//! Values of fixed size, which can be fields of the declared state, keys and values of maps.

use core::cell::Cell;

use crostata_abi::ContractId;

use super::layout::{Declared, Type, refuse_large};

/// The longest key that a map can have.
pub const KEY_BYTES_MAX: usize = 325;

/// A value of fixed size: numbers, `bool`, `ContractId`, arrays of values, and structs of values that derive
/// [`Stored`](macro@crate::Stored).
///
/// It has two encodings. In memory it is what Wasm has there: little-endian, fields at their offsets, with zeros between
/// them. As the key of a map it is big-endian, the sign bit of signed numbers flipped, without anything between fields; so
/// the bytes of keys have the order of the values, for structs that of their fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value of fixed size",
    label = "not `Stored`",
    note = "numbers, `bool`, `ContractId`, arrays of these, and structs that derive `Stored` are"
)]
pub trait Stored: Declared + Sized {
    /// Writes the `size_of::<Self>()` bytes that a memory holds.
    fn write(&self, bytes: &mut [u8]);

    /// The value that a memory holds in these bytes.
    fn read(bytes: &[u8]) -> Self;

    /// Writes the bytes of a key, as many as [`Type::key_bytes`] says.
    fn write_key(&self, bytes: &mut [u8]);

    /// The value whose key these bytes are.
    fn read_key(bytes: &[u8]) -> Self;

    /// Lends the bytes of the key.
    #[doc(hidden)]
    fn with_key<R>(&self, reader: impl FnOnce(&[u8]) -> R) -> R {
        encode_key(self, reader)
    }

    /// The values as bytes, where they are.
    #[doc(hidden)]
    fn as_bytes(values: &[Self]) -> Option<&[u8]> {
        let _ = values;
        None
    }

    /// The array that these bytes are, if values are bytes.
    #[doc(hidden)]
    fn from_bytes<const N: usize>(bytes: &[u8]) -> Option<[Self; N]> {
        let _ = bytes;
        None
    }
}

/// Most keys are short, and clearing room costs gas.
fn encode_key<K: Stored, R>(key: &K, reader: impl FnOnce(&[u8]) -> R) -> R {
    let len = const { K::TYPE.key_bytes() };
    if len <= 64 {
        let mut bytes = [0; 64];
        key.write_key(&mut bytes[..len]);
        return reader(&bytes[..len]);
    }
    let mut bytes = [0; KEY_BYTES_MAX];
    key.write_key(&mut bytes[..len]);
    reader(&bytes[..len])
}

macro_rules! numbers {
    ($($number:ty: $variant:ident, $unsigned:ty, $sign:expr, { $($more:tt)* };)*) => {$(
        impl Declared for $number {
            const TYPE: Type = Type::$variant(size_of::<$number>() as u8);
        }

        impl Stored for $number {
            fn write(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }

            fn read(bytes: &[u8]) -> Self {
                let mut number = [0; size_of::<$number>()];
                number.copy_from_slice(bytes);
                Self::from_le_bytes(number)
            }

            fn write_key(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&(*self as $unsigned ^ $sign).to_be_bytes());
            }

            fn read_key(bytes: &[u8]) -> Self {
                let mut number = [0; size_of::<$number>()];
                number.copy_from_slice(bytes);
                (<$unsigned>::from_be_bytes(number) ^ $sign) as $number
            }

            $($more)*
        }
    )*};
}

numbers! {
    u8: Uint, u8, 0, {
        fn as_bytes(values: &[Self]) -> Option<&[u8]> {
            Some(values)
        }

        fn from_bytes<const N: usize>(bytes: &[u8]) -> Option<[Self; N]> {
            bytes.try_into().ok()
        }
    };
    u16: Uint, u16, 0, {};
    u32: Uint, u32, 0, {};
    u64: Uint, u64, 0, {};
    u128: Uint, u128, 0, {};
    i8: Int, u8, 1 << 7, {};
    i16: Int, u16, 1 << 15, {};
    i32: Int, u32, 1 << 31, {};
    i64: Int, u64, 1 << 63, {};
    i128: Int, u128, 1 << 127, {};
}

impl Declared for bool {
    const TYPE: Type = Type::Bool;
}

impl Stored for bool {
    fn write(&self, bytes: &mut [u8]) {
        bytes[0] = u8::from(*self);
    }

    fn read(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }

    fn write_key(&self, bytes: &mut [u8]) {
        self.write(bytes);
    }

    fn read_key(bytes: &[u8]) -> Self {
        Self::read(bytes)
    }
}

impl<T: Stored, const N: usize> Declared for [T; N] {
    const TYPE: Type = {
        refuse_large::<Self>();
        Type::Array(N, &T::TYPE)
    };
}

impl<T: Stored, const N: usize> Stored for [T; N] {
    fn write(&self, bytes: &mut [u8]) {
        if let Some(own) = T::as_bytes(self) {
            return bytes.copy_from_slice(own);
        }
        let parts = bytes.chunks_exact_mut(size_of::<T>());
        self.iter()
            .zip(parts)
            .for_each(|(value, part)| value.write(part));
    }

    fn read(bytes: &[u8]) -> Self {
        let size = size_of::<T>();
        T::from_bytes(bytes).unwrap_or_else(|| {
            core::array::from_fn(|index| T::read(&bytes[index * size..][..size]))
        })
    }

    fn write_key(&self, bytes: &mut [u8]) {
        if let Some(own) = T::as_bytes(self) {
            return bytes.copy_from_slice(own);
        }
        let parts = bytes.chunks_exact_mut(const { T::TYPE.key_bytes() });
        self.iter()
            .zip(parts)
            .for_each(|(value, part)| value.write_key(part));
    }

    fn read_key(bytes: &[u8]) -> Self {
        let size = const { T::TYPE.key_bytes() };
        T::from_bytes(bytes).unwrap_or_else(|| {
            core::array::from_fn(|index| T::read_key(&bytes[index * size..][..size]))
        })
    }

    fn with_key<R>(&self, reader: impl FnOnce(&[u8]) -> R) -> R {
        if let Some(own) = T::as_bytes(self) {
            return reader(own);
        }
        encode_key(self, reader)
    }
}

impl Declared for ContractId {
    const TYPE: Type = <[u8; 32]>::TYPE;
}

impl Stored for ContractId {
    fn write(&self, bytes: &mut [u8]) {
        self.as_bytes().write(bytes);
    }

    fn read(bytes: &[u8]) -> Self {
        Self::from_bytes(Stored::read(bytes))
    }

    fn write_key(&self, bytes: &mut [u8]) {
        self.write(bytes);
    }

    fn read_key(bytes: &[u8]) -> Self {
        Self::read(bytes)
    }

    fn with_key<R>(&self, reader: impl FnOnce(&[u8]) -> R) -> R {
        reader(self.as_bytes())
    }
}

impl<T: Declared> Declared for Cell<T> {
    const TYPE: Type = T::TYPE;
}

impl<T: Stored + Copy> Stored for Cell<T> {
    fn write(&self, bytes: &mut [u8]) {
        self.get().write(bytes);
    }

    fn read(bytes: &[u8]) -> Self {
        Self::new(T::read(bytes))
    }

    fn write_key(&self, bytes: &mut [u8]) {
        self.get().write_key(bytes);
    }

    fn read_key(bytes: &[u8]) -> Self {
        Self::new(T::read_key(bytes))
    }
}

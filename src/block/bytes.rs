//! Reading and writing the bytes of witnesses. Reading takes memory in proportion to the bytes, whatever they say.

use crostata_proof::DecodeError;

use super::witness::WITNESS_VERSION;

/// Why bytes are not an encoded witness. Whoever sent them must send others: none of these mends itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessDecodeError {
    /// The bytes end inside the witness.
    #[error("the witness ends early: byte {at} begins something of {len_bytes} bytes")]
    Cut {
        /// Where what is cut begins.
        at: usize,
        /// Its length.
        len_bytes: u64,
    },
    /// There are bytes after the witness.
    #[error("{extra_bytes} bytes follow the witness")]
    Trailing {
        /// How many.
        extra_bytes: usize,
    },
    /// A version that this build does not know.
    #[error("witness version {found} is unknown; this build reads version {WITNESS_VERSION}")]
    Version {
        /// The version in the witness.
        found: u8,
    },
    /// A proof of another kind.
    #[error("a proof of kind {found}; witnesses are of kind 3")]
    Kind {
        /// The kind in the proof.
        found: u8,
    },
    /// A mark that means nothing where it stands.
    #[error("byte {at} is {found}, which means nothing there")]
    Mark {
        /// Where it is.
        at: usize,
        /// The byte.
        found: u8,
    },
    /// A name that is not UTF-8.
    #[error("the name at byte {at} is not UTF-8")]
    Text {
        /// Where it begins.
        at: usize,
    },
    /// Something that must come behind what it follows: names of data and hashes of codes ascend, each once.
    #[error("what begins at byte {at} is out of order")]
    Order {
        /// Where it begins.
        at: usize,
    },
    /// The state proof inside of it is none.
    #[error("the state proof at byte {at}: {error}")]
    State {
        /// Where it begins.
        at: usize,
        /// What is wrong with it.
        #[source]
        error: DecodeError,
    },
}

/// Reads bytes from the front.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next byte is.
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn take(&mut self, len: usize) -> Result<&'a [u8], WitnessDecodeError> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let Some(taken) = rest.get(..len) else {
            let (at, len_bytes) = (self.at, len as u64);
            return Err(WitnessDecodeError::Cut { at, len_bytes });
        };
        self.at += len;
        Ok(taken)
    }

    pub fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], WitnessDecodeError> {
        let mut array = [0; LEN];
        array.copy_from_slice(self.take(LEN)?);
        Ok(array)
    }

    pub fn u8(&mut self) -> Result<u8, WitnessDecodeError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u32(&mut self) -> Result<u32, WitnessDecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, WitnessDecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A yes or no.
    pub fn flag(&mut self) -> Result<bool, WitnessDecodeError> {
        let at = self.at;
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(WitnessDecodeError::Mark { at, found }),
        }
    }

    /// Bytes with their length before them.
    pub fn counted(&mut self) -> Result<&'a [u8], WitnessDecodeError> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    pub fn optional(&mut self) -> Result<Option<Vec<u8>>, WitnessDecodeError> {
        Ok(match self.flag()? {
            true => Some(self.counted()?.to_vec()),
            false => None,
        })
    }

    pub fn text(&mut self) -> Result<String, WitnessDecodeError> {
        let at = self.at;
        let text = str::from_utf8(self.counted()?);
        text.map(str::to_owned)
            .map_err(|_| WitnessDecodeError::Text { at })
    }

    /// A list with its length before it.
    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, WitnessDecodeError>,
    ) -> Result<Vec<T>, WitnessDecodeError> {
        let count = self.u32()?;
        // What a length says is not believed: the list grows with what is there.
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    /// That nothing is left.
    pub fn end(&self) -> Result<(), WitnessDecodeError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            extra_bytes => Err(WitnessDecodeError::Trailing { extra_bytes }),
        }
    }
}

/// Writes a number of things or bytes.
///
/// Nothing that a session does has 4 GiB: its steps are in memory, and each argument, name and code is far shorter.
pub fn put_len(bytes: &mut Vec<u8>, len: usize) {
    bytes.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

/// Writes bytes with their length before them.
pub fn put_counted(bytes: &mut Vec<u8>, counted: &[u8]) {
    put_len(bytes, counted.len());
    bytes.extend_from_slice(counted);
}

/// Writes whether there are bytes, and these.
pub fn put_optional(bytes: &mut Vec<u8>, optional: Option<&[u8]>) {
    bytes.push(u8::from(optional.is_some()));
    if let Some(counted) = optional {
        put_counted(bytes, counted);
    }
}

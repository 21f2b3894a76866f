//! The key under which a node seals its artifacts: 32 random bytes that never leave the cache's directory.
//!
//! Who can write in that directory can have the node run any machine code, with or without the key. The key keeps
//! out what comes by other ways: rot, cuts, and files that were copied there from another node.

use std::fs::File;
use std::io::{self, Read};

use crostata_proof::hash::{self, Kind};

/// Bytes of a key's name.
pub const KEY_NAME_BYTES: usize = 16;

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// A key and its name, which tells a file of another node from a damaged one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    key: [u8; KEY_BYTES],
    name: [u8; KEY_NAME_BYTES],
}

impl Secret {
    /// A key that nobody has yet.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn random() -> io::Result<Self> {
        Self::from_bytes(random()?).ok_or_else(|| io::Error::other("no randomness"))
    }

    /// The key in a file; not any other length, nor the zeros that a crash may leave of a file.
    pub fn from_bytes(key: [u8; KEY_BYTES]) -> Option<Self> {
        let full = hash::keyed(Kind::Artifact, &key);
        let name = *full.first_chunk()?;
        (key != [0; KEY_BYTES]).then_some(Self { key, name })
    }

    /// The key.
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }

    /// The key's name, from which the key can not be told.
    pub fn name(&self) -> &[u8; KEY_NAME_BYTES] {
        &self.name
    }

    /// The seal of these bytes.
    pub fn seal(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.key, bytes)
    }
}

/// Random bytes of the system.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

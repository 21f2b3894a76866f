//! An artifact as bytes: compiled code and all that running it needs, in sections, under a node's own key.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | `crostaAF` |
//! | 8 | 4 | version, 1 |
//! | 12 | 16 | name of the key |
//! | 28 | 32 | hash of the deployed code |
//! | 60 | 8, 8, 8 | lengths *e*, *m*, *c* of the sections |
//! | 84 | *e* | engine section: what compiled the code, as at compile time (`stamp`) |
//! | | *m* | module section: facts and data segments (`facts`) |
//! | | *c* | code section: the bytes of the compiler |
//! | | 32 | BLAKE3 of all that is before, keyed with the node's key |
//!
//! An artifact keeps the bytes it was made of: what was loaded is saved as it was, and nothing puts a new stamp on it.
//! Nobody but the node that holds the key reads them, so that they are in no root, proof or vector.

use std::ops::Range;

use crostata_proof::CodeHash;

use super::secret::{KEY_NAME_BYTES, Secret};

const MAGIC: [u8; 8] = *b"crostaAF";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 84;
const SEAL_BYTES: usize = 32;

/// An artifact whose bytes are those that this node once sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct Artifact {
    bytes: Vec<u8>,
    engine_end: usize,
    module_end: usize,
}

/// What an artifact is made of.
#[derive(Clone, Copy)]
pub struct Sections<'a> {
    /// What compiled the code.
    pub engine: &'a [u8],
    /// Facts and data segments.
    pub module: &'a [u8],
    /// What the compiler gave.
    pub code: TrustedCode<'a>,
}

/// Compiled code that may be loaded: only this module makes it, of an artifact under the node's key, and
/// the compiler.
#[derive(Clone, Copy)]
pub struct TrustedCode<'a>(&'a [u8]);

impl<'a> TrustedCode<'a> {
    /// What this process's own compiler gave just now.
    pub(super) fn compiled(bytes: &'a super::compile::Compiled) -> Self {
        Self(bytes.bytes())
    }

    /// The bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Why bytes are no artifact of use. None of it is an error: the code is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Made under another key, by another version, backend or protocol, or of other code.
    Foreign,
    /// Not what was once written.
    Damaged,
}

impl Artifact {
    /// Makes an artifact.
    pub fn seal(secret: &Secret, code: &CodeHash, sections: Sections<'_>) -> Self {
        let parts = [sections.engine, sections.module, sections.code.bytes()];
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let mut bytes = Vec::with_capacity(HEADER_BYTES + len + SEAL_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(secret.name());
        bytes.extend_from_slice(code.as_bytes());
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        }
        for part in parts {
            bytes.extend_from_slice(part);
        }
        let seal = secret.seal(&bytes);
        bytes.extend_from_slice(seal.as_bytes());
        Self {
            bytes,
            engine_end: HEADER_BYTES + sections.engine.len(),
            module_end: HEADER_BYTES + sections.engine.len() + sections.module.len(),
        }
    }

    /// Takes bytes for an artifact if this node sealed them.
    ///
    /// # Errors
    /// [`Unfit`], whatever the bytes are.
    pub fn open(bytes: Vec<u8>, secret: &Secret) -> Result<Self, Unfit> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk().ok_or(Unfit::Damaged)?;
        if header[..8] != MAGIC {
            return Err(Unfit::Damaged);
        }
        if header[8..12] != VERSION.to_le_bytes() || header[12..28] != *secret.name() {
            return Err(Unfit::Foreign);
        }
        let (engine_end, module_end, code_end) = ends(header).ok_or(Unfit::Damaged)?;
        let (sealed, seal) = bytes.split_at_checked(code_end).ok_or(Unfit::Damaged)?;
        let seal = <[u8; SEAL_BYTES]>::try_from(seal).map_err(|_| Unfit::Damaged)?;
        // Compares in constant time.
        if secret.seal(sealed) != seal {
            return Err(Unfit::Damaged);
        }
        Ok(Self {
            bytes,
            engine_end,
            module_end,
        })
    }

    /// The whole artifact, as it was made or read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash of the deployed code that it was made of.
    pub fn code_hash(&self) -> &[u8] {
        self.part(28..60)
    }

    /// What compiled the code.
    pub fn engine(&self) -> &[u8] {
        self.part(HEADER_BYTES..self.engine_end)
    }

    /// Facts and data segments.
    pub fn module(&self) -> &[u8] {
        self.part(self.engine_end..self.module_end)
    }

    /// The compiled code.
    pub fn code(&self) -> TrustedCode<'_> {
        TrustedCode(self.part(self.module_end..self.bytes.len() - SEAL_BYTES))
    }

    fn part(&self, range: Range<usize>) -> &[u8] {
        // INVARIANT: `seal` and `open` make the ends ascend inside the bytes.
        &self.bytes[range]
    }
}

/// Where the three sections end.
fn ends(header: &[u8; HEADER_BYTES]) -> Option<(usize, usize, usize)> {
    let end = |start: usize, at: usize| {
        let len = u64::from_le_bytes(*header[at..].first_chunk()?);
        start.checked_add(usize::try_from(len).ok()?)
    };
    let engine = end(HEADER_BYTES, 60)?;
    let module = end(engine, 68)?;
    Some((engine, module, end(module, 76)?))
}

const _: () = assert!(HEADER_BYTES == 8 + 4 + KEY_NAME_BYTES + 32 + 3 * 8);

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: CodeHash = CodeHash::from_bytes([7; 32]);

    fn secret(byte: u8) -> Secret {
        Secret::from_bytes([byte; 32]).unwrap()
    }

    fn artifact() -> Artifact {
        let sections = Sections {
            engine: b"engine section",
            module: b"module",
            code: TrustedCode(b"compiled code of some length"),
        };
        Artifact::seal(&secret(1), &CODE, sections)
    }

    /// What is loaded is saved byte for byte, whoever compiled it, and says again what was put in.
    #[test]
    fn loading_then_saving_changes_no_byte() {
        let made = artifact();
        let loaded = Artifact::open(made.bytes().to_vec(), &secret(1)).unwrap();
        assert_eq!(loaded.bytes(), made.bytes());
        assert_eq!(loaded.engine(), b"engine section");
        assert_eq!(loaded.module(), b"module");
        assert_eq!(loaded.code().bytes(), b"compiled code of some length");
        assert_eq!(loaded.code_hash(), CODE.as_bytes());
        let sections = Sections {
            engine: loaded.engine(),
            module: loaded.module(),
            code: loaded.code(),
        };
        let again = Artifact::seal(&secret(1), &CODE, sections);
        assert_eq!(again.bytes(), made.bytes());
    }

    /// P7: every bit that is flipped, every cut and every byte more is noticed, and told from what another node made.
    #[test]
    fn no_other_bytes_open() {
        let made = artifact().bytes().to_vec();
        for at in 0..made.len() {
            for bit in 0..8 {
                let mut bytes = made.clone();
                bytes[at] ^= 1 << bit;
                let wanted = match at {
                    8..28 => Unfit::Foreign,
                    _ => Unfit::Damaged,
                };
                assert_eq!(
                    Artifact::open(bytes, &secret(1)).err(),
                    Some(wanted),
                    "{at}"
                );
            }
            let cut = Artifact::open(made[..at].to_vec(), &secret(1));
            assert_eq!(cut.err(), Some(Unfit::Damaged), "{at}");
        }
        let longer = [&made[..], &[0]].concat();
        assert_eq!(
            Artifact::open(longer, &secret(1)).err(),
            Some(Unfit::Damaged)
        );
        let other = Artifact::open(made, &secret(2));
        assert_eq!(other.err(), Some(Unfit::Foreign));
    }

    /// P7: lengths that add up to anything open nothing.
    #[test]
    fn lengths_are_not_believed() {
        let made = artifact().bytes().to_vec();
        for field in [60, 68, 76] {
            for len in [0, u64::MAX, u64::MAX - 83, 1 << 63, made.len() as u64] {
                let mut bytes = made.clone();
                bytes[field..field + 8].copy_from_slice(&len.to_le_bytes());
                let opened = Artifact::open(bytes, &secret(1));
                assert_eq!(opened.err(), Some(Unfit::Damaged));
            }
        }
    }

    impl std::fmt::Debug for Artifact {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Artifact of {} bytes", self.bytes.len())
        }
    }
}

//! The code that a state's contracts run, by hash: a tree of its own, in no root, so that a state of a million
//! contracts opens without reading them.

use crostata_proof::hash::{Kind, hasher};
use crostata_proof::{CodeHash, Hash};

use super::batch::Spot;

/// Height of the tree of code: positions have 62 bits.
pub const CODE_TREE_HEIGHT: u32 = 31;

/// A code that is stored.
#[derive(Debug, Clone)]
pub struct StoredCode {
    /// Its hash.
    pub hash: CodeHash,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// Where it is.
    pub spot: Spot,
}

/// Where a code comes from that a witness leaves out.
pub trait CodeSource: Send + Sync {
    /// The code with this hash, if it is known. Whoever asks checks that it is this code.
    fn code(&self, code: &CodeHash) -> Option<Vec<u8>>;
}

impl<F: Fn(&CodeHash) -> Option<Vec<u8>> + Send + Sync> CodeSource for F {
    fn code(&self, code: &CodeHash) -> Option<Vec<u8>> {
        self(code)
    }
}

/// The codes at one position of the tree, sorted by hash. One, unless hashes collide.
#[derive(Debug, Clone, Default)]
pub struct CodeBucket(Vec<StoredCode>);

impl CodeBucket {
    /// The codes, which are sorted by hash.
    pub fn of(codes: Vec<StoredCode>) -> Self {
        Self(codes)
    }

    /// The codes.
    pub fn codes(&self) -> &[StoredCode] {
        &self.0
    }

    /// The code with this hash.
    pub fn find(&self, hash: &CodeHash) -> Option<&StoredCode> {
        self.0.iter().find(|code| code.hash == *hash)
    }

    /// The bucket with a code added or replaced.
    pub fn with(&self, code: StoredCode) -> Self {
        let mut codes = self.0.clone();
        match codes.binary_search_by(|known| known.hash.cmp(&code.hash)) {
            Ok(at) => codes[at] = code,
            Err(at) => codes.insert(at, code),
        }
        Self(codes)
    }

    /// A hash of which codes there are, for the tree; it is in no root.
    pub fn hash(&self) -> Hash {
        let mut hasher = hasher(Kind::LogFrame);
        for code in &self.0 {
            hasher.update(code.hash.as_bytes());
            hasher.update(&code.len_bytes.to_le_bytes());
        }
        hasher.finalize()
    }
}

/// Where a code is in the tree: the first 62 bits of its hash.
pub fn position(hash: &CodeHash) -> u64 {
    let head = hash
        .as_bytes()
        .first_chunk()
        .map_or(0, |head| u64::from_be_bytes(*head));
    head >> 2
}

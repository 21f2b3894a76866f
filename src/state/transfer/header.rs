//! What a stream is of: the commit, and the protocol it was made under.
//!
//! | bytes | field |
//! |---|---|
//! | 8 | `crostran` |
//! | 1 | format version: 1 |
//! | 32 each | parent's id, state root, tag |
//! | 4 + n | text of the protocol: length, bytes |

use crostata_proof::{CommitId, Root, hash};

use super::error::HeaderError;
use crate::state::naming::{Commit, CommitRef};
use crate::state::reader::{Reader, put_bytes};

const MAGIC: [u8; 8] = *b"crostran";

/// The version of header and chunks.
pub const VERSION: u8 = 1;

/// What a stream is of: a commit, and the text of the protocol it was made under.
///
/// The commit's id binds its parent, root and tag. Nothing binds the protocol: who imports must know it from elsewhere,
/// and a [`VM`](crate::VM) refuses one that it was not configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferHeader {
    /// The commit. Its id is that of its parent, root and tag.
    pub commit: Commit,
    /// The canonical text of the protocol.
    pub protocol: String,
}

impl TransferHeader {
    /// The bytes of everything but the protocol's text.
    pub const FIXED_BYTES: usize = 8 + 1 + 3 * 32 + 4;

    /// The encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        out.extend_from_slice(self.commit.parent.as_bytes());
        out.extend_from_slice(self.commit.root.as_bytes());
        out.extend_from_slice(&self.commit.tag);
        put_bytes(&mut out, self.protocol.as_bytes());
        out
    }

    /// The header with exactly this encoding.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.get(..MAGIC.len()) != Some(&MAGIC[..]) {
            return Err(HeaderError::NoHeader);
        }
        match bytes.get(MAGIC.len()) {
            Some(&VERSION) => {}
            Some(&found) => return Err(HeaderError::Version { found }),
            None => return Err(HeaderError::Malformed),
        }
        let fields = bytes.get(MAGIC.len() + 1..).unwrap_or_default();
        Self::decode_fields(fields).ok_or(HeaderError::Malformed)
    }

    fn decode_fields(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let parent = CommitId::from_bytes(reader.array()?);
        let root = Root::from_bytes(reader.array()?);
        let tag = reader.array()?;
        let protocol = str::from_utf8(reader.bytes()?).ok()?.to_owned();
        let id = hash::commit_id(&parent, &root, &tag);
        let commit = Commit {
            id,
            parent,
            root,
            tag,
        };
        reader.end(Self { commit, protocol })
    }

    /// Whether it is of the commit that is meant, and the commit has the id that it should have.
    pub(in crate::state) fn is_of(&self, wanted: CommitRef) -> bool {
        let Commit {
            id,
            parent,
            root,
            tag,
        } = self.commit;
        let meant = match wanted {
            CommitRef::Id(wanted) => wanted == id,
            CommitRef::Root(wanted) => wanted == root,
        };
        meant && hash::commit_id(&parent, &root, &tag) == id
    }
}

//! Headers: what of each block a light client keeps. One a line, five fields with a space between any two:
//!
//! | field | form |
//! |---|---|
//! | height | decimal, 0 for the first block |
//! | id | 64 hex digits: the commit id |
//! | parent | 64 hex digits: the commit id of the block before, zeros for the first |
//! | root | 64 hex digits: the state after the block |
//! | tag | 64 hex digits: the digest of what is in the block |
//!
//! The id is the keyed hash of the three fields behind it, so that an id that is trusted makes them, and all headers before, trusted too.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crostata_proof::hash::commit_id;
use crostata_proof::{CommitId, ParseHashError, Root};
use thiserror::Error;

/// A block without what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How many blocks came before.
    pub height: u64,
    /// The block's commit.
    pub id: CommitId,
    /// The commit of the block before.
    pub parent: CommitId,
    /// The state after the block.
    pub root: Root,
    /// The digest of what is in the block.
    pub tag: [u8; 32],
}

/// Why a line is not a header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// The line has another number of fields.
    #[error("a header has 5 fields (height, id, parent, root, tag), not {found}")]
    Fields {
        /// How many.
        found: usize,
    },
    /// The height is not a number.
    #[error("the height `{found}` is not a number")]
    Height {
        /// What is there.
        found: String,
    },
    /// A hash is not one.
    #[error("the {field} is wrong: {reason}")]
    Hash {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        reason: ParseHashError,
    },
}

impl Header {
    /// The header of a block on top of `parent`.
    pub fn new(height: u64, parent: CommitId, root: Root, tag: [u8; 32]) -> Self {
        let id = commit_id(&parent, &root, &tag);
        Self {
            height,
            id,
            parent,
            root,
            tag,
        }
    }

    /// The id that follows from the other fields. A header with another id is forged.
    pub fn derived_id(&self) -> CommitId {
        commit_id(&self.parent, &self.root, &self.tag)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = CommitId::from_bytes(self.tag);
        let Self {
            height,
            id,
            parent,
            root,
            ..
        } = self;
        write!(f, "{height} {id} {parent} {root} {tag}")
    }
}

impl FromStr for Header {
    type Err = HeaderError;

    fn from_str(line: &str) -> Result<Self, HeaderError> {
        let found = line.split(' ').count();
        let mut fields = line.split(' ');
        let mut next = || fields.next().ok_or(HeaderError::Fields { found });
        let (height, hashes) = (next()?, [next()?, next()?, next()?, next()?]);
        if found != 5 {
            return Err(HeaderError::Fields { found });
        }
        let [id, parent, root, tag] = hashes;
        Ok(Self {
            height: height.parse().map_err(|_| HeaderError::Height {
                found: height.into(),
            })?,
            id: hash("id", id)?.into(),
            parent: hash("parent", parent)?.into(),
            root: hash("root", root)?.into(),
            tag: hash("tag", tag)?,
        })
    }
}

fn hash(field: &'static str, text: &str) -> Result<[u8; 32], HeaderError> {
    match text.parse::<CommitId>() {
        Ok(hash) => Ok(hash.to_bytes()),
        Err(reason) => Err(HeaderError::Hash { field, reason }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn header() -> Header {
        Header::new(7, [1; 32].into(), [2; 32].into(), [3; 32])
    }

    /// P7: a line is a header, the same that was written, or a typed error.
    #[test]
    fn lines_are_headers_or_say_why_not() {
        let line = header().to_string();
        assert_eq!(line.parse(), Ok(header()));
        let five = Header::from_str("7 a b c");
        assert_eq!(five, Err(HeaderError::Fields { found: 4 }));
        let six = Header::from_str(&(line.clone() + " 8"));
        assert_eq!(six, Err(HeaderError::Fields { found: 6 }));
        let minus = Header::from_str(&line.replace("7 ", "-7 "));
        assert!(
            matches!(minus, Err(HeaderError::Height { .. })),
            "{minus:?}"
        );
        let short = Header::from_str(&line[..line.len() - 1]);
        let reason = ParseHashError::Length(63);
        let field = "tag";
        assert_eq!(short, Err(HeaderError::Hash { field, reason }));
    }

    /// P4: every part of a header decides its id.
    #[test]
    fn ids_follow_from_parent_root_and_tag() {
        assert_eq!(header().id, header().derived_id());
        let changed = [
            Header {
                parent: [4; 32].into(),
                ..header()
            },
            Header {
                root: [4; 32].into(),
                ..header()
            },
            Header {
                tag: [4; 32],
                ..header()
            },
        ];
        for changed in changed {
            assert_ne!(changed.derived_id(), changed.id);
        }
    }
}

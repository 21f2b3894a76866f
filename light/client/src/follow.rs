//! Following a chain: from a block that is trusted to one that consensus has agreed on, header by header.
//!
//! Each header must continue the one before, its id must be the hash of what it says, and the last must be the agreed one. Since each
//! id binds the id before, no header between the two can be another.

use std::str::FromStr;

use crostata_proof::{CommitId, ParseHashError};
use light_chain::{Header, HeaderError};
use thiserror::Error;

/// A block that is known from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many blocks came before.
    pub height: u64,
    /// Its commit id.
    pub id: CommitId,
}

/// Why a text is not a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// There is no colon in it.
    #[error("a block is written HEIGHT:ID")]
    Colon,
    /// The height is not a number.
    #[error("the height `{0}` is not a number")]
    Height(String),
    /// The id is not one.
    #[error("the id is wrong: {0}")]
    Id(#[from] ParseHashError),
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let (height, id) = text.split_once(':').ok_or(CheckpointError::Colon)?;
        let number = height.parse();
        Ok(Self {
            height: number.map_err(|_| CheckpointError::Height(height.into()))?,
            id: id.parse()?,
        })
    }
}

/// Why headers are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FollowError {
    /// There are none.
    #[error("there are no headers")]
    None,
    /// A line is not a header.
    #[error("line {line} is not a header: {reason}")]
    Header {
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        reason: HeaderError,
    },
    /// The first is not the trusted block.
    #[error(
        "the headers begin with block {height}, {found}, which is not the trusted one, {trusted}"
    )]
    NotTrusted {
        /// Its height, as it says.
        height: u64,
        /// Its id.
        found: CommitId,
        /// The trusted id.
        trusted: CommitId,
    },
    /// An id is not the hash of what the header says.
    #[error("block {height} says that its id is {found}, but parent, root and tag give {derived}")]
    Id {
        /// The height.
        height: u64,
        /// What it says.
        found: CommitId,
        /// What follows from the rest.
        derived: CommitId,
    },
    /// A header does not continue the one before.
    #[error("block {height} does not continue block {before}: its parent is {parent}, not {id}")]
    Parent {
        /// Its height.
        height: u64,
        /// The height of the one before.
        before: u64,
        /// Its parent.
        parent: CommitId,
        /// The id of the one before.
        id: CommitId,
    },
    /// A height is left out or repeated.
    #[error("block {found} follows block {before}")]
    Height {
        /// The height.
        found: u64,
        /// The one before.
        before: u64,
    },
    /// The agreed block is not among them.
    #[error("the headers do not lead to the agreed block {height}; the last is block {last}")]
    TooFew {
        /// The agreed height.
        height: u64,
        /// The last height.
        last: u64,
    },
    /// The headers lead to another block than the agreed one.
    #[error("the headers lead to block {height} with id {found}, but consensus agreed on {agreed}")]
    NotAgreed {
        /// The height.
        height: u64,
        /// Where the headers lead.
        found: CommitId,
        /// The agreed id.
        agreed: CommitId,
    },
}

/// The blocks from a trusted one to an agreed one: never empty, ascending without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    headers: Vec<Header>,
}

/// On the way from a trusted block to an agreed one.
pub struct Follower {
    trusted: Checkpoint,
    agreed: Checkpoint,
    headers: Vec<Header>,
}

impl Follower {
    /// Nothing is followed yet.
    pub fn new(trusted: Checkpoint, agreed: Checkpoint) -> Self {
        Self {
            trusted,
            agreed,
            headers: Vec::new(),
        }
    }

    /// The height of the next header; none if the agreed one is there.
    pub fn next_height(&self) -> Option<u64> {
        match self.headers.last() {
            None => Some(self.trusted.height),
            Some(last) if last.height < self.agreed.height => Some(last.height + 1),
            Some(_) => None,
        }
    }

    /// Follows headers, one a line, at least one. Those beyond the agreed one are not looked at.
    pub fn take(&mut self, lines: &str) -> Result<(), FollowError> {
        if lines.is_empty() {
            return Err(FollowError::None);
        }
        for (at, line) in lines.lines().enumerate() {
            if self.next_height().is_none() {
                break;
            }
            let line_number = at + 1;
            let header = Header::from_str(line).map_err(|reason| FollowError::Header {
                line: line_number,
                reason,
            })?;
            match self.headers.last() {
                None => check_first(&header, &self.trusted)?,
                Some(before) => check_next(&header, before)?,
            }
            check_id(&header)?;
            self.headers.push(header);
        }
        Ok(())
    }

    /// All that was followed, on condition that it leads to the agreed block.
    pub fn finish(self) -> Result<Followed, FollowError> {
        check_last(self.headers.last().ok_or(FollowError::None)?, &self.agreed)?;
        Ok(Followed {
            headers: self.headers,
        })
    }
}

impl Followed {
    /// The trusted block.
    pub fn first(&self) -> &Header {
        &self.headers[0]
    }

    /// The agreed block.
    pub fn newest(&self) -> &Header {
        &self.headers[self.headers.len() - 1]
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// The block of this height, if it was followed.
    pub fn at(&self, height: u64) -> Option<&Header> {
        let place = height.checked_sub(self.first().height)?;
        self.headers.get(usize::try_from(place).ok()?)
    }
}

fn check_first(header: &Header, trusted: &Checkpoint) -> Result<(), FollowError> {
    match header.id == trusted.id && header.height == trusted.height {
        true => Ok(()),
        false => Err(FollowError::NotTrusted {
            height: header.height,
            found: header.id,
            trusted: trusted.id,
        }),
    }
}

fn check_next(header: &Header, before: &Header) -> Result<(), FollowError> {
    if Some(header.height) != before.height.checked_add(1) {
        return Err(FollowError::Height {
            found: header.height,
            before: before.height,
        });
    }
    match header.parent == before.id {
        true => Ok(()),
        false => Err(FollowError::Parent {
            height: header.height,
            before: before.height,
            parent: header.parent,
            id: before.id,
        }),
    }
}

fn check_id(header: &Header) -> Result<(), FollowError> {
    let (height, found, derived) = (header.height, header.id, header.derived_id());
    match found == derived {
        true => Ok(()),
        false => Err(FollowError::Id {
            height,
            found,
            derived,
        }),
    }
}

fn check_last(last: &Header, agreed: &Checkpoint) -> Result<(), FollowError> {
    if last.height != agreed.height {
        return Err(FollowError::TooFew {
            height: agreed.height,
            last: last.height,
        });
    }
    match last.id == agreed.id {
        true => Ok(()),
        false => Err(FollowError::NotAgreed {
            height: last.height,
            found: last.id,
            agreed: agreed.id,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<Header> {
        let mut headers = vec![Header::new(3, [9; 32].into(), [0; 32].into(), [0; 32])];
        for height in 4..8 {
            let parent = headers[headers.len() - 1].id;
            headers.push(Header::new(
                height,
                parent,
                [height as u8; 32].into(),
                [1; 32],
            ));
        }
        headers
    }

    fn point(header: &Header) -> Checkpoint {
        let text = format!("{}:{}", header.height, header.id);
        text.parse().unwrap()
    }

    fn follow(headers: &[Header], first: &Header, last: &Header) -> Result<Followed, FollowError> {
        let lines: String = headers.iter().map(|header| format!("{header}\n")).collect();
        let mut follower = Follower::new(point(first), point(last));
        follower.take(&lines)?;
        follower.finish()
    }

    /// P4: from the trusted block to the agreed one, each header continues the one before.
    #[test]
    fn chains_are_followed_to_the_agreed_block() {
        let good = chain();
        let followed = follow(&good, &good[0], &good[3]).unwrap();
        assert_eq!(
            followed.len(),
            4,
            "what is beyond the agreed block is not believed"
        );
        assert_eq!(followed.at(5), Some(&good[2]));
        assert_eq!((followed.at(2), followed.at(7)), (None, None));
        assert_eq!(
            follow(&good[1..], &good[1], &good[4]).unwrap().newest(),
            &good[4]
        );
        assert_eq!(follow(&good, &good[0], &good[0]).unwrap().len(), 1);
    }

    /// P4: headers that come in parts are followed as if they came at once.
    #[test]
    fn chains_come_in_parts() {
        let good = chain();
        let mut follower = Follower::new(point(&good[0]), point(&good[4]));
        for header in &good {
            assert_eq!(follower.next_height(), Some(header.height));
            follower.take(&header.to_string()).unwrap();
        }
        assert_eq!(follower.next_height(), None);
        assert_eq!(follower.finish().unwrap().len(), 5);
    }

    /// P7: any change of any header is refused, and the reason names the block.
    #[test]
    fn changed_chains_are_refused() {
        let good = chain();
        let refused = |headers: &[Header]| follow(headers, &good[0], &good[4]).unwrap_err();
        for at in 0..5 {
            let mut changed = good.clone();
            changed[at].root = [77; 32].into();
            let error = refused(&changed);
            assert!(matches!(error, FollowError::Id { .. }), "{error}");
            let Header {
                height,
                parent,
                root,
                tag,
                ..
            } = changed[at];
            changed[at] = Header::new(height, parent, root, tag);
            let error = refused(&changed);
            let expected = match at {
                0 => matches!(error, FollowError::NotTrusted { .. }),
                4 => matches!(error, FollowError::NotAgreed { .. }),
                _ => matches!(error, FollowError::Parent { .. }),
            };
            assert!(expected, "{at}: {error}");
            changed.remove(at);
            assert_ne!(refused(&changed), FollowError::None, "a header is missing");
        }
    }

    /// P7: headers that are not a chain give errors of their kinds.
    #[test]
    fn bad_headers_are_refused() {
        let good = chain();
        let mut follower = Follower::new(point(&good[0]), point(&good[4]));
        assert_eq!(follower.take(""), Err(FollowError::None));
        let text = follower.take("no header");
        assert!(matches!(text, Err(FollowError::Header { line: 1, .. })));
        assert_eq!(follower.finish(), Err(FollowError::None));
        let short = follow(&good[..4], &good[0], &good[4]);
        assert_eq!(short, Err(FollowError::TooFew { height: 7, last: 6 }));
        let mut high = good.clone();
        high[2].height = 9;
        let high = follow(&high, &good[0], &good[4]);
        assert_eq!(
            high,
            Err(FollowError::Height {
                found: 9,
                before: 4
            })
        );
        assert_eq!("4".parse::<Checkpoint>(), Err(CheckpointError::Colon));
    }
}

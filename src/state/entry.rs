//! What a commit's frame says: the commit, and what changed against its parent.
//!
//! | bytes | field |
//! |---|---|
//! | 32 each | commit id, parent's id (zeros for the genesis), state root, tag |
//! | 32 | protocol: `H("protocol", text)`; an earlier frame has the text |
//! | 4 | number of contracts that changed; for each: |
//! | 4 + n | its record: length, bytes |
//! | 1 | 1 if its pages replace all earlier ones, else 0 |
//! | 4 | number of pages; for each: |
//! | 4 + 32 | page index, leaf hash (EMPTY: the page became zeros) |
//! | 4 | number of codes; for each: |
//! | 32 + 8 | code hash, length in bytes |
//!
//! The blobs of the frame are the pages, each content once, in the order in which their leaves are first named, and
//! then the codes in order, each followed by zeros up to a multiple of 16 bytes.

use std::collections::HashMap;

use crostata_abi::PageIndex;
use crostata_proof::{CodeHash, CommitId, EMPTY, Hash, Root};

use super::checkpoint::kind;
use super::reader::{Reader, put_bytes, put_len};
use super::transfer;
use crate::store::Frame;

/// The fewest bytes of a contract's change, of a page in it, and of a code.
const CONTRACT_LEN_MIN: usize = 4 + 1 + 4;
const PAGE_CHANGE_LEN: usize = 4 + 32;
const CODE_LEN: usize = 32 + 8;

/// A commit: what changed against its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitEntry {
    /// The commit's id.
    pub id: CommitId,
    /// The commit it changes; zeros for the genesis.
    pub parent: CommitId,
    /// The state root after the change.
    pub root: Root,
    /// The embedder's tag.
    pub tag: [u8; 32],
    /// The hash of the protocol it was made under.
    pub protocol: Hash,
    /// The contracts that changed.
    pub contracts: Vec<ContractChange>,
    /// The code that the commit brings, with lengths in bytes.
    pub code: Vec<(CodeHash, u64)>,
}

/// A contract's change in one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractChange {
    /// The contract's record after the change, encoded.
    pub record: Vec<u8>,
    /// The pages replace all earlier ones, as at deploy and migration, instead of changing them.
    pub fresh: bool,
    /// The pages that changed, with their leaf hashes; [`EMPTY`] for a page that became zeros.
    pub pages: Vec<(PageIndex, Hash)>,
}

impl CommitEntry {
    /// The bytes of the entry.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for part in [self.id.as_bytes(), self.parent.as_bytes()] {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(self.root.as_bytes());
        out.extend_from_slice(&self.tag);
        out.extend_from_slice(&self.protocol);
        put_len(&mut out, self.contracts.len());
        for change in &self.contracts {
            change.encode(&mut out);
        }
        put_len(&mut out, self.code.len());
        for (hash, len_bytes) in &self.code {
            out.extend_from_slice(hash.as_bytes());
            out.extend_from_slice(&len_bytes.to_le_bytes());
        }
        out
    }

    /// What the bytes of an entry begin with.
    pub fn decode_head(bytes: &[u8]) -> Option<Head> {
        Head::decode(&mut Reader::new(bytes))
    }

    /// The entry of a frame of any of the kinds that have one.
    pub fn of_frame(frame: &Frame) -> Option<Self> {
        match frame.kind {
            kind::COMMIT | kind::MOVED => Self::decode(&frame.meta),
            kind::IMPORTED => Self::decode(transfer::decode_frame(&frame.meta)?.1),
            _ => None,
        }
    }

    /// The entry that has exactly these bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let head = Head::decode(&mut reader)?;
        let entry = Self {
            id: head.id,
            parent: head.parent,
            root: head.root,
            tag: head.tag,
            protocol: head.protocol,
            contracts: reader.list(CONTRACT_LEN_MIN, ContractChange::decode)?,
            code: reader.list(CODE_LEN, |reader| {
                let hash = CodeHash::from_bytes(reader.array()?);
                Some((hash, reader.len_in_segment()?))
            })?,
        };
        reader.end(entry)
    }

    /// The leaves of the pages that are not zeros, in the order in which they are named.
    pub fn leaves(&self) -> impl Iterator<Item = Hash> {
        let pages = self.contracts.iter().flat_map(|change| &change.pages);
        pages.map(|(_, leaf)| *leaf).filter(|leaf| *leaf != EMPTY)
    }

    /// Which blob each of the [`leaves`](Self::leaves) is, and the leaves of the blobs.
    pub fn page_blobs(&self) -> (Vec<u32>, Vec<Hash>) {
        let mut known: HashMap<Hash, u32> = HashMap::new();
        let mut blobs = Vec::new();
        let numbers = self.leaves().map(|leaf| {
            *known.entry(leaf).or_insert_with(|| {
                blobs.push(leaf);
                blobs.len() as u32 - 1
            })
        });
        (numbers.collect(), blobs)
    }
}

/// What an entry begins with.
pub struct Head {
    pub id: CommitId,
    pub parent: CommitId,
    pub root: Root,
    pub tag: [u8; 32],
    pub protocol: Hash,
}

impl Head {
    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            id: CommitId::from_bytes(reader.array()?),
            parent: CommitId::from_bytes(reader.array()?),
            root: Root::from_bytes(reader.array()?),
            tag: reader.array()?,
            protocol: reader.array()?,
        })
    }
}

impl ContractChange {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, &self.record);
        out.push(u8::from(self.fresh));
        put_len(out, self.pages.len());
        for (page, leaf) in &self.pages {
            out.extend_from_slice(&page.0.to_le_bytes());
            out.extend_from_slice(leaf);
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            record: reader.bytes()?.to_vec(),
            fresh: match reader.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
            pages: reader.list(PAGE_CHANGE_LEN, |reader| {
                Some((PageIndex(reader.u32()?), reader.array()?))
            })?,
        })
    }
}

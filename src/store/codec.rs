//! The bytes of an entry inside a frame.
//!
//! One entry has one encoding, and decoding takes no other: every length is checked against the
//! bytes that are there before anything is allocated for it.
//!
//! | part of a commit | bytes |
//! |---|---|
//! | id, parent, root, tag | 32 each |
//! | protocol | u32 length, bytes |
//! | contracts | u32 count, then each: record (u32 length, bytes), fresh (0 or 1), pages (u32 count, then each: u32 index, 32 leaf) |
//! | pages in this frame | u32 count, then each: 32 leaf |
//! | code in this frame | u32 count, then each: 32 code hash, u64 length |
//!
//! A finalisation or a deletion is the 32 bytes of the commit's id. Integers are little-endian.

use crostata_abi::PageIndex;
use crostata_proof::{CodeHash, CommitId, Hash, Root};

use super::blobs::BlobList;
use super::entry::{CommitEntry, ContractChange, Entry};
use super::error::WriteError;
use super::frame::Kind;

/// The fewest bytes of a contract's change, of a page in it, and of a code in a list.
const CONTRACT_LEN_MIN: usize = 4 + 1 + 4;
const PAGE_CHANGE_LEN: usize = 4 + 32;
const CODE_LEN: usize = 32 + 8;

/// The bytes of a commit that brings these blobs.
pub(super) fn encode_commit(entry: &CommitEntry, blobs: &BlobList) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    out.extend_from_slice(entry.id.as_bytes());
    out.extend_from_slice(entry.parent.as_bytes());
    out.extend_from_slice(entry.root.as_bytes());
    out.extend_from_slice(&entry.tag);
    put_bytes(&mut out, &entry.protocol)?;
    put_len(&mut out, entry.contracts.len())?;
    for change in &entry.contracts {
        put_contract(&mut out, change)?;
    }
    put_blobs(&mut out, blobs)?;
    Ok(out)
}

fn put_contract(out: &mut Vec<u8>, change: &ContractChange) -> Result<(), WriteError> {
    put_bytes(out, &change.record)?;
    out.push(u8::from(change.fresh));
    put_len(out, change.pages.len())?;
    for (page, leaf) in &change.pages {
        out.extend_from_slice(&page.0.to_le_bytes());
        out.extend_from_slice(leaf);
    }
    Ok(())
}

fn put_blobs(out: &mut Vec<u8>, blobs: &BlobList) -> Result<(), WriteError> {
    put_len(out, blobs.pages.len())?;
    for leaf in &blobs.pages {
        out.extend_from_slice(leaf);
    }
    put_len(out, blobs.code.len())?;
    for (key, len_bytes) in &blobs.code {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(&len_bytes.to_le_bytes());
    }
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), WriteError> {
    put_len(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

fn put_len(out: &mut Vec<u8>, len: usize) -> Result<(), WriteError> {
    let short = u32::try_from(len).map_err(|_| WriteError::TooLong { len })?;
    out.extend_from_slice(&short.to_le_bytes());
    Ok(())
}

/// The entry of a frame and the blobs it brings, or `None` if the bytes are not exactly one entry.
pub(super) fn decode(kind: Kind, bytes: &[u8]) -> Option<(Entry, BlobList)> {
    let mut reader = Reader(bytes);
    let decoded = match kind {
        Kind::Commit => {
            let entry = commit(&mut reader)?;
            (Entry::Commit(entry), blobs(&mut reader)?)
        }
        Kind::Finalize => (
            Entry::Finalize(commit_id(&mut reader)?),
            BlobList::default(),
        ),
        Kind::Delete => (Entry::Delete(commit_id(&mut reader)?), BlobList::default()),
    };
    reader.0.is_empty().then_some(decoded)
}

fn commit(reader: &mut Reader<'_>) -> Option<CommitEntry> {
    Some(CommitEntry {
        id: commit_id(reader)?,
        parent: commit_id(reader)?,
        root: Root::from_bytes(reader.array()?),
        tag: reader.array()?,
        protocol: reader.bytes()?,
        contracts: reader.list(CONTRACT_LEN_MIN, contract)?,
    })
}

fn contract(reader: &mut Reader<'_>) -> Option<ContractChange> {
    Some(ContractChange {
        record: reader.bytes()?,
        fresh: match reader.array()? {
            [0] => false,
            [1] => true,
            _ => return None,
        },
        pages: reader.list(PAGE_CHANGE_LEN, |reader| {
            Some((PageIndex(reader.u32()?), reader.array()?))
        })?,
    })
}

fn blobs(reader: &mut Reader<'_>) -> Option<BlobList> {
    Some(BlobList {
        pages: reader.list(size_of::<Hash>(), Reader::array)?,
        code: reader.list(CODE_LEN, |reader| {
            let key = CodeHash::from_bytes(reader.array()?);
            Some((key, u64::from_le_bytes(reader.array()?)))
        })?,
    })
}

fn commit_id(reader: &mut Reader<'_>) -> Option<CommitId> {
    reader.array().map(CommitId::from_bytes)
}

/// Bytes not yet decoded.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let len = self.u32()? as usize;
        self.take(len).map(<[u8]>::to_vec)
    }

    /// A counted list whose members take at least `member_len_min` bytes each.
    fn list<T>(
        &mut self,
        member_len_min: usize,
        member: impl Fn(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let count = self.u32()? as usize;
        if count > self.0.len() / member_len_min {
            return None;
        }
        (0..count).map(|_| member(self)).collect()
    }
}

//! The bytes of a chunk.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format version: 1 |
//! | 41 | the cursor that the chunk begins behind |
//! | 4 | number of buckets; for each: |
//! | 4 | number of its contracts; for each: |
//! | 4 + n | its record: length, bytes |
//! | | the edges of the run of these buckets in the contract tree (`edges`) |
//! | 4 | number of contracts of which something follows; for each: |
//! | 1 | 1 if its code follows, else 0 |
//! | c | the code, if so: as many bytes as the record says |
//! | 4 | number of pages; for each: |
//! | 4 + 4,096 | number of the page, its bytes |
//! | | if there are pages: the edges of the run of these pages in the contract's page tree |
//!
//! This file knows where things are, not whether they are true: that is `verify`.

use crostata_abi::{PAGE_BYTES, PageIndex};
use crostata_proof::ContractRecord;
use crostata_proof::tree::{CONTRACT_TREE_HEIGHT, page_tree_height};

use super::cursor::Cursor;
use super::edges::Edges;
use super::error::ChunkError;
use super::header::VERSION;
use crate::memory::Page;
use crate::state::reader::{Reader, put_bytes, put_len};

/// The length of a page in a chunk.
pub const PAGE_LEN: usize = 4 + PAGE_BYTES;

/// The fewest bytes of a bucket, and of a record, in a chunk.
const BUCKET_LEN_MIN: usize = 4;
const RECORD_LEN_MIN: usize = 4;

/// Where a walk begins, what it shows of the contract tree, and what follows of which contracts.
#[derive(Debug)]
pub struct Parts<'a> {
    /// What the chunk begins behind.
    pub cursor: Cursor,
    /// The records at each position.
    pub buckets: Vec<Vec<ContractRecord>>,
    /// The edges of the run of buckets.
    pub edges: Edges,
    /// What follows of each contract from the cursor on.
    pub contents: Vec<Content<'a>>,
}

/// What a chunk has of a contract.
#[derive(Debug, Default)]
pub struct Content<'a> {
    /// Its code.
    pub code: Option<&'a [u8]>,
    /// Pages.
    pub pages: Vec<(PageIndex, &'a Page)>,
    /// The edges of the run of pages, if there are pages.
    pub edges: Edges,
}

impl<'a> Parts<'a> {
    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.cursor.to_bytes());
        put_len(&mut out, self.buckets.len());
        for bucket in &self.buckets {
            put_len(&mut out, bucket.len());
            for record in bucket {
                put_bytes(&mut out, &record.encode());
            }
        }
        self.edges.encode(&mut out);
        put_len(&mut out, self.contents.len());
        for content in &self.contents {
            content.encode(&mut out);
        }
        out
    }

    /// What has these bytes. Makes room for nothing that is not there.
    ///
    /// # Errors
    /// [`ChunkError`] when they are no chunk.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, ChunkError> {
        match bytes.first() {
            None | Some(&VERSION) => {}
            Some(&found) => return Err(ChunkError::Version { found }),
        }
        let mut reader = Reader::new(bytes);
        let parts = Self::read(&mut reader).and_then(|parts| reader.end(parts));
        let offset = bytes.len() - reader.left();
        parts.ok_or(ChunkError::Malformed { offset })
    }

    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        reader.u8()?;
        let cursor = Cursor::from_bytes(&reader.array()?)?;
        let record = |reader: &mut Reader<'a>| ContractRecord::decode(reader.bytes()?).ok();
        let buckets = reader.list(BUCKET_LEN_MIN, |reader| reader.list(RECORD_LEN_MIN, record))?;
        let edges = Edges::decode(reader, CONTRACT_TREE_HEIGHT)?;
        let contents = {
            let records = buckets.iter().flatten();
            let mut records = records.skip(skipped(&cursor, &buckets)?);
            reader.list(1 + 4, |reader| Content::read(reader, records.next()?))?
        };
        Some(Self {
            cursor,
            buckets,
            edges,
            contents,
        })
    }
}

/// How many contracts of the first bucket were done with before the cursor.
fn skipped(cursor: &Cursor, buckets: &[Vec<ContractRecord>]) -> Option<usize> {
    let Some(contract) = cursor.contract() else {
        return Some(0);
    };
    let mut first = buckets.first()?.iter();
    let at = first.position(|record| record.contract == contract)?;
    Some(match cursor {
        Cursor::Behind { .. } => at + 1,
        _ => at,
    })
}

impl Parts<'_> {
    /// The record of each of the contents.
    pub fn records(&self) -> impl Iterator<Item = &ContractRecord> {
        let skipped = skipped(&self.cursor, &self.buckets);
        let records = self.buckets.iter().flatten();
        records.skip(skipped.unwrap_or(0)).take(self.contents.len())
    }
}

impl<'a> Content<'a> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.code.is_some()));
        out.extend_from_slice(self.code.unwrap_or_default());
        put_len(out, self.pages.len());
        for (page, bytes) in &self.pages {
            out.extend_from_slice(&page.0.to_le_bytes());
            out.extend_from_slice(&bytes[..]);
        }
        self.edges.encode(out);
    }

    fn read(reader: &mut Reader<'a>, record: &ContractRecord) -> Option<Self> {
        let code = match reader.u8()? {
            0 => None,
            1 => Some(reader.take(usize::try_from(record.code_len_bytes).ok()?)?),
            _ => return None,
        };
        let pages = reader.list(PAGE_LEN, |reader| {
            let page = PageIndex(reader.u32()?);
            Some((page, reader.take(PAGE_BYTES)?.as_array()?))
        })?;
        let edges = match pages.is_empty() {
            true => Edges::default(),
            false => Edges::decode(reader, page_tree_height(record.word_size))?,
        };
        Some(Self { code, pages, edges })
    }
}

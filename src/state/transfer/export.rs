//! Making chunks: what follows a cursor in a state, as much as was asked for.
//!
//! A chunk is a function of state, cursor and size: any machine makes the same, from whatever its store looks like.

use std::collections::HashMap;
use std::sync::OnceLock;

use crostata_abi::{ContractId, PageIndex};
use crostata_proof::tree::{CONTRACT_TREE_HEIGHT, PAGE_TREE_HEIGHT_64};
use crostata_proof::{CodeHash, ContractRecord, EMPTY, RECORD_BYTES_MIN};

use super::chunk::{Content, PAGE_LEN, Parts};
use super::cursor::Cursor;
use super::edges::Edges;
use super::error::ExportError;
use crate::memory::Page;
use crate::state::pages::read_page;
use crate::state::snapshot::{Bucket, ContractState, Snapshot};
use crate::state::tree::NodeError;

/// The most bytes that a chunk is asked to have, whatever its receiver says.
pub const CHUNK_BYTES_MAX: u64 = 16 << 20;

/// What a chunk needs at most besides records, code and pages: fixed fields, and the edges of the buckets and of the
/// pages of the first and of the last contract.
const FRAMING_BYTES: u64 = (1
    + Cursor::BYTES
    + 4
    + 4
    + Edges::len_bytes_max(CONTRACT_TREE_HEIGHT)
    + 2 * Edges::len_bytes_max(PAGE_TREE_HEIGHT_64)) as u64;

/// What a contract needs at most besides record, code and pages: lengths, and the masks of its pages.
const CONTRACT_FRAMING_BYTES: u64 = 4 + 4 + 1 + 4 + PAGE_TREE_HEIGHT_64 as u64;

/// A chunk, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedChunk {
    /// The chunk.
    pub bytes: Vec<u8>,
    /// Where the next one begins; none if this is the last.
    pub next: Option<Cursor>,
}

/// The walk over one state.
pub struct Walk {
    snapshot: Snapshot,
    /// The first contract of the walk that has each code.
    first: OnceLock<HashMap<CodeHash, ContractId>>,
}

impl Walk {
    /// Over this state.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            first: OnceLock::new(),
        }
    }

    /// What follows a cursor: as much as fits into `bytes_max` (at most 16 MiB), but always something, a single code or
    /// page at least.
    ///
    /// The first chunk that a contract begins in costs a walk over all records, to know which codes have come before.
    ///
    /// # Errors
    /// [`ExportError`] when nothing follows the cursor, or the state can not be read.
    pub fn chunk(&self, from: &Cursor, bytes_max: u64) -> Result<ExportedChunk, ExportError> {
        let mut chunk = Making {
            walk: self,
            cursor: *from,
            left: bytes_max.min(CHUNK_BYTES_MAX).saturating_sub(FRAMING_BYTES),
            buckets: Vec::new(),
            positions: Vec::new(),
            contents: Vec::new(),
            end: None,
        };
        let is_last = chunk.fill()?;
        chunk.finish(is_last)
    }

    /// Whether no contract before this one has the same code.
    fn brings_code(&self, record: &ContractRecord) -> Result<bool, NodeError> {
        let first = match self.first.get() {
            Some(first) => first,
            None => {
                let found = self.first_contracts()?;
                self.first.get_or_init(|| found) // another thread may have been faster, with the same
            }
        };
        Ok(first.get(&record.code_hash) == Some(&record.contract))
    }

    fn first_contracts(&self) -> Result<HashMap<CodeHash, ContractId>, NodeError> {
        let mut first = HashMap::new();
        for bucket in self.snapshot.contracts().leaves() {
            let (_, _, bucket) = bucket?;
            for state in bucket.contracts() {
                let record = &state.record;
                first.entry(record.code_hash).or_insert(record.contract);
            }
        }
        Ok(first)
    }
}

/// A chunk in the making.
struct Making<'a> {
    walk: &'a Walk,
    cursor: Cursor,
    /// Bytes that may still be added.
    left: u64,
    buckets: Vec<Bucket>,
    positions: Vec<u64>,
    contents: Vec<Made>,
    end: Option<Cursor>,
}

/// What the chunk will have of a contract.
#[derive(Default)]
struct Made {
    code: Option<Vec<u8>>,
    pages: Vec<(PageIndex, Box<Page>)>,
    edges: Edges,
}

impl Made {
    fn content(&self) -> Content<'_> {
        let pages = self.pages.iter();
        Content {
            code: self.code.as_deref(),
            pages: pages.map(|(page, bytes)| (*page, &**bytes)).collect(),
            edges: self.edges.clone(),
        }
    }
}

impl Making<'_> {
    /// Adds what follows the cursor and fits; whether that is all there is.
    fn fill(&mut self) -> Result<bool, ExportError> {
        let contracts = self.walk.snapshot.contracts().clone();
        let mut buckets = contracts.leaves_from(self.cursor.position())?;
        if let Some(contract) = self.cursor.contract() {
            let first = buckets.next().transpose()?;
            let first = first.filter(|(_, _, bucket)| bucket.find(&contract).is_some());
            let (position, _, bucket) = first.ok_or_else(|| self.nothing())?;
            self.show(position, &bucket);
            if !self.contracts(&bucket, self.skip(&contract, &bucket))? {
                return Ok(false);
            }
        }
        for bucket in buckets {
            let (position, _, bucket) = bucket?;
            if !self.contents.is_empty() && !self.begins(&bucket)? {
                return Ok(false);
            }
            self.show(position, &bucket);
            if !self.contracts(&bucket, 0)? {
                return Ok(false);
            }
        }
        match self.contents.is_empty() && self.cursor != Cursor::Start {
            true => Err(self.nothing()),
            false => Ok(true),
        }
    }

    /// Adds the contracts of a bucket but the first few; whether all of them fitted.
    fn contracts(&mut self, bucket: &Bucket, skipped: usize) -> Result<bool, ExportError> {
        for (at, state) in bucket.contracts().iter().enumerate().skip(skipped) {
            if !self.contract(state, at == 0)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn nothing(&self) -> ExportError {
        let cursor = self.cursor;
        ExportError::NothingFollows { cursor }
    }

    /// How many contracts of the cursor's bucket are done with.
    fn skip(&self, contract: &ContractId, bucket: &Bucket) -> usize {
        let mut contracts = bucket.contracts().iter();
        let at = contracts.position(|state| state.record.contract == *contract);
        let done = matches!(self.cursor, Cursor::Behind { .. });
        at.unwrap_or(0) + usize::from(done)
    }

    fn show(&mut self, position: u64, bucket: &Bucket) {
        self.positions.push(position);
        self.buckets.push(bucket.clone());
        self.left = self.left.saturating_sub(records_len(bucket));
    }

    /// Whether the records of a bucket fit, with the code of its first contract.
    fn begins(&self, bucket: &Bucket) -> Result<bool, ExportError> {
        let Some(first) = bucket.contracts().first() else {
            return Ok(true);
        };
        let code_len = self.code_len(&first.record)?;
        Ok(records_len(bucket).saturating_add(code_len) <= self.left)
    }

    fn code_len(&self, record: &ContractRecord) -> Result<u64, NodeError> {
        Ok(match self.walk.brings_code(record)? {
            true => record.code_len_bytes,
            false => 0,
        })
    }

    /// Adds what fits of a contract; whether that is all. The code of a bucket's first contract was seen to fit.
    fn contract(&mut self, state: &ContractState, is_first: bool) -> Result<bool, ExportError> {
        let record = &state.record;
        let contract = record.contract;
        let from = match self.cursor {
            Cursor::Inside { contract, page } if contract == record.contract => Some(page),
            _ => None,
        };
        let mut made = Made::default();
        if from.is_none() {
            let code_len = self.code_len(record)?;
            if !self.contents.is_empty() && !is_first && code_len > self.left {
                return Ok(false);
            }
            made.code = self.code(record)?;
            self.left = self.left.saturating_sub(code_len);
        }
        let is_all = self.pages(state, from, &mut made)?;
        if from.is_some() && made.pages.is_empty() {
            return Err(self.nothing());
        }
        let last = made.pages.last();
        let page = last.map_or(0, |(page, _)| u64::from(page.0) + 1);
        self.end = Some(match is_all {
            true => Cursor::Behind { contract },
            false => Cursor::Inside { contract, page },
        });
        self.contents.push(made);
        Ok(is_all)
    }

    /// The code of a contract, if no other has it before.
    fn code(&self, record: &ContractRecord) -> Result<Option<Vec<u8>>, ExportError> {
        Ok(match self.walk.brings_code(record)? {
            true => Some(self.walk.snapshot.code(&record.code_hash)?),
            false => None,
        })
    }

    /// Adds the pages from one on that fit, one at least if the chunk begins with them; whether these are all.
    fn pages(
        &mut self,
        state: &ContractState,
        from: Option<u64>,
        made: &mut Made,
    ) -> Result<bool, ExportError> {
        let store = self.walk.snapshot.nodes().store();
        let first = from.unwrap_or(0);
        let mut is_all = true;
        for leaf in state.pages.leaves_from(first)? {
            let (number, leaf, spot) = leaf?;
            let is_wanted = from.is_some() && made.pages.is_empty();
            if !is_wanted && self.left < PAGE_LEN as u64 {
                is_all = false;
                break;
            }
            let page = read_page(store, leaf, &spot)?;
            made.pages.push((PageIndex(number as u32), page)); // page trees have at most 2^30 positions
            self.left = self.left.saturating_sub(PAGE_LEN as u64);
        }
        if let Some((last, _)) = made.pages.last() {
            made.edges = Edges::of(&state.pages, first, u64::from(last.0))?;
        }
        Ok(is_all)
    }

    fn finish(self, is_last: bool) -> Result<ExportedChunk, ExportError> {
        let contracts = self.walk.snapshot.contracts();
        debug_assert!(!self.positions.is_empty() || contracts.root() == EMPTY);
        let edges = match self.positions.last() {
            None => Edges::none(CONTRACT_TREE_HEIGHT),
            Some(last) => Edges::of(contracts, self.cursor.position(), *last)?,
        };
        let records = |bucket: &Bucket| {
            let contracts = bucket.contracts().iter();
            contracts.map(|state| state.record.clone()).collect()
        };
        let parts = Parts {
            cursor: self.cursor,
            buckets: self.buckets.iter().map(records).collect(),
            edges,
            contents: self.contents.iter().map(Made::content).collect(),
        };
        let next = self.end.filter(|_| !is_last);
        Ok(ExportedChunk {
            bytes: parts.encode(),
            next,
        })
    }
}

/// What the records of a bucket take, and what their contracts need besides.
fn records_len(bucket: &Bucket) -> u64 {
    let records = bucket.contracts().iter().map(|state| {
        let owner = state.record.owner.as_bytes().len();
        CONTRACT_FRAMING_BYTES + (RECORD_BYTES_MIN + owner) as u64
    });
    records.sum()
}

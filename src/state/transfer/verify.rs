//! Whether a chunk is what follows a cursor in the state with a root: a function of the three and of nothing else.
//!
//! Of a state, a cursor and the place where a chunk ends, exactly one string of bytes passes. Whether a code belongs
//! into it depends on what came before, and is for who keeps that to judge.

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::tree::{has_position, page_tree_height};
use crostata_proof::{ContractRecord, EMPTY, Hash, Root, hash};

use super::chunk::{Content, Parts};
use super::cursor::Cursor;
use super::error::ChunkError;
use crate::memory::Page;
use crate::state::hashing::{BATCH, LeafHasher};

/// A chunk that was verified.
#[must_use]
pub struct Verified<'a> {
    /// What it brings, in the order of the walk.
    pub contracts: Vec<Brought<'a>>,
    /// Where the next chunk begins; none if this is the last.
    pub next: Option<Cursor>,
}

/// What a chunk brings of a contract.
pub struct Brought<'a> {
    /// The contract's record.
    pub record: ContractRecord,
    /// Whether nothing of the contract came before.
    pub begins: bool,
    /// Its code, which is the one that the record names.
    pub code: Option<&'a [u8]>,
    /// Pages, by ascending number, with their leaves.
    pub pages: Vec<(PageIndex, Hash, &'a Page)>,
}

/// The chunk with these bytes, if it follows `wanted` in the state with this root.
///
/// # Errors
/// [`ChunkError`] says what does not fit.
pub fn verify<'a>(
    root: &Root,
    wanted: &Cursor,
    bytes: &'a [u8],
) -> Result<Verified<'a>, ChunkError> {
    let parts = Parts::decode(bytes)?;
    let (wanted, found) = (*wanted, parts.cursor);
    if wanted != found {
        return Err(ChunkError::Cursor { wanted, found });
    }
    check_records(root, &parts)?;
    if parts.buckets.is_empty() {
        return Ok(Verified {
            contracts: Vec::new(),
            next: None,
        });
    }
    let mut contracts = Vec::with_capacity(parts.contents.len());
    let mut end = None;
    for (record, content) in parts.records().zip(&parts.contents) {
        if let Some((Cursor::Inside { contract, .. }, _)) = end {
            return Err(ChunkError::PagesMissing { contract });
        }
        let begins =
            !matches!(&found, Cursor::Inside { contract, .. } if *contract == record.contract);
        let from = match found {
            Cursor::Inside { page, .. } if !begins => page,
            _ => 0,
        };
        let code = check_code(record, content, begins)?;
        let leaves = page_leaves(content);
        let after = check_pages(record, content, &leaves, from, begins)?;
        end = Some((after, record.contract));
        let pages = content.pages.iter().zip(leaves);
        contracts.push(Brought {
            record: record.clone(),
            begins,
            code,
            pages: pages
                .map(|((page, bytes), (_, leaf))| (*page, leaf, *bytes))
                .collect(),
        });
    }
    Ok(Verified {
        next: next(&parts, end)?,
        contracts,
    })
}

/// Where the next chunk begins, after this end.
fn next(
    parts: &Parts<'_>,
    end: Option<(Cursor, ContractId)>,
) -> Result<Option<Cursor>, ChunkError> {
    let last = parts.buckets.last().map_or(&[][..], Vec::as_slice);
    let Some((cursor, contract)) = end else {
        return Err(ChunkError::Contents);
    };
    let Some(at) = last.iter().position(|record| record.contract == contract) else {
        return Err(ChunkError::Contents);
    };
    let is_last = at + 1 == last.len() && parts.edges.end_there();
    let done = matches!(cursor, Cursor::Behind { .. });
    Ok((!(is_last && done)).then_some(cursor))
}

/// The records are in order, and those of the root from the cursor on.
fn check_records(root: &Root, parts: &Parts<'_>) -> Result<(), ChunkError> {
    let wrong = ChunkError::Records { root: *root };
    if parts.buckets.is_empty() {
        let empty = root.to_bytes() == EMPTY && parts.edges.are_none();
        let nothing = parts.contents.is_empty() && parts.cursor == Cursor::Start;
        return if empty && nothing { Ok(()) } else { Err(wrong) };
    }
    let mut leaves: Vec<(u64, Hash)> = Vec::with_capacity(parts.buckets.len());
    for bucket in &parts.buckets {
        leaves.push(bucket_leaf(bucket).ok_or(ChunkError::RecordOrder)?);
    }
    let first = parts.cursor.position();
    let begins = match parts.cursor {
        Cursor::Start => true,
        _ => leaves.first().is_some_and(|leaf| leaf.0 == first),
    };
    if !begins || !leaves.is_sorted_by(|one, next| one.0 < next.0) {
        return Err(ChunkError::RecordOrder);
    }
    match parts.edges.fold(first, &leaves) == Some(root.to_bytes()) {
        true => Ok(()),
        false => Err(wrong),
    }
}

/// Position and leaf of a bucket, if its records are in order and at one position.
fn bucket_leaf(bucket: &[ContractRecord]) -> Option<(u64, Hash)> {
    let position = hash::position(&bucket.first()?.contract);
    let together = bucket
        .iter()
        .all(|record| hash::position(&record.contract) == position);
    let ascending = bucket.is_sorted_by(|one, next| one.contract < next.contract);
    let entries = bucket.iter().map(|record| (record.contract, record.hash()));
    let entries: Vec<_> = entries.collect();
    (together && ascending).then(|| (position, hash::bucket(&entries)))
}

/// The pages are those of the record from `from` on; where that ends.
fn check_pages(
    record: &ContractRecord,
    content: &Content<'_>,
    leaves: &[(u64, Hash)],
    from: u64,
    begins: bool,
) -> Result<Cursor, ChunkError> {
    let contract = record.contract;
    let Some((last, _)) = leaves.last() else {
        return match (record.page_root == EMPTY, begins) {
            (true, true) => Ok(Cursor::Behind { contract }),
            (false, true) => Ok(Cursor::Inside { contract, page: 0 }),
            (_, false) => Err(ChunkError::Contents),
        };
    };
    check_numbers(record, content, leaves, from)?;
    if content.edges.fold(from, leaves) != Some(record.page_root) {
        return Err(ChunkError::Pages { contract });
    }
    let page = last + 1;
    Ok(match content.edges.end_there() {
        true => Cursor::Behind { contract },
        false => Cursor::Inside { contract, page },
    })
}

/// The pages ascend from `from` on inside the memory, and none is zeros.
fn check_numbers(
    record: &ContractRecord,
    content: &Content<'_>,
    leaves: &[(u64, Hash)],
    from: u64,
) -> Result<(), ChunkError> {
    let (contract, height) = (record.contract, page_tree_height(record.word_size));
    let mut least = from;
    for ((page, _), (number, leaf)) in content.pages.iter().zip(leaves) {
        let (page, number) = (*page, *number);
        if number < least || !has_position(height, number) || !record.has_page(page) {
            return Err(ChunkError::PageOrder { contract, page });
        }
        if *leaf == EMPTY {
            return Err(ChunkError::ZeroPage { contract, page });
        }
        least = number + 1;
    }
    Ok(())
}

/// The leaves of a content's pages.
fn page_leaves(content: &Content<'_>) -> Vec<(u64, Hash)> {
    let hasher = LeafHasher::new();
    let mut out = Vec::with_capacity(content.pages.len());
    let mut buffer = vec![[0; PAGE_BYTES]; BATCH];
    for pages in content.pages.chunks(BATCH) {
        let mut leaves = [EMPTY; BATCH];
        for (place, (_, page)) in buffer.iter_mut().zip(pages) {
            *place = **page;
        }
        hasher.hash(&buffer[..pages.len()], &mut leaves);
        let numbered = pages.iter().zip(leaves);
        out.extend(numbered.map(|((page, _), leaf)| (u64::from(page.0), leaf)));
    }
    out
}

/// The code, if there is one, is the record's.
fn check_code<'a>(
    record: &ContractRecord,
    content: &Content<'a>,
    begins: bool,
) -> Result<Option<&'a [u8]>, ChunkError> {
    let (contract, code) = (record.contract, record.code_hash);
    match content.code {
        Some(_) if !begins => Err(ChunkError::CodeRepeated { contract, code }),
        Some(bytes) if hash::code_hash(bytes) != code => Err(ChunkError::Code { contract, code }),
        bytes => Ok(bytes),
    }
}

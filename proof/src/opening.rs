//! Openings: proofs that a contract record, or a page of a contract's memory, belongs to a state.
//!
//! The verifier brings root, contract and page; an opening never says what it is a proof of. What
//! verification returns is a [`Verified`] value, which nothing else can make.
//!
//! Encoding, little-endian, no padding, one encoding per opening:
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format version, 1 |
//! | 1 | kind: 1 record, 2 page |
//! | 147 + owner | the contract record |
//! | 4 | `m`, how many other contracts share the position |
//! | 64 x m | their ids and record hashes, by ascending id |
//! | 16 + 32 x siblings | path in the contract tree ([`path`](crate::TreePath)), height 31 |
//!
//! and for a page:
//!
//! | bytes | field |
//! |---|---|
//! | 5 or 8, + 32 x siblings | path in the page tree, height 10 or 15 by the record's word size |
//! | 1 | 0: the page is zeros; 1: its bytes follow |
//! | 0 or 4,096 | the page, not all zeros |

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Deref;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use thiserror::Error;

use crate::path::{PathError, ReadPathError, TreePath};
use crate::read::{Cut, Reader};
use crate::record::{ContractRecord, RecordError};
use crate::verified::Verified;
use crate::{Hash, Root, hash, tree};

/// The version of the encoding of openings.
pub const OPENING_VERSION: u8 = 1;

/// A page's bytes.
pub type PageBytes = [u8; PAGE_BYTES];

const KIND_RECORD: u8 = 1;
const KIND_PAGE: u8 = 2;
const PAGE_ZEROS: u8 = 0;
const PAGE_FOLLOWS: u8 = 1;

/// Proves a contract's record at a state root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordOpening {
    record: ContractRecord,
    /// The other contracts at the same position, by ascending id.
    bucket_others: Vec<(ContractId, Hash)>,
    path: TreePath,
}

/// Proves a page of a contract's memory at a state root, a page of zeros included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOpening {
    record: RecordOpening,
    path: TreePath,
    page: Box<PageBytes>,
}

/// A page of a contract's memory: what a [`PageOpening`] proves. It derefs to the page's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageProof {
    /// The record of the contract.
    pub record: ContractRecord,
    /// Which page it is.
    pub index: PageIndex,
    /// The page's 4,096 bytes.
    pub bytes: Box<PageBytes>,
}

impl Deref for PageProof {
    type Target = PageBytes;

    fn deref(&self) -> &PageBytes {
        &self.bytes
    }
}

/// Why bytes are not an encoded opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside the opening.
    #[error("the opening ends early")]
    Cut,
    /// There are bytes after the opening.
    #[error("{extra_bytes} bytes follow the opening")]
    Trailing {
        /// How many.
        extra_bytes: usize,
    },
    /// A version that this build does not know.
    #[error("opening version {found} is unknown; this build reads version {OPENING_VERSION}")]
    Version {
        /// The version in the opening.
        found: u8,
    },
    /// An opening of another kind.
    #[error("an opening of kind {found}, not {expected}")]
    Kind {
        /// The kind in the opening.
        found: u8,
        /// The kind to be decoded: 1 record, 2 page.
        expected: u8,
    },
    /// The contract record is not one.
    #[error("the record in the opening is invalid: {0}")]
    Record(#[from] RecordError),
    /// The other contracts at the position do not ascend by id, or one is the proven one.
    #[error("entry {at} of the other contracts at the position is out of order")]
    Order {
        /// Which entry, from 0.
        at: usize,
    },
    /// The bits beyond a path's last level are not zero.
    #[error("the padding of a path is not zero")]
    Padding,
    /// A path lists an EMPTY sibling, which is written by leaving it out.
    #[error("a path lists an empty sibling")]
    EmptySibling,
    /// The byte before the page is neither 0 nor 1.
    #[error("the page is marked {found}, neither zeros (0) nor given (1)")]
    PageMark {
        /// The byte.
        found: u8,
    },
    /// A page of zeros was written out.
    #[error("a page of zeros is given byte by byte")]
    PageOfZeros,
}

impl From<Cut> for DecodeError {
    fn from(Cut: Cut) -> Self {
        Self::Cut
    }
}

impl From<ReadPathError> for DecodeError {
    fn from(error: ReadPathError) -> Self {
        match error {
            ReadPathError::Cut => Self::Cut,
            ReadPathError::Padding => Self::Padding,
            ReadPathError::EmptySibling => Self::EmptySibling,
        }
    }
}

/// Why an opening proves nothing of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The opening is of another contract.
    #[error("the opening is of contract {found}, not {expected}")]
    Contract {
        /// The contract of the opening.
        found: ContractId,
        /// The contract asked for.
        expected: ContractId,
    },
    /// The opening leads to another state root.
    #[error("the opening leads to root {found}, not {expected}")]
    Root {
        /// The root that the opening leads to.
        found: Root,
        /// The root asked for.
        expected: Root,
    },
    /// The page lies outside the contract's memory.
    #[error("page {page} is outside a memory of {pages} pages")]
    PageOutOfRange {
        /// The page asked for.
        page: PageIndex,
        /// How many pages of 4,096 bytes the memory has.
        pages: u64,
    },
    /// The page's path leads to another page tree than the record's.
    #[error("the page does not belong to the contract's memory at this place")]
    PageRoot,
    /// A path does not have the height of its tree. No decoded opening has such a path.
    #[error("a path of height {found} in a tree of height {expected}")]
    Height {
        /// The path's height.
        found: u32,
        /// The tree's height.
        expected: u32,
    },
    /// The path does not run through the position of the contract or page.
    #[error("the path is another position's: {0}")]
    Path(#[from] PathError),
}

impl RecordOpening {
    /// The opening of `record`, which shares its position with `bucket_others` (ids and record
    /// hashes, in any order).
    ///
    /// Nothing is verified here: parts that do not belong together make an opening of nothing.
    pub fn new(
        record: ContractRecord,
        mut bucket_others: Vec<(ContractId, Hash)>,
        path: TreePath,
    ) -> Self {
        bucket_others.retain(|other| other.0 != record.contract);
        bucket_others.sort_unstable();
        bucket_others.dedup_by_key(|other| other.0);
        Self {
            record,
            bucket_others,
            path,
        }
    }

    /// The record, on condition that `contract` has it in the state with this root.
    ///
    /// # Errors
    /// [`VerifyError`] if the opening does not prove that.
    pub fn verify(
        &self,
        root: &Root,
        contract: &ContractId,
    ) -> Result<Verified<ContractRecord>, VerifyError> {
        self.check(root, contract)?;
        Ok(Verified::new(self.record.clone()))
    }

    fn check(&self, root: &Root, contract: &ContractId) -> Result<(), VerifyError> {
        let (found, expected) = (self.record.contract, *contract);
        if found != expected {
            return Err(VerifyError::Contract { found, expected });
        }
        check_height(&self.path, tree::CONTRACT_TREE_HEIGHT)?;
        let found = self.path.fold(hash::position(contract), self.bucket())?;
        let (found, expected) = (Root::from_bytes(found), *root);
        match found == expected {
            true => Ok(()),
            false => Err(VerifyError::Root { found, expected }),
        }
    }

    /// The leaf of the contract tree: the record among the others, by id.
    fn bucket(&self) -> Hash {
        let own = (self.record.contract, self.record.hash());
        let at = self.bucket_others.partition_point(|other| other.0 < own.0);
        let (before, after) = self.bucket_others.split_at(at);
        hash::bucket_of(before.iter().chain([&own]).chain(after))
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = alloc::vec![OPENING_VERSION, KIND_RECORD];
        self.write(&mut bytes);
        bytes
    }

    /// The opening that `bytes` encodes. Encoding it again gives `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not exactly one record opening of the known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        read_head(&mut reader, KIND_RECORD)?;
        let opening = Self::read(&mut reader)?;
        read_end(&reader).map(|()| opening)
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.record.encode());
        let count = self.bucket_others.len() as u32; // 2^32 of them would be 256 GiB
        bytes.extend_from_slice(&count.to_le_bytes());
        for (contract, record) in &self.bucket_others {
            bytes.extend_from_slice(contract.as_bytes());
            bytes.extend_from_slice(record);
        }
        self.path.write(bytes);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let record = ContractRecord::read(reader)?;
        let bucket_others = read_others(reader)?;
        check_order(&record.contract, &bucket_others)?;
        let path = TreePath::read(reader, tree::CONTRACT_TREE_HEIGHT)?;
        Ok(Self {
            record,
            bucket_others,
            path,
        })
    }
}

impl PageOpening {
    /// The opening of a page of the contract that `record` opens.
    ///
    /// Nothing is verified here: parts that do not belong together make an opening of nothing.
    pub fn new(record: RecordOpening, path: TreePath, page: Box<PageBytes>) -> Self {
        Self { record, path, page }
    }

    /// The page, on condition that `contract` has it as its page `page` in the state with this root.
    ///
    /// A page of zeros inside the memory is proven like any other, written or not.
    ///
    /// # Errors
    /// [`VerifyError`] if the opening does not prove that.
    pub fn verify(
        &self,
        root: &Root,
        contract: &ContractId,
        page: PageIndex,
    ) -> Result<Verified<PageProof>, VerifyError> {
        self.record.check(root, contract)?;
        let record = &self.record.record;
        if !record.has_page(page) {
            let pages = record.pages();
            return Err(VerifyError::PageOutOfRange { page, pages });
        }
        check_height(&self.path, tree::page_tree_height(record.word_size))?;
        let leaf = hash::page_leaf(&self.page);
        if self.path.fold(u64::from(page.0), leaf)? != record.page_root {
            return Err(VerifyError::PageRoot);
        }
        Ok(Verified::new(PageProof {
            record: record.clone(),
            index: page,
            bytes: self.page.clone(),
        }))
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = alloc::vec![OPENING_VERSION, KIND_PAGE];
        self.record.write(&mut bytes);
        self.path.write(&mut bytes);
        if is_zeros(&self.page) {
            bytes.push(PAGE_ZEROS);
        } else {
            bytes.push(PAGE_FOLLOWS);
            bytes.extend_from_slice(&self.page[..]);
        }
        bytes
    }

    /// The opening that `bytes` encodes. Encoding it again gives `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not exactly one page opening of the known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        read_head(&mut reader, KIND_PAGE)?;
        let record = RecordOpening::read(&mut reader)?;
        let height = tree::page_tree_height(record.record.word_size);
        let path = TreePath::read(&mut reader, height)?;
        let page = read_page(&mut reader)?;
        read_end(&reader)?;
        Ok(Self { record, path, page })
    }
}

fn check_height(path: &TreePath, expected: u32) -> Result<(), VerifyError> {
    match path.height() {
        found if found == expected => Ok(()),
        found => Err(VerifyError::Height { found, expected }),
    }
}

/// The others must ascend strictly and not have the contract itself among them.
fn check_order(contract: &ContractId, others: &[(ContractId, Hash)]) -> Result<(), DecodeError> {
    let in_order =
        |at: usize| others[at].0 != *contract && (at == 0 || others[at - 1].0 < others[at].0);
    match (0..others.len()).find(|at| !in_order(*at)) {
        Some(at) => Err(DecodeError::Order { at }),
        None => Ok(()),
    }
}

fn is_zeros(page: &PageBytes) -> bool {
    page.iter().all(|byte| *byte == 0)
}

fn read_head(reader: &mut Reader<'_>, expected: u8) -> Result<(), DecodeError> {
    match reader.byte()? {
        OPENING_VERSION => {}
        found => return Err(DecodeError::Version { found }),
    }
    match reader.byte()? {
        found if found == expected => Ok(()),
        found => Err(DecodeError::Kind { found, expected }),
    }
}

fn read_end(reader: &Reader<'_>) -> Result<(), DecodeError> {
    match reader.rest().len() {
        0 => Ok(()),
        extra_bytes => Err(DecodeError::Trailing { extra_bytes }),
    }
}

/// Reads the other contracts of a bucket; memory is taken only for those that are there.
fn read_others(reader: &mut Reader<'_>) -> Result<Vec<(ContractId, Hash)>, DecodeError> {
    let count = u32::from_le_bytes(reader.array()?) as usize;
    let bytes = reader.bytes(count.checked_mul(64).ok_or(DecodeError::Cut)?)?;
    let (hashes, _) = bytes.as_chunks::<32>();
    let (pairs, _) = hashes.as_chunks::<2>();
    let entry = |[contract, record]: &[Hash; 2]| (ContractId::from_bytes(*contract), *record);
    Ok(pairs.iter().map(entry).collect())
}

fn read_page(reader: &mut Reader<'_>) -> Result<Box<PageBytes>, DecodeError> {
    let page = match reader.byte()? {
        PAGE_ZEROS => return Ok(Box::new([0; PAGE_BYTES])),
        PAGE_FOLLOWS => reader.array()?,
        found => return Err(DecodeError::PageMark { found }),
    };
    match is_zeros(&page) {
        true => Err(DecodeError::PageOfZeros),
        false => Ok(Box::new(page)),
    }
}

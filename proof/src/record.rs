//! The contract record: all that decides a contract's behaviour, in one canonical encoding.
//!
//! Little-endian, no padding, one encoding per record:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | format version, 1 |
//! | 1 | 1 | word size in bits, 32 or 64 |
//! | 2 | 32 | contract id |
//! | 34 | 32 | code hash |
//! | 66 | 8 | code length in bytes |
//! | 74 | 32 | layout hash, EMPTY if the code has no layout section |
//! | 106 | 1 | owner length `n` |
//! | 107 | n | owner |
//! | 107 + n | 8 | memory size in Wasm pages of 65,536 bytes |
//! | 115 + n | 32 | root of the page tree, EMPTY if every page is zeros |

use alloc::vec::Vec;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex, WASM_PAGE_BYTES};
use thiserror::Error;

use crate::bytes::CodeHash;
use crate::hash::{self, Kind};
use crate::read::{Cut, Reader};
use crate::{Hash, tree};

/// The version of the record's encoding.
pub const RECORD_VERSION: u8 = 1;

/// Length in bytes of an encoded record with an owner of no bytes.
pub const RECORD_BYTES_MIN: usize = 147;

/// 4 KiB pages in a Wasm page.
const PAGES_PER_WASM_PAGE: u64 = WASM_PAGE_BYTES / PAGE_BYTES as u64;

/// The width of a contract's pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum WordSize {
    /// 32-bit memory: at most 4 GiB.
    W32 = 32,
    /// 64-bit memory (memory64): at most 4 TiB here.
    W64 = 64,
}

impl WordSize {
    /// The width in bits, which is also its encoding.
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// The word size with this many bits, if there is one.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            32 => Some(Self::W32),
            64 => Some(Self::W64),
            _ => None,
        }
    }

    /// The most Wasm pages a memory of this word size can have: what its page tree has room for.
    pub const fn memory_wasm_pages_max(self) -> u64 {
        (1 << (2 * tree::page_tree_height(self))) / PAGES_PER_WASM_PAGE
    }
}

/// The owner of a contract: at most 255 bytes that the VM never interprets.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(Vec<u8>);

/// An owner of more than 255 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an owner has at most 255 bytes, not {len_bytes}")]
pub struct OwnerTooLong {
    /// How many bytes there were.
    pub len_bytes: usize,
}

impl Owner {
    /// The most bytes an owner can have.
    pub const BYTES_MAX: usize = 255;

    /// The owner with these bytes.
    ///
    /// # Errors
    /// [`OwnerTooLong`] for more than 255 bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, OwnerTooLong> {
        let len_bytes = bytes.len();
        match len_bytes <= Self::BYTES_MAX {
            true => Ok(Self(bytes)),
            false => Err(OwnerTooLong { len_bytes }),
        }
    }

    /// The owner's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Everything about a contract that a state root binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractRecord {
    /// The width of the contract's pointers.
    pub word_size: WordSize,
    /// The contract's id.
    pub contract: ContractId,
    /// The hash of its deployed code.
    pub code_hash: CodeHash,
    /// The length of its deployed code in bytes.
    pub code_len_bytes: u64,
    /// The hash of its canonical storage-layout section, [`EMPTY`](crate::EMPTY) if none.
    pub layout_hash: Hash,
    /// Its owner.
    pub owner: Owner,
    /// The size of its memory in Wasm pages of 65,536 bytes.
    pub memory_wasm_pages: u64,
    /// The root of its page tree, [`EMPTY`](crate::EMPTY) if every page is zeros.
    pub page_root: Hash,
}

/// Why bytes are not an encoded [`ContractRecord`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes end inside the record.
    #[error("the record ends early: {len_bytes} bytes")]
    Cut {
        /// How many bytes there were.
        len_bytes: usize,
    },
    /// There are bytes after the record.
    #[error("{extra_bytes} bytes follow the record")]
    Trailing {
        /// How many.
        extra_bytes: usize,
    },
    /// A version that this build does not know.
    #[error("record version {found} is unknown; this build reads version {RECORD_VERSION}")]
    Version {
        /// The version in the record.
        found: u8,
    },
    /// The word size is neither 32 nor 64.
    #[error("a word size is 32 or 64 bits, not {found}")]
    WordSize {
        /// The word size in the record.
        found: u8,
    },
    /// The memory is larger than its word size allows.
    #[error("{pages} Wasm pages of memory, at most {pages_max} are possible")]
    Memory {
        /// The size in the record, in Wasm pages.
        pages: u64,
        /// The bound of the word size, in Wasm pages.
        pages_max: u64,
    },
}

impl ContractRecord {
    /// The canonical encoding: 147 bytes and the owner.
    pub fn encode(&self) -> Vec<u8> {
        let owner = self.owner.as_bytes();
        let mut bytes = Vec::with_capacity(RECORD_BYTES_MIN + owner.len());
        bytes.extend_from_slice(&[RECORD_VERSION, self.word_size.bits()]);
        bytes.extend_from_slice(self.contract.as_bytes());
        bytes.extend_from_slice(self.code_hash.as_bytes());
        bytes.extend_from_slice(&self.code_len_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.layout_hash);
        bytes.push(owner.len() as u8); // at most 255 by construction
        bytes.extend_from_slice(owner);
        bytes.extend_from_slice(&self.memory_wasm_pages.to_le_bytes());
        bytes.extend_from_slice(&self.page_root);
        bytes
    }

    /// The record that `bytes` encodes.
    ///
    /// Encoding it again gives `bytes`.
    ///
    /// # Errors
    /// [`RecordError`] if the bytes are not exactly one record of the known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes);
        let record = Self::read(&mut reader)?;
        match reader.rest().len() {
            0 => Ok(record),
            extra_bytes => Err(RecordError::Trailing { extra_bytes }),
        }
    }

    /// Reads a record off the front of longer bytes.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let len_bytes = reader.rest().len();
        let cut = |_: Cut| RecordError::Cut { len_bytes };
        match reader.byte().map_err(cut)? {
            RECORD_VERSION => {}
            found => return Err(RecordError::Version { found }),
        }
        let found = reader.byte().map_err(cut)?;
        let word_size = WordSize::from_bits(found).ok_or(RecordError::WordSize { found })?;
        let record = Self::read_fields(word_size, reader).map_err(cut)?;
        let (pages, pages_max) = (record.memory_wasm_pages, word_size.memory_wasm_pages_max());
        match pages <= pages_max {
            true => Ok(record),
            false => Err(RecordError::Memory { pages, pages_max }),
        }
    }

    /// Reads what follows version and word size.
    fn read_fields(word_size: WordSize, reader: &mut Reader<'_>) -> Result<Self, Cut> {
        Ok(Self {
            word_size,
            contract: ContractId::from_bytes(reader.array()?),
            code_hash: CodeHash::from_bytes(reader.array()?),
            code_len_bytes: u64::from_le_bytes(reader.array()?),
            layout_hash: reader.array()?,
            owner: Self::read_owner(reader)?,
            memory_wasm_pages: u64::from_le_bytes(reader.array()?),
            page_root: reader.array()?,
        })
    }

    fn read_owner(reader: &mut Reader<'_>) -> Result<Owner, Cut> {
        let len = reader.byte()?;
        Ok(Owner(reader.bytes(usize::from(len))?.to_vec()))
    }

    /// The hash of the record: of its encoding.
    pub fn hash(&self) -> Hash {
        hash::keyed(Kind::Record, &self.encode())
    }

    /// How many 4 KiB pages the memory has.
    pub fn pages(&self) -> u64 {
        self.memory_wasm_pages.saturating_mul(PAGES_PER_WASM_PAGE)
    }

    /// True if the page lies inside the memory.
    pub fn has_page(&self, page: PageIndex) -> bool {
        u64::from(page.0) < self.pages()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn record(owner: usize) -> ContractRecord {
        ContractRecord {
            word_size: WordSize::W32,
            contract: ContractId::from_bytes([1; 32]),
            code_hash: CodeHash::from_bytes([2; 32]),
            code_len_bytes: 77,
            layout_hash: [3; 32],
            owner: Owner::new(vec![4; owner]).unwrap(),
            memory_wasm_pages: 17,
            page_root: [5; 32],
        }
    }

    #[test]
    fn encoding_round_trips() {
        for owner in [0, 1, 32, 255] {
            let bytes = record(owner).encode();
            assert_eq!(bytes.len(), RECORD_BYTES_MIN + owner);
            assert_eq!(ContractRecord::decode(&bytes), Ok(record(owner)));
        }
        let err = Owner::new(vec![0; 256]).unwrap_err();
        assert_eq!(err, OwnerTooLong { len_bytes: 256 });
    }

    /// P4: every byte of the encoding counts: a changed one is an error or another record.
    #[test]
    fn every_byte_counts() {
        let bytes = record(5).encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            if let Ok(other) = ContractRecord::decode(&changed) {
                assert_eq!(other.encode(), changed);
                assert_ne!(other.hash(), record(5).hash());
            }
            let len_bytes = at;
            let cut = RecordError::Cut { len_bytes };
            assert_eq!(ContractRecord::decode(&bytes[..at]), Err(cut));
        }
    }

    /// P7: what can not be is a typed error.
    #[test]
    fn impossible_records_are_errors() {
        let mut bytes = record(0).encode();
        bytes.push(0);
        let extra_bytes = 1;
        let trailing = Err(RecordError::Trailing { extra_bytes });
        assert_eq!(ContractRecord::decode(&bytes), trailing);
        for (at, value, error) in [
            (0, 2, RecordError::Version { found: 2 }),
            (1, 33, RecordError::WordSize { found: 33 }),
        ] {
            let mut bytes = record(0).encode();
            bytes[at] = value;
            assert_eq!(ContractRecord::decode(&bytes), Err(error));
        }
        let mut large = record(0);
        large.memory_wasm_pages = 65_537;
        let (pages, pages_max) = (65_537, 65_536);
        let memory = Err(RecordError::Memory { pages, pages_max });
        assert_eq!(ContractRecord::decode(&large.encode()), memory);
        large.word_size = WordSize::W64;
        assert!(ContractRecord::decode(&large.encode()).is_ok());
    }

    #[test]
    fn pages_end_where_memory_does() {
        assert!(record(0).has_page(PageIndex(17 * 16 - 1)));
        assert!(!record(0).has_page(PageIndex(17 * 16)));
    }
}

//! What a light client of a crostata chain compiles: formats, hashing and proof verification.
//!
//! `no_std` with `alloc`, no VM, no store. `docs/format.md` states every format to the byte.
//! A verifier brings the root, the contract and the page; an opening brings the rest:
//!
//! ```
//! use crostata_abi::{ContractId, PageIndex};
//! use crostata_proof::{PageOpening, Root};
//!
//! fn first_byte(opening: &[u8], root: &Root, contract: &ContractId) -> Option<u8> {
//!     let opening = PageOpening::decode(opening).ok()?;
//!     let page = opening.verify(root, contract, PageIndex(0)).ok()?;
//!     Some(page.bytes[0])
//! }
//! # assert_eq!(first_byte(&[], &Root::from_bytes([0; 32]), &ContractId::from_bytes([0; 32])), None);
//! ```
#![no_std]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![forbid(unsafe_code)]

extern crate alloc;

mod bytes;
mod chunks;
pub mod hash;
mod keys;
mod opening;
mod path;
mod paths;
mod read;
pub mod receipt;
mod record;
pub mod tree;
mod verified;

pub use bytes::{CodeHash, CommitId, ParseHashError, Root};
pub use opening::{
    DecodeError, OPENING_VERSION, PageBytes, PageOpening, PageProof, RecordOpening, VerifyError,
};
pub use path::{MerkleOpeningError, PathError, TreePath};
pub use paths::TreePaths;
pub use receipt::ReceiptDigest;
pub use record::{
    ContractRecord, Owner, OwnerTooLong, RECORD_BYTES_MIN, RECORD_VERSION, RecordError, WordSize,
};
pub use verified::Verified;

/// A hash in a tree: 32 bytes, [`EMPTY`] where there is nothing.
pub type Hash = [u8; 32];

/// The hash of nothing: of a page of zeros, and of any subtree that holds nothing else.
pub const EMPTY: Hash = [0; 32];

/// How many children a tree node has.
pub const ARITY: usize = 4;

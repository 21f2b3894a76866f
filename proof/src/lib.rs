//! What a light client of a crostata chain compiles: formats, hashing and proof verification.
//!
//! `no_std` with `alloc`, no VM, no store. `docs/format.md` states every format to the byte.
//! A verifier brings the root, and asks of contracts, pages and bytes; a proof brings the rest:
//!
//! ```
//! use crostata_proof::{ContractId, Root, StateProof};
//!
//! fn first_byte(proof: &[u8], root: &Root, contract: &ContractId) -> Option<u8> {
//!     let state = StateProof::decode(proof).ok()?.verify(root).ok()?;
//!     let byte = state.bytes(contract, 0, 1).ok()?;
//!     Some(byte[0])
//! }
//! # assert_eq!(first_byte(&[], &Root::from_bytes([0; 32]), &ContractId::from_bytes([0; 32])), None);
//! ```
#![no_std]
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![forbid(unsafe_code)]

extern crate alloc;

mod builder;
mod bytes;
mod chunks;
mod climb;
mod compress;
mod decode_error;
pub mod hash;
mod keys;
pub mod layout;
mod lookup;
pub mod map;
mod page_chunks;
mod path;
mod paths;
mod proven;
mod read;
pub mod receipt;
pub mod receipts;
mod record;
mod state_proof;
pub mod tree;
pub mod value;
mod value_proof;
mod verified;
mod waypoints;

pub use builder::StateProofBuilder;
pub use bytes::{CodeHash, CommitId, ContextDigest, ParseHashError, Root};
pub use chunks::CHUNK_BYTES;
pub use decode_error::DecodeError;
pub use layout::{Layout, LayoutError, SourceLayout, Type};
pub use lookup::{ValueLookupError, ValuePath, look_up_field, look_up_key};
pub use page_chunks::{PAGE_CHUNKS, PageChunks};
pub use path::{MerkleOpeningError, PathError, TreePath};
pub use paths::TreePaths;
pub use proven::{
    NotShown, ProvenContract, ProvenMember, ProvenPage, ProvenPosition, ProvenState, VerifyError,
};
pub use receipt::ReceiptDigest;
pub use receipts::{ReceiptOpening, ReceiptsRoot};
pub use record::{
    ContractRecord, Owner, OwnerTooLong, RECORD_BYTES_MIN, RECORD_VERSION, RecordError, WordSize,
};
pub use state_proof::{PROOF_VERSION, StateProof};
pub use value::Value;
pub use value_proof::{ValueProof, ValueProofError};
pub use verified::Verified;

pub use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};

/// A page's bytes.
pub type PageBytes = [u8; PAGE_BYTES];

/// A hash in a tree: 32 bytes, [`EMPTY`] where there is nothing.
pub type Hash = [u8; 32];

/// The hash of nothing: of a page of zeros, and of any subtree that holds nothing else.
pub const EMPTY: Hash = [0; 32];

/// How many children a tree node has.
pub const ARITY: usize = 4;

//! The memory of a contract inside a session: committed pages seen copy-on-write, what a call has touched of them,
//! and savepoints.
//!
//! A [`ContractMemory`] lies over a [`CommittedImage`], which sessions share ([`Images`]) and which is filled page by
//! page from a [`PageSource`] when a page is first touched in the process. Everything starts with a touch:
//! [`pending`](ContractMemory::pending) says what one would newly cost, [`touch`](ContractMemory::touch) loads the
//! page, keeps its pre-image for the innermost scope, and sets its mark. What was never touched for writing has
//! the committed content.
//!
//! What [`Touch`] counts follows from the operations alone: not from what is loaded, parked, cached or written already.
//! Content alone decides what changed: the pages reported as dirty are a superset.
//!
//! What this module never does: hash, charge gas, or know what a page means.

mod carry;
mod contract;
mod copies;
mod dirty;
mod image;
mod images;
mod loaded;
mod pages;
mod parked;
mod scopes;
mod source;
#[cfg(test)]
mod tests;
mod touch;

pub use carry::{Changed, Part, parts};
pub use contract::{ContractMemory, MemoryError};
pub use copies::Copies;
pub use image::CommittedImage;
pub use images::{ImageCounters, Images};
pub use parked::parked_bytes;
pub use source::{Page, PageSource, PageSourceError};
pub use touch::{Access, SPILL_BYTES, Touch, spill};

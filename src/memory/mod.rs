//! The memory of a contract inside a session: committed pages seen copy-on-write, and savepoints over them.
//!
//! A [`ContractMemory`] is filled from a [`PageSource`], by way of an image that sessions share
//! ([`Images`]). It finds the pages that were written, takes [`Savepoint`]s and reverts to them.
//! Content alone decides what changed: the pages reported as written are a superset.
//!
//! What this module never does: hash, charge gas, or know what a page means.

mod contract;
mod images;
mod savepoint;
mod source;

pub use contract::{ContractMemory, MemoryError};
pub use images::Images;
pub use savepoint::Savepoint;
pub use source::{Page, PageSource, PageSourceError};

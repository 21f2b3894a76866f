//! A commit's state as a stream of chunks: made on one machine, verified while it arrives on another.
//!
//! The state is walked in an order that the root decides: contracts by position and id; of each its record, its code
//! unless an earlier contract has the same, and its pages by number. A [`Cursor`] is a place in that walk. A chunk is
//! what follows a cursor, with what a verifier needs who knows nothing but the state root: the hashes at the chunk's
//! two edges ([`edges`]). Nothing of the store's files is in it.
//!
//! Who imports applies each chunk to the state so far, which is a state like any other, as a commit would: the log gets
//! a frame per chunk, and checkpoints in between keep memory small. So an import goes on after a crash where the log
//! ends. Nothing that was not verified reaches the log.
//!
//! What this module never does: talk to peers, or choose where a chunk comes from.

mod chunk;
mod cursor;
mod edges;
mod error;
mod export;
mod header;
mod import;
mod verify;

pub use cursor::Cursor;
pub use error::{ChunkError, ExportError, HeaderError, ImportError};
pub use export::{ExportedChunk, Walk};
pub use header::TransferHeader;
pub use import::{
    ACCEPTED_BYTES_MAX, ImportHandle, ImportHead, Importing, decode_frame, decode_next, encode_next,
};

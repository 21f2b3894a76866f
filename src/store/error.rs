//! What can go wrong: an enum for opening, one for writing, one for reading.

use std::io;
use std::path::PathBuf;

use crostata_proof::{CodeHash, Hash};

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another handle, of this process or another, has the store open.
    #[error("the store in {} is in use{}", path.display(), by(*process))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, if it could be read.
        process: Option<u32>,
    },
    /// The directory holds something else: it is not empty and has no log.
    #[error("{} is not a store: it holds {found:?} and no log", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// A file that is there.
        found: String,
    },
    /// The store was written in a format that this build does not read.
    #[error("{file} has format version {found}; this build reads version {supported}")]
    Version {
        /// The file.
        file: String,
        /// The version the file states.
        found: u16,
        /// The version this build reads and writes.
        supported: u16,
    },
    /// A file is damaged where nothing that a crash leaves behind could explain it.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where the damaged part begins.
        offset: u64,
        /// What is damaged.
        what: Damage,
    },
    /// The disk failed, or is full.
    #[error("opening the store in {} failed", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Why an entry was not written.
///
/// After [`WriteError::Io`] the entry may or may not be found when the store is opened again.
/// After any other error it is certainly not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// An earlier write of this handle failed; open the store again.
    #[error("an earlier write failed: the store must be opened again")]
    Poisoned,
    /// The commit names a page that was neither given nor stored.
    #[error(
        "the commit names page {}, which was neither given nor stored",
        hex(leaf)
    )]
    MissingPage {
        /// The page's leaf hash.
        leaf: Hash,
    },
    /// A list or a field of the entry is longer than the format can say.
    #[error("a part of the entry is too long: {len}, and the format ends at 2^32 - 1")]
    TooLong {
        /// Its length, in bytes or members.
        len: usize,
    },
    /// The disk failed, or is full. The handle refuses further writes.
    #[error("writing {file} failed")]
    Io {
        /// The file.
        file: String,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Why a page or a code could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store has no such page.
    #[error("the store has no page {}", hex(leaf))]
    MissingPage {
        /// The page's leaf hash.
        leaf: Hash,
    },
    /// The store has no such code.
    #[error("the store has no code {code}")]
    MissingCode {
        /// The code's hash.
        code: CodeHash,
    },
    /// The stored bytes are not those that were written.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where the damaged part begins.
        offset: u64,
        /// What is damaged.
        what: Damage,
    },
    /// The disk failed.
    #[error("reading {file} at byte {offset} failed")]
    Io {
        /// The file.
        file: String,
        /// Where the read began.
        offset: u64,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The block at the beginning of a log.
    #[error("the log's header does not match its checksum")]
    LogHeader,
    /// A frame that later frames follow.
    #[error(
        "a frame is broken ({cause}) and frame {later_sequence} follows at byte {later_offset}"
    )]
    Frame {
        /// What is wrong with the frame.
        cause: super::TailCause,
        /// The sequence number of the valid frame found behind it.
        later_sequence: u64,
        /// Where that frame begins.
        later_offset: u64,
    },
    /// A frame whose checksum holds and whose contents make no sense.
    #[error("a frame matches its checksum and can not be read")]
    Meta,
    /// A page.
    #[error("page {} does not match its hash", hex(leaf))]
    Page {
        /// The page's leaf hash.
        leaf: Hash,
    },
    /// A code.
    #[error("code {code} does not match its hash")]
    Code {
        /// The code's hash.
        code: CodeHash,
    },
    /// The file ends inside bytes that it should hold.
    #[error("the file ends too early")]
    Truncated,
}

fn by(process: Option<u32>) -> String {
    process.map_or_else(String::new, |id| format!(" by process {id}"))
}

fn hex(bytes: &Hash) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! What opening found: the entries of the log and a report of what it dropped.

use super::entry::Entry;

/// The log's contents, and how opening went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// All entries, in the order they were written.
    pub entries: Vec<Entry>,
    /// How opening went.
    pub report: RecoveryReport,
}

/// How opening went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Valid frames read.
    pub frames: u64,
    /// Where the last valid frame ends, in bytes from the beginning of the log.
    pub end: u64,
    /// What lies behind the last valid frame and was not counted, if anything.
    ///
    /// A write that a crash cut short looks like this, and is nothing to worry about: it was never
    /// acknowledged. The bytes stay where they are, and are reported again, until the next write.
    pub dropped_tail: Option<DroppedTail>,
}

/// Bytes at the end of the log that are no valid frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroppedTail {
    /// Where they begin.
    pub offset: u64,
    /// How many bytes there are, up to the last one that is not zero.
    pub len_bytes: u64,
    /// Why they are no frame.
    pub cause: TailCause,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TailCause {
    /// There is no frame header, or it is not the one that belongs here.
    #[error("no frame header")]
    Header,
    /// The lengths in the frame header reach beyond the end of the file.
    #[error("the frame is longer than the file")]
    Length,
    /// The header and the entry do not match their checksum.
    #[error("the frame does not match its checksum")]
    Checksum,
    /// The entry is whole; a page or a code that it brought does not match its hash. If the disk is
    /// sound, this commit was never acknowledged.
    #[error("a page or code at byte {offset} does not match its hash")]
    Blob {
        /// Where the page or code begins.
        offset: u64,
    },
}

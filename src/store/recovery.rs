//! What opening found: the frames of the log and a report of what it dropped.

use super::frame::Frame;

/// The log's contents, and how opening went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The frames from the log's start to its end, in the order they were written.
    pub frames: Vec<Frame>,
    /// How opening went.
    pub report: RecoveryReport,
}

/// How opening went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Valid frames read.
    pub frames: u64,
    /// Segments that the directory holds.
    pub segments: u64,
    /// The file in which the last valid frame ends.
    pub end_file: String,
    /// Where it ends there, in bytes from the beginning.
    pub end_offset: u64,
    /// What lies behind the last valid frame and was not counted, if anything.
    ///
    /// Writes that a crash cut short look like this, and are nothing to worry about: they were
    /// never acknowledged. The bytes stay where they are, and are reported again, until the next
    /// write.
    pub dropped_tail: Option<DroppedTail>,
    /// Files that a crash left behind and that mean nothing. Those found by opening itself are
    /// there until the next write or [`settle`](super::Store::settle).
    pub orphans: Vec<String>,
}

/// Bytes at the end of the log that are no valid frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedTail {
    /// The file they are in.
    pub file: String,
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
    /// The header and the meta do not match their checksum.
    #[error("the frame does not match its checksum")]
    Checksum,
    /// The header and the meta are whole; the blobs are not those that were to be written. If the
    /// disk is sound, this frame was never acknowledged.
    #[error("the frame's contents do not match their hashes")]
    Blobs,
}

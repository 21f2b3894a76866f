//! What can go wrong: an enum for opening, one for writing, one for reading.

use std::io;
use std::path::PathBuf;

use super::place::{Place, file_name};
use super::recovery::TailCause;

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

impl OpenError {
    /// The error of an opening, in this directory, that could not read.
    pub(super) fn of_read(path: PathBuf, error: ReadError) -> Self {
        match error {
            ReadError::Gone { segment } => Self::missing(segment),
            ReadError::Damaged { file, offset, what } => Self::Damaged { file, offset, what },
            ReadError::Io { source, .. } => Self::Io { path, source },
        }
    }

    /// A segment that must be there is not.
    pub(super) fn missing(segment: u32) -> Self {
        Self::Damaged {
            file: file_name(segment),
            offset: 0,
            what: Damage::Missing,
        }
    }
}

/// Why a frame was not written, or not made durable.
///
/// After [`WriteError::Io`] the frame, and those written since the last sync, may or may not be
/// found when the store is opened again. After any other error nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// An earlier write or sync of this handle failed; open the store again.
    #[error("an earlier write failed: the store must be opened again")]
    Poisoned,
    /// The frame is longer than a segment can be.
    #[error("a frame of {len_bytes} bytes is too long: a segment ends at 64 GiB")]
    TooLong {
        /// The length of what was to be written.
        len_bytes: u64,
    },
    /// The segment that is being written was to be given up.
    #[error("{} is being written", file_name(*segment))]
    InUse {
        /// Its number.
        segment: u32,
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

/// Why bytes of the log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The segment was given up, or never was.
    #[error("{} is not part of the log", file_name(*segment))]
    Gone {
        /// Its number.
        segment: u32,
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

impl ReadError {
    /// Bytes of a segment are damaged.
    pub(super) fn damaged(segment: u32, offset: u64, what: Damage) -> Self {
        let file = file_name(segment);
        Self::Damaged { file, offset, what }
    }

    /// The error of a read. The end of the file inside bytes that it must hold is damage, and so is
    /// a file that is not there; the rest is the disk's own.
    pub(super) fn of_io(segment: u32, offset: u64, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::damaged(segment, offset, Damage::Truncated),
            io::ErrorKind::NotFound => Self::damaged(segment, 0, Damage::Missing),
            _ => Self::Io {
                file: file_name(segment),
                offset,
                source,
            },
        }
    }
}

/// What is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The file is not there.
    #[error("the file is missing")]
    Missing,
    /// The block at the beginning of a segment, or the name of its file.
    #[error("the segment's header does not match its checksum or its file's name")]
    SegmentHeader,
    /// A frame that was synced: what follows it proves that.
    #[error("a frame is broken ({cause}) and frame {later_sequence} follows at {later}")]
    Frame {
        /// What is wrong with the frame.
        cause: TailCause,
        /// The sequence number of what follows.
        later_sequence: u64,
        /// Where that begins.
        later: Place,
    },
    /// There is no valid frame where one is named.
    #[error("there is no valid frame ({cause})")]
    NoFrame {
        /// What is wrong with what is there.
        cause: TailCause,
    },
    /// A frame whose checksum holds and whose contents make no sense.
    #[error("a frame matches its checksum and can not be read")]
    Meta,
    /// A part of a frame's blobs.
    #[error("the bytes do not match their hash")]
    Blob,
    /// The file, or what was written of it, ends inside bytes that it should hold.
    #[error("the file ends too early")]
    Truncated,
}

fn by(process: Option<u32>) -> String {
    process.map_or_else(String::new, |id| format!(" by process {id}"))
}

//! The log file: making it, opening it, appending to it.
//!
//! An append is one run of writes into space that was zeros, and one sync. No block of an earlier
//! frame is written again, but for one case: opening writes the last frame once more with the same
//! bytes, because a sync that failed in an earlier process may have left it in the system's memory
//! only, where it reads well and never reaches the disk.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;

use super::blobs::Blobs;
use super::error::{Damage, OpenError, WriteError};
use super::files::{File, Files, LOCK_NAME, LockError, LockGuard};
use super::frame::{BLOCK, BLOCK_BYTES, Extent, Fields, Kind};
use super::header::{self, LogHeader};
use super::recovery::{Recovery, RecoveryReport};
use super::replay::{self, Replay, ReplayError};

/// The log's name in its directory.
pub(super) const FILE_NAME: &str = "log-00000001";
/// The name of a log that is being made.
const NEW_NAME: &str = "log-00000001.new";

/// The file grows by zeros up to a multiple of this, so that most appends leave its length alone:
/// syncing one then takes half as long.
const GROWTH: u64 = 1 << 20;
/// How much is handed to the system at once.
const WRITE_BYTES: usize = 256 * 1024;

/// A log that was opened, and all that was found.
pub(super) struct Opened {
    pub log: Log,
    pub blobs: Blobs,
    pub recovery: Recovery,
    pub lock: LockGuard,
}

/// Opens the log of a directory, or makes one if the directory is empty.
pub(super) fn open(files: &dyn Files) -> Result<Opened, OpenError> {
    refuse_foreign(files)?;
    let lock = files.lock().map_err(|error| lock_error(files, error))?;
    if refuse_foreign(files)? == Found::Nothing {
        create(files).map_err(|source| io_error(files, source))?;
    }
    let file = open_file(files).map_err(|source| io_error(files, source))?;
    let epoch = read_header(files, &*file)?.epoch;
    let replay = replay::replay(&*file, epoch).map_err(|error| replay_error(files, error))?;
    let log = Log::new(file, epoch, &replay).map_err(|source| io_error(files, source))?;
    Ok(Opened {
        recovery: recovery(&log, replay.entries, replay.dropped_tail),
        blobs: replay.blobs,
        log,
        lock,
    })
}

fn recovery(
    log: &Log,
    entries: Vec<super::Entry>,
    dropped_tail: Option<super::DroppedTail>,
) -> Recovery {
    let report = RecoveryReport {
        frames: entries.len() as u64,
        end: log.end,
        dropped_tail,
    };
    Recovery { entries, report }
}

#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    Log,
}

/// What a directory holds: a log, nothing, or something that is not ours, which is an error.
fn refuse_foreign(files: &dyn Files) -> Result<Found, OpenError> {
    let mut names = files.names().map_err(|source| io_error(files, source))?;
    if names.iter().any(|name| name == FILE_NAME) {
        return Ok(Found::Log);
    }
    names.retain(|name| name != LOCK_NAME && name != NEW_NAME);
    names.sort_unstable();
    match names.into_iter().next() {
        None => Ok(Found::Nothing),
        Some(found) => Err(OpenError::Foreign {
            path: files.path(),
            found,
        }),
    }
}

/// Makes an empty log. Its name appears only when its header is on the disk.
fn create(files: &dyn Files) -> io::Result<()> {
    let header = LogHeader {
        version: header::VERSION,
        epoch: RandomState::new().build_hasher().finish(),
    };
    let file = files.create(NEW_NAME)?;
    file.write_all_at(&header.encode(), 0)?;
    file.sync_data()?;
    files.rename(NEW_NAME, FILE_NAME)
}

fn open_file(files: &dyn Files) -> io::Result<Arc<dyn File>> {
    // Also when the log is old: the process that made it may have been killed before its sync.
    files.sync_dir()?;
    files.open(FILE_NAME)
}

fn read_header(files: &dyn Files, file: &dyn File) -> Result<LogHeader, OpenError> {
    let mut bytes = [0; header::HEADER_LEN];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(io_error(files, error));
        }
        _ => {}
    }
    let header = LogHeader::decode(&bytes).ok_or_else(|| damaged(0, Damage::LogHeader))?;
    if header.version != header::VERSION {
        return Err(OpenError::Version {
            file: FILE_NAME.to_owned(),
            found: header.version,
            supported: header::VERSION,
        });
    }
    Ok(header)
}

fn lock_error(files: &dyn Files, error: LockError) -> OpenError {
    let path = files.path();
    match error {
        LockError::Held { process } => OpenError::Locked { path, process },
        LockError::Io(source) => OpenError::Io { path, source },
    }
}

fn replay_error(files: &dyn Files, error: ReplayError) -> OpenError {
    match error {
        ReplayError::Io(source) => io_error(files, source),
        ReplayError::Damaged { offset, what } => damaged(offset, what),
    }
}

fn io_error(files: &dyn Files, source: io::Error) -> OpenError {
    let path = files.path();
    OpenError::Io { path, source }
}

fn damaged(offset: u64, what: Damage) -> OpenError {
    let file = FILE_NAME.to_owned();
    OpenError::Damaged { file, offset, what }
}

/// The writer of a log.
pub(super) struct Log {
    file: Arc<dyn File>,
    epoch: u64,
    /// The number of the next frame.
    sequence: u64,
    /// Where the next frame begins.
    end: u64,
    /// The bytes behind `end` are not all zeros.
    dirty: bool,
    /// A write failed, or is under way.
    failed: bool,
}

impl Log {
    /// The writer behind what was read. Returns when all of that is on the disk.
    fn new(file: Arc<dyn File>, epoch: u64, replay: &Replay) -> io::Result<Self> {
        if let Some(last) = replay.last {
            rewrite(&*file, last)?;
            file.sync_data()?;
        }
        Ok(Self {
            file,
            epoch,
            sequence: replay.entries.len() as u64 + 1,
            end: replay.last.map_or(BLOCK, |last| last.end),
            dirty: replay.dropped_tail.is_some(),
            failed: false,
        })
    }

    /// The file, for reading.
    pub fn file(&self) -> Arc<dyn File> {
        self.file.clone()
    }

    /// Appends a frame and syncs it; the offset of its first blob.
    pub fn append(&mut self, kind: Kind, meta: &[u8], blobs: &[&[u8]]) -> Result<u64, WriteError> {
        if self.failed {
            return Err(WriteError::Poisoned);
        }
        self.failed = true;
        let extent = self.write(kind, meta, blobs).map_err(|source| {
            let file = FILE_NAME.to_owned();
            WriteError::Io { file, source }
        })?;
        self.sequence += 1;
        self.end = extent.end;
        self.failed = false;
        Ok(extent.blobs_at)
    }

    fn write(&mut self, kind: Kind, meta: &[u8], blobs: &[&[u8]]) -> io::Result<Extent> {
        let fields = Fields {
            kind: kind as u8,
            epoch: self.epoch,
            sequence: self.sequence,
            meta_len: meta.len() as u64,
            blobs_len: blobs.iter().map(|blob| blob.len() as u64).sum(),
        };
        let extent = fields.extent(self.end).ok_or(io::ErrorKind::FileTooLarge)?;
        let file_len = self.file.len()?;
        self.clear_tail(file_len)?;
        let mut run = Run::new(&*self.file, self.end);
        run.put(&fields.encode(meta))?;
        run.put(meta)?;
        run.pad(extent.blobs_at)?;
        for blob in blobs {
            run.put(blob)?;
        }
        run.pad(extent.end)?;
        if extent.end > file_len {
            run.pad(extent.end.next_multiple_of(GROWTH))?;
        }
        run.flush()?;
        self.file.sync_data()?;
        Ok(extent)
    }

    /// Zeros what a dropped tail left, on the disk before the next frame: a shorter frame must not
    /// end in front of old bytes.
    fn clear_tail(&mut self, file_len: u64) -> io::Result<()> {
        if !self.dirty {
            return Ok(());
        }
        let mut run = Run::new(&*self.file, self.end);
        run.pad(file_len)?;
        run.flush()?;
        self.file.sync_data()?;
        self.dirty = false;
        Ok(())
    }
}

/// Writes a frame's bytes over themselves.
fn rewrite(file: &dyn File, frame: Extent) -> io::Result<()> {
    let mut buffer = vec![0; WRITE_BYTES];
    let mut offset = frame.offset;
    while offset < frame.content_end {
        let len = (frame.content_end - offset).min(WRITE_BYTES as u64);
        let chunk = &mut buffer[..len as usize];
        file.read_exact_at(chunk, offset)?;
        file.write_all_at(chunk, offset)?;
        offset += len;
    }
    Ok(())
}

/// Consecutive bytes on their way to the file, gathered into large writes.
struct Run<'a> {
    file: &'a dyn File,
    /// Where the gathered bytes belong.
    offset: u64,
    gathered: Vec<u8>,
}

impl<'a> Run<'a> {
    fn new(file: &'a dyn File, offset: u64) -> Self {
        let gathered = Vec::new();
        Self {
            file,
            offset,
            gathered,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() < WRITE_BYTES {
            return Ok(());
        }
        self.flush()
    }

    /// Zeros up to an offset.
    fn pad(&mut self, end: u64) -> io::Result<()> {
        const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
        loop {
            let at = self.offset + self.gathered.len() as u64;
            let len = end.saturating_sub(at).min(BLOCK);
            if len == 0 {
                return Ok(());
            }
            self.put(&ZEROS[..len as usize])?;
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.gathered, self.offset)?;
        self.offset += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }
}

//! Opening a directory: what is in it, its lock, the first segment, and reading the log.

use std::io;
use std::sync::Arc;

use super::Limits;
use super::append::{self, Append};
use super::error::{OpenError, ReadError};
use super::files::{Files, LOCK_NAME, LockError, LockGuard};
use super::header::{self, NoHeader, SegmentHeader};
use super::place::{Place, file_name, is_new_name, is_spare_name, number_of};
use super::recovery::{Recovery, RecoveryReport};
use super::replay::{self, Contents, Replay};
use super::segments::{HeaderError, Segments};

/// A log that was opened, and all that was found.
pub(super) struct Opened {
    pub segments: Arc<Segments>,
    pub append: Append,
    pub recovery: Recovery,
    /// Files of segments that were never finished being made.
    pub leftovers: Vec<String>,
    pub lock: LockGuard,
}

/// The file that the format's version 1 kept everything in.
const FIRST_VERSION_NAME: &str = "log-00000001";

/// Opens the log of a directory, or makes one if the directory is empty.
pub(super) fn open(
    files: Arc<dyn Files>,
    contents: &dyn Contents,
    limits: Limits,
) -> Result<Opened, OpenError> {
    let directory = Directory { files: &*files };
    directory.look()?;
    let lock = files.lock().map_err(|error| directory.lock_error(error))?;
    let mut found = directory.look()?;
    if found.segments.is_empty() {
        directory.begin(&mut found)?;
    }
    // Also when the names are old: the process that made them may have been killed before its sync.
    directory.io(files.sync_dir())?;

    let segments = Segments::new(files.clone(), &found.segments, &limits);
    for name in &found.spares {
        directory.io(segments.spare(name.clone()))?;
    }
    let segments = Arc::new(segments);
    let replay = replay::replay(&segments, contents);
    let replay = replay.map_err(|error| directory.header_error(error))?;
    segments.set_used(replay.newest.number, replay.end);
    let file = segments.file(replay.newest.number);
    let file = file.map_err(|error| directory.read_error(error))?;
    let append = directory.io(Append::new(file, &replay, limits))?;
    Ok(Opened {
        segments,
        append,
        recovery: recovery(replay, &found),
        leftovers: found.leftovers,
        lock,
    })
}

fn recovery(replay: Replay, found: &Found) -> Recovery {
    let report = RecoveryReport {
        frames: replay.frames.len() as u64,
        segments: found.segments.len() as u64,
        end_file: file_name(replay.newest.number),
        end_offset: replay.end,
        dropped_tail: replay.dropped_tail,
        orphans: found.leftovers.clone(),
    };
    let frames = replay.frames;
    Recovery { frames, report }
}

/// What a directory holds.
struct Found {
    /// The numbers of its segments.
    segments: Vec<u32>,
    /// The names of segments that were being made.
    leftovers: Vec<String>,
    /// The names of spare files.
    spares: Vec<String>,
}

/// A directory that is being opened.
struct Directory<'a> {
    files: &'a dyn Files,
}

impl Directory<'_> {
    /// What the directory holds: a log, nothing, or something that is not ours, which is an error.
    fn look(&self) -> Result<Found, OpenError> {
        let mut names = self.io(self.files.names())?;
        names.sort_unstable();
        let segments: Vec<u32> = names.iter().filter_map(|name| number_of(name)).collect();
        if segments.is_empty() {
            self.refuse_foreign(&names)?;
        }
        let spares = names.iter().filter(|name| is_spare_name(name)).cloned();
        Ok(Found {
            segments,
            spares: spares.collect(),
            leftovers: names.into_iter().filter(|name| is_new_name(name)).collect(),
        })
    }

    fn refuse_foreign(&self, names: &[String]) -> Result<(), OpenError> {
        let ours = |name: &&String| *name == LOCK_NAME || is_new_name(name);
        let Some(found) = names.iter().find(|name| !ours(name)) else {
            return Ok(());
        };
        if names.iter().any(|name| name == FIRST_VERSION_NAME) {
            self.refuse_version()?;
        }
        Err(OpenError::Foreign {
            path: self.files.path(),
            found: found.clone(),
        })
    }

    /// A log of another version is not foreign.
    fn refuse_version(&self) -> Result<(), OpenError> {
        let mut bytes = [0; header::HEADER_LEN];
        let file = self.io(self.files.open(FIRST_VERSION_NAME))?;
        match file.read_exact_at(&mut bytes, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            read => self.io(read)?,
        }
        match SegmentHeader::decode(&bytes) {
            Err(NoHeader::Version(found)) => Err(version_error(FIRST_VERSION_NAME.into(), found)),
            _ => Ok(()),
        }
    }

    /// Makes the first segment.
    fn begin(&self, found: &mut Found) -> Result<(), OpenError> {
        self.io(append::create(self.files, None, 1, 1, Place::NONE))?;
        *found = self.look()?;
        Ok(())
    }

    fn io<T>(&self, result: io::Result<T>) -> Result<T, OpenError> {
        let path = || self.files.path();
        result.map_err(|source| OpenError::Io {
            path: path(),
            source,
        })
    }

    fn read_error(&self, error: ReadError) -> OpenError {
        OpenError::of_read(self.files.path(), error)
    }

    fn header_error(&self, error: HeaderError) -> OpenError {
        match error {
            HeaderError::Read(error) => self.read_error(error),
            HeaderError::Version { file, found } => version_error(file, found),
        }
    }

    fn lock_error(&self, error: LockError) -> OpenError {
        let path = self.files.path();
        match error {
            LockError::Held { process } => OpenError::Locked { path, process },
            LockError::Io(source) => OpenError::Io { path, source },
        }
    }
}

fn version_error(file: String, found: u16) -> OpenError {
    OpenError::Version {
        file,
        found,
        supported: header::VERSION,
    }
}

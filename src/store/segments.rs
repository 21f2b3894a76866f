//! The segments that there are, and reading from them.
//!
//! Nothing of a segment but its name is looked at before it is needed. A segment leaves the table
//! when its file is removed; nothing is read from it afterwards.
//! No lock is held while the disk works, but for the removal of a file.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use super::Limits;
use super::error::{Damage, ReadError};
use super::files::{File, Files};
use super::header::{self, NoHeader, SegmentHeader};
use super::open_files::OpenFiles;
use super::place::{Place, file_name, spare_name};
use super::reader::SegmentReader;

/// Stands for a length that nobody asked for yet.
const UNKNOWN: u64 = u64::MAX;

/// A segment of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its number.
    pub number: u32,
    /// The length of what was written to it, its header included. 0 if the file could not be asked.
    pub len_bytes: u64,
    /// The name of its file.
    pub file: String,
    /// Whether it is the one that is being written.
    pub is_current: bool,
}

/// A segment in the table.
struct Segment {
    header: OnceLock<SegmentHeader>,
    /// The length of what was written, or [`UNKNOWN`].
    used: AtomicU64,
    given_up: AtomicBool,
}

impl Segment {
    fn new() -> Self {
        Self {
            header: OnceLock::new(),
            used: AtomicU64::new(UNKNOWN),
            given_up: AtomicBool::new(false),
        }
    }
}

/// Why a segment's header was not read.
#[derive(Debug)]
pub(super) enum HeaderError {
    Read(ReadError),
    Version { file: String, found: u16 },
}

impl From<ReadError> for HeaderError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// The segments of a directory.
pub(super) struct Segments {
    files: Arc<dyn Files>,
    table: RwLock<BTreeMap<u32, Arc<Segment>>>,
    open: OpenFiles,
    /// Whether files may be removed: until the store is dropped, and with it the directory's lock.
    removing: Mutex<bool>,
    spares_max: usize,
    /// The names of files whose space the next segments take.
    spares: Mutex<Vec<String>>,
}

impl Segments {
    /// The segments with these numbers, all live.
    pub fn new(files: Arc<dyn Files>, numbers: &[u32], limits: &Limits) -> Self {
        let table = numbers
            .iter()
            .map(|number| (*number, Arc::new(Segment::new())));
        Self {
            files,
            table: RwLock::new(table.collect()),
            open: OpenFiles::new(limits.open_files_max),
            removing: Mutex::new(true),
            spares_max: limits.spares_max,
            spares: Mutex::default(),
        }
    }

    /// Adds a segment that was just made.
    pub fn add(&self, header: SegmentHeader, used: u64, file: Arc<dyn File>) {
        let segment = Segment::new();
        segment.used.store(used, Ordering::Release);
        // The cell is new, hence empty.
        let _ = segment.header.set(header);
        self.open.put(header.number, file);
        self.table_mut().insert(header.number, Arc::new(segment));
    }

    /// Notes how much of a segment was written.
    pub fn set_used(&self, number: u32, used: u64) {
        if let Ok(segment) = self.segment(number) {
            segment.used.store(used, Ordering::Release);
        }
    }

    /// The numbers of all segments, ascending.
    pub fn numbers(&self) -> Vec<u32> {
        self.table().keys().copied().collect()
    }

    /// The number of the newest segment: the one that is being written. 0 if there is none.
    pub fn newest(&self) -> u32 {
        self.table().keys().next_back().copied().unwrap_or(0)
    }

    /// Whether the segment is there.
    pub fn contains(&self, number: u32) -> bool {
        self.table().contains_key(&number)
    }

    /// Whether the segment is there and was given up.
    pub fn is_given_up(&self, number: u32) -> bool {
        self.segment(number)
            .is_ok_and(|segment| segment.given_up.load(Ordering::Acquire))
    }

    /// Whether the segment was given up, and perhaps removed.
    pub fn is_gone(&self, number: u32) -> bool {
        !self.contains(number) || self.is_given_up(number)
    }

    /// Marks a segment as given up; whether it is there and was not before.
    pub fn give_up(&self, number: u32) -> bool {
        self.segment(number)
            .is_ok_and(|segment| !segment.given_up.swap(true, Ordering::AcqRel))
    }

    /// The segments that were not given up.
    pub fn live(&self) -> Vec<SegmentInfo> {
        let current = self.newest();
        let mut numbers = self.numbers();
        numbers.retain(|number| !self.is_given_up(*number));
        let info = |number| SegmentInfo {
            number,
            len_bytes: self.used(number).unwrap_or(0),
            file: file_name(number),
            is_current: number == current,
        };
        numbers.into_iter().map(info).collect()
    }

    /// How much of the segment was written. Its file is no longer once the next one was begun.
    pub fn used(&self, number: u32) -> Result<u64, ReadError> {
        let segment = self.segment(number)?;
        let used = segment.used.load(Ordering::Acquire);
        if used != UNKNOWN {
            return Ok(used);
        }
        let len = self.file(number)?.len();
        let len = len.map_err(|source| ReadError::of_io(number, 0, source))?;
        segment.used.store(len, Ordering::Release);
        Ok(len)
    }

    /// Reads the bytes at a place.
    pub fn read(&self, place: Place, bytes: &mut [u8]) -> Result<(), ReadError> {
        let (number, offset) = (place.segment(), place.offset());
        let used = self.segment(number)?.used.load(Ordering::Acquire);
        let end = offset.saturating_add(bytes.len() as u64);
        if used != UNKNOWN && end > used {
            return Err(ReadError::damaged(number, offset, Damage::Truncated));
        }
        self.file(number)?
            .read_exact_at(bytes, offset)
            .map_err(|source| ReadError::of_io(number, offset, source))
    }

    /// The segment's header, checked.
    pub fn header(&self, number: u32) -> Result<SegmentHeader, HeaderError> {
        let segment = self.segment(number)?;
        if let Some(header) = segment.header.get() {
            return Ok(*header);
        }
        let mut bytes = [0; header::HEADER_LEN];
        match self.file(number)?.read_exact_at(&mut bytes, 0) {
            // What is missing counts as zeros: that is no header.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            read => read.map_err(|source| ReadError::of_io(number, 0, source))?,
        }
        let header = decode_header(number, &bytes)?;
        Ok(*segment.header.get_or_init(|| header))
    }

    /// A reader of the segment's frames.
    pub fn reader(&self, number: u32) -> Result<SegmentReader, HeaderError> {
        let header = self.header(number)?;
        Ok(SegmentReader {
            file: self.file(number)?,
            segment: number,
            epoch: header.epoch,
            len: self.used(number)?,
        })
    }

    /// A file whose space is free for another segment. It is not offered again.
    pub fn take_spare(&self) -> Option<String> {
        self.spares().pop()
    }

    /// Keeps a file that is no segment any more as a spare one, or removes it if there are enough.
    pub fn spare(&self, name: String) -> io::Result<()> {
        let mut spares = self.spares();
        if spares.len() >= self.spares_max {
            drop(spares);
            return absent_is_fine(self.files.remove(&name));
        }
        spares.push(name);
        Ok(())
    }

    /// Makes the file of a segment that is gone a spare one, or removes it if there are enough.
    fn retire_file(&self, number: u32) -> io::Result<()> {
        if self.spares().len() >= self.spares_max {
            return absent_is_fine(self.files.remove(&file_name(number)));
        }
        match self.files.rename(&file_name(number), &spare_name(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.spare(spare_name(number)),
        }
    }

    /// Removes a segment that nobody reads any more, and its file.
    pub fn remove(&self, number: u32) -> io::Result<()> {
        let removing = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        if !*removing {
            return Ok(());
        }
        self.table_mut().remove(&number);
        self.open.close(number);
        self.retire_file(number)
    }

    /// No file is removed any more once this returned.
    pub fn close(&self) {
        let mut removing = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        *removing = false;
    }

    /// The directory.
    pub fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    /// How many files are open.
    #[cfg(test)]
    pub fn open_files(&self) -> usize {
        self.open.len()
    }

    /// The segment's file, opened again if need be.
    pub fn file(&self, number: u32) -> Result<Arc<dyn File>, ReadError> {
        if let Some(file) = self.open.get(number) {
            return Ok(file);
        }
        self.segment(number)?;
        let opened = self.files.open(&file_name(number));
        if opened.is_err() {
            // It may have been removed since.
            self.segment(number)?;
        }
        let file = opened.map_err(|source| ReadError::of_io(number, 0, source))?;
        self.open.put(number, file.clone());
        if !self.contains(number) {
            // Removed since: the disk's space is not free before the file is closed.
            self.open.close(number);
        }
        Ok(file)
    }

    fn segment(&self, number: u32) -> Result<Arc<Segment>, ReadError> {
        let segment = self.table().get(&number).cloned();
        segment.ok_or(ReadError::Gone { segment: number })
    }

    // A thread that panicked while it held one of these locks left it whole: each changes in one step.

    fn spares(&self) -> MutexGuard<'_, Vec<String>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> RwLockReadGuard<'_, BTreeMap<u32, Arc<Segment>>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn table_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<u32, Arc<Segment>>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that is to go may be gone.
fn absent_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn decode_header(
    number: u32,
    bytes: &[u8; header::HEADER_LEN],
) -> Result<SegmentHeader, HeaderError> {
    match SegmentHeader::decode(bytes) {
        Ok(header) if header.number == number => Ok(header),
        Err(NoHeader::Version(found)) => Err(HeaderError::Version {
            file: file_name(number),
            found,
        }),
        _ => Err(ReadError::damaged(number, 0, Damage::SegmentHeader).into()),
    }
}

//! Tests of the store, by promise, and what they share.

mod crash;
mod damage;
mod directory;
mod forged;
mod keeper;
mod leases;
mod recycling;
mod round_trip;
mod seeded;
mod tails;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::files::{FaultyFiles, Files, LOCK_NAME, MemoryFiles};
use super::{Contents, Frame, Limits, OpenError, ReadError, ReadPlace, Recovery, Store};

/// Small segments, so that a short history has several.
const SMALL: Limits = Limits {
    segment_bytes: 16 * 4096,
    growth_bytes: 4 * 4096,
    open_files_max: 3,
    spares_max: 0,
};

/// The same, and segments take the files of those that were given up.
const RECYCLING: Limits = Limits {
    spares_max: 2,
    ..SMALL
};

/// Segments as usual. Files grow in small steps: growing one in memory takes long without optimisation.
const LARGE: Limits = Limits {
    segment_bytes: crate::store::SEGMENT_BYTES,
    ..SMALL
};

/// Blobs are what their frame's meta says: its last byte, over and over. Nothing else is vouched for.
struct Repeated;

impl Contents for Repeated {
    fn whole(&self, frame: &Frame, read: ReadPlace<'_>) -> Result<bool, ReadError> {
        let mut blobs = vec![0; frame.blobs_len as usize];
        read(frame.blobs, &mut blobs)?;
        let wanted = frame.meta.last();
        Ok(blobs.iter().all(|byte| Some(byte) == wanted))
    }
}

/// A frame to be written: its meta is `number` over and over, and so are its blobs.
#[derive(Debug, Clone, Copy)]
struct Plain {
    number: u8,
    meta_len: usize,
    blobs_len: usize,
    vouched: bool,
}

impl Plain {
    const fn new(number: u8, meta_len: usize, blobs_len: usize, vouched: bool) -> Self {
        Self {
            number,
            meta_len,
            blobs_len,
            vouched,
        }
    }

    fn meta(&self) -> Vec<u8> {
        vec![self.number; self.meta_len]
    }

    fn blobs(&self) -> Vec<u8> {
        vec![self.number; self.blobs_len]
    }

    /// Writes without syncing.
    fn write(&self, store: &Store) -> Frame {
        let (meta, blobs) = (self.meta(), self.blobs());
        let mut writer = store.writer().unwrap();
        let parts: Vec<&[u8]> = blobs.chunks(1000).collect();
        let place = writer.write(self.number, &meta, &parts, self.vouched);
        let place = place.unwrap();
        drop(writer);
        store.frame(place).unwrap()
    }

    fn write_and_sync(&self, store: &Store) -> Frame {
        let frame = self.write(store);
        store.writer().unwrap().sync().unwrap();
        frame
    }

    /// Whether this is what was read.
    fn is(&self, frame: &Frame) -> bool {
        frame.kind == self.number
            && frame.meta == self.meta()
            && frame.blobs_len == self.blobs_len as u64
    }
}

/// Frames of all kinds: with and without meta and blobs, vouched for or not, of several blocks.
const PLAINS: [Plain; 8] = [
    Plain::new(1, 40, 9000, true),
    Plain::new(2, 1, 0, false),
    Plain::new(3, 5000, 4096, false),
    Plain::new(4, 3968, 16, true),
    Plain::new(5, 0, 100, false),
    Plain::new(6, 3969, 0, true),
    Plain::new(7, 20_000, 12_000, true),
    Plain::new(8, 100, 8192, false),
];

fn open(files: &(impl Files + Clone + 'static)) -> Result<(Store, Recovery), OpenError> {
    open_with(files, LARGE)
}

fn open_small(files: &(impl Files + Clone + 'static)) -> Result<(Store, Recovery), OpenError> {
    open_with(files, SMALL)
}

fn open_with(
    files: &(impl Files + Clone + 'static),
    limits: Limits,
) -> Result<(Store, Recovery), OpenError> {
    Store::open_with(Arc::new(files.clone()), &Repeated, limits)
}

/// The blobs of a frame, unchecked.
fn blobs_of(store: &Store, frame: &Frame) -> Vec<u8> {
    let mut blobs = vec![0; frame.blobs_len as usize];
    store.read(frame.blobs, &mut blobs).unwrap();
    blobs
}

/// The files of a directory, but for the lock.
fn bytes_of(files: &MemoryFiles) -> BTreeMap<String, Vec<u8>> {
    let mut names = files.names().unwrap();
    names.retain(|name| name != LOCK_NAME);
    let bytes = |name: &String| files.bytes(name).unwrap();
    names
        .iter()
        .map(|name| (name.clone(), bytes(name)))
        .collect()
}

/// The same files, with a plan to fail.
fn faulty(files: &MemoryFiles, faulty: FaultyFiles) -> FaultyFiles {
    for (name, bytes) in bytes_of(files) {
        faulty.put(&name, &bytes);
    }
    faulty
}

/// The file names of a directory that belong to the log.
fn log_names(files: &impl Files) -> Vec<String> {
    let mut names = files.names().unwrap();
    names.retain(|name| name != LOCK_NAME);
    names.sort_unstable();
    names
}

/// A log of these frames, each synced, its last segment without the zeros at its end.
fn log_of(plains: &[Plain], limits: Limits) -> BTreeMap<String, Vec<u8>> {
    let files = MemoryFiles::new();
    let (store, _) = open_with(&files, limits).unwrap();
    for plain in plains {
        plain.write_and_sync(&store);
    }
    drop(store);
    let report = open_with(&files, limits).unwrap().1.report;
    let mut log = bytes_of(&files);
    let last = log.get_mut(&report.end_file).unwrap();
    last.truncate(report.end_offset as usize);
    log
}

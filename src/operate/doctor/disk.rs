//! A look at the disk that a store is or will be on.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::facts::{DiskFacts, Looked, NotLooked, StoreLock};
use crate::store::files::{Files, LOCK_NAME, LockError, OsFiles};

/// Writes that are synced, of which the median counts.
const SYNCS: usize = 15;

const WRITE_BYTES: usize = 4096;

/// File systems by the numbers of `statfs`.
#[cfg(target_os = "linux")]
const FILE_SYSTEMS: &[(i64, &str)] = &[
    (0xEF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0x2FC1_2FC1, "zfs"),
    (0xF2F5_2010, "f2fs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58F6, "ramfs"),
    (0x794C_7630, "overlay"),
    (0x6969, "nfs"),
    (0xFF53_4D42, "cifs"),
    (0xFE53_4D42, "smb2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "fuse"),
    (0x00C3_6400, "ceph"),
];

fn not_looked(error: impl ToString) -> NotLooked {
    let reason = error.to_string();
    NotLooked { reason }
}

/// What is known about the disk of a directory, which may not exist yet.
pub fn disk(directory: &Path) -> DiskFacts {
    let directory = nearest(directory);
    DiskFacts {
        file_system: file_system(&directory),
        free_bytes: free_bytes(&directory),
        sync: synced(&directory).map_err(not_looked),
        directory,
    }
}

/// The directory, or the nearest one above it that exists.
fn nearest(directory: &Path) -> PathBuf {
    let mut above = directory.ancestors();
    let nearest = above.find(|path| path.is_dir());
    match nearest {
        Some(path) => path.to_path_buf(),
        None => PathBuf::from("."),
    }
}

#[cfg(target_os = "linux")]
fn file_system(directory: &Path) -> Looked<String> {
    let found = rustix::fs::statfs(directory).map_err(not_looked)?;
    let number = found.f_type as i64;
    let named = FILE_SYSTEMS.iter().find(|(known, _)| *known == number);
    Ok(named.map_or_else(|| format!("{number:#x}"), |(_, name)| (*name).to_owned()))
}

#[cfg(not(target_os = "linux"))]
fn file_system(_directory: &Path) -> Looked<String> {
    Err(not_looked("file systems are told apart on Linux only"))
}

fn free_bytes(directory: &Path) -> Looked<u64> {
    let found = rustix::fs::statvfs(directory).map_err(not_looked)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// What a sync takes of what overwrites written space, as the log does it. The file has no name that stays.
fn synced(directory: &Path) -> io::Result<Duration> {
    let file = tempfile::tempfile_in(directory)?;
    let bytes = [0x5A; WRITE_BYTES];
    file.write_all_at(&bytes, 0)?;
    file.sync_all()?;
    let mut taken = (0..SYNCS)
        .map(|_| one_sync(&file, &bytes))
        .collect::<io::Result<Vec<Duration>>>()?;
    taken.sort_unstable();
    Ok(taken[SYNCS / 2])
}

fn one_sync(file: &File, bytes: &[u8]) -> io::Result<Duration> {
    let begin = Instant::now();
    file.write_all_at(bytes, 0)?;
    file.sync_data()?;
    Ok(begin.elapsed())
}

/// Who holds the store in a directory.
pub fn lock(directory: &Path) -> Looked<StoreLock> {
    if !directory.join(LOCK_NAME).exists() {
        return Ok(StoreLock::NoStore);
    }
    let files = OsFiles::open(directory).map_err(not_looked)?;
    match files.lock() {
        Ok(_) => Ok(StoreLock::Free),
        Err(LockError::Held { process }) => Ok(StoreLock::Held(process)),
        Err(error) => Err(not_looked(error)),
    }
}

/// Whether others than the owner can write to a directory; none if it is not there.
pub fn is_open_to_others(directory: &Path) -> Looked<Option<bool>> {
    const OTHERS_WRITE: u32 = 0o022;
    match std::fs::metadata(directory) {
        Ok(metadata) => Ok(Some(metadata.mode() & OTHERS_WRITE != 0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(not_looked(error)),
    }
}

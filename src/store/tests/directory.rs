//! Opening takes only directories that are empty or ours, and each for one handle at a time.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::store::files::OsFiles;
use crate::store::header;

#[test]
fn a_second_opener_is_told_who_holds_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let files = OsFiles::open(directory.path()).unwrap();
    locks(&files);
    locks(&MemoryFiles::new());
    assert!(open(&files).is_ok());
}

fn locks(files: &(impl Files + Clone + 'static)) {
    let (store, _) = open(files).unwrap();
    let Err(OpenError::Locked { path, process }) = open(files) else {
        panic!("opened twice");
    };
    assert_eq!(path, files.path());
    assert_eq!(process, Some(std::process::id()));
    drop(store);
    assert!(open(files).is_ok());
}

/// A child has the parent's files until it runs its program, and with them the lock, unless it is
/// given back explicitly.
#[test]
fn the_lock_is_released_while_a_child_process_is_being_made() {
    let directory = tempfile::tempdir().unwrap();
    let files = OsFiles::open(directory.path()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let mut command = Command::new("true");
                command.stdout(Stdio::null()).status().unwrap();
            }
        });
        let taken = (0..500).filter(|_| files.lock().is_ok()).count();
        done.store(true, Ordering::Relaxed);
        assert_eq!(taken, 500);
    });
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    let files = OsFiles::open(directory.path()).unwrap();
    let Err(OpenError::Foreign { path, found }) = open(&files) else {
        panic!("opened");
    };
    assert_eq!(
        (path.as_path(), found.as_str()),
        (directory.path(), "notes.txt")
    );
    assert_eq!(files.names().unwrap(), ["notes.txt"]);
}

#[test]
fn other_files_beside_a_log_are_left_alone() {
    let files = MemoryFiles::new();
    drop(open(&files).unwrap());
    let others = [
        "log-1",
        "log-0000000000000000",
        "log-0000000100000001",
        "log-000000000000000A",
        "log-+000000000000001",
        "log-0000000000000001.bak",
        "notes.txt",
    ];
    for name in others {
        files.create(name).unwrap();
    }
    let (store, recovery) = open(&files).unwrap();
    assert_eq!(recovery.report.segments, 1);
    assert_eq!(store.settle(&BTreeSet::new()).unwrap(), [""; 0]);
    PLAINS[0].write_and_sync(&store);
    assert_eq!(log_names(&files).len(), 1 + others.len());
}

#[test]
fn a_segment_that_was_not_finished_is_reported_and_goes_at_the_next_write_or_settling() {
    let new = |number: u32| format!("log-{number:016x}.new");
    for settle in [false, true] {
        let mut log = log_of(&PLAINS[..2], Limits::default());
        log.insert(new(2), vec![1, 2, 3]);
        log.insert(new(1), Vec::new());
        let files = MemoryFiles::with(log);
        for _ in 0..2 {
            let (_, recovery) = open(&files).unwrap();
            assert_eq!(recovery.report.orphans, [new(1), new(2)]);
        }
        let (store, _) = open(&files).unwrap();
        if settle {
            let removed = store.settle(&BTreeSet::from([1])).unwrap();
            assert_eq!(removed, [new(1), new(2)]);
            assert_eq!(store.settle(&BTreeSet::from([1])).unwrap(), [""; 0]);
        } else {
            PLAINS[2].write(&store);
        }
        assert_eq!(log_names(&files), ["log-0000000000000001"]);
    }
}

#[test]
fn a_first_segment_that_was_not_finished_is_made_again() {
    let files = MemoryFiles::with([("log-0000000000000001.new".to_owned(), vec![1, 2, 3])]);
    let (_, recovery) = open(&files).unwrap();
    assert_eq!(recovery.report.frames, 0);
    assert_eq!(recovery.report.orphans, [""; 0]);
    assert_eq!(log_names(&files), ["log-0000000000000001"]);
}

#[test]
fn another_format_version_is_named() {
    for (name, version) in [("log-0000000000000001", 7), ("log-00000001", 1)] {
        let mut bytes = header::common(version, 9);
        bytes.resize(4096, 0);
        let files = MemoryFiles::with([(name.to_owned(), bytes)]);
        let Err(OpenError::Version {
            file,
            found,
            supported,
        }) = open(&files)
        else {
            panic!("opened");
        };
        assert_eq!((file.as_str(), found, supported), (name, version, 2));
        assert_eq!(log_names(&files), [name]);
    }
}

#[test]
fn a_failed_opening_releases_the_lock() {
    let junk = ("log-0000000000000001".to_owned(), b"junk".to_vec());
    let files = MemoryFiles::with([junk]);
    assert!(matches!(open(&files), Err(OpenError::Damaged { .. })));
    assert!(matches!(open(&files), Err(OpenError::Damaged { .. })));
}

/// What is in the lock file is for messages: nothing depends on whether there is space for it.
#[test]
fn a_full_disk_can_be_locked() {
    let directory = tempfile::tempdir().unwrap();
    let full = Path::new("/dev/full");
    std::os::unix::fs::symlink(full, directory.path().join(LOCK_NAME)).unwrap();
    let files = OsFiles::open(directory.path()).unwrap();
    let (_store, _) = open(&files).unwrap();
    assert!(matches!(
        open(&files),
        Err(OpenError::Locked { process: None, .. })
    ));
}

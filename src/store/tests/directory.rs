//! Opening takes only directories that are empty or ours, and each for one handle at a time.

use super::*;
use crate::store::files::OsFiles;
use crate::store::header::LogHeader;

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
fn a_log_that_was_not_finished_is_made_again() {
    let files = MemoryFiles::with([("log-00000001.new".to_owned(), vec![1, 2, 3])]);
    let (_, recovery) = open(&files).unwrap();
    assert_eq!(recovery.report.frames, 0);
    let mut names = files.names().unwrap();
    names.retain(|name| name != crate::store::files::LOCK_NAME);
    assert_eq!(names, ["log-00000001"]);
}

#[test]
fn another_format_version_is_named() {
    let (version, epoch) = (7, 1);
    let files = files_with(&LogHeader { version, epoch }.encode());
    let Err(OpenError::Version {
        found, supported, ..
    }) = open(&files)
    else {
        panic!("opened");
    };
    assert_eq!((found, supported), (7, 1));
}

#[test]
fn a_failed_opening_releases_the_lock() {
    let files = files_with(b"junk");
    assert!(matches!(open(&files), Err(OpenError::Damaged { .. })));
    assert!(matches!(open(&files), Err(OpenError::Damaged { .. })));
}

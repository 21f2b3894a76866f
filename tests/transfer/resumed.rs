//! P3: an import goes on where it was left: after its handle, its VM, or its stream is gone.

use crostata::store::files::MemoryFiles;
use crostata::{Cursor, ImportError};

use super::scene::*;
use crate::common::*;

/// After each chunk the handle is dropped, and the VM with it every other time.
#[test]
fn an_import_is_left_after_each_chunk() {
    let (vm, commit) = source();
    let export = vm.export(commit).unwrap();
    for size in SIZES {
        let files = MemoryFiles::new();
        let mut other = open(&files);
        for (number, (cursor, chunk)) in chunks(&export, size).iter().enumerate() {
            let mut import = other.import(commit, export.header()).unwrap();
            assert_eq!(import.cursor(), Some(*cursor));
            import.accept(chunk).unwrap();
            drop(import);
            if number % 2 == 0 {
                drop(other);
                other = open(&files);
                assert_eq!(other.unfinished_import(), Some(commit));
                assert_eq!(other.recovery().dropped_tail, None);
            }
            if number % 7 == 0 {
                other.checkpoint().unwrap();
            }
        }
        drop(other);
        let other = open(&files);
        let import = other.import(commit, export.header()).unwrap();
        assert_eq!(import.cursor(), None);
        assert_eq!(import.finish().unwrap(), commit);
        let again = other.export(commit).unwrap();
        assert!(chunks(&again, size) == chunks(&export, size));
        assert_eq!(go_on(&other, commit), go_on(&vm, commit));
    }
}

/// A file that was cut is read again from its beginning: what is there already is passed over.
#[test]
fn a_file_is_read_again() {
    let (vm, commit) = large();
    let export = vm.export(commit).unwrap();
    let mut file = Vec::new();
    export.write_to(&mut file).unwrap();
    assert!(file.len() > 3 << 20);
    let files = MemoryFiles::new();
    for part in 1..4 {
        let other = open(&files);
        let cut = &file[..file.len() * part / 4];
        let error = other.import_from(commit, cut).unwrap_err();
        assert!(matches!(error, ImportError::Io(_)), "{error}");
        let import = other.import(commit, export.header()).unwrap();
        assert_eq!(
            import.cursor() != Some(Cursor::Start),
            part > 1,
            "part {part}"
        );
    }
    let mut ending = file.clone();
    ending.truncate(export.header().encode().len());
    ending.extend([0; 4]);
    let other = open(&files);
    let error = other.import_from(commit, &ending[..]).unwrap_err();
    assert!(matches!(error, ImportError::Incomplete { .. }), "{error}");
    assert_eq!(other.import_from(commit, &file[..]).unwrap(), commit);
    let mut again = Vec::new();
    other.export(commit).unwrap().write_to(&mut again).unwrap();
    assert!(again == file);
}

/// A state of which a chunk of the usual size is a part.
fn large() -> (crostata::VM, crostata::Commit) {
    let vm = crostata::VM::ephemeral().unwrap();
    let mut session = fresh(&vm);
    for number in 1..=2 {
        deploy_cells(&mut session, number);
        session
            .call_raw(id(number), "grow", words(&[60]), LIMIT)
            .unwrap();
        for page in 0..500 {
            store(&mut session, id(number), page * 4096, page + 1);
        }
    }
    let commit = session.commit().unwrap();
    drop(session);
    (vm, commit)
}

/// The log of an import is not much longer than what was imported, however small the chunks.
#[test]
fn checkpoints_during_an_import_keep_the_log_short() {
    let (vm, commit) = large();
    let export = vm.export(commit).unwrap();
    let files = MemoryFiles::new();
    let other = open(&files);
    let chunks = chunks(&export, 30_000);
    assert!(chunks.len() > 200, "{}", chunks.len());
    let mut import = other.import(commit, export.header()).unwrap();
    accept_all(&mut import, &chunks).unwrap();
    drop((import, other));
    let other = open(&files);
    let frames = other.recovery().frames;
    assert!(frames < 20, "{frames} frames to read");
    let import = other.import(commit, export.header()).unwrap();
    assert_eq!(import.finish().unwrap(), commit);
    drop(other);
    drop(open(&files));
    assert!(len_bytes(&files) < 8 << 20, "{} bytes", len_bytes(&files));
}

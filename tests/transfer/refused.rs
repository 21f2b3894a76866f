//! An import begins where nothing is, of the commit that is wanted, under a known protocol; and nothing comes between.

use crostata::store::files::MemoryFiles;
use crostata::{CommitError, Config, HeaderError, ImportError, Protocol, Root, TransferHeader, VM};

use super::scene::*;
use crate::common::*;

#[test]
fn a_store_with_commits_refuses() {
    let (vm, commit) = source();
    let export = vm.export(commit).unwrap();
    let other = VM::ephemeral().unwrap();
    let mut session = fresh(&other);
    deploy_cells(&mut session, 1);
    let own = session.commit().unwrap();
    let error = other.import(commit, export.header()).unwrap_err();
    assert!(
        matches!(error, ImportError::NotEmpty { commits: 1 }),
        "{error}"
    );
    other.delete_commit(own).unwrap();
    assert_eq!(import_all(&other, &export, 1 << 20), commit);
    let error = other.import(commit, export.header()).unwrap_err();
    assert!(
        matches!(error, ImportError::NotEmpty { commits: 1 }),
        "{error}"
    );
}

#[test]
fn nothing_is_committed_while_an_import_is_unfinished() {
    let (vm, commit) = source();
    let export = vm.export(commit).unwrap();
    let files = MemoryFiles::new();
    let other = open(&files);
    let sealed = {
        let mut session = fresh(&other);
        deploy_cells(&mut session, 1);
        session.seal().unwrap()
    };
    let mut import = other.import(commit, export.header()).unwrap();
    let refuses = |vm: &VM| {
        let mut session = fresh(vm);
        assert_eq!(session.root().unwrap(), Root::from_bytes([0; 32]));
        deploy_cells(&mut session, 1);
        let error = session.commit().unwrap_err();
        assert!(
            matches!(error, CommitError::Importing { id } if id == commit.id),
            "{error}"
        );
        assert_eq!(load(&mut session, id(1), 0), 0);
    };
    refuses(&other);
    assert!(matches!(
        sealed.commit(),
        Err(CommitError::Importing { .. })
    ));
    import.accept(&chunks(&export, 20_000)[0].1).unwrap();
    refuses(&other);
    other.checkpoint().unwrap();
    refuses(&other);
    drop(import);
    refuses(&other);
    drop((sealed, other));
    let other = open(&files);
    assert_eq!(other.unfinished_import(), Some(commit));
    refuses(&other);
    other.discard_import().unwrap();
    let mut session = fresh(&other);
    deploy_cells(&mut session, 1);
    let own = session.commit().unwrap();
    drop((session, other));
    assert_eq!(open(&files).commits(), [own]);
}

#[test]
fn one_at_a_time_imports() {
    let (vm, commit) = source();
    let export = vm.export(commit).unwrap();
    let other = VM::ephemeral().unwrap();
    assert!(matches!(other.discard_import(), Err(ImportError::None)));
    let import = other.import(commit, export.header()).unwrap();
    assert!(matches!(
        other.import(commit, export.header()),
        Err(ImportError::InUse)
    ));
    assert!(matches!(other.discard_import(), Err(ImportError::InUse)));
    let error = import.finish().unwrap_err();
    assert!(matches!(
        error,
        ImportError::Incomplete {
            cursor: crostata::Cursor::Start
        }
    ));
    assert_eq!(import_all(&other, &export, 1 << 20), commit);
    assert!(matches!(other.discard_import(), Err(ImportError::None)));
}

#[test]
fn a_header_is_of_the_commit_that_is_wanted() {
    let (vm, commit) = source();
    let header = vm.export(commit).unwrap().header().clone();
    let other = VM::ephemeral().unwrap();
    let wrong = |header: &TransferHeader| {
        let error = other.import(commit.id, header).unwrap_err();
        assert!(matches!(error, ImportError::OtherCommit { .. }), "{error}");
    };
    for change in [
        |header: &mut TransferHeader| header.commit.tag[0] ^= 1,
        |header: &mut TransferHeader| header.commit.root = Root::from_bytes([1; 32]),
        |header: &mut TransferHeader| header.commit.parent = header.commit.id,
        |header: &mut TransferHeader| header.commit.id = header.commit.parent,
    ] {
        let mut changed = header.clone();
        change(&mut changed);
        wrong(&changed);
        // As it is read from a peer, with the id that belongs to it.
        wrong_as_read(&changed, &wrong, commit.id);
    }
    let import = other.import(commit.root, &header).unwrap();
    assert_eq!(import.commit(), commit);
}

fn wrong_as_read(
    header: &TransferHeader,
    wrong: &dyn Fn(&TransferHeader),
    wanted: crostata::CommitId,
) {
    let read = TransferHeader::decode(&header.encode()).unwrap();
    if read.commit.id != wanted {
        wrong(&read);
    }
}

#[test]
fn a_header_has_one_encoding() {
    let (vm, commit) = source();
    let header = vm.export(commit).unwrap().header().clone();
    let bytes = header.encode();
    assert_eq!(TransferHeader::decode(&bytes).unwrap(), header);
    for len in 0..bytes.len() {
        assert!(TransferHeader::decode(&bytes[..len]).is_err());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(TransferHeader::decode(&longer), Err(HeaderError::Malformed));
    for at in (0..200).chain(bytes.len() - 5..bytes.len()) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        if let Ok(other) = TransferHeader::decode(&changed) {
            assert!(other != header && other.encode() == changed);
        }
    }
    let mut newer = bytes.clone();
    newer[8] = 2;
    assert_eq!(
        TransferHeader::decode(&newer),
        Err(HeaderError::Version { found: 2 })
    );
}

#[test]
fn an_unknown_protocol_is_refused() {
    let (vm, commit) = source();
    let export = vm.export(commit).unwrap();
    let mut dear = Protocol::default();
    dear.schedule.call_base += 1;
    let protocols = vec![dear.clone()];
    let other = VM::ephemeral_with_config(Config {
        protocols,
        ..Config::default()
    })
    .unwrap();
    let error = other.import(commit, export.header()).unwrap_err();
    assert!(
        matches!(&error, ImportError::UnknownProtocol { differences } if differences.len() == 1),
        "{error}"
    );
    let protocols = vec![dear, Protocol::default()];
    let other = VM::ephemeral_with_config(Config {
        protocols,
        ..Config::default()
    })
    .unwrap();
    assert_eq!(import_all(&other, &export, 1 << 20), commit);
    assert_eq!(go_on(&other, commit), go_on(&vm, commit));
}

/// What was given up leaves nothing in the log, for longer than it takes to write a little more.
#[test]
fn another_import_takes_the_place_of_an_unfinished_one() {
    let (vm, commit) = source();
    let later = go_on(&vm, commit);
    let exports = [vm.export(commit).unwrap(), vm.export(later).unwrap()];
    let files = MemoryFiles::new();
    let mut other = open(&files);
    for round in 0..12 {
        let export = &exports[round % 2];
        let mut import = other
            .import(export.header().commit, export.header())
            .unwrap();
        assert_eq!(
            import.cursor(),
            Some(crostata::Cursor::Start),
            "round {round}"
        );
        let chunks = chunks(export, 20_000);
        for (_, chunk) in &chunks[..chunks.len() - 1] {
            import.accept(chunk).unwrap();
        }
        drop(import);
        if round % 3 == 0 {
            drop(other);
            other = open(&files);
        }
    }
    assert_eq!(import_all(&other, &exports[0], 20_000), commit);
    assert_eq!(go_on(&other, commit), later);
    other.finalize_commit(later).unwrap();
    other.checkpoint().unwrap();
    drop(other);
    drop(open(&files));
    assert!(len_bytes(&files) < 3 << 20, "{} bytes", len_bytes(&files));
}

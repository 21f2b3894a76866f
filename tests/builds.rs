//! P1, P3: a store belongs to no backend and no build. What one wrote, any other opens, reads, verifies and goes on from, to the same
//! roots; and a store that an earlier build wrote (`golden/store`, `golden/README.md`) opens in this one.

mod fixtures;
#[path = "common/proofs.rs"]
mod proofs;

use std::fs;
use std::path::{Path, PathBuf};

use crostata::{
    Backend, Commit, Config, ContractData, ContractId, LogConfig, PageIndex, ProofItem, Protocol,
    Session, SessionData, VM, contract_bytecode,
};
use fixtures::actor::{Call, Grow, Keep, See, Step, Trap, Try, Write, actor, cell, script};
use fixtures::{BACKENDS, LIMIT, Narrow, Wide, deploy, id};
use proofs::shown_page;

fn open(path: &Path, backend: Backend) -> VM {
    let config = Config {
        backend,
        ..Config::default()
    };
    VM::with_config(path, config).unwrap()
}

/// P1: a build without libraries runs no protocol that lists any, and says so.
#[cfg(not(feature = "libraries"))]
#[test]
fn a_build_without_libraries_says_so() {
    let code = crostata::code_hash(b"a component");
    let config = Config {
        protocols: vec![Protocol {
            libraries: crostata::Libraries::new([code]),
            ..Protocol::default()
        }],
        ..Config::default()
    };
    let refused = VM::ephemeral_with_config(config);
    let expected = crostata::EngineError::LibrariesNotBuilt { listed: 1 };
    match refused {
        Err(crostata::OpenVmError::Engine(error)) => {
            assert_eq!(error.to_string(), expected.to_string());
        }
        other => panic!("{other:?}"),
    }
}

/// A session over a commit, under this build's protocol if the commit's is no longer that.
fn over(vm: &VM, base: Commit) -> Session {
    let data = SessionData::builder().base(base);
    vm.session(data.protocol(Protocol::default())).unwrap()
}

fn act(session: &mut Session, number: u8, steps: &[Step]) {
    let called = session.call_raw(id(number), "run", script(steps), LIMIT);
    called.unwrap();
}

/// What a round writes: in both widths, with growth, and with a failure that is undone.
fn write(session: &mut Session, round: u32) {
    let inner = vec![Write(cell(round * 700), round + 1), Keep(1), See(cell(0))];
    let failing = [inner.clone(), vec![Trap]].concat();
    act(
        session,
        0,
        &[Write(cell(round), 7), Call(1, inner), Try(2, failing)],
    );
    act(
        session,
        2,
        &[
            Grow(1),
            Write(cell(round * 300), round),
            Call(0, vec![See(cell(round))]),
        ],
    );
}

fn deploy_actors(session: &mut Session) {
    for (number, width) in [(0, Narrow), (1, Wide), (2, Narrow)] {
        deploy(session, number, &actor(width));
    }
}

/// Two stores, each opened by both backends in turns, one a turn behind the other: the same commits, and nothing damaged.
#[test]
fn backends_take_turns_over_one_store() {
    let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut bases: [Option<Commit>; 2] = [None; 2];
    for round in 0..6 {
        for (at, directory) in directories.iter().enumerate() {
            let vm = open(directory.path(), BACKENDS[(round as usize + at) % 2]);
            assert!(vm.verify(|_| ()).is_clean());
            let mut session = match bases[at] {
                Some(base) => over(&vm, base),
                None => vm.session(SessionData::builder()).unwrap(),
            };
            if round == 0 {
                deploy_actors(&mut session);
            }
            write(&mut session, round);
            bases[at] = Some(session.commit().unwrap());
            if round % 2 == 1 {
                vm.finalize_commit(bases[at].unwrap()).unwrap();
                vm.checkpoint().unwrap();
            }
        }
        assert_eq!(bases[0], bases[1], "round {round}");
    }
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// What the golden store has: a line for each retained commit, oldest first, and one for the root that `go_on` comes to.
fn expected() -> Vec<String> {
    let text = fs::read_to_string(golden().join("expected.txt")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn line(commit: &Commit) -> String {
    format!("commit {} root {}", commit.id, commit.root)
}

/// Calls everything that the golden store has, and gives the root it comes to.
fn go_on(vm: &VM, base: Commit) -> Commit {
    let mut session = over(vm, base);
    write(&mut session, 9);
    let counter = id(3);
    let read = session
        .call::<_, i64>(counter, "read_value", &(), LIMIT)
        .unwrap();
    assert_eq!(read.data, 0xfc + 2);
    session
        .call::<_, ()>(counter, "increment", &(), LIMIT)
        .unwrap();
    session.commit().unwrap()
}

fn copied(from: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
    }
    directory
}

/// The golden store, opened by each backend of this build: the same commits, undamaged, its pages proven, and gone on from to the
/// same root; then opened by the other one.
#[test]
fn a_store_of_an_earlier_build_opens() {
    if std::env::var_os("CROSTATA_WRITE_GOLDEN_STORE").is_some() {
        make_the_golden_store();
    }
    let expected = expected();
    let (last, commits) = expected.split_last().unwrap();
    for (backend, other) in [(BACKENDS[0], BACKENDS[1]), (BACKENDS[1], BACKENDS[0])] {
        let directory = copied(&golden().join("store"));
        let vm = open(directory.path(), backend);
        assert_eq!(vm.recovery().dropped_tail, None, "{:?}", vm.recovery());
        let retained = vm.commits();
        let lines: Vec<String> = retained.iter().map(line).collect();
        assert_eq!(lines, commits);
        assert_eq!(vm.finalized(), Some(retained[0]));
        let report = vm.verify(|_| ());
        assert!(report.is_clean(), "{:?}", report.findings);
        for commit in &retained {
            for page in [PageIndex(0), PageIndex(48)] {
                let opening = vm.prove(*commit, &[ProofItem::page(id(0), page)]).unwrap();
                shown_page(&opening, &commit.root, &id(0), page).unwrap();
            }
        }
        let next = go_on(&vm, *retained.last().unwrap());
        assert_eq!(&format!("next root {}", next.root), last);
        drop(vm);
        let vm = open(directory.path(), other);
        assert!(vm.verify(|_| ()).is_clean());
        vm.finalize_commit(next).unwrap();
        assert_eq!(vm.commits(), [next]);
    }
}

/// Makes the golden store anew, when it is asked for: only when stores of earlier builds are meant not to open any more.
fn make_the_golden_store() {
    let store = golden().join("store");
    let _ = fs::remove_dir_all(&store);
    let config = Config {
        log: LogConfig {
            segment_bytes: 64 << 10,
            ..LogConfig::default()
        },
        ..Config::default()
    };
    let vm = VM::with_config(&store, config).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    deploy_actors(&mut session);
    let counter: ContractId = id(3);
    let data = ContractData::builder().contract_id(counter).owner([3; 32]);
    session
        .deploy(contract_bytecode!("counter"), data, LIMIT)
        .unwrap();
    session.commit().unwrap();
    session
        .call::<_, ()>(counter, "increment", &(), LIMIT)
        .unwrap();
    write(&mut session, 1);
    let base = session.commit_with_tag([1; 32]).unwrap();
    vm.finalize_commit(base).unwrap();
    vm.checkpoint().unwrap();
    let branch = |round, tag| {
        let mut session = over(&vm, base);
        session
            .call::<_, ()>(counter, "increment", &(), LIMIT)
            .unwrap();
        write(&mut session, round);
        session.commit_with_tag([tag; 32]).unwrap()
    };
    let dropped = branch(2, 2);
    branch(3, 3);
    let tip = branch(4, 4);
    vm.delete_commit(dropped).unwrap();
    let mut lines: Vec<String> = vm.commits().iter().map(line).collect();
    drop((session, vm));
    trim(&store);
    let directory = copied(&store);
    let next = go_on(&open(directory.path(), Backend::default()), tip);
    lines.push(format!("next root {}", next.root));
    fs::write(golden().join("expected.txt"), lines.join("\n") + "\n").unwrap();
}

/// Cuts what was only written ahead: zeros behind the last block that holds something.
fn trim(store: &Path) {
    for file in fs::read_dir(store).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let len = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        fs::write(
            &path,
            &bytes[..len.next_multiple_of(4_096).min(bytes.len())],
        )
        .unwrap();
    }
    fs::remove_file(store.join("lock")).unwrap();
}

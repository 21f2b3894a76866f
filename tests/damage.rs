//! P3 and P7: a VM over a real directory in which one bit is flipped, a file cut, gone or swapped, before it is opened
//! or while it is open: a typed error that names the file, a reported end of the log that was dropped, or the right
//! bytes. Never wrong ones, a panic or a signal.
//!
//! `src/state/tests/faults/damage.rs` tries every byte that means something, below the VM, and says what of the newest
//! segment's end can not be told from a crash.

mod common;

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fs;
use std::path::Path;

use common::proofs::shown_page;
use common::*;
use crostata::store::OpenError;
use crostata::{
    Commit, Config, Error, LogConfig, OpenStateError, OpenVmError, PageIndex, Session, VM,
};

const CONTRACTS: [u64; 2] = [1, 2];

type Bytes = BTreeMap<String, Vec<u8>>;
/// What the pages that are not zeros begin with, by contract.
type Pages = BTreeMap<u64, BTreeMap<u32, u32>>;

fn small() -> Config {
    Config {
        log: LogConfig {
            segment_bytes: 64 << 10,
            checkpoint_bytes: 1 << 30,
            checkpoint_entries: 1 << 30,
            slack_bytes: 0,
            node_cache_bytes: 1 << 16,
        },
        ..Config::default()
    }
}

/// A directory of several segments, and what is in it.
struct Scene {
    bytes: Bytes,
    newest: String,
    commits: Vec<(Commit, Pages)>,
}

impl Scene {
    fn new() -> Self {
        let directory = Directory::new();
        let vm = open(directory.path()).unwrap();
        let mut session = fresh(&vm);
        for contract in CONTRACTS {
            deploy_cells(&mut session, contract);
        }
        let mut last = (session.commit().unwrap(), Pages::new());
        drop(session);
        for round in 1..8 {
            last = write(&vm, &last, round);
            vm.finalize_commit(last.0).unwrap();
            vm.checkpoint().unwrap();
        }
        let child = write(&vm, &last, 20);
        let sibling = write(&vm, &last, 21);
        vm.checkpoint().unwrap();
        let grandchild = write(&vm, &child, 22);
        let commits = vec![last, child, sibling, grandchild];
        drop(vm);
        let bytes = bytes_of(directory.path());
        let newest = bytes.keys().next_back().unwrap().clone();
        assert!(bytes.len() > 3, "{:?}", bytes.keys());
        Self {
            bytes,
            newest,
            commits,
        }
    }

    /// The files with one of them changed.
    fn with(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
        let mut bytes = self.bytes.clone();
        change(bytes.get_mut(name).unwrap());
        bytes
    }
}

fn open(directory: &Path) -> Result<VM, OpenVmError> {
    VM::with_config(directory, small())
}

/// A commit that writes some pages of both contracts.
fn write(vm: &VM, base: &(Commit, Pages), round: u32) -> (Commit, Pages) {
    let mut session = over(vm, base.0);
    let mut pages = base.1.clone();
    for contract in CONTRACTS {
        for page in [0, 1 + round % 15, 1 + round * 7 % 15, 32 + round % 16] {
            let value = round * 100 + page;
            store(&mut session, id(contract), page * 4096, value);
            pages.entry(contract).or_default().insert(page, value);
        }
    }
    (session.commit().unwrap(), pages)
}

/// The segments in a directory. The lock and spare files mean nothing.
fn bytes_of(directory: &Path) -> Bytes {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("log-"))
        .map(|name| (name.clone(), fs::read(directory.join(name)).unwrap()))
        .collect()
}

fn put(directory: &Path, bytes: &Bytes) {
    for (name, bytes) in bytes {
        fs::write(directory.join(name), bytes).unwrap();
    }
}

/// An error and all that it comes from.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}; {cause}");
        next = cause.source();
    }
    text
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused,
    Unreadable,
    /// Fewer commits, and the end of the log reported as dropped.
    Dropped,
    /// Fewer commits.
    Shorter,
    Whole,
}

fn outcome(scene: &Scene, bytes: &Bytes, what: &str) -> Outcome {
    let directory = Directory::new();
    put(directory.path(), bytes);
    let vm = match open(directory.path()) {
        Ok(vm) => vm,
        Err(error) => {
            refused(&error, what);
            return Outcome::Refused;
        }
    };
    let dropped = vm.recovery().dropped_tail.as_ref();
    assert!(
        dropped.is_none_or(|tail| tail.file == scene.newest),
        "{what}: {dropped:?}"
    );
    let all = vm.commits().len() == scene.commits.len();
    match (read_all(&vm, scene, what), all, dropped) {
        (false, ..) => Outcome::Unreadable,
        (true, true, _) => Outcome::Whole,
        (true, false, Some(_)) => Outcome::Dropped,
        (true, false, None) => Outcome::Shorter,
    }
}

/// The disk works, so it is not the disk's error.
fn refused(error: &OpenVmError, what: &str) {
    let OpenVmError::State(state) = error else {
        panic!("{what}: {error:?}");
    };
    let disk = matches!(
        state,
        OpenStateError::Store(OpenError::Io { .. } | OpenError::Locked { .. })
    );
    assert!(!disk, "{what}: {error:?}");
    assert!(chain(error).contains("log"), "{what}: {}", chain(error));
}

/// Whether everything that is retained can be read; then it is right, and only then is the store verified to be so.
fn read_all(vm: &VM, scene: &Scene, what: &str) -> bool {
    let mut readable = true;
    for commit in vm.commits() {
        let mut known = scene.commits.iter();
        let (_, pages) = known.find(|(known, _)| *known == commit).expect(what);
        if let Err(error) = read(vm, commit, pages) {
            assert!(error.contains("log-"), "{what}: {error}");
            readable = false;
        }
    }
    assert!(readable || !vm.verify(|_| ()).is_clean(), "{what}");
    readable
}

/// Reads all pages of a commit, with proofs and by calls. Wrong ones are a panic; an error is told.
fn read(vm: &VM, commit: Commit, pages: &Pages) -> Result<(), String> {
    let data = crostata::SessionData::builder().base(commit);
    let mut session = vm.session(data).map_err(|error| chain(&error))?;
    for contract in CONTRACTS {
        let wanted = pages.get(&contract).cloned().unwrap_or_default();
        let found = session
            .memory_pages(id(contract))
            .map_err(|error| chain(&error))?;
        let found = found.map(|(page, opening)| {
            let proven = shown_page(&opening, &commit.root, &id(contract), page).unwrap();
            (page.0, u32::from_le_bytes(*proven.first_chunk().unwrap()))
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), wanted);
        for page in [0, 2, 47].map(PageIndex) {
            let value = wanted.get(&page.0).copied().unwrap_or(0);
            assert_eq!(call(&mut session, contract, page)?, value);
        }
    }
    Ok(())
}

fn call(session: &mut Session, contract: u64, page: PageIndex) -> Result<u32, String> {
    match session.call_raw(id(contract), "load", words(&[page.0 * 4096]), LIMIT) {
        Ok(receipt) => Ok(word(&receipt)),
        Err(error @ Error::Fatal(_)) => Err(chain(&error)),
        Err(other) => panic!("{other:?}"),
    }
}

/// Bytes to flip: the beginning of every block, where headers are, and some of the rest.
fn flips(len: usize) -> impl Iterator<Item = usize> {
    let headers = (0..len)
        .step_by(4096)
        .flat_map(|at| [at + 16, at + 100, at + 140]);
    headers
        .chain((0..len).step_by(2999))
        .filter(move |at| *at < len)
}

#[test]
fn a_flipped_bit_is_never_wrong_data() {
    let scene = Scene::new();
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    for (name, bytes) in &scene.bytes {
        for at in flips(bytes.len()) {
            let what = format!("{name}, bit {} of byte {at}", at % 8);
            let damaged = scene.with(name, |bytes| bytes[at] ^= 1 << (at % 8));
            let outcome = outcome(&scene, &damaged, &what);
            let lost = matches!(outcome, Outcome::Dropped | Outcome::Shorter);
            assert!(!lost || *name == scene.newest, "{what}: {outcome:?}");
            assert_ne!(outcome, Outcome::Shorter, "{what}");
            *outcomes.entry(outcome).or_default() += 1;
        }
    }
    println!("{outcomes:?}");
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
}

#[test]
fn a_cut_file_is_never_wrong_data() {
    let scene = Scene::new();
    for (name, bytes) in &scene.bytes {
        for len in (0..bytes.len())
            .step_by(3 * 4096)
            .flat_map(|len| [len, len + 77])
        {
            let what = format!("{name} cut to {len} bytes");
            let damaged = scene.with(name, |bytes| bytes.truncate(len));
            let outcome = outcome(&scene, &damaged, &what);
            let lost = matches!(outcome, Outcome::Dropped | Outcome::Shorter);
            assert!(!lost || *name == scene.newest, "{what}: {outcome:?}");
        }
    }
}

#[test]
fn a_file_that_is_gone_or_swapped_is_noticed() {
    let scene = Scene::new();
    let names: Vec<&String> = scene.bytes.keys().collect();
    for (at, name) in names.iter().enumerate() {
        let mut damaged = scene.bytes.clone();
        let other = names[(at + 1) % names.len()];
        damaged.insert((*name).clone(), scene.bytes[other].clone());
        damaged.insert(other.clone(), scene.bytes[*name].clone());
        let what = format!("{name} and {other} swapped");
        let swapped = outcome(&scene, &damaged, &what);
        assert!(swapped <= Outcome::Unreadable, "{what}: {swapped:?}");

        let mut damaged = scene.bytes.clone();
        damaged.remove(*name);
        let gone = outcome(&scene, &damaged, &format!("without {name}"));
        let noticed = gone == Outcome::Refused || **name == scene.newest;
        assert!(noticed, "without {name}: {gone:?}");
    }
}

/// The lock says who holds the store, for messages. What is in it decides nothing.
#[test]
fn a_damaged_lock_file_does_not_matter() {
    let scene = Scene::new();
    let mut damaged = scene.bytes.clone();
    damaged.insert("lock".into(), vec![0xff; 5000]);
    assert_eq!(outcome(&scene, &damaged, "lock"), Outcome::Whole);
}

/// Files are never mapped: one that is cut while it is open is an error, not a signal.
#[test]
fn damage_while_open_is_never_wrong_data() {
    let scene = Scene::new();
    let mut unreadable = 0;
    for (name, bytes) in &scene.bytes {
        let flips = (16..bytes.len()).step_by(1900).map(|at| {
            let damaged = scene.with(name, |bytes| bytes[at] ^= 4);
            (format!("{name} flipped at {at}"), damaged)
        });
        let cuts = (0..bytes.len()).step_by(5 * 4096).map(|len| {
            let damaged = scene.with(name, |bytes| bytes.truncate(len));
            (format!("{name} cut to {len}"), damaged)
        });
        for (what, damaged) in flips.chain(cuts) {
            let directory = Directory::new();
            put(directory.path(), &scene.bytes);
            let vm = open(directory.path()).unwrap();
            // Over the same file, which is open.
            put(directory.path(), &damaged);
            unreadable += u64::from(!read_all(&vm, &scene, &what));
            let _ = vm.checkpoint();
            read_all(&vm, &scene, &what);
        }
    }
    assert!(unreadable > 10, "{unreadable}");
}

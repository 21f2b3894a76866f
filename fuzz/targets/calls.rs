//! P1, P2, P3, P4: sequences of deployments, calls, savepoints, commits, finalisations and new openings do the same on both backends, and what contracts
//! hold is what plain maps say.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::Arbitrary;
use crostata::store::files::MemoryFiles;
use crostata::{
    Backend, Commit, Config, ContractData, Error, LogConfig, Root, Savepoint, Session, SessionData,
    VM,
};
use crostata_fuzz::{CELLS, GAS, Seen, call, id};
use libfuzzer_sys::fuzz_target;

/// Something that the embedder does.
#[derive(Debug, Clone, Arbitrary)]
enum Step {
    Deploy(u8),
    Store(u8, u16, u32),
    StoreThenFail(u8, u16, u32),
    StoreWith(u8, u16, u32, u16),
    Load(u8, u16),
    Grow(u8, u8),
    Savepoint,
    Rollback(u8),
    Release(u8),
    Commit,
    Base(u8),
    Finalise(u8),
    Delete(u8),
    Checkpoint,
    Reopen,
}

/// Words that are not zeros, by contract and address.
type Words = BTreeMap<(u8, u32), u32>;

/// A VM with one backend, and a session.
struct Lane {
    files: MemoryFiles,
    backend: Backend,
    vm: VM,
    session: Session,
    open: Vec<Savepoint>,
}

/// What both lanes must agree on.
#[derive(Debug, PartialEq)]
enum Told {
    Nothing,
    Called(Seen),
    Deployed(bool, Root),
    Committed(Commit),
    Done(bool, Vec<Commit>),
}

impl Lane {
    fn new(backend: Backend) -> Self {
        let files = MemoryFiles::new();
        let vm = open(&files, backend);
        let session = vm.session(SessionData::builder()).unwrap();
        Self {
            files,
            backend,
            vm,
            session,
            open: Vec::new(),
        }
    }

    fn call(&mut self, contract: u8, function: &str, words: &[u32], gas: u64) -> Told {
        let argument: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Told::Called(call(
            &mut self.session,
            id(contract),
            function,
            &argument,
            gas,
        ))
    }

    fn base(&mut self, commit: Option<Commit>) {
        let data = SessionData::builder();
        self.session = match commit {
            Some(commit) => self.vm.session(data.base(commit)),
            None => self.vm.session(data),
        }
        .unwrap();
        self.open.clear();
    }

    fn take(&mut self, step: &Step, code: &[u8]) -> Told {
        match step {
            Step::Deploy(number) => {
                let data = ContractData::builder().contract_id(id(number % 4));
                let is_new = match self.session.deploy(code, data, GAS) {
                    Ok(_) => true,
                    Err(Error::Rejected(_)) => false,
                    Err(error) => panic!("{error:?}"),
                };
                Told::Deployed(is_new, self.session.root().unwrap())
            }
            Step::Store(number, at, value) => {
                self.call(number % 4, "store", &[address(*at), *value], GAS)
            }
            Step::StoreThenFail(number, at, value) => {
                self.call(number % 4, "store_then_fail", &[address(*at), *value], GAS)
            }
            Step::StoreWith(number, at, value, gas) => self.call(
                number % 4,
                "store",
                &[address(*at), *value],
                u64::from(*gas),
            ),
            Step::Load(number, at) => self.call(number % 4, "load", &[address(*at)], GAS),
            Step::Grow(number, pages) => {
                self.call(number % 4, "grow", &[u32::from(pages % 4)], GAS)
            }
            Step::Savepoint => {
                self.open.push(self.session.savepoint().unwrap());
                Told::Nothing
            }
            Step::Rollback(which) | Step::Release(which) => {
                let Some(at) = usize::from(*which).checked_rem(self.open.len()) else {
                    return Told::Nothing;
                };
                match step {
                    Step::Rollback(_) => self.session.rollback(self.open[at]).unwrap(),
                    _ => self.session.release(self.open[at]).unwrap(),
                }
                self.open.truncate(at);
                Told::Deployed(true, self.session.root().unwrap())
            }
            Step::Commit => match self.session.commit() {
                Ok(commit) => {
                    self.open.clear();
                    Told::Committed(commit)
                }
                Err(error) => Told::Done(error.to_string().is_empty(), self.vm.commits()),
            },
            _ => self.change_commits(step),
        }
    }

    fn change_commits(&mut self, step: &Step) -> Told {
        let commits = self.vm.commits();
        let chosen = |which: &u8| Some(commits[usize::from(*which).checked_rem(commits.len())?]);
        let is_done = match step {
            Step::Base(which) => {
                self.base(chosen(which));
                true
            }
            Step::Finalise(which) => {
                chosen(which).is_some_and(|commit| self.vm.finalize_commit(commit).is_ok())
            }
            Step::Delete(which) => {
                chosen(which).is_some_and(|commit| self.vm.delete_commit(commit).is_ok())
            }
            Step::Checkpoint => {
                self.vm.checkpoint().unwrap();
                true
            }
            _ => {
                self.reopen();
                true
            }
        };
        Told::Done(is_done, self.vm.commits())
    }

    /// Closes and opens the store, and goes on over the last commit.
    fn reopen(&mut self) {
        let elsewhere = VM::ephemeral().unwrap();
        self.session = elsewhere.session(SessionData::builder()).unwrap();
        self.vm = elsewhere;
        self.vm = open(&self.files, self.backend);
        assert!(self.vm.recovery().dropped_tail.is_none());
        assert!(self.vm.verify(|_| {}).is_clean());
        let last = self.vm.commits().last().copied();
        self.base(last);
    }
}

fn open(files: &MemoryFiles, backend: Backend) -> VM {
    let config = Config {
        backend,
        log: LogConfig {
            segment_bytes: 128 << 10,
            ..LogConfig::default()
        },
        ..Config::default()
    };
    VM::with_files(Arc::new(files.clone()), config).unwrap()
}

/// An address of a word in one of three pages of 64 KiB, the argument buffer left out.
fn address(at: u16) -> u32 {
    let at = u32::from(at) & !3;
    if at & 4 == 0 { at } else { (2 << 16) + at }
}

/// What contracts hold, and what they held at savepoints and commits.
struct Model {
    words: Words,
    open: Vec<Words>,
    committed: BTreeMap<Root, Words>,
}

impl Model {
    fn hold(&mut self, step: &Step, told: &Told) {
        match (step, told) {
            (
                Step::Store(number, at, value) | Step::StoreWith(number, at, value, _),
                Told::Called(seen),
            ) => {
                if is_success(seen) {
                    self.words.insert((number % 4, address(*at)), *value);
                }
            }
            (Step::Load(number, at), Told::Called(seen)) => {
                if let Some((crostata::Outcome::Success, data)) = &seen.ended {
                    let word = self.words.get(&(number % 4, address(*at)));
                    assert_eq!(data[..], word.copied().unwrap_or(0).to_le_bytes());
                }
            }
            (Step::Savepoint, _) => self.open.push(self.words.clone()),
            (Step::Rollback(which) | Step::Release(which), Told::Deployed(..)) => {
                let at = usize::from(*which) % self.open.len();
                if let Step::Rollback(_) = step {
                    self.words = self.open[at].clone();
                }
                self.open.truncate(at);
            }
            (Step::Commit, Told::Committed(commit)) => {
                let before = self.committed.insert(commit.root, self.words.clone());
                assert!(before.is_none_or(|before| non_zero(&before) == non_zero(&self.words)));
                self.open.clear();
            }
            _ => {}
        }
    }

    /// Another state is gone on with.
    fn go_on(&mut self, root: Root) {
        self.words = self.committed.get(&root).cloned().unwrap_or_default();
        self.open.clear();
    }
}

fn non_zero(words: &Words) -> Words {
    let words = words.iter().filter(|(_, word)| **word != 0);
    words.map(|(at, word)| (*at, *word)).collect()
}

fn is_success(seen: &Seen) -> bool {
    matches!(&seen.ended, Some((crostata::Outcome::Success, _)))
}

fuzz_target!(|steps: Vec<Step>| {
    let mut lanes = [Lane::new(Backend::Native), Lane::new(Backend::Portable)];
    let mut model = Model {
        words: Words::new(),
        open: Vec::new(),
        committed: BTreeMap::new(),
    };
    for step in steps.iter().take(60) {
        let [native, portable] = lanes.each_mut().map(|lane| lane.take(step, CELLS));
        assert_eq!(native, portable, "{step:?}");
        model.hold(step, &native);
        if let Step::Base(_) | Step::Reopen = step {
            model.go_on(lanes[0].session.root().unwrap());
        }
    }
});

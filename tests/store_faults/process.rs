//! A process with a VM over a disk that fails, next to the model that says what it must see.

use std::rc::Rc;
use std::sync::Arc;

use crostata::store::WriteError;
use crostata::store::files::{Fault, FaultyFiles, Files, MemoryFiles, Unsynced};
use crostata::{
    CheckpointError, Commit, CommitError, Config, Error, LogConfig, PageIndex, Sealed, Session,
    SessionData, SessionError, VM,
};

use crate::common::proofs::shown_page;
use crate::common::*;
use crate::model::{Model, State, Writes};

/// Something that a process does. Numbers choose among what there is; `u64::MAX` is the youngest commit.
#[derive(Debug, Clone)]
pub enum Step {
    /// Commits writes over the empty state or a commit.
    Commit(u64, Vec<Writes>),
    /// Seals them, and keeps that in hand.
    Seal(u64, Vec<Writes>),
    /// Commits a sealed state.
    Store(u64),
    Finalise(u64),
    Delete(u64),
    Checkpoint,
    /// Opens a session over a commit and keeps it.
    Hold(u64),
    /// Calls a contract in a session that was kept, which reads one page.
    Peek(u64, u64, u32),
    /// Reads everything in a session that was kept, and ends it.
    Release(u64),
    /// Ends a session that was kept.
    End(u64),
}

/// A disk, and the operation at which it fails.
pub struct Disk {
    pub files: FaultyFiles,
    at: u64,
}

impl Disk {
    /// One with these files that never fails.
    pub fn sound(files: &MemoryFiles) -> Self {
        Self::with(files, FaultyFiles::new(), u64::MAX)
    }

    /// One with these files that fails at operation `at`.
    pub fn failing(files: &MemoryFiles, at: u64, fault: Fault) -> Self {
        Self::with(files, FaultyFiles::failing(at, fault), at)
    }

    fn with(before: &MemoryFiles, files: FaultyFiles, at: u64) -> Self {
        for name in before.names().unwrap() {
            files.put(&name, &before.bytes(&name).unwrap());
        }
        Self { files, at }
    }

    pub fn has_failed(&self) -> bool {
        self.files.operations() > self.at
    }

    pub fn crash(&self, unsynced: Unsynced) -> MemoryFiles {
        self.files.crash(unsynced)
    }
}

/// What a disk may hold when it is opened: what was acknowledged, with or without what was under way.
#[derive(Debug, Clone)]
pub struct Told(pub Vec<Model>);

impl Told {
    pub fn nothing() -> Self {
        Self(vec![Model::default()])
    }
}

/// Why something was not done, if not for a reason that the model knows.
type Failure = Box<dyn std::fmt::Debug>;

struct InHand {
    sealed: Sealed,
    content: Rc<State>,
}

pub struct Process<'a> {
    vm: VM,
    disk: &'a Disk,
    told: &'a mut Told,
    view: Model,
    /// A write of this process failed.
    refuses: bool,
    sealed: Vec<InHand>,
    held: Vec<(Session, Rc<State>)>,
}

/// So little that a handful of commits makes segments, checkpoints, and segments that are given up.
fn small() -> Config {
    Config {
        log: LogConfig {
            segment_bytes: 12 * 4096,
            checkpoint_bytes: 16 * 4096,
            checkpoint_entries: 6,
            slack_bytes: 0,
            node_cache_bytes: 1 << 16,
        },
        image_cache_bytes: 1 << 20,
        ..Config::default()
    }
}

/// Opens what is on the disk and does these steps; whether it opened.
pub fn run(disk: &Disk, steps: &[Step], told: &mut Told) -> bool {
    let Some(mut process) = Process::open(disk, told) else {
        return false;
    };
    for step in steps {
        process.step(step);
        process.check_list();
    }
    true
}

/// Opens the files, reads everything, goes on, and does it again.
pub fn check_and_go_on(files: &MemoryFiles, told: &Told) {
    let mut told = told.clone();
    let disk = Disk::sound(files);
    let mut process = Process::open(&disk, &mut told).unwrap();
    process.check_all();
    let writes = Writes {
        contract: 1,
        pages: vec![(5, 50), (2, 0)],
    };
    process.step(&Step::Commit(u64::MAX, vec![writes]));
    process.step(&Step::Finalise(u64::MAX));
    process.step(&Step::Checkpoint);
    process.check_list();
    drop(process);
    Process::open(&disk, &mut told).unwrap().check_all();
}

impl<'a> Process<'a> {
    /// None if the disk failed.
    pub fn open(disk: &'a Disk, told: &'a mut Told) -> Option<Self> {
        let vm = match VM::with_files(Arc::new(disk.files.clone()), small()) {
            Ok(vm) => vm,
            Err(error) => {
                assert!(disk.has_failed(), "not opened: {error:?}");
                return None;
            }
        };
        let (list, finalised) = (vm.commits(), vm.finalized().map(|commit| commit.id));
        let fits = |model: &&Model| model.list() == list && model.finalised == finalised;
        let view = told.0.iter().find(fits).cloned();
        let view = view.unwrap_or_else(|| panic!("found {list:?}, {finalised:?}, told {told:?}"));
        // What opening found is durable.
        told.0 = vec![view.clone()];
        Some(Self {
            vm,
            disk,
            told,
            view,
            refuses: false,
            sealed: Vec::new(),
            held: Vec::new(),
        })
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Commit(base, writes) => {
                if let Some(sealed) = self.seal(*base, writes) {
                    self.store(&sealed);
                }
            }
            Step::Seal(base, writes) => {
                let sealed = self.seal(*base, writes);
                self.sealed.extend(sealed);
            }
            Step::Store(number) if !self.sealed.is_empty() => {
                let at = (number % self.sealed.len() as u64) as usize;
                let sealed = self.sealed.remove(at);
                self.store(&sealed);
                self.sealed.insert(at, sealed);
            }
            Step::Finalise(number) => self.finalise(*number),
            Step::Delete(number) => self.delete(*number),
            Step::Checkpoint => self.checkpoint(),
            Step::Hold(number) => self.hold(*number),
            Step::Peek(number, contract, page) if !self.held.is_empty() => {
                let at = (number % self.held.len() as u64) as usize;
                let (session, content) = &mut self.held[at];
                let done = peek(session, content, *contract, *page);
                self.unless_failed(done);
            }
            Step::Release(number) if !self.held.is_empty() => {
                let at = (number % self.held.len() as u64) as usize;
                let (mut session, content) = self.held.swap_remove(at);
                let done = read(&mut session, &content);
                self.unless_failed(done);
            }
            Step::End(number) if !self.held.is_empty() => {
                let at = (number % self.held.len() as u64) as usize;
                self.held.swap_remove(at);
            }
            Step::Store(_) | Step::Peek(..) | Step::Release(_) | Step::End(_) => {}
        }
    }

    /// A state over what `base` chooses; none if the disk failed.
    fn seal(&mut self, base: u64, writes: &[Writes]) -> Option<InHand> {
        let count = self.view.commits.len() as u64;
        let at = match base {
            u64::MAX => count,
            _ => base % (1 + count),
        };
        let known = at
            .checked_sub(1)
            .map(|at| self.view.commits[at as usize].clone());
        let below = known
            .as_ref()
            .map_or_else(Rc::default, |known| known.state.clone());
        let content = writes
            .iter()
            .fold((*below).clone(), |state, writes| writes.apply(&state));
        let done = self.execute(known.map(|known| known.commit), &below, writes);
        let sealed = self.unless_failed(done)?;
        let content = Rc::new(content);
        Some(InHand { sealed, content })
    }

    fn execute(
        &self,
        base: Option<Commit>,
        below: &State,
        writes: &[Writes],
    ) -> Result<Sealed, Failure> {
        let mut session = self.session(base).map_err(boxed)?;
        for Writes { contract, pages } in writes {
            if !below.contains_key(contract) {
                let deployed = session.deploy(code(CELLS), with_id(*contract), LIMIT);
                deployed.map_err(boxed)?;
            }
            for (page, value) in pages {
                let argument = words(&[page * 4096, *value]);
                let stored = session.call_raw(id(*contract), "store", argument, LIMIT);
                stored.map_err(boxed)?;
            }
        }
        session.seal().map_err(boxed)
    }

    fn session(&self, base: Option<Commit>) -> Result<Session, SessionError> {
        match base {
            None => self.vm.session(SessionData::builder()),
            Some(base) => self.vm.session(SessionData::builder().base(base)),
        }
    }

    fn store(&mut self, InHand { sealed, content }: &InHand) {
        let commit = sealed.names();
        let known = self.view.find(commit.id).is_some();
        let after = self.view.with_commit(commit, content.clone());
        match sealed.commit() {
            Ok(stored) => {
                assert_eq!(stored, commit);
                assert!(known || self.view.may_follow(commit.parent));
                if !known {
                    self.written(after);
                }
            }
            Err(CommitError::BaseDropped { base }) => {
                assert_eq!(base, commit.parent);
                assert!(!known && !self.view.may_follow(base));
            }
            Err(error) => self.unwritten(&error, after),
        }
    }

    fn choose(&self, number: u64) -> Option<Commit> {
        let count = self.view.commits.len() as u64;
        let at = match number {
            _ if count == 0 => return None,
            u64::MAX => count - 1,
            _ => number % count,
        };
        Some(self.view.commits[at as usize].commit)
    }

    fn finalise(&mut self, number: u64) {
        let Some(commit) = self.choose(number) else {
            return;
        };
        let after = self.view.with_finalised(commit.id);
        match self.vm.finalize_commit(commit) {
            Ok(_) if self.view.finalised == Some(commit.id) => {}
            Ok(_) => self.written(after),
            Err(error) => self.unwritten(&error, after),
        }
    }

    fn delete(&mut self, number: u64) {
        let Some(commit) = self.choose(number) else {
            return;
        };
        let after = self.view.without(commit.id);
        match self.vm.delete_commit(commit) {
            Err(CommitError::Finalised { id }) => assert_eq!(self.view.finalised, Some(id)),
            Ok(_) => self.written(after),
            Err(error) => self.unwritten(&error, after),
        }
    }

    fn checkpoint(&mut self) {
        match self.vm.checkpoint() {
            Ok(()) => self.written(self.view.clone()),
            Err(CheckpointError::Write(error)) => {
                self.unwritten(&CommitError::Write(error), self.view.clone());
            }
            Err(error) => assert!(self.disk.has_failed(), "{error:?}"),
        }
    }

    fn hold(&mut self, number: u64) {
        let Some(commit) = self.choose(number) else {
            return;
        };
        let content = self.view.find(commit.id).unwrap().state.clone();
        let session = self.session(Some(commit)).map_err(boxed);
        let session = self.unless_failed(session);
        // Few, or what the oldest names would never go.
        if self.held.len() > 2 {
            self.held.remove(0);
        }
        self.held.extend(session.map(|session| (session, content)));
    }

    /// Something was made durable: the handle works, so nothing is in doubt any more.
    fn written(&mut self, view: Model) {
        assert!(!self.refuses, "written after a write failed");
        self.told.0 = vec![view.clone()];
        self.view = view;
    }

    /// What was to be made durable may be found later, or not; the handle says that it must be opened again.
    fn unwritten(&mut self, error: &CommitError, after: Model) {
        assert!(self.disk.has_failed(), "failed on a sound disk: {error:?}");
        match error {
            // Perhaps since a checkpoint failed that nobody had asked for.
            CommitError::Write(WriteError::Poisoned) => self.refuses = true,
            CommitError::Write(WriteError::Io { .. }) => {
                assert!(!self.refuses);
                self.refuses = true;
                self.told.0.push(after);
            }
            CommitError::Node(_) | CommitError::State(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn unless_failed<T>(&self, result: Result<T, Failure>) -> Option<T> {
        result
            .inspect_err(|error| assert!(self.disk.has_failed(), "{error:?}"))
            .ok()
    }

    pub fn check_list(&self) {
        assert_eq!(self.vm.commits(), self.view.list());
        let finalised = self.vm.finalized().map(|commit| commit.id);
        assert_eq!(finalised, self.view.finalised);
    }

    /// Reads everything that is retained or held.
    pub fn check_all(&mut self) {
        self.check_list();
        for known in &self.view.commits {
            let mut session = self.session(Some(known.commit)).unwrap();
            assert_eq!(session.root().unwrap(), known.commit.root);
            read(&mut session, &known.state).unwrap();
        }
        for (session, content) in &mut self.held {
            read(session, content).unwrap();
        }
        let report = self.vm.verify(|_| ());
        assert!(report.is_clean(), "{report:?}");
    }
}

fn boxed(error: impl std::fmt::Debug + 'static) -> Failure {
    Box::new(error)
}

/// Reads every page of the state, each with its proof, and one by a call: wrong ones are a panic, unreadable ones an
/// error.
fn read(session: &mut Session, content: &State) -> Result<(), Failure> {
    let root = session.root().map_err(boxed)?;
    for contract in 1..4 {
        let Some(pages) = content.get(&contract) else {
            let none = session.contract_metadata(&id(contract)).map_err(boxed)?;
            assert!(none.is_none());
            continue;
        };
        let found = session.memory_pages(id(contract)).map_err(boxed)?;
        let found: Vec<_> = found
            .map(|(page, opening)| {
                let proven = shown_page(&opening, &root, &id(contract), page).unwrap();
                let bytes = &*proven;
                assert!(bytes[4..].iter().all(|byte| *byte == 0));
                (page, u32::from_le_bytes(*bytes.first_chunk().unwrap()))
            })
            .collect();
        let wanted: Vec<_> = pages
            .iter()
            .map(|(page, value)| (PageIndex(*page), *value))
            .collect();
        assert_eq!(found, wanted);
    }
    read_by_call(session, content)
}

/// Runs the first contract's code.
fn read_by_call(session: &mut Session, content: &State) -> Result<(), Failure> {
    match content.keys().next() {
        Some(contract) => peek(session, content, *contract, 1),
        None => Ok(()),
    }
}

/// Reads a page of a contract by a call, if there is such a contract.
fn peek(session: &mut Session, content: &State, contract: u64, page: u32) -> Result<(), Failure> {
    let Some(pages) = content.get(&contract) else {
        return Ok(());
    };
    let value = pages.get(&page).copied().unwrap_or(0);
    match session.call_raw(id(contract), "load", words(&[page * 4096]), LIMIT) {
        Ok(receipt) => assert_eq!(word(&receipt), value),
        Err(Error::Fatal(fatal)) => return Err(boxed(fatal)),
        Err(other) => panic!("{other:?}"),
    }
    Ok(())
}

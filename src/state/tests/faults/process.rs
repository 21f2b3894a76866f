//! A process that works on the commits of a disk, next to the model that says what it must see.

use std::sync::Arc;

use crostata_abi::{ContractId, PAGE_BYTES, PageIndex};
use crostata_proof::{CodeHash, CommitId, EMPTY, Owner, WordSize, hash};

use super::model::{Change, Model, State, changed};
use super::{Disk, MemoryFiles, Random};
use crate::memory::{Access, ContractMemory, Copies, Page};
use crate::state::pages::CommittedPages;
use crate::state::{
    CheckpointError, Commit, CommitError, Commits, ContractDraft, Draft, DraftError, SealedState,
    Snapshot,
};
use crate::store::WriteError;

/// Contracts are numbered from 0.
const CONTRACTS: u8 = 4;
/// The pages that are ever written: in one node of the page tree, in several, and on several levels.
const PAGES: [u32; 18] = [
    0, 1, 2, 3, 5, 7, 11, 40, 62, 63, 64, 65, 130, 700, 1000, 1001, 1200, 1279,
];
const PROTOCOLS: [&str; 2] = ["engine = one\n", "engine = two\n"];

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Something that a process does. Numbers choose among what there is.
#[derive(Debug, Clone)]
pub enum Step {
    /// Commits changes over the empty state or a commit.
    Commit(u64, Vec<Change>, u8),
    /// Seals changes over the empty state, a commit, or a sealed state, and keeps that in hand.
    Seal(u64, Vec<Change>, u8),
    /// Commits a sealed state.
    Store(u64),
    Finalise(u64),
    Delete(u64),
    Checkpoint,
    /// Holds a commit's state, as a session does.
    Hold(u64),
    /// Reads a state that is held, and lets go.
    Release(u64),
}

/// What a disk may hold when it is opened: what was acknowledged, with or without what was under way.
#[derive(Debug, Clone)]
pub struct Told(pub Vec<Model>);

impl Told {
    pub fn nothing() -> Self {
        Self(vec![Model::default()])
    }
}

struct Sealed {
    state: SealedState,
    content: Arc<State>,
}

pub struct Process<'a> {
    pub commits: Commits,
    disk: &'a Disk,
    told: &'a mut Told,
    view: Model,
    /// A write of this process failed.
    refuses: bool,
    sealed: Vec<Sealed>,
    held: Vec<(Snapshot, Arc<State>)>,
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
    for round in 0..2 {
        let mut process = Process::open(&disk, &mut told).unwrap();
        process.check_all();
        process.verify();
        if round == 1 {
            break;
        }
        for step in afterwards() {
            process.step(&step);
            process.check_list();
        }
        process.check_all();
    }
}

/// A few steps that touch what any history has left.
fn afterwards() -> Vec<Step> {
    let mut random = Random::new(4);
    let mut changes = || vec![change(&mut random)];
    vec![
        Step::Commit(u64::MAX, changes(), 7),
        Step::Hold(u64::MAX),
        Step::Finalise(u64::MAX),
        Step::Commit(u64::MAX, changes(), 8),
        Step::Checkpoint,
        Step::Release(0),
    ]
}

/// A random change of a contract. Few different ones, so that the same come again.
pub fn change(random: &mut Random) -> Change {
    let pages = (0..1 + random.below(4)).map(|_| (random.among(&PAGES), random.below(5) as u32));
    let pages = pages.collect();
    Change {
        contract: random.below(u64::from(CONTRACTS)) as u8,
        fresh: random.below(6) == 0,
        code: random.below(3) as u8,
        wasm_pages: random.among(&[3, 80]),
        pages,
    }
}

impl<'a> Process<'a> {
    /// None if the disk failed.
    pub fn open(disk: &'a Disk, told: &'a mut Told) -> Option<Self> {
        let commits = match Commits::open(disk.files(), disk.config) {
            Ok((commits, _)) => commits,
            Err(error) => {
                assert!(disk.has_failed(), "not opened: {error:?}");
                return None;
            }
        };
        let (list, finalised) = (commits.list(), commits.finalised());
        let fits = |model: &&Model| {
            model.list() == list && model.finalised == finalised.map(|commit| commit.id)
        };
        let view = told.0.iter().find(fits).cloned();
        let view = view.unwrap_or_else(|| panic!("found {list:?}, {finalised:?}, told {told:?}"));
        // What opening found is durable.
        told.0 = vec![view.clone()];
        Some(Self {
            commits,
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
            Step::Commit(base, changes, tag) => {
                if let Some(sealed) = self.seal(*base, changes, *tag, false) {
                    self.store(&sealed);
                }
            }
            Step::Seal(base, changes, tag) => {
                let sealed = self.seal(*base, changes, *tag, true);
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
            Step::Checkpoint => {
                let result = self.commits.checkpoint();
                self.checkpointed(result);
            }
            Step::Hold(number) => self.hold(*number),
            Step::Release(number) if !self.held.is_empty() => {
                let at = (number % self.held.len() as u64) as usize;
                let (snapshot, content) = self.held.swap_remove(at);
                self.read(&snapshot, &content);
            }
            Step::Store(_) | Step::Release(_) => {}
        }
    }

    /// A state over what `base` chooses; none if the disk failed.
    fn seal(
        &mut self,
        base: u64,
        changes: &[Change],
        tag: u8,
        over_sealed: bool,
    ) -> Option<Sealed> {
        let (parent, snapshot, content) = self.base(base, over_sealed)?;
        let content = Arc::new(changed(&content, changes));
        match seal(&self.commits, parent, &snapshot, changes, tag) {
            Ok(state) => Some(Sealed { state, content }),
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn base(
        &mut self,
        number: u64,
        over_sealed: bool,
    ) -> Option<(Option<CommitId>, Snapshot, Arc<State>)> {
        let (commits, sealed) = (self.view.commits.len(), self.sealed.len());
        // The largest number stands for the youngest commit.
        let at = match number {
            u64::MAX => commits,
            _ if over_sealed => (number % (1 + commits + sealed) as u64) as usize,
            _ => (number % (1 + commits) as u64) as usize,
        };
        if at > commits {
            let sealed = &self.sealed[at - commits - 1];
            let id = sealed.state.commit().id;
            let snapshot = sealed.state.snapshot().clone();
            return Some((Some(id), snapshot, sealed.content.clone()));
        }
        if at == 0 {
            let genesis = self.commits.genesis();
            return genesis.ok().map(|genesis| (None, genesis, Arc::default()));
        }
        let known = self.view.commits[at - 1].clone();
        let snapshot = self.state_of(known.commit)?;
        Some((Some(known.commit.id), snapshot, known.state))
    }

    fn state_of(&mut self, commit: Commit) -> Option<Snapshot> {
        let retained = self.commits.any(commit.id.into()).unwrap();
        match self.commits.state(&retained) {
            Ok(snapshot) => {
                assert_eq!(snapshot.root(), commit.root);
                Some(snapshot)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn store(&mut self, sealed: &Sealed) {
        let commit = sealed.state.commit();
        let known = self.view.find(commit.id).is_some();
        let after = self.view.with_commit(commit, sealed.content.clone());
        match self.commits.store_sealed(&sealed.state) {
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
            Err(CommitError::OtherProtocol { .. }) => assert!(known),
            Err(error) => self.unwritten(error, after),
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
        match self.commits.finalise(commit.id.into()) {
            Ok(_) if self.view.finalised == Some(commit.id) => {}
            Ok(_) => self.written(after),
            Err(error) => self.unwritten(error, after),
        }
    }

    fn delete(&mut self, number: u64) {
        let Some(commit) = self.choose(number) else {
            return;
        };
        let after = self.view.without(commit.id);
        match self.commits.delete(commit.id.into()) {
            Err(CommitError::Finalised { id }) => assert_eq!(self.view.finalised, Some(id)),
            Ok(_) => self.written(after),
            Err(error) => self.unwritten(error, after),
        }
    }

    fn checkpointed(&mut self, result: Result<(), CheckpointError>) {
        match result {
            Ok(()) => self.written(self.view.clone()),
            Err(CheckpointError::Write(error)) => {
                self.unwritten(error.into(), self.view.clone());
            }
            Err(error) => self.failed(&error),
        }
    }

    fn hold(&mut self, number: u64) {
        let Some(commit) = self.choose(number) else {
            return;
        };
        let content = self.view.find(commit.id).unwrap().state.clone();
        if let Some(snapshot) = self.state_of(commit) {
            self.held.push((snapshot, content));
        }
    }

    /// Something was made durable: the handle works, so nothing is in doubt any more.
    fn written(&mut self, view: Model) {
        assert!(!self.refuses, "written after a write failed");
        self.told.0 = vec![view.clone()];
        self.view = view;
    }

    /// What was to be made durable may be found later, or not.
    fn unwritten(&mut self, error: CommitError, after: Model) {
        self.failed(&error);
        match error {
            // Perhaps since a checkpoint failed that nobody had asked for.
            CommitError::Write(WriteError::Poisoned) => self.refuses = true,
            CommitError::Write(WriteError::Io { .. }) => {
                assert!(!self.refuses);
                self.refuses = true;
                self.told.0.push(after);
            }
            other => panic!("{other:?}"),
        }
    }

    fn failed(&mut self, error: &dyn std::fmt::Debug) {
        assert!(self.disk.has_failed(), "failed on a sound disk: {error:?}");
    }

    pub fn view(&self) -> &Model {
        &self.view
    }

    pub fn check_list(&self) {
        assert_eq!(self.commits.list(), self.view.list());
        let finalised = self.commits.finalised().map(|commit| commit.id);
        assert_eq!(finalised, self.view.finalised);
    }

    /// Reads a state that must be there. One operation of the disk may fail; the next reads well again, if there is
    /// power.
    fn read(&mut self, snapshot: &Snapshot, content: &State) {
        if let Err(error) = read(&self.commits, snapshot, content) {
            self.failed(&error);
            if !self.disk.files.is_cut() {
                read(&self.commits, snapshot, content).unwrap();
            }
        }
    }

    /// Reads everything that is retained or held.
    pub fn check_all(&mut self) {
        self.check_list();
        for known in self.view.commits.clone() {
            let snapshot = self.state_of(known.commit).unwrap();
            read(&self.commits, &snapshot, &known.state).unwrap();
        }
        for (snapshot, content) in &self.held {
            read(&self.commits, snapshot, content).unwrap();
        }
        super::checkpointed::check(&self.commits);
    }

    fn verify(&self) {
        let report = self.commits.verify(&|_| ());
        assert!(report.is_clean(), "{report:?}");
    }
}

/// Makes a state and seals it.
pub fn seal(
    commits: &Commits,
    parent: Option<CommitId>,
    base: &Snapshot,
    changes: &[Change],
    tag: u8,
) -> Result<SealedState, CommitError> {
    let mut touched = Vec::new();
    for change in changes {
        let old = base.get(&id(change.contract))?.filter(|_| !change.fresh);
        let wasm_pages = old.as_ref().map(|old| old.record.memory_wasm_pages);
        let memory = memory(wasm_pages.unwrap_or(change.wasm_pages), &change.pages);
        touched.push((change, old, memory));
    }
    let drafts = touched.iter().map(|(change, old, memory)| {
        let code = match old {
            Some(old) => old.record.code_hash,
            None => hash::code_hash(&code(change.code)),
        };
        let len = old.as_ref().map(|old| old.record.code_len_bytes);
        ContractDraft {
            contract: id(change.contract),
            word_size: WordSize::W32,
            code_hash: code,
            code_len_bytes: len.unwrap_or(code_len(change.code)),
            layout_hash: EMPTY,
            owner: Owner::new(vec![change.contract]).unwrap(),
            base: old.clone(),
            memory,
        }
    });
    let draft = Draft::new(base, drafts.collect()).map_err(|error| match error {
        DraftError::Memory(source) => CommitError::Memory(source),
        DraftError::Node(source) => CommitError::Node(source),
    })?;
    let fresh = touched.iter().filter(|(_, old, _)| old.is_none());
    let codes: Vec<(CodeHash, Arc<[u8]>)> = fresh
        .map(|(change, ..)| {
            let code = code(change.code);
            (hash::code_hash(&code), code.into())
        })
        .collect();
    let protocol = PROTOCOLS[usize::from(tag.is_multiple_of(5))];
    commits.seal(parent, &draft, &codes, [tag; 32], protocol.into())
}

pub fn id(number: u8) -> ContractId {
    ContractId::from_bytes([number; 32])
}

fn code_len(number: u8) -> u64 {
    100 + 1500 * u64::from(number)
}

fn code(number: u8) -> Vec<u8> {
    vec![0xc0 + number; code_len(number) as usize]
}

fn page(value: u32) -> Page {
    let mut page = [value as u8; PAGE_BYTES];
    page[..4].copy_from_slice(&value.to_le_bytes());
    page
}

/// A memory in which these pages were written.
fn memory(wasm_pages: u64, pages: &[(u32, u32)]) -> ContractMemory {
    let mut memory = ContractMemory::zeroed(wasm_pages).unwrap();
    let mut copies = Copies::default();
    for (number, value) in pages {
        if u64::from(*number) >= 16 * wasm_pages {
            continue;
        }
        let address = u64::from(*number) * PAGE_BYTES as u64;
        let touched = memory.touch(&mut copies, address, PAGE_BYTES as u64, Access::Write);
        touched.unwrap();
        assert!(memory.write(address, &page(*value)));
    }
    memory
}

/// Reads every page and code of a state: wrong ones are a panic, unreadable ones an error.
pub fn read(commits: &Commits, snapshot: &Snapshot, content: &State) -> Result<(), Failure> {
    for number in 0..CONTRACTS {
        let (found, wanted) = (snapshot.get(&id(number))?, content.get(&number));
        assert_eq!(found.is_some(), wanted.is_some());
        let (Some(found), Some(wanted)) = (found, wanted) else {
            continue;
        };
        let record = &found.record;
        let code = code(wanted.code);
        assert_eq!(record.code_hash, hash::code_hash(&code));
        assert_eq!(record.memory_wasm_pages, wanted.wasm_pages);
        assert_eq!(snapshot.code(&record.code_hash)?, code);
        let pages = CommittedPages::new(commits.store().clone(), found.clone());
        for number in PAGES {
            let value = wanted.pages.get(&number).copied().unwrap_or(0);
            assert!(
                *pages.read(PageIndex(number))? == page(value),
                "page {number}"
            );
        }
    }
    Ok(())
}

//! Lanes: ways of doing the same to the same state, of which a contract or a block can not tell which it was.

use crostata::{
    Backend, CallReceipt, CallTreeElem, Commit, CommitRef, Config, ContractData, ContractId, Error,
    Event, Outcome, PageAccesses, ReceiptDigest, Rejected, Root, Savepoint, Session, SessionData,
    VM,
};

use super::generate::Shape;
use super::mover::{Step, id, mover, script};
use super::random::Random;
use crate::fixtures::{WIDTHS, Width};
use crate::proofs::shown_page;

/// Enough gas for what only prepares or compares.
const LIMIT: u64 = 1 << 50;

/// How a lane goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One session, which stays. Savepoints are the session's.
    Steady,
    /// Savepoints are commits: going back opens a session over one. The session is committed, dropped and opened again
    /// at random.
    Committing,
    /// One session, in which contracts that do nothing are called at random, more than stay mapped.
    Crowded,
}

/// A VM, and how its lanes go about it.
pub struct Track {
    vm: VM,
    way: Way,
    codes: [Vec<u8>; 2],
    /// Contracts that do nothing, in lanes that may be crowded.
    idle: u16,
}

/// What is to be the same in every lane.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// The result, or how the call failed; `None` if it was rejected.
    pub outcome: Option<Result<Vec<u8>, Outcome>>,
    gas_spent: u64,
    pub events: Vec<Event>,
    reverted_events: Vec<Event>,
    frames: Vec<Line>,
    digest: Option<ReceiptDigest>,
    pub accesses: Vec<PageAccesses>,
}

/// A page of a lane: its index, and its bytes if they are those that the root binds.
pub type FoundPage = (u64, Option<Vec<u8>>);

/// A frame: contract, depth, gas limit, gas spent, code, whether it was reverted.
type Line = (ContractId, usize, u64, u64, Option<Outcome>, bool);

/// A moment that a lane can go back to.
enum Mark {
    Savepoint(Savepoint),
    Commit(CommitRef),
}

/// One world in one way.
pub struct Lane<'a> {
    track: &'a Track,
    session: Session,
    marks: Vec<Mark>,
    /// Commits so far: no two of a lane's have the same tag.
    commits: u64,
}

impl Track {
    /// A fresh VM.
    pub fn new(
        backend: Backend,
        way: Way,
        shape: Shape,
        image_cache_bytes: u64,
        idle: u16,
    ) -> Self {
        let mut config = Config {
            backend,
            image_cache_bytes,
            ..Config::default()
        };
        if shape.giant {
            let limits = &mut config.protocols[0].limits;
            limits.memory_wasm_pages_max = 1 << 26;
            limits.call_memory_wasm_pages_max = 1 << 40;
        }
        Self {
            vm: VM::ephemeral_with_config(config).unwrap(),
            way,
            codes: WIDTHS.map(|width| mover(width, shape.max_wasm_pages(width))),
            idle,
        }
    }

    /// Deletes what commits can be deleted, whoever stands on them.
    pub fn forget_commits(&self) {
        for commit in self.vm.commits().into_iter().rev() {
            // Some can not be deleted: nothing is lost then.
            let _ = self.vm.delete_commit(CommitRef::Id(commit.id));
        }
    }

    /// A lane over the empty state.
    pub fn start(&self) -> Lane<'_> {
        let mut lane = Lane {
            track: self,
            session: self.vm.session(SessionData::builder()).unwrap(),
            marks: Vec::new(),
            commits: 0,
        };
        lane.deploy_idle();
        lane
    }

    fn over(&self, base: CommitRef) -> Session {
        self.vm.session(SessionData::builder().base(base)).unwrap()
    }

    fn code(&self, width: Width) -> &[u8] {
        let at = WIDTHS.iter().position(|other| *other == width);
        &self.codes[at.expect("there are two widths")]
    }
}

fn idle_id(number: u16) -> ContractId {
    let mut bytes = [0xee; 32];
    bytes[..2].copy_from_slice(&number.to_le_bytes());
    ContractId::from_bytes(bytes)
}

fn idle_code() -> Vec<u8> {
    wat::parse_str(
        r#"(module
          (memory (export "memory") 2)
          (global (export "A") i32 (i32.const 0))
          (func (export "nothing") (param i32) (result i32) (i32.const 0)))"#,
    )
    .unwrap()
}

impl<'a> Lane<'a> {
    fn deploy_idle(&mut self) {
        let code = idle_code();
        for number in 0..self.track.idle {
            let data = ContractData::builder().contract_id(idle_id(number));
            self.session.deploy(&code, data, LIMIT).unwrap();
        }
    }

    /// Calls a mover.
    pub fn call(&mut self, number: u8, steps: &[Step], gas: u64) -> (Told, Vec<CallTreeElem>) {
        let result = self.session.call_raw(id(number), "run", script(steps), gas);
        let accesses = self.session.page_accesses();
        match result {
            Ok(receipt) => {
                let data = receipt.data.clone();
                told(Ok(data), receipt, accesses)
            }
            Err(Error::Reverted(reverted)) => {
                told(Err(reverted.failure.code), reverted.receipt, accesses)
            }
            Err(Error::Rejected(_)) => (Told::rejected(), Vec::new()),
            Err(error) => panic!("{error}: {error:?}"),
        }
    }

    /// Deploys a mover; `false` if there is one of this number.
    pub fn deploy(&mut self, number: u8, width: Width) -> bool {
        let data = ContractData::builder().contract_id(id(number));
        match self.session.deploy(self.track.code(width), data, LIMIT) {
            Ok(_) => true,
            Err(Error::Rejected(Rejected::ContractExists { .. })) => false,
            Err(error) => panic!("{error}: {error:?}"),
        }
    }

    /// Marks the moment.
    pub fn savepoint(&mut self) {
        let mark = match self.track.way {
            Way::Committing => Mark::Commit(self.commit()),
            _ => Mark::Savepoint(self.session.savepoint().unwrap()),
        };
        self.marks.push(mark);
    }

    /// Goes back to a marked moment.
    pub fn rollback(&mut self, which: usize) {
        match &self.marks[which] {
            Mark::Savepoint(savepoint) => self.session.rollback(*savepoint).unwrap(),
            Mark::Commit(commit) => self.session = self.track.over(*commit),
        }
        self.marks.truncate(which);
    }

    /// Forgets a marked moment.
    pub fn release(&mut self, which: usize) {
        if let Mark::Savepoint(savepoint) = &self.marks[which] {
            self.session.release(*savepoint).unwrap();
        }
        self.marks.truncate(which);
    }

    /// Commits and forgets what was marked.
    pub fn commit_all(&mut self) {
        self.commit();
        self.marks.clear();
    }

    /// Commits, and gives another lane over the commit.
    pub fn fork(&mut self) -> Lane<'a> {
        let commit = self.commit();
        self.marks.clear();
        Lane {
            track: self.track,
            session: self.track.over(commit),
            marks: Vec::new(),
            commits: self.commits + (1 << 32),
        }
    }

    fn commit(&mut self) -> CommitRef {
        self.commits += 1;
        let mut tag = [0; 32];
        tag[..8].copy_from_slice(&self.commits.to_le_bytes());
        let root = self.session.root().unwrap();
        let commit: Commit = self.session.commit_with_tag(tag).unwrap();
        assert_eq!(commit.root, root, "a commit has the root of its session");
        CommitRef::Id(commit.id)
    }

    /// Does what nobody may notice.
    pub fn stir(&mut self, noise: u64) {
        let mut random = Random::new(noise);
        match self.track.way {
            Way::Steady => {}
            Way::Committing => self.reopen(&mut random),
            Way::Crowded => self.crowd(&mut random),
        }
    }

    fn reopen(&mut self, random: &mut Random) {
        if random.chance(15) {
            let commit = self.commit();
            if random.chance(60) {
                self.session = self.track.over(commit);
            }
        }
    }

    fn crowd(&mut self, random: &mut Random) {
        if random.chance(14) {
            let idle = u64::from(self.track.idle);
            let (first, count) = (random.below(idle), 1 + random.below(2 * idle));
            for number in first..first + count {
                let contract = idle_id((number % idle) as u16);
                let called = self.session.call_raw(contract, "nothing", [], LIMIT);
                called.unwrap();
            }
        }
    }

    /// The root.
    pub fn root(&self) -> Root {
        self.session.root().unwrap()
    }

    /// The size of a mover's memory in bytes, if there is one of this number.
    pub fn size(&self, number: u8) -> Option<u64> {
        self.session.memory_len(&id(number)).unwrap()
    }

    /// The pages of a mover's memory that are not zeros, each proven at the root.
    pub fn pages(&mut self, number: u8) -> Vec<FoundPage> {
        let root = self.root();
        let pages = self.session.memory_pages(id(number)).unwrap();
        let pages = pages.map(|(page, opening)| {
            let proven = shown_page(&opening, &root, &id(number), page).ok();
            let bytes = proven.map(|proven| proven.to_vec());
            (u64::from(page.0), bytes)
        });
        pages.collect()
    }

    /// Puts bytes into a mover's memory.
    pub fn poke(&mut self, number: u8, address: u64, bytes: &[u8]) {
        let argument = [&address.to_le_bytes(), bytes].concat();
        let poked = self.session.call_raw(id(number), "poke", argument, LIMIT);
        poked.unwrap();
    }
}

fn told<T>(
    outcome: Result<Vec<u8>, Outcome>,
    receipt: CallReceipt<T>,
    accesses: Vec<PageAccesses>,
) -> (Told, Vec<CallTreeElem>) {
    let frames: Vec<_> = receipt.call_tree.iter().cloned().collect();
    let lines = frames.iter().map(|frame| {
        let code = frame.failure.as_ref().map(|failure| failure.code);
        let (limit, spent) = (frame.gas_limit, frame.gas_spent);
        (
            frame.contract_id,
            frame.depth,
            limit,
            spent,
            code,
            frame.reverted,
        )
    });
    let told = Told {
        outcome: Some(outcome),
        gas_spent: receipt.gas_spent,
        events: receipt.events,
        reverted_events: receipt.reverted_events,
        frames: lines.collect(),
        digest: Some(receipt.digest),
        accesses,
    };
    (told, frames)
}

impl Told {
    fn rejected() -> Self {
        Self {
            outcome: None,
            gas_spent: 0,
            events: Vec::new(),
            reverted_events: Vec::new(),
            frames: Vec::new(),
            digest: None,
            accesses: Vec::new(),
        }
    }
}

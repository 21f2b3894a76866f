//! Random operations on actors that call each other and a talker, which tells whoever listens what it does.

use std::sync::mpsc;

use crostata::{
    Backend, CallReceipt, Commit, ContractData, ContractId, Error, Event, Outcome, ReceiptDigest,
    Root, Session, SessionData, VM,
};

use super::random::Random;
use super::watcher::Watcher;
use crate::fixtures::actor::{
    Call, Grow, Keep, Panic, Recurse, See, Spin, Step, Trap, Try, TryWith, Write, actor, cell,
    script,
};
use crate::fixtures::{LIMIT, Width, deploy, ephemeral, id, module};

/// How many actors there are, numbered from 0; the talker has the next number.
pub const ACTORS: u8 = 3;

/// Writes and tells so for each 20 bytes of its argument, then ends in a way that the length decides; `feeding` feeds as well.
const TALKER: &str = r#"
  (data (PTR.const 0) "told")
  (global $said (mut i32) (i32.const 0))
  (func $talk (param $len i32) (param $feeds i32) (local $left i32)
    (local.set $left (local.get $len))
    (loop
      (global.set $said (i32.add (global.get $said) (i32.const 1)))
      (i32.store (call $at (i32.add (i32.const 196608) (i32.mul (local.get $left) (i32.const 200))))
        (global.get $said))
      (call $hdebug (i32.and (local.get $left) (i32.const 63)))
      (call $emit (PTR.const 0) (i32.const 4) (i32.and (local.get $left) (i32.const 15)))
      (if (local.get $feeds) (then (call $feed (i32.and (local.get $left) (i32.const 31)))))
      (local.set $left (i32.sub (local.get $left) (i32.const 20)))
      (br_if 0 (i32.gt_s (local.get $left) (i32.const 0)))))
  (func (export "run") (param $len i32) (result i32)
    (call $talk (local.get $len) (i32.const 0))
    (if (i32.eqz (i32.rem_u (local.get $len) (i32.const 60))) (then (unreachable)))
    (if (i32.eqz (i32.rem_u (local.get $len) (i32.const 100))) (then (call $panic (i32.const 8))))
    (i32.const 8))
  (func (export "feeding") (param $len i32) (result i32)
    (call $talk (local.get $len) (i32.const 1)) (i32.const 4))"#;

/// What is done.
#[derive(Debug, Clone)]
pub enum Operation {
    /// An actor or the talker does a script with so much gas.
    Act {
        number: u8,
        steps: Vec<Step>,
        gas: u64,
    },
    /// The talker feeds, in a feeder call or not.
    Feed {
        len_bytes: usize,
        may: bool,
        gas: u64,
    },
    /// Deploys the talker once more under a free number or one that is taken, or junk.
    Deploy { number: u8, junk: bool },
    /// Marks the moment, does this, and goes back.
    Undone(Box<Operation>),
    /// Commits, and goes on from there in the same session or another one.
    Commit { again: bool },
}

/// What consensus sees of a frame.
type Frame = (ContractId, String, usize, u64, u64, Option<Outcome>, bool);

/// What consensus sees of an operation. No texts and no backtraces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    outcome: Option<Outcome>,
    data: Vec<u8>,
    gas: u64,
    events: Vec<Event>,
    reverted_events: Vec<Event>,
    tree: Vec<Frame>,
    digest: Option<ReceiptDigest>,
    root: Option<Root>,
}

impl Seen {
    pub fn succeeded(&self) -> bool {
        self.outcome == Some(Outcome::Success)
    }

    fn nothing(root: Option<Root>) -> Self {
        Self {
            outcome: None,
            data: Vec::new(),
            gas: 0,
            events: Vec::new(),
            reverted_events: Vec::new(),
            tree: Vec::new(),
            digest: None,
            root,
        }
    }

    fn of<T>(outcome: Outcome, data: Vec<u8>, receipt: CallReceipt<T>) -> Self {
        let frames = receipt.call_tree.iter().map(|frame| {
            let failure = frame.failure.as_ref().map(|failure| failure.code);
            let function = frame.function.clone();
            let (limit, spent) = (frame.gas_limit, frame.gas_spent);
            (
                frame.contract_id,
                function,
                frame.depth,
                limit,
                spent,
                failure,
                frame.reverted,
            )
        });
        Self {
            outcome: Some(outcome),
            data,
            gas: receipt.gas_spent,
            tree: frames.collect(),
            events: receipt.events,
            reverted_events: receipt.reverted_events,
            digest: Some(receipt.digest),
            root: None,
        }
    }
}

impl Random {
    fn address(&mut self) -> u32 {
        match self.below(8) {
            0 => (4 << 16) + self.below(200_000) as u32 * 4,
            _ => cell(self.below(15_000) as u32),
        }
    }

    fn step(&mut self, depth: u32) -> Step {
        let number = self.below(u64::from(ACTORS) + 1) as u8;
        match self.below(if depth < 4 { 16 } else { 9 }) {
            0..3 => Write(self.address(), self.below(3) as u32),
            3 => See(self.address()),
            4 => Grow(self.below(3) as u32),
            5 => Keep(self.below(9) as u32),
            6 if depth > 0 => [Panic, Trap, Spin, Recurse][self.below(4) as usize].clone(),
            6..9 => See(cell(0)),
            9..13 => Try(number, self.steps(depth + 1)),
            13 => TryWith(number, 1_000 + self.below(100_000), self.steps(depth + 1)),
            _ => Call(number, self.steps(depth + 1)),
        }
    }

    fn steps(&mut self, depth: u32) -> Vec<Step> {
        let steps = 1 + self.below(5);
        (0..steps).map(|_| self.step(depth)).collect()
    }

    fn gas(&mut self) -> u64 {
        match self.below(4) {
            0 => 30_000 + self.below(200_000),
            _ => LIMIT,
        }
    }

    fn operation(&mut self) -> Operation {
        match self.below(12) {
            0 => Operation::Feed {
                len_bytes: self.below(400) as usize,
                may: self.below(3) > 0,
                gas: self.gas(),
            },
            1 => Operation::Deploy {
                number: self.below(12) as u8,
                junk: self.below(3) == 0,
            },
            2 => Operation::Undone(Box::new(self.operation())),
            3 => Operation::Commit {
                again: self.below(2) == 0,
            },
            _ => Operation::Act {
                number: self.below(u64::from(ACTORS) + 1) as u8,
                steps: self.steps(0),
                gas: self.gas(),
            },
        }
    }
}

/// The operations of a seed.
pub fn generate(seed: u64) -> Vec<Operation> {
    let mut numbers = Random::new(seed);
    (0..50).map(|_| numbers.operation()).collect()
}

/// The same operations with so much gas at most.
pub fn within(gas_max: u64, operations: &[Operation]) -> Vec<Operation> {
    let mut operations = operations.to_vec();
    for operation in &mut operations {
        let mut at = operation;
        while let Operation::Undone(inner) = at {
            at = inner;
        }
        if let Operation::Act { gas, .. } | Operation::Feed { gas, .. } = at {
            *gas = gas_max.min(*gas);
        }
    }
    operations
}

/// A workload under way.
pub struct Run<'a> {
    pub vm: VM,
    pub session: Session,
    pub watcher: Option<&'a Watcher>,
    talker: Vec<u8>,
    /// Beside a profiled session: an ordinary one that does the same first, and commits.
    ordinary: Option<Session>,
    /// The latest commit.
    commit: Option<Commit>,
}

/// Does the operations; what was seen of each.
pub fn run(
    backend: Backend,
    width: Width,
    operations: &[Operation],
    watcher: Option<&Watcher>,
) -> Vec<Seen> {
    let vm = ephemeral(backend);
    let session = vm.session(SessionData::builder()).unwrap();
    let mut run = Run {
        vm,
        session,
        watcher,
        talker: module(width, TALKER),
        ordinary: None,
        commit: None,
    };
    run.listens();
    run.populates(width);
    operations
        .iter()
        .map(|operation| run.does(operation))
        .collect()
}

/// Does the operations in profiled sessions, which can not commit: an ordinary one does that for them. What was seen of the profiled ones.
pub fn run_profiled(backend: Backend, width: Width, operations: &[Operation]) -> Vec<Seen> {
    let vm = ephemeral(backend);
    let session = vm.session(SessionData::builder().profiled()).unwrap();
    let ordinary = vm.session(SessionData::builder()).unwrap();
    let mut run = Run {
        vm,
        session,
        watcher: None,
        talker: module(width, TALKER),
        ordinary: Some(ordinary),
        commit: None,
    };
    run.populates(width);
    run.by_the_other(|run| run.populates(width));
    let operations = operations.iter();
    operations
        .map(|operation| run.is_profiled(operation))
        .collect()
}

impl Run<'_> {
    fn populates(&mut self, width: Width) {
        for number in 0..ACTORS {
            deploy(&mut self.session, number, &actor(width));
        }
        deploy(&mut self.session, ACTORS, &self.talker);
    }

    /// Has the other session do something.
    fn by_the_other<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let ordinary = self.ordinary.take().unwrap();
        let profiled = std::mem::replace(&mut self.session, ordinary);
        let done = work(self);
        self.ordinary = Some(std::mem::replace(&mut self.session, profiled));
        done
    }

    fn is_profiled(&mut self, operation: &Operation) -> Seen {
        let committed = self.by_the_other(|run| run.happens(operation));
        if let Operation::Commit { .. } = operation {
            let root = self.session.root().unwrap();
            let data = SessionData::builder().base(self.commit.unwrap());
            self.session = self.vm.session(data.profiled()).unwrap();
            return Seen {
                root: Some(root),
                ..committed
            };
        }
        let mut seen = self.happens(operation);
        let profile = self.session.take_profile();
        let told = profile.map_or(0, |profile| profile.total_gas());
        assert_eq!(
            told, seen.gas,
            "a profile is what the receipts say: {operation:?}"
        );
        seen.root = Some(self.session.root().unwrap());
        seen
    }

    fn listens(&mut self) {
        if let Some(watcher) = self.watcher {
            watcher.listen(&mut self.session);
        }
    }

    fn does(&mut self, operation: &Operation) -> Seen {
        let mut seen = self.happens(operation);
        if let Some(watcher) = self.watcher {
            watcher.looks(&mut self.session, &self.vm);
        }
        seen.root = Some(self.session.root().unwrap());
        seen
    }

    fn happens(&mut self, operation: &Operation) -> Seen {
        match operation {
            Operation::Act { number, steps, gas } => {
                self.calls(*number, "run", &script(steps), *gas, false)
            }
            Operation::Feed {
                len_bytes,
                may,
                gas,
            } => self.calls(ACTORS, "feeding", &vec![7; *len_bytes], *gas, *may),
            Operation::Deploy { number, junk } => self.deploys(*number, *junk),
            Operation::Undone(inner) => {
                let before = self.session.savepoint().unwrap();
                let seen = match **inner {
                    Operation::Commit { .. } => Seen::nothing(None),
                    _ => self.happens(inner),
                };
                self.session.rollback(before).unwrap();
                seen
            }
            Operation::Commit { again } => {
                let commit = self.session.commit().unwrap();
                self.commit = Some(commit);
                if *again {
                    let data = SessionData::builder().base(commit);
                    let data = match self.watcher {
                        Some(watcher) => watcher.opens(data),
                        None => data,
                    };
                    self.session = self.vm.session(data).unwrap();
                    self.listens();
                }
                Seen::nothing(Some(commit.root))
            }
        }
    }

    fn calls(
        &mut self,
        number: u8,
        function: &str,
        argument: &[u8],
        gas: u64,
        feeds: bool,
    ) -> Seen {
        if let Some(watcher) = self.watcher {
            watcher.estimates(&mut self.session, id(number), function, argument, gas);
        }
        let called = match (feeds, self.watcher) {
            (false, _) => self.session.call_raw(id(number), function, argument, gas),
            (true, Some(watcher)) => {
                let feeder = watcher.feeder();
                self.session
                    .feeder_call_raw(id(number), function, argument, gas, feeder)
            }
            (true, None) => {
                // Nobody is at the other end.
                let (feeder, _) = mpsc::channel::<Vec<u8>>();
                self.session
                    .feeder_call_raw(id(number), function, argument, gas, feeder)
            }
        };
        match called {
            Ok(receipt) => Seen::of(Outcome::Success, receipt.data.clone(), receipt),
            Err(error) => failed(error),
        }
    }

    fn deploys(&mut self, number: u8, junk: bool) -> Seen {
        let data = ContractData::builder().contract_id(id(number));
        let code = if junk { b"junk" } else { &self.talker[..] };
        match self.session.deploy(code, data, LIMIT) {
            Ok(_) => Seen::nothing(None),
            Err(error) => failed(error),
        }
    }
}

fn failed(error: Error) -> Seen {
    match error {
        Error::Reverted(reverted) => {
            let code = reverted.failure.code;
            Seen::of(code, Vec::new(), reverted.receipt)
        }
        Error::Rejected(_) => Seen::nothing(None),
        other => panic!("{other}"),
    }
}

//! Measuring calls: time of the thread, and gas.

use crostata::{Commit, ContractData, ContractId, Session, SessionData, VM};
use rustix::time::{ClockId, clock_gettime};

use crate::common::LIMIT;

/// Rounds, of which the fastest counts.
const ROUNDS: usize = 7;

/// What something takes.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    pub ns: f64,
    pub gas: f64,
}

impl Cost {
    /// Nanoseconds per gas.
    pub fn rate(self) -> f64 {
        self.ns / self.gas
    }

    /// What this takes more than `other`, for each of `times`.
    pub fn beyond(self, other: Self, times: f64) -> Self {
        Self {
            ns: ((self.ns - other.ns) / times).max(0.0),
            gas: (self.gas - other.gas) / times,
        }
    }
}

/// Time that this thread has spent on a processor, in nanoseconds.
pub fn thread_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// A call, warm: the least time of some, and its gas.
pub fn call(session: &mut Session, contract: ContractId, function: &str, argument: &[u8]) -> Cost {
    let mut once = || one(session, contract, function, argument);
    once();
    let rounds = (0..ROUNDS).map(|_| once());
    rounds
        .min_by(|one, other| one.ns.total_cmp(&other.ns))
        .expect("some rounds")
}

fn one(session: &mut Session, contract: ContractId, function: &str, argument: &[u8]) -> Cost {
    let begin = thread_ns();
    let receipt = session
        .call_raw(contract, function, argument, LIMIT)
        .expect("the contract does not fail");
    Cost {
        ns: thread_ns() - begin,
        gas: receipt.gas_spent as f64,
    }
}

/// A session with a contract made of text.
pub struct Scene {
    vm: VM,
    pub session: Session,
    next: u8,
}

impl Scene {
    pub fn new() -> Self {
        let vm = VM::ephemeral().expect("a VM");
        let session = vm.session(SessionData::builder()).expect("a session");
        Self {
            vm,
            session,
            next: 0,
        }
    }

    /// The same over a commit of what there is.
    pub fn committed(mut self) -> Self {
        let base = self.session.commit().expect("a commit");
        self.session = self
            .vm
            .session(SessionData::builder().base(base))
            .expect("a session");
        self
    }

    /// Ends it with a commit.
    pub fn commit(mut self) -> (VM, Commit) {
        let base = self.session.commit().expect("a commit");
        (self.vm, base)
    }

    pub fn deploy(&mut self, code: &[u8]) -> ContractId {
        self.next += 1;
        let id = ContractId::from_bytes([self.next; 32]);
        let data = ContractData::builder().contract_id(id);
        self.session
            .deploy(code, data, LIMIT)
            .expect("the contract deploys");
        id
    }
}

/// Bytes of a module written as text.
pub fn module(text: &str) -> Vec<u8> {
    match wat::parse_str(text) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{error}\n{text}"),
    }
}

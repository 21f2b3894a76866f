//! What the benches share: a VM with contracts in a commit, and arguments by hand.
#![allow(dead_code, reason = "each bench uses a part of what is shared here")]

use crostata::{Commit, ContractData, ContractId, Session, SessionData, VM, contract_bytecode};

/// Enough gas for everything.
pub const LIMIT: u64 = 1 << 50;
/// The area of [`TARGET`], and how far apart the pages are that are written in it.
pub const AREA_BYTES: u32 = 64 << 20;
pub const STRIDE: u32 = AREA_BYTES / 1_024;

pub const COUNTER: ContractId = ContractId::from_bytes([1; 32]);
/// `bench` contracts: one that calls, and one whose area is filled.
pub const DRIVER: ContractId = ContractId::from_bytes([2; 32]);
pub const TARGET: ContractId = ContractId::from_bytes([3; 32]);

/// A VM and a commit in it.
pub struct World {
    pub vm: VM,
    pub base: Commit,
}

impl World {
    /// This many counters, [`COUNTER`] among them.
    pub fn counters(count: u32) -> Self {
        Self::build(|session| {
            deploy(session, contract_bytecode!("counter"), COUNTER);
            for number in 1..count {
                deploy(session, contract_bytecode!("counter"), numbered(number));
            }
        })
    }

    /// A counter, the driver, and the target with its area filled.
    pub fn filled() -> Self {
        Self::build(|session| {
            deploy(session, contract_bytecode!("counter"), COUNTER);
            deploy(session, contract_bytecode!("bench"), DRIVER);
            deploy(session, contract_bytecode!("bench"), TARGET);
            call(session, TARGET, "fill", &numbers(&[AREA_BYTES, 1]));
        })
    }

    fn build(build: impl FnOnce(&mut Session)) -> Self {
        let vm = VM::ephemeral().unwrap();
        let mut session = vm.session(SessionData::builder()).unwrap();
        build(&mut session);
        let base = session.commit().unwrap();
        Self { vm, base }
    }

    /// A session over the commit.
    pub fn session(&self) -> Session {
        let data = SessionData::builder().base(self.base);
        self.vm.session(data).unwrap()
    }

    /// A session that wrote a byte of `pages` pages of the target. Even values differ from what is there.
    pub fn written(&self, pages: u32, value: u8) -> Session {
        let mut session = self.session();
        call(&mut session, TARGET, "dirty", &dirty(pages, value));
        session
    }
}

/// The id of a number, in its last bytes.
pub fn numbered(number: u32) -> ContractId {
    let mut id = [0; 32];
    id[28..].copy_from_slice(&number.to_be_bytes());
    ContractId::from_bytes(id)
}

pub fn deploy(session: &mut Session, code: &[u8], id: ContractId) {
    let data = ContractData::builder().contract_id(id);
    session.deploy(code, data, LIMIT).unwrap();
}

pub fn call(session: &mut Session, contract: ContractId, function: &str, argument: &[u8]) {
    session
        .call_raw(contract, function, argument, LIMIT)
        .unwrap();
}

/// Numbers as an argument: little-endian, one after the other.
pub fn numbers(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// The argument of `dirty`.
pub fn dirty(pages: u32, value: u8) -> Vec<u8> {
    let mut argument = numbers(&[pages, STRIDE]);
    argument.push(value);
    argument
}

/// An argument that begins with a contract's id.
pub fn with_id(contract: ContractId, rest: &[u8]) -> Vec<u8> {
    let mut argument = contract.to_bytes().to_vec();
    argument.extend(rest);
    argument
}

//! The contracts, their arguments by hand, and states to start from.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::machine::{Failure, Id, Machine, Session};

const BENCH: &[u8] = include_bytes!("../../../../contracts/artifacts/bench.wasm");
/// A counter's code.
pub const COUNTER: &[u8] = include_bytes!("../../../../contracts/artifacts/counter.wasm");

/// What tells the bytecode apart from another: two builds that hold different contracts must not be compared.
pub fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    (BENCH, COUNTER).hash(&mut hasher);
    hasher.finish()
}

/// The unit in which the peer tracks memory; pages that are dirtied lie in different ones.
pub const PEER_PAGE_BYTES: u32 = 1 << 16;
/// Our unit; used where a case says `dense`.
pub const PAGE_BYTES: u32 = 1 << 12;
/// What the area of [`TARGET`] is filled with: 1,024 pages of the peer.
pub const AREA_BYTES: u32 = 64 << 20;
/// Accounts of the ledger.
pub const ACCOUNTS: u32 = 100_000;

/// The `bench` contract that calls others, holds the ledger and runs programs.
pub const DRIVER: Id = id(1);
/// Another `bench` contract, whose area is filled where a case needs that.
pub const TARGET: Id = id(2);
/// The first of the counters.
pub const FIRST_COUNTER: Id = counter(0);

/// The id of a number.
const fn id(number: u32) -> Id {
    let bytes = number.to_le_bytes();
    let mut id = [0; 32];
    id[0] = bytes[0];
    id[1] = bytes[1];
    id[2] = bytes[2];
    id[3] = bytes[3];
    id
}

/// The id of a counter.
pub const fn counter(number: u32) -> Id {
    id(1_000 + number)
}

/// An argument of ids and numbers, one after the other, little-endian.
#[derive(Default)]
pub struct Argument(pub Vec<u8>);

impl Argument {
    pub fn id(mut self, id: Id) -> Self {
        self.0.extend(id);
        self
    }

    pub fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    pub fn wide(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }
}

/// The argument of `dirty`.
pub fn pages(pages: u32, stride: u32, value: u8) -> Vec<u8> {
    Argument::default()
        .number(pages)
        .number(stride)
        .byte(value)
        .0
}

/// Two numbers.
pub fn two(first: u32, second: u32) -> Vec<u8> {
    Argument::default().number(first).number(second).0
}

/// The account of a number, as the contract computes it.
pub fn account(number: u32) -> [u8; 32] {
    let mut account = [0; 32];
    for (lane, bytes) in account.chunks_exact_mut(8).enumerate() {
        let lane = (lane as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes.copy_from_slice(&mixed(u64::from(number).wrapping_add(lane)).to_le_bytes());
    }
    account
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A VM and a commit in it.
pub struct World<M: Machine> {
    pub machine: M,
    pub base: M::Commit,
}

impl<M: Machine> World<M> {
    /// The state that `build` makes.
    fn build(build: impl FnOnce(&mut M::Session) -> Result<(), Failure>) -> Result<Self, Failure> {
        let machine = M::open()?;
        let mut session = machine.session(None)?;
        build(&mut session)?;
        let base = session.commit()?;
        Ok(Self { machine, base })
    }

    /// This many counters and nothing else, deployed in sessions that are small enough for Piecrust, which maps code
    /// anew for each contract of a session.
    pub fn counters(count: u32) -> Result<Self, Failure> {
        const BATCH: u32 = 500;
        let deploy = |session: &mut M::Session, first: u32| {
            let last = count.min(first + BATCH);
            (first..last).try_for_each(|number| session.deploy(COUNTER, counter(number)))
        };
        let mut world = Self::build(|session| deploy(session, 0))?;
        for first in (BATCH..count).step_by(BATCH as usize) {
            let mut session = world.session()?;
            deploy(&mut session, first)?;
            world.base = session.commit()?;
        }
        Ok(world)
    }

    /// Driver, target, and one counter; nothing in them.
    pub fn bench() -> Result<Self, Failure> {
        Self::build(deploy_bench)
    }

    /// As [`bench`](Self::bench), and the target's area filled.
    pub fn filled() -> Result<Self, Failure> {
        Self::build(|session| {
            deploy_bench(session)?;
            session.call(TARGET, "fill", &two(AREA_BYTES, 1))?;
            Ok(())
        })
    }

    /// As [`filled`](Self::filled), among a thousand contracts.
    pub fn filled_among_thousand() -> Result<Self, Failure> {
        const BATCH: u32 = 500;
        let mut world = Self::filled()?;
        for first in [1, 1 + BATCH] {
            let mut session = world.session()?;
            let last = (first + BATCH).min(1_000 - 2);
            for number in first..last {
                session.deploy(COUNTER, counter(number))?;
            }
            world.base = session.commit()?;
        }
        Ok(world)
    }

    /// As [`bench`](Self::bench), and the accounts opened in the driver's ledger.
    pub fn ledger() -> Result<Self, Failure> {
        const BATCH: u32 = 10_000;
        Self::build(|session| {
            deploy_bench(session)?;
            for first in (0..ACCOUNTS).step_by(BATCH as usize) {
                session.call(DRIVER, "open_accounts", &two(first, BATCH))?;
            }
            Ok(())
        })
    }

    /// A session over the commit.
    pub fn session(&self) -> Result<M::Session, Failure> {
        self.machine.session(Some(&self.base))
    }
}

/// Deploys what most cases need.
pub fn deploy_bench(session: &mut impl Session) -> Result<(), Failure> {
    session.deploy(BENCH, DRIVER)?;
    session.deploy(BENCH, TARGET)?;
    session.deploy(COUNTER, FIRST_COUNTER)
}

//! What several test files share: limits, hand-written contracts, ids, and the log of a directory.
#![allow(
    dead_code,
    reason = "each test file uses a part of what is shared here"
)]

pub mod proofs;

use std::fs;
use std::path::{Path, PathBuf};

use crostata::{CallReceipt, ContractData, ContractId, Error, Reverted, Session, SessionData, VM};
use tempfile::TempDir;

/// Enough gas for any call of these tests.
pub const LIMIT: u64 = 100_000_000;

/// The log of a store, inside the VM's directory.
pub const LOG: &str = "log-0000000000000001";

/// A contract that does what its argument says with its memory of three pages, at first all zeros.
///
/// Numbers are little-endian `u32`s. `store` takes address and value, `load` an address, `grow` a number of pages;
/// `size` gives the size in pages. `store_then_fail` stores, then traps; `nothing` does nothing.
pub const CELLS: &str = r#"(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func $store (export "store") (param i32) (result i32)
    (i32.store (i32.load (i32.const 65536)) (i32.load (i32.const 65540)))
    (i32.const 0))
  (func (export "load") (param i32) (result i32)
    (i32.store (i32.const 65536) (i32.load (i32.load (i32.const 65536))))
    (i32.const 4))
  (func (export "grow") (param i32) (result i32)
    (i32.store (i32.const 65536) (memory.grow (i32.load (i32.const 65536))))
    (i32.const 4))
  (func (export "size") (param i32) (result i32)
    (i32.store (i32.const 65536) (memory.size))
    (i32.const 4))
  (func (export "store_then_fail") (param i32) (result i32)
    (drop (call $store (local.get 0)))
    (unreachable))
  (func (export "nothing") (param i32) (result i32) (i32.const 0))
)"#;

/// As [`CELLS`], with a 64-bit memory: `store` and `load` take a `u64` address, then a `u32` value.
pub const CELLS_64: &str = r#"(module
  (memory (export "memory") i64 3)
  (global (export "A") i64 (i64.const 65536))
  (func (export "store") (param i32) (result i32)
    (i32.store (i64.load (i64.const 65536)) (i32.load (i64.const 65544)))
    (i32.const 0))
  (func (export "load") (param i32) (result i32)
    (i32.store (i64.const 65536) (i32.load (i64.load (i64.const 65536))))
    (i32.const 4))
  (func (export "grow") (param i32) (result i32)
    (i64.store (i64.const 65536) (memory.grow (i64.load (i64.const 65536))))
    (i32.const 8))
)"#;

/// The code of a module written as text.
pub fn code(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// The id whose first bytes are this number, little-endian, and whose others are zero.
pub fn id(number: u64) -> ContractId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    ContractId::from_bytes(bytes)
}

/// Contract data with a numbered id.
pub fn with_id(number: u64) -> ContractData {
    ContractData::builder().contract_id(id(number)).build()
}

/// Numbers as an argument: little-endian, one after the other.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A session over the empty state.
pub fn fresh(vm: &VM) -> Session {
    vm.session(SessionData::builder()).unwrap()
}

/// A session over a commit.
pub fn over(vm: &VM, base: impl Into<crostata::Base>) -> Session {
    vm.session(SessionData::builder().base(base)).unwrap()
}

/// Deploys [`CELLS`] under a numbered id.
pub fn deploy_cells(session: &mut Session, number: u64) -> ContractId {
    session.deploy(code(CELLS), with_id(number), LIMIT).unwrap()
}

/// Stores a word in a cell of [`CELLS`].
pub fn store(session: &mut Session, cells: ContractId, address: u32, value: u32) {
    session
        .call_raw(cells, "store", words(&[address, value]), LIMIT)
        .unwrap();
}

/// The word in a cell of [`CELLS`].
pub fn load(session: &mut Session, cells: ContractId, address: u32) -> u32 {
    let receipt = session.call_raw(cells, "load", words(&[address]), LIMIT);
    word(&receipt.unwrap())
}

/// The `u32` that a call gave.
pub fn word(receipt: &CallReceipt<Vec<u8>>) -> u32 {
    u32::from_le_bytes(receipt.data[..4].try_into().unwrap())
}

/// The failure and receipt of a call that must have run and failed.
pub fn reverted<T: std::fmt::Debug>(result: Result<T, Error>) -> Reverted {
    match result {
        Err(Error::Reverted(reverted)) => *reverted,
        other => panic!("a reverted call was expected, not {other:?}"),
    }
}

/// Two branches over one base: the base, then commits that hold 1 and 2 in the cell at 0 of contract 1.
pub fn fork(vm: &VM) -> [crostata::Commit; 3] {
    let mut session = fresh(vm);
    let cells = deploy_cells(&mut session, 1);
    let base = session.commit().unwrap();
    let branch = |value| {
        let mut session = over(vm, base);
        store(&mut session, cells, 0, value);
        session.commit().unwrap()
    };
    [base, branch(1), branch(2)]
}

/// A directory for a VM that is to be opened again, damaged, or both.
pub struct Directory(TempDir);

impl Directory {
    /// A fresh one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Opens the VM in it.
    pub fn open(&self) -> VM {
        VM::new(self.path()).unwrap()
    }

    /// Where the log is.
    pub fn log_path(&self) -> PathBuf {
        self.path().join(LOG)
    }

    /// The bytes of the log.
    pub fn log(&self) -> Vec<u8> {
        fs::read(self.log_path()).unwrap()
    }

    /// Puts other bytes in place of the log.
    pub fn put_log(&self, bytes: &[u8]) {
        fs::write(self.log_path(), bytes).unwrap();
    }

    /// Changes one bit of the first place in the log that holds `bytes`.
    pub fn flip_in(&self, bytes: &[u8]) {
        let mut log = self.log();
        let at = log
            .windows(bytes.len())
            .position(|window| window == bytes)
            .expect("the log holds these bytes");
        log[at] ^= 1;
        self.put_log(&log);
    }
}

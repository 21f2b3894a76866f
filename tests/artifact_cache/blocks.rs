//! Some blocks of calls, what they give, and VMs over a cache to run them on.

use std::fs;
use std::path::{Path, PathBuf};

use crostata::{
    ArtifactConfig, ArtifactDirectory, CallReceipt, Commit, Config, Event, ReceiptDigest, Root, VM,
};

use crate::common::*;

/// How many codes the blocks use.
pub const CODES: u64 = 4;

/// What one step gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    root: Root,
    gas: u64,
    data: Vec<u8>,
    events: Vec<Event>,
    digest: Option<ReceiptDigest>,
}

/// The code with this number: it adds, emits an event, traps, and has data and a table.
pub fn numbered(number: u64) -> Vec<u8> {
    code(&format!(
        r#"(module
  (import "env" "emit" (func $emit (param i32 i32 i32)))
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (global $calls (mut i32) (i32.const 0))
  (data (i32.const 16) "topic of {number}")
  (table 2 funcref)
  (elem (i32.const 1) $twice)
  (type $unary (func (param i32) (result i32)))
  (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "add") (param i32) (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (i32.store (i32.const 1024)
      (i32.add (i32.load (i32.const 1024))
        (call_indirect (type $unary) (i32.add (i32.load (i32.const 65536)) (i32.const {number})) (i32.const 1))))
    (i32.store (i32.const 65536) (i32.load (i32.const 1024)))
    (call $emit (i32.const 16) (i32.const 10) (i32.const 4))
    (i32.const 4))
  (func (export "fail") (param i32) (result i32)
    (i32.store (i32.const 1024) (i32.const 9))
    (i32.div_u (i32.const 1) (i32.const 0)))
)"#
    ))
}

/// Deploys the codes.
pub fn first_block(vm: &VM) -> (Commit, Vec<Seen>) {
    let mut session = fresh(vm);
    for number in 1..=CODES {
        session
            .deploy(numbered(number), with_id(number), LIMIT)
            .unwrap();
    }
    let root = session.root().unwrap();
    let seen = Seen {
        root,
        gas: 0,
        data: Vec::new(),
        events: Vec::new(),
        digest: None,
    };
    (session.commit().unwrap(), vec![seen])
}

/// A block over another one: each contract is called, and fails once.
pub fn block(vm: &VM, base: Commit, height: u32) -> (Commit, Vec<Seen>) {
    let mut session = over(vm, base);
    let mut all = Vec::new();
    for number in 1..=CODES {
        let added = session.call_raw(id(number), "add", words(&[height]), LIMIT);
        let added = added.unwrap();
        let root = session.root().unwrap();
        all.push(seen(root, added.data.clone(), added));
        let failed = reverted(session.call_raw(id(number), "fail", [], 1_000_000));
        let root = session.root().unwrap();
        all.push(seen(root, Vec::new(), failed.receipt));
    }
    (session.commit().unwrap(), all)
}

fn seen<T>(root: Root, data: Vec<u8>, receipt: CallReceipt<T>) -> Seen {
    Seen {
        root,
        gas: receipt.gas_spent,
        data,
        events: receipt.events,
        digest: Some(receipt.digest),
    }
}

/// Three blocks, on a VM that has none.
pub fn run(vm: &VM) -> Vec<Seen> {
    let (mut base, mut all) = first_block(vm);
    for height in 1..3 {
        let (next, seen) = block(vm, base, height);
        base = next;
        all.extend(seen);
    }
    all
}

/// What they give where nothing is kept.
pub fn reference() -> Vec<Seen> {
    let vm = VM::ephemeral_with_config(config(ArtifactDirectory::Nowhere, 0)).unwrap();
    let seen = run(&vm);
    // Three sessions, none of which finds what the one before compiled.
    assert_eq!(vm.artifact_counters().compiled, 3 * CODES);
    assert!(seen.iter().any(|seen| !seen.events.is_empty()));
    seen
}

/// A configuration with artifacts in a directory, and so many bytes of them in memory.
pub fn config(directory: ArtifactDirectory, ram_bytes_max: u64) -> Config {
    let artifacts = ArtifactConfig {
        directory,
        ram_bytes_max,
        ..ArtifactConfig::default()
    };
    Config {
        artifacts,
        ..Config::default()
    }
}

/// An empty VM over a cache in a directory, which keeps no module in memory.
pub fn vm_at(path: &Path) -> VM {
    VM::ephemeral_with_config(config(ArtifactDirectory::At(path.into()), 0)).unwrap()
}

/// The artifacts in a directory, sorted by name.
pub fn artifacts(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let paths = entries.map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "artifact"))
        .collect();
    found.sort();
    found
}

/// The artifact of the code with this number.
pub fn artifact(directory: &Path, number: u64) -> PathBuf {
    let hash = crostata_proof::hash::code_hash(&numbered(number)).to_string();
    let mut found = artifacts(directory).into_iter();
    let named = found.find(|path| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(&hash)
    });
    named.expect("the code has an artifact")
}

//! P1 and P7: code that the protocol's list does not allow is not deployed and does not run, whatever is cached; a node checks and compiles
//! what it allows when it opens, and says what is wrong with it.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use common::*;
use crostata::{
    AllowList, ArtifactConfig, ArtifactDirectory, BinariesConfig, BinariesProgress, BinaryError,
    CodeHash, Commit, Config, Error, Fatal, OpenVmError, Protocol, Rejected, SessionData, VM,
    code_hash,
};

/// Calls the contract that its argument names.
const CALLER: &str = r#"(module
  (import "env" "c" (func $c (param i32 i32 i32 i32 i64) (result i32)))
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (data (i32.const 64) "nothing")
  (func (export "call") (param i32) (result i32)
    (memory.copy (i32.const 0) (i32.const 65536) (i32.const 32))
    (drop (call $c (i32.const 0) (i32.const 64) (i32.const 7) (i32.const 0) (i64.const 0)))
    (i32.const 0)))"#;

fn allowing(codes: &[&[u8]]) -> Protocol {
    Protocol {
        allowed: Some(AllowList::new(codes.iter().map(|code| code_hash(code)))),
        ..Protocol::default()
    }
}

/// A configuration without a directory of binaries.
fn config(protocols: Vec<Protocol>) -> Config {
    Config {
        protocols,
        binaries: BinariesConfig {
            directory: None,
            ..BinariesConfig::default()
        },
        ..Config::default()
    }
}

#[test]
fn unlisted_code_is_not_deployed() {
    let (cells, caller) = (code(CELLS), code(CALLER));
    let protocols = vec![allowing(&[&cells]), Protocol::default()];
    let vm = VM::ephemeral_with_config(config(protocols)).unwrap();
    // It is compiled and in memory, under the other protocol.
    let data = SessionData::builder().protocol(Protocol::default());
    let mut other = vm.session(data).unwrap();
    other.deploy(&caller, with_id(1), LIMIT).unwrap();

    let mut session = fresh(&vm);
    let empty = session.root().unwrap();
    for _ in 0..2 {
        match session.deploy(&caller, with_id(1), LIMIT) {
            Err(Error::Rejected(Rejected::CodeNotAllowed { code_hash: hash })) => {
                assert_eq!(hash, code_hash(&caller));
            }
            other => panic!("{other:?}"),
        }
    }
    // Whatever is wrong with it otherwise.
    let junk = session.deploy(b"junk", with_id(1), LIMIT);
    assert!(matches!(
        junk,
        Err(Error::Rejected(Rejected::CodeNotAllowed { .. }))
    ));
    assert_eq!(session.root().unwrap(), empty);
    session.deploy(&cells, with_id(1), LIMIT).unwrap();
    let migrated = session.migrate(id(1), &caller, with_id(9), LIMIT, |_, _| Ok(()));
    assert!(matches!(
        migrated,
        Err(Error::Rejected(Rejected::CodeNotAllowed { .. }))
    ));
    assert_eq!(load(&mut session, id(1), 0), 0);
}

/// A state with cells (1) and a caller (2), made under a protocol that allows both.
fn state(vm: &VM) -> Commit {
    let mut session = fresh(vm);
    deploy_cells(&mut session, 1);
    session.deploy(code(CALLER), with_id(2), LIMIT).unwrap();
    session.call_raw(id(2), "call", id(1), LIMIT).unwrap();
    session.commit().unwrap()
}

#[test]
fn code_that_left_the_list_does_not_run() {
    let (cells, caller) = (code(CELLS), code(CALLER));
    let later = allowing(&[&caller]);
    let protocols = vec![allowing(&[&cells, &caller]), later.clone()];
    let vm = VM::ephemeral_with_config(config(protocols)).unwrap();
    let base = state(&vm);
    let session = |protocol: &Protocol| {
        let data = SessionData::builder().base(base).protocol(protocol.clone());
        vm.session(data).unwrap()
    };
    // From outside, and from a contract that may run: the same.
    for (contract, function, argument) in [
        (1, "nothing", vec![]),
        (2, "call", id(1).to_bytes().to_vec()),
    ] {
        let mut session = session(&later);
        session.call_raw(id(2), "call", id(77), LIMIT).unwrap();
        match session.call_raw(id(contract), function, &argument, LIMIT) {
            Err(Error::Fatal(Fatal::CodeNotAllowed(refused))) => {
                assert_eq!(refused.contract, id(1));
                assert_eq!(refused.code_hash, code_hash(&cells));
            }
            other => panic!("{other:?}"),
        }
        let after = session.call_raw(id(2), "call", id(77), LIMIT);
        assert!(
            matches!(after, Err(Error::Fatal(Fatal::Poisoned))),
            "{after:?}"
        );
    }
    // Under the rules that it was deployed under it goes on; and what is not called is no matter.
    let mut before = session(&allowing(&[&cells, &caller]));
    before.call_raw(id(2), "call", id(1), LIMIT).unwrap();
    let mut without = session(&later);
    assert!(without.contract_metadata(&id(1)).unwrap().is_some());
    without.commit().unwrap();
}

/// A directory with a binaries directory in it.
struct Binaries(Directory);

impl Binaries {
    fn of(codes: &[&[u8]]) -> Self {
        let binaries = Self(Directory::new());
        codes.iter().for_each(|code| {
            fs::write(binaries.path(code), code).unwrap();
        });
        binaries
    }

    fn path(&self, code: &[u8]) -> PathBuf {
        self.named(&code_hash(code))
    }

    fn named(&self, code: &CodeHash) -> PathBuf {
        self.0.path().join(format!("{code}.wasm"))
    }

    fn config(&self, protocols: Vec<Protocol>, artifacts: &Path) -> Config {
        Config {
            protocols,
            binaries: BinariesConfig {
                directory: Some(self.0.path().into()),
                told: None,
            },
            artifacts: ArtifactConfig {
                directory: ArtifactDirectory::At(artifacts.into()),
                ram_bytes_max: 0,
                ..ArtifactConfig::default()
            },
            ..Config::default()
        }
    }

    fn problems(&self, codes: &[&[u8]]) -> Vec<BinaryError> {
        let cache = Directory::new();
        let config = self.config(vec![allowing(codes)], cache.path());
        match VM::ephemeral_with_config(config) {
            Err(OpenVmError::Binaries { problems }) => problems,
            other => panic!("{other:?}"),
        }
    }
}

/// All that is listed is compiled and pinned at opening, for each protocol, and told; the second opening compiles nothing.
#[test]
fn listed_code_is_ready_when_the_vm_opens() {
    let (cells, caller) = (code(CELLS), code(CALLER));
    let binaries = Binaries::of(&[&cells, &caller]);
    let cache = Directory::new();
    let mut dear = allowing(&[&cells]);
    dear.operators.call += 1;
    let protocols = vec![allowing(&[&cells, &caller]), Protocol::default(), dear];
    let told = Arc::new(Mutex::new(Vec::new()));
    let hears = told.clone();
    let mut config = binaries.config(protocols, cache.path());
    config.binaries.told = Some(Arc::new(move |progress: BinariesProgress| {
        hears.lock().unwrap().push(progress);
    }));
    let vm = VM::ephemeral_with_config(config.clone()).unwrap();
    let counters = vm.artifact_counters();
    assert_eq!((counters.compiled, counters.modules), (3, 3));
    assert_eq!(counters.ram_bytes, 0);
    assert!(counters.pinned_bytes > 0);
    let heard = std::mem::take(&mut *told.lock().unwrap());
    let numbers: Vec<_> = heard.iter().map(|one| (one.ready, one.total)).collect();
    assert_eq!(numbers, [(1, 3), (2, 3), (3, 3)]);
    let of_cells = heard.iter().filter(|one| one.code == code_hash(&cells));
    assert_eq!(of_cells.count(), 2);

    state(&vm);
    assert_eq!(vm.artifact_counters().compiled, 3);
    let again = VM::ephemeral_with_config(config).unwrap();
    let counters = again.artifact_counters();
    assert_eq!((counters.compiled, counters.disk_hits), (0, 3));
}

#[test]
fn what_is_wrong_with_binaries_is_named() {
    let (cells, caller) = (code(CELLS), code(CALLER));
    let bad = code("(module (memory (export \"memory\") 1 1) (start 0) (func))");
    let odd = b"no module".to_vec();
    let all: [&[u8]; 4] = [&cells, &caller, &bad, &odd];
    let binaries = Binaries::of(&[&cells, &bad, &odd]);
    let other = [&caller[..], &[0, 1, 0]].concat();
    fs::write(binaries.path(&caller), &other).unwrap();
    let problem = |path: PathBuf| {
        let problems = binaries.problems(&all);
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        println!("{text:?}");
        let named = |problem: &BinaryError| problem.to_string().contains(path.to_str().unwrap());
        let mut found = problems.into_iter().filter(named);
        found.next().expect("the file is named")
    };
    assert_eq!(binaries.problems(&all).len(), 3);
    assert!(matches!(
        problem(binaries.path(&caller)),
        BinaryError::Mismatch { found, .. } if found == code_hash(&other)
    ));
    assert!(matches!(
        problem(binaries.path(&bad)),
        BinaryError::Rejected { .. }
    ));
    assert!(matches!(
        problem(binaries.path(&odd)),
        BinaryError::Rejected { .. }
    ));
    fs::remove_file(binaries.path(&caller)).unwrap();
    assert!(matches!(
        problem(binaries.path(&caller)),
        BinaryError::Missing { .. }
    ));
    fs::create_dir(binaries.path(&caller)).unwrap();
    assert!(matches!(
        problem(binaries.path(&caller)),
        BinaryError::Read { .. }
    ));
    let mut sorted: Vec<CodeHash> = all.iter().map(|code| code_hash(code)).collect();
    sorted.sort();
    sorted.retain(|code| *code != code_hash(&cells));
    let order: Vec<String> = binaries
        .problems(&all)
        .iter()
        .map(ToString::to_string)
        .collect();
    for (problem, code) in order.iter().zip(sorted) {
        assert!(problem.contains(binaries.named(&code).to_str().unwrap()));
    }
}

/// Code that was deployed is not judged again: a list may hold what is over a limit by now.
#[test]
fn listed_code_is_not_judged_by_later_limits() {
    let cells = code(CELLS);
    let binaries = Binaries::of(&[&cells]);
    let mut tight = allowing(&[&cells]);
    tight.code.exports_max = 1;
    let cache = Directory::new();
    let before = allowing(&[&cells]);
    let config = binaries.config(vec![before, tight.clone()], cache.path());
    let vm = VM::ephemeral_with_config(config).unwrap();
    let mut session = fresh(&vm);
    deploy_cells(&mut session, 1);
    let base = session.commit().unwrap();
    let data = SessionData::builder().base(base).protocol(tight);
    let mut session = vm.session(data).unwrap();
    session.call_raw(id(1), "nothing", [], LIMIT).unwrap();
    // Deploying it anew is another matter, though it is cached.
    let deployed = session.deploy(&cells, with_id(2), LIMIT);
    assert!(matches!(
        deployed,
        Err(Error::Rejected(Rejected::Code { .. }))
    ));
}

/// A list is part of the protocol: a commit made under it opens only where it is configured.
#[test]
fn another_list_is_another_protocol() {
    let cells = code(CELLS);
    let directory = Directory::new();
    let open = |protocol| VM::with_config(directory.path(), config(vec![protocol])).unwrap();
    let vm = open(allowing(&[&cells]));
    let mut session = fresh(&vm);
    deploy_cells(&mut session, 1);
    let base = session.commit().unwrap();
    drop((session, vm));
    let vm = open(Protocol::default());
    let refused = vm.session(SessionData::builder().base(base));
    assert!(refused.unwrap_err().to_string().contains("code.allowed"));
}

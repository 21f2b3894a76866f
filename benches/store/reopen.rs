//! Opening again, and verifying.

use crostata::{Commit, SessionData, VM, contract_bytecode};

use crate::common::{AREA_BYTES, TARGET, call, deploy, numbered, numbers};
use crate::report::{Report, median, timed};

const ROUNDS: usize = 21;

pub fn chain(report: &Report) {
    reopen(report, "reopen_1000", 1, 1_000);
}

pub fn wide_chain(report: &Report) {
    reopen(report, "reopen_10x300", 10, 300);
}

/// A chain of commits over the empty state, none final: until the VM is open, until a session stands on the newest,
/// and, beside these, one thread reading the same files.
fn reopen(report: &Report, name: &str, contracts: u32, commits: u32) {
    let directory = tempfile::tempdir().unwrap();
    let last = build(&VM::new(directory.path()).unwrap(), contracts, commits);
    let (mut opened, mut standing, mut read) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (open, vm) = timed(|| VM::new(directory.path()).unwrap());
        let (session, _) = timed(|| vm.session(SessionData::builder().base(last)).unwrap());
        opened.push(open);
        standing.push(open + session);
        drop(vm);
        read.push(timed(|| read_all(directory.path())).0);
    }
    let ms = |times| median(times) / 1e3;
    report.figure(&format!("{name}_open"), "ms", ms(opened), "");
    report.figure(name, "ms", ms(standing), "< 20 ms");
    report.figure(
        &format!("{name}_read"),
        "ms",
        ms(read),
        "reading and hashing the files",
    );
}

fn read_all(directory: &std::path::Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        std::hint::black_box(blake3::hash(&bytes));
    }
}

fn build(vm: &VM, contracts: u32, commits: u32) -> Commit {
    let mut session = vm.session(SessionData::builder()).unwrap();
    for number in 0..contracts {
        deploy(
            &mut session,
            contract_bytecode!("counter"),
            numbered(number),
        );
    }
    let mut last = session.commit().unwrap();
    for _ in 0..commits {
        for number in 0..contracts {
            call(&mut session, numbered(number), "increment", &[]);
        }
        last = session.commit().unwrap();
    }
    last
}

/// All of 400 MiB, beside one thread reading and hashing the same files.
pub fn verify(report: &Report) {
    let vm = VM::ephemeral().unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    deploy(&mut session, contract_bytecode!("bench"), TARGET);
    for seed in 1..=6 {
        call(&mut session, TARGET, "fill", &numbers(&[AREA_BYTES, seed]));
        session.commit().unwrap();
    }
    let commits = vm.commits();
    vm.finalize_commit(commits[0]).unwrap();
    vm.checkpoint().unwrap();
    let (mut ours, mut read) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        let (elapsed, found) = timed(|| vm.verify(|_| {}));
        assert!(found.is_clean());
        ours.push(elapsed);
        read.push(timed(|| read_all(vm.root_dir())).0);
    }
    report.ratio("verify_400mib", "us", median(ours), median(read), 1.5);
}

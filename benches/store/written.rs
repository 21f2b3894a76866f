//! Bytes written: before a commit returns, and in all, with checkpoints and what they move.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crostata::{Access, Config, Session, SessionData, VM, contract_bytecode};

use crate::common::{AREA_BYTES, TARGET, call, deploy, numbers};
use crate::counting::CountingFiles;
use crate::report::Report;

/// What a commit may write beside its pages.
const ALLOWED_BYTES: f64 = 12_288.0;

pub fn commits_of_1000(report: &Report) {
    run(report, "written_1000_pages", 1_000, 200);
}

pub fn commits_of_1(report: &Report) {
    run(report, "written_1_page", 1, 5_000);
}

/// Commits of pages anywhere in an area of 64 MiB, each finalised at once.
fn run(report: &Report, name: &str, pages: u32, commits: u32) {
    let directory = tempfile::tempdir().unwrap();
    let files = CountingFiles::open(directory.path());
    let written = files.written();
    let vm = VM::with_files(Arc::new(files), Config::default()).unwrap();
    let mut session = vm.session(SessionData::builder()).unwrap();
    deploy(&mut session, contract_bytecode!("bench"), TARGET);
    call(&mut session, TARGET, "fill", &numbers(&[AREA_BYTES, 1]));
    let mut base = session.commit().unwrap();
    drop(session);
    vm.finalize_commit(base).unwrap();
    vm.checkpoint().unwrap();
    // Argument buffer and stack, whose pages are zeroed when the call ends.
    let mut session = vm.session(SessionData::builder().base(base)).unwrap();
    call(
        &mut session,
        TARGET,
        "scatter",
        &numbers(&[AREA_BYTES, 0, 1]),
    );
    let passing = written_pages(&session);
    drop(session);
    let begin = written.load(Ordering::Relaxed);
    let (mut in_commits, mut changed) = (0, 0);
    for round in 0..commits {
        let mut session = vm.session(SessionData::builder().base(base)).unwrap();
        let seed = (round + 1).wrapping_mul(0x9e37_79b1);
        call(
            &mut session,
            TARGET,
            "scatter",
            &numbers(&[AREA_BYTES, pages, seed]),
        );
        changed += written_pages(&session) - passing;
        let before = written.load(Ordering::Relaxed);
        base = session.commit().unwrap();
        in_commits += written.load(Ordering::Relaxed) - before;
        drop(session);
        vm.finalize_commit(base).unwrap();
    }
    vm.checkpoint().unwrap();
    let all = written.load(Ordering::Relaxed) - begin;
    let changed = changed as f64 * 4096.0;
    let allowance = f64::from(commits) * ALLOWED_BYTES;
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let name_all = format!("{name}_folded");
    report.ratio(
        name,
        "MB",
        mib(in_commits as f64 - allowance),
        mib(changed),
        1.3,
    );
    report.ratio(
        &name_all,
        "MB",
        mib(all as f64 - allowance),
        mib(changed),
        2.6,
    );
}

/// Pages that the latest call wrote.
fn written_pages(session: &Session) -> u64 {
    let accesses = session.page_accesses();
    let pages = accesses.iter().flat_map(|contract| &contract.pages);
    pages.filter(|(_, access)| *access == Access::Write).count() as u64
}

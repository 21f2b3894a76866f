//! Bytes written: before a commit returns, and in all, with checkpoints and what they move.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crostata::{Access, Commit, Config, Session, SessionData, VM, contract_bytecode};

use crate::common::{AREA_BYTES, TARGET, call, deploy, numbers};
use crate::counting::CountingFiles;
use crate::report::Report;

/// What a commit may write beside 1.3 times its pages, or with checkpoints 2.6 times.
const ALLOWED_KIB: f64 = 12.0;

pub fn commits_of_1000(report: &Report) {
    run(report, "written_1000_pages", 1_000, 200);
}

pub fn commits_of_1(report: &Report) {
    run(report, "written_1_page", 1, 12_000);
}

/// Commits of pages anywhere in an area of 64 MiB, each finalised at once; the same number before are not counted, so that the
/// log is not new.
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
    // Argument buffer and stack, whose pages are zeroed when the call ends.
    let passing = written_pages(&scattered(&vm, base, 0, 0));
    let mut counted = Counted::default();
    for round in 0..2 * commits {
        if round == commits {
            vm.checkpoint().unwrap();
            counted = Counted {
                begin: written.load(Ordering::Relaxed),
                ..Counted::default()
            };
        }
        let mut session = scattered(&vm, base, pages, round);
        counted.changed_pages += written_pages(&session) - passing;
        let before = written.load(Ordering::Relaxed);
        base = session.commit().unwrap();
        counted.in_commits += written.load(Ordering::Relaxed) - before;
        drop(session);
        vm.finalize_commit(base).unwrap();
    }
    vm.checkpoint().unwrap();
    let all = written.load(Ordering::Relaxed) - counted.begin;
    let per_commit = |bytes: u64| bytes as f64 / f64::from(commits) / 1024.0;
    let changed = per_commit(counted.changed_pages * 4096);
    let limit = |times: f64| times * changed + ALLOWED_KIB;
    report.ratio(name, "KB", per_commit(counted.in_commits), limit(1.3), 1.0);
    let name = format!("{name}_folded");
    report.ratio(&name, "KB", per_commit(all), limit(2.6), 1.0);
}

/// Bytes, but for the pages.
#[derive(Default)]
struct Counted {
    begin: u64,
    in_commits: u64,
    changed_pages: u64,
}

/// A session that wrote words at so many places.
fn scattered(vm: &VM, base: Commit, places: u32, round: u32) -> Session {
    let mut session = vm.session(SessionData::builder().base(base)).unwrap();
    let seed = (round + 1).wrapping_mul(0x9e37_79b1);
    let argument = numbers(&[AREA_BYTES, places, seed]);
    call(&mut session, TARGET, "scatter", &argument);
    session
}

/// Pages that the latest call wrote.
fn written_pages(session: &Session) -> u64 {
    let accesses = session.page_accesses();
    let pages = accesses.iter().flat_map(|contract| &contract.pages);
    pages.filter(|(_, access)| *access == Access::Write).count() as u64
}

//! P3, P4 and P7: verifying derives every root again from the bytes, is clean when nothing is wrong, and names file,
//! offset, contract and page of what is.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::*;
use crostata::store::files::{Files, MemoryFiles};
use crostata::{Commit, Config, LogConfig, PageIndex, Problem, VM, VerifyReport};

fn small() -> Config {
    Config {
        log: LogConfig {
            segment_bytes: 128 << 10,
            checkpoint_bytes: 1 << 30,
            checkpoint_entries: 1 << 30,
            slack_bytes: 0,
            node_cache_bytes: 1 << 20,
        },
        ..Config::default()
    }
}

fn open(files: &MemoryFiles) -> VM {
    VM::with_files(Arc::new(files.clone()), small()).unwrap()
}

fn verify(vm: &VM) -> VerifyReport {
    vm.verify(|_| {})
}

fn texts(report: &VerifyReport) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

fn write(vm: &VM, base: Commit, pages: impl IntoIterator<Item = u32>, value: u32) -> Commit {
    let mut session = over(vm, base);
    for page in pages {
        store(&mut session, id(1), page * 4096 + 16, value + page);
    }
    session.commit().unwrap()
}

/// Two contracts with one code, two checkpoints, and two branches over the last one.
fn history(vm: &VM) -> Commit {
    let mut session = fresh(vm);
    deploy_cells(&mut session, 1);
    deploy_cells(&mut session, 2);
    session
        .call_raw(id(1), "grow", words(&[20]), LIMIT)
        .unwrap();
    let first = session.commit().unwrap();
    let second = write(vm, first, 36..120, 1_000);
    vm.finalize_commit(second).unwrap();
    vm.checkpoint().unwrap();
    let third = write(vm, second, 50..60, 2_000);
    vm.finalize_commit(third).unwrap();
    vm.checkpoint().unwrap();
    let fourth = write(vm, third, 200..210, 3_000);
    write(vm, third, 220..225, 4_000);
    write(vm, fourth, 201..203, 5_000)
}

/// Flips a bit of the page that begins with these bytes at offset 16: every copy of it.
fn flip_page(files: &MemoryFiles, value: u32) -> usize {
    let mut flipped = 0;
    for name in files.names().unwrap() {
        let bytes = files.bytes(&name).unwrap();
        for (number, page) in bytes.chunks(4096).enumerate() {
            if page.len() == 4096
                && page[..16].iter().all(|byte| *byte == 0)
                && page[16..20] == value.to_le_bytes()
            {
                let at = number as u64 * 4096 + 99;
                let file = files.open(&name).unwrap();
                file.write_all_at(&[page[99] ^ 1], at).unwrap();
                flipped += 1;
            }
        }
    }
    flipped
}

#[test]
fn a_whole_store_is_clean() {
    let files = MemoryFiles::new();
    let vm = open(&files);
    let report = verify(&vm);
    assert!(report.is_clean() && report.commits == 0 && report.pages == 0);
    history(&vm);
    let last = AtomicU64::new(0);
    let report = vm.verify(|progress| {
        assert!(progress.bytes <= progress.bytes_total);
        last.fetch_max(progress.bytes, Ordering::Relaxed);
    });
    assert!(report.is_clean(), "{:?}", texts(&report));
    assert_eq!((report.commits, report.contracts, report.codes), (4, 2, 1));
    assert_eq!(report.bytes, last.into_inner());
    // 84 pages of the second commit (10 of them replaced by the third), 10, 5 and 2 of the others.
    assert_eq!(report.pages, 84 + 10 + 5 + 2, "{report:?}");
    assert!(report.nodes > 0 && report.segments > 1, "{report:?}");
    drop(vm);
    let again = verify(&open(&files));
    assert_eq!(
        (again.pages, again.nodes, again.codes, again.bytes),
        (report.pages, report.nodes, report.codes, report.bytes)
    );
}

#[test]
fn a_damaged_page_is_named_wherever_it_is_kept() {
    for (value, page, is_base) in [(1_000 + 70, 70, true), (3_000 + 205, 205, false)] {
        let files = MemoryFiles::new();
        let vm = open(&files);
        history(&vm);
        assert_eq!(flip_page(&files, value), 1);
        let report = verify(&vm);
        assert_eq!(report.findings_total, 1, "{:?}", texts(&report));
        let finding = &report.findings[0];
        assert!(matches!(finding.problem, Problem::Content(_)));
        assert_eq!(
            (finding.contract, finding.page),
            (Some(id(1)), Some(PageIndex(page)))
        );
        assert_eq!(finding.commit.is_none(), is_base);
        let (file, offset) = finding.place.clone().unwrap();
        assert_eq!(offset % 4096, 0);
        let bytes = files.bytes(&file).unwrap();
        let at = offset as usize + 16;
        assert_eq!(bytes[at..at + 4], value.to_le_bytes());
        // The same through a call: an error with file and offset, and no wrong data.
        let mut session = over(&vm, *vm.commits().last().unwrap());
        let error = session.call_raw(id(1), "load", words(&[page * 4096 + 16]), LIMIT);
        let text = format!("{:?}", error.unwrap_err());
        assert!(
            text.contains(&file) && text.contains(&offset.to_string()),
            "{text}"
        );
    }
}

#[test]
fn every_flipped_byte_of_what_is_needed_is_found() {
    let files = MemoryFiles::new();
    let vm = open(&files);
    history(&vm);
    let needed = verify(&vm).bytes;
    let (mut found, mut tried) = (0, 0_u64);
    for name in files.names().unwrap() {
        let len = files.bytes(&name).unwrap().len() as u64;
        let file = files.open(&name).unwrap();
        for at in (0..len).step_by(1_777) {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 4], at).unwrap();
            let report = verify(&vm);
            found += u64::from(!report.is_clean());
            tried += 1;
            for finding in &report.findings {
                if let Some((file, offset)) = &finding.place {
                    assert!(
                        *file == name && *offset <= at,
                        "{finding}: byte {at} of {name}"
                    );
                }
            }
            file.write_all_at(&byte, at).unwrap();
        }
    }
    let bytes = found * 1_777;
    assert!(
        bytes > needed * 9 / 10,
        "{bytes} of {needed} bytes matter; {tried} tried"
    );
    assert!(verify(&vm).is_clean());
}

#[test]
fn a_missing_segment_is_named() {
    let files = MemoryFiles::new();
    let vm = open(&files);
    history(&vm);
    drop(vm);
    let vm = open(&files);
    let missing = files.names().unwrap().remove(0);
    files.remove(&missing).unwrap();
    let report = verify(&vm);
    assert!(!report.is_clean());
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.is_missing_file())
    );
    for finding in report.findings {
        let text = finding.to_string();
        assert!(text.contains(&missing), "{text}");
    }
}

#[test]
fn commits_go_on_meanwhile() {
    let files = MemoryFiles::new();
    let vm = open(&files);
    let mut last = history(&vm);
    std::thread::scope(|scope| {
        let verifying = scope.spawn(|| {
            for _ in 0..10 {
                let report = verify(&vm);
                assert!(report.is_clean(), "{:?}", texts(&report));
            }
        });
        for round in 0..60 {
            last = write(&vm, last, [round % 7 + 20, 100], round);
            vm.finalize_commit(last).unwrap();
            if round % 5 == 0 {
                vm.checkpoint().unwrap();
            }
        }
        verifying.join().unwrap();
    });
}

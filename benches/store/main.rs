//! What the store costs beside what the disk and the hash function cost in the same run.
//!
//! Prints a table of medians: ours, the limit it is held against, their ratio, and the ratio that is wanted. Rounds
//! alternate. An argument keeps the cases whose names contain it; `large` runs the two cases with states of 10^6
//! contracts and 10^7 pages, which take minutes and some GB of disk, and nothing else does.

#[path = "../common/mod.rs"]
mod common;
mod counting;
mod durable;
mod floor;
mod growth;
mod large;
mod reopen;
mod report;
mod written;

use report::Report;

fn main() {
    // `cargo bench` passes `--bench`.
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    if let Some(directory) = std::env::var_os(large::CHILD) {
        return large::open_and_tell(directory.as_ref());
    }
    let report = Report::new(filter);
    for (name, case) in CASES {
        if report.wants(name) {
            case(&report);
        }
    }
}

type Case = fn(&Report);

const CASES: &[(&str, Case)] = &[
    ("durable_1000_pages", durable::commit_1000),
    ("growing_1000_pages", durable::commit_1000_growing),
    ("durable_1_page", durable::commit_1),
    ("written_1000_pages", written::commits_of_1000),
    ("written_1_page", written::commits_of_1),
    ("root_10000_contracts", growth::root),
    ("commit_10000_contracts", growth::commit),
    ("overlay_100000_pages", growth::overlay),
    ("reopen_1000", reopen::chain),
    ("reopen_10x300", reopen::wide_chain),
    ("verify_400mib", reopen::verify),
    ("large_contracts", large::contracts),
    ("large_pages", large::pages),
];

//! `verify-store`: everything that a store retains, read and hashed again.

use clap::Args;
use crostata::Finding;
use serde_json::{Value, json};

use super::Done;
use crate::arguments::StoreArguments;
use crate::error::CliError;
use crate::progress::Progress;
use crate::receipt::number;
use crate::screen::{Screen, Tone, plain};
use crate::store;

/// Reads everything that a store retains, derives the roots of its commits again, and tells what is damaged: file, offset, contract and page.
/// Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata verify-store
  crostata verify-store --store /var/lib/node/state --json")]
pub struct VerifyStore {
    #[command(flatten)]
    store: StoreArguments,
}

impl VerifyStore {
    /// Exit code 1 if something is damaged.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let vm = store::open(&self.store)?;
        let progress = Progress::of(screen, "verifying", 0);
        let report = vm.verify(|told| {
            progress.has_total(told.bytes_total);
            progress.is_at(told.bytes);
        });
        drop(progress);
        let tail = vm.recovery().dropped_tail.as_ref();
        if screen.is_json() {
            let findings: Value = report.findings.iter().map(finding).collect();
            screen.value(&json!({
                "clean": report.is_clean(),
                "commits": report.commits,
                "contracts": report.contracts,
                "pages": report.pages,
                "codes": report.codes,
                "nodes": report.nodes,
                "segments": report.segments,
                "bytes": report.bytes,
                "findings_total": report.findings_total,
                "findings": findings,
                "dropped_tail": tail.map(|tail| json!({
                    "file": tail.file,
                    "offset": tail.offset,
                    "bytes": tail.len_bytes,
                    "cause": tail.cause.to_string(),
                })),
            }))?;
        } else {
            if let Some(tail) = tail {
                screen.note(format!(
                    "{} bytes at the log's end, in {} from {} on, are no whole frame ({}): what a crash leaves of a write that nobody was told of",
                    number(tail.len_bytes), plain(&tail.file), tail.offset, tail.cause,
                ));
            }
            for finding in &report.findings {
                let mark = screen.paint(Tone::Bad, "damaged:");
                screen.line(format!("{mark} {}", plain(&finding.to_string())))?;
            }
            screen.line(format!(
                "{} commits, {} contracts in the final state, {} pages, {} codes, {} tree nodes; {} bytes read; {} damaged",
                report.commits,
                report.contracts,
                number(report.pages),
                report.codes,
                number(report.nodes),
                number(report.bytes),
                report.findings_total,
            ))?;
        }
        Ok(if report.is_clean() {
            Done::Well
        } else {
            Done::Failed
        })
    }
}

fn finding(finding: &Finding) -> Value {
    json!({
        "file": finding.place.as_ref().map(|(file, _)| file),
        "offset": finding.place.as_ref().map(|(_, offset)| offset),
        "commit": finding.commit.map(|commit| commit.to_string()),
        "contract": finding.contract.map(|contract| contract.to_string()),
        "page": finding.page.map(|page| page.0),
        "problem": finding.problem.to_string(),
    })
}

//! `gas`: what the calls of a contract's tests spend, and whether that is what it was.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use crostata::inspect::{Change, GasReport, GasSnapshot, Known, Tolerance, explain_changes};
use serde_json::{Value, json};

use super::test::{Test, tested};
use super::{Done, write};
use crate::error::CliError;
use crate::gas_log::{self, LOG_VARIABLE, LoggedCall};
use crate::screen::Screen;

/// Runs a contract's tests and reports what their calls spent: for each function of each contract how often, least, mean and most, and what it went to.
///
/// With `--check` it is held against the snapshot file, which says what each call of each test spends; without, the file is written. Commit it: a
/// change of gas then shows in review.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata gas
  crostata gas --check
  crostata gas --check --tolerance 2
  crostata gas transfers --snapshot target/transfers.gas")]
pub struct Gas {
    #[command(flatten)]
    test: Test,
    /// The snapshot file [default: gas.snapshot in the contract's folder].
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Compares with the snapshot file instead of writing it.
    #[arg(long)]
    check: bool,
    /// How many percent of a difference are none.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, requires = "check")]
    tolerance: u64,
}

impl Gas {
    /// Exit code 1 if a test fails, or gas is not what the snapshot says.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let before = self.check.then(|| self.before()).transpose()?;
        let folder = tempfile::tempdir().map_err(|source| CliError::Write {
            path: std::env::temp_dir(),
            source,
        })?;
        let log = folder.path().join("gas.log");
        let mut command = self.test.command(screen)?;
        command.env(LOG_VARIABLE, &log);
        if !tested(&mut command, false)?.passed {
            return Ok(Done::Failed);
        }
        let calls = gas_log::read(&log).map_err(|source| CliError::Read { path: log, source });
        let calls = calls.map_err(|_| no_calls())?;
        let (report, snapshot) = summed(&calls);
        let changes = match &before {
            Some(before) => before.check(&snapshot, Tolerance::percent(self.tolerance)),
            None => {
                write(&self.path(), snapshot.to_string().as_bytes())?;
                Vec::new()
            }
        };
        self.print(screen, &report, &changes)?;
        Ok(if changes.is_empty() {
            Done::Well
        } else {
            Done::Failed
        })
    }

    fn path(&self) -> PathBuf {
        let own = || self.test.folder().join("gas.snapshot");
        self.snapshot.clone().unwrap_or_else(own)
    }

    fn before(&self) -> Result<GasSnapshot, CliError> {
        let path = self.path();
        let text = std::fs::read_to_string(&path).map_err(|source| CliError::Read {
            path: path.clone(),
            source,
        })?;
        GasSnapshot::parse(&text).map_err(|error| {
            CliError::input(
                format!("{}: {error}", path.display()),
                "mend it, or write it anew with `crostata gas`",
            )
        })
    }

    fn print(
        &self,
        screen: &mut Screen,
        report: &GasReport,
        changes: &[Change],
    ) -> Result<(), CliError> {
        let path = self.path();
        if screen.is_json() {
            let changes: Value = changes
                .iter()
                .map(|change| json!({"case": change.case, "before": change.before, "now": change.now}))
                .collect();
            let snapshot = path.display().to_string();
            let report = report.to_json();
            return screen
                .value(&json!({"report": report, "snapshot": snapshot, "changes": changes}));
        }
        screen.line(report.to_string().trim_end())?;
        let path = path.display();
        match (self.check, changes.is_empty()) {
            (false, _) => screen.note(format!("{path} says what each call of each test spends")),
            (true, true) => screen.note(format!("all is as {path} says")),
            (true, false) => screen.note(explain_changes(changes, "crostata gas").trim_end()),
        }
        Ok(())
    }
}

fn no_calls() -> CliError {
    CliError::input(
        "no test called a contract through `crostata machine`",
        "use `Chain<crostata_testing::Remote>` in the tests, as `crostata new` writes them",
    )
}

/// All calls by function, and each call of each test.
fn summed(calls: &[LoggedCall]) -> (GasReport, GasSnapshot) {
    let (mut report, mut snapshot) = (GasReport::new(), GasSnapshot::new());
    let mut numbers: BTreeMap<(String, String, &str), u64> = BTreeMap::new();
    for call in calls {
        let mut known = Known::new();
        for (contract, label) in &call.labels {
            known.add_contract(label, *contract);
        }
        report.add(&call.trace, &known);
        let Some(frame) = call.trace.call() else {
            continue;
        };
        let (contract, function) = (known.name(&frame.contract), frame.function.clone());
        let number = numbers
            .entry((contract.clone(), function.clone(), &call.test))
            .or_default();
        *number += 1;
        let case = format!("{}.{number}", call.test);
        snapshot.set(&contract, &function, &case, frame.gas_spent);
    }
    (report, snapshot)
}

//! `profile`: where a call's gas went, as pictures and tables in a folder.

use std::path::PathBuf;

use clap::Args;
use crostata::inspect::{GasReport, HeatMap, flame_graph, folded_stacks, hot_functions, regions};
use crostata::{Error, Profile as GasProfile, Session};
use serde_json::json;

use super::call::{LIMIT_GAS, Opened, Target};
use super::{Done, write};
use crate::coverage;
use crate::error::CliError;
use crate::receipt::number;
use crate::screen::Screen;

/// Functions that are listed on the screen.
const HOT_FUNCTIONS: usize = 12;

/// Calls a contract, commits nothing, and writes into a folder where the gas went: `flame.svg` (by function of WebAssembly), `stacks.txt` (the same
/// for other tools), `heat.svg` (pages that were read and written), `gas.txt` and `gas.json` (by contract and function, split), `coverage.lcov` and
/// `coverage.html` (lines that ran, if the contract was deployed with its side file). Their totals are the gas that the call really costs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata profile token transfer bob 5
  crostata profile token transfer bob 5 --out target/profile")]
pub struct Profile {
    #[command(flatten)]
    target: Target,
    /// The folder to write.
    #[arg(long, value_name = "FOLDER", default_value = "profile")]
    out: PathBuf,
}

impl Profile {
    /// Exit code 1 if the call reverts; the profile is written nevertheless.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let mut opened = self.target.open_with(|data| data.profiled())?;
        let gas_limit = self.target.gas_limit(LIMIT_GAS);
        let called = self.target.call(screen, &mut opened, gas_limit)?;
        let profile = opened.session.take_profile();
        let profile = profile.ok_or_else(|| {
            CliError::input(
                "the call did not start, so that it has no profile",
                "see `crostata trace`",
            )
        })?;
        let title = self.target.title();
        let files = self.files(&opened, &profile, &title)?;
        std::fs::create_dir_all(&self.out).map_err(|source| CliError::Write {
            path: self.out.clone(),
            source,
        })?;
        for (name, text) in &files {
            write(&self.out.join(name), text.as_bytes())?;
        }
        let hot = hot_functions(&profile, &opened.names.known, HOT_FUNCTIONS);
        if screen.is_json() {
            let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
            screen.value(&json!({
                "outcome": if called.is_ok() { "success" } else { "reverted" },
                "gas_spent": profile.total_gas(),
                "folder": self.out.display().to_string(),
                "files": names,
            }))?;
        } else {
            screen.line(hot.trim_end())?;
            let (gas, out) = (number(profile.total_gas()), self.out.display());
            screen.note(format!("{gas} gas; {} files in {out}", files.len()));
        }
        match called {
            Ok(_) => Ok(Done::Well),
            Err(failed) => {
                opened.names.note_failure(screen, &failed.failure);
                Ok(Done::Failed)
            }
        }
    }

    fn files(
        &self,
        opened: &Opened,
        profile: &GasProfile,
        title: &str,
    ) -> Result<Vec<(&'static str, String)>, CliError> {
        let known = &opened.names.known;
        let unmade = |error: &dyn std::error::Error| CliError::Picture {
            what: error.to_string(),
        };
        let flame = flame_graph(profile, known, title).map_err(|error| unmade(&error))?;
        let mut report = GasReport::new();
        if let Some(trace) = &opened.trace {
            report.add(trace, known);
        }
        let json = format!("{:#}\n", report.to_json());
        let mut files = vec![
            ("flame.svg", flame),
            ("stacks.txt", folded_stacks(profile, known)),
            ("heat.svg", heat(opened).svg(known, title)),
            ("gas.txt", report.to_string()),
            ("gas.json", json),
        ];
        let codes = opened.names.codes.values().map(Vec::as_slice);
        files.extend(coverage::files(
            codes,
            &opened.names.side_files,
            profile,
            title,
        ));
        Ok(files)
    }
}

/// The pages that the call touched, by what lies there.
fn heat(opened: &Opened) -> HeatMap {
    let mut heat = HeatMap::new();
    heat.add(&opened.session.page_accesses());
    for (contract, code) in &opened.names.codes {
        let memory_bytes = memory_bytes(&opened.session, contract);
        // What lies where is a help, and no more.
        if let Ok(regions) = regions(code, memory_bytes) {
            heat.set_regions(*contract, regions);
        }
    }
    heat
}

fn memory_bytes(session: &Session, contract: &crostata::ContractId) -> u64 {
    let len: Result<Option<u64>, Error> = session.memory_len(contract);
    len.ok().flatten().unwrap_or(0)
}

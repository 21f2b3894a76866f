//! `replay`: what a capsule has, done again, bit by bit, without a store.

use std::path::{Path, PathBuf};

use clap::Args;
use crostata::inspect::{GasReport, HeatMap, flame_graph, folded_stacks};
use crostata::{Capsule, ContractId, Error, Step, StepReceipt, VerifiedCalls, Verifier};
use serde_json::{Value, json};

use super::{Done, read, write};
use crate::arguments::StoreArguments;
use crate::coverage;
use crate::error::CliError;
use crate::hex;
use crate::receipt::{number, short};
use crate::screen::{Screen, Tone, plain};
use crate::store;
use crate::view::{self, Names};

/// Does again what a capsule has, which `crostata call --capsule` wrote, and prints what came of it. Needs no store: the part of the state that
/// was used is in the file. Labels and side files are used if they are there: beside the capsule, where failing tests put them, or the store.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata replay transfer.capsule
  crostata replay transfer.capsule --trace -vvvv
  crostata replay transfer.capsule --out pictures
  crostata replay transfer.capsule --json | jq .receipts")]
pub struct ReplayCommand {
    /// The capsule.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Prints the trace of each call.
    #[arg(long)]
    trace: bool,
    /// How much of traces is shown, -v to -vvvvv.
    #[arg(short, action = clap::ArgAction::Count, requires = "trace")]
    verbose: u8,
    /// Writes flame graph, heat map, gas report, and the lines that ran, of all calls into this folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// The folder with side files, for source lines [default: `debug` beside the capsule].
    #[arg(long, value_name = "FOLDER")]
    debug: Option<PathBuf>,
    /// The gas that may be spent, all together: a capsule from a stranger brings limits of its own.
    #[arg(long, value_name = "GAS", default_value_t = u64::MAX, hide_default_value = true)]
    gas_max: u64,
    #[command(flatten)]
    store: StoreArguments,
}

impl ReplayCommand {
    /// Exit code 1 if the capsule was changed or comes to something else; what its calls came to does not matter.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let level = view::level(self.verbose)?;
        let bytes = read(&self.file)?;
        let unplayed = |source| CliError::Capsule {
            path: self.file.clone(),
            source,
        };
        let capsule = Capsule::decode(&bytes).map_err(|error| unplayed(error.into()))?;
        let mut names = self.names()?;
        let codes = capsule.witness.codes();
        let codes: Vec<Vec<u8>> = codes.map(|(_, code)| code.to_vec()).collect();
        codes.iter().for_each(|code| names.learn_code(code));
        let verifier = Verifier::new(store::config(&self.store.rules)?)
            .map_err(|error| unplayed(error.into()))?;
        let mut verifier = verifier.limited_to(self.gas_max).watched();
        if self.out.is_some() {
            verifier = verifier.profiled();
        }
        let replayed = verifier.replay(capsule);
        let replayed = replayed.map_err(|error| unplayed(error.into()))?;
        if let Some(out) = &self.out {
            self.pictures(out, &names, &codes, &replayed)?;
        }
        let texts: Vec<Option<String>> = replayed
            .traces
            .iter()
            .map(|trace| Some(names.render(screen, trace.as_ref()?, level)))
            .collect();
        print(screen, &names, &replayed, &texts, self.trace)?;
        Ok(Done::Well)
    }
}

impl ReplayCommand {
    /// What lies beside the capsule, and beside the store.
    fn names(&self) -> Result<Names, CliError> {
        let mut arguments = self.store.clone();
        let beside = self.file.with_extension("labels.json");
        if arguments.labels.is_none() && beside.is_file() {
            arguments.labels = Some(beside);
        }
        let mut names = Names::new(&arguments)?;
        let debug = match &self.debug {
            Some(folder) => folder.clone(),
            None => self.file.with_file_name("debug"),
        };
        names.side_files.insert(0, debug);
        Ok(names)
    }

    fn pictures(
        &self,
        out: &Path,
        names: &Names,
        codes: &[Vec<u8>],
        replayed: &VerifiedCalls,
    ) -> Result<(), CliError> {
        std::fs::create_dir_all(out).map_err(|source| CliError::Write {
            path: out.into(),
            source,
        })?;
        let title = self.file.display().to_string();
        let (mut heat, mut report) = (HeatMap::new(), GasReport::new());
        for trace in replayed.traces.iter().flatten() {
            heat.add_trace(trace);
            report.add(trace, &names.known);
        }
        write(
            &out.join("heat.svg"),
            heat.svg(&names.known, &title).as_bytes(),
        )?;
        write(&out.join("gas.txt"), report.to_string().as_bytes())?;
        let Some(profile) = &replayed.profile else {
            return Ok(());
        };
        let flame = flame_graph(profile, &names.known, &title);
        let flame = flame.map_err(|error| CliError::Picture {
            what: error.to_string(),
        })?;
        write(&out.join("flame.svg"), flame.as_bytes())?;
        let stacks = folded_stacks(profile, &names.known);
        write(&out.join("stacks.txt"), stacks.as_bytes())?;
        let codes = codes.iter().map(Vec::as_slice);
        let coverage = coverage::files(codes, &names.side_files, profile, &title);
        let mut files = coverage.iter();
        files.try_for_each(|(name, text)| write(&out.join(name), text.as_bytes()))
    }
}

fn print(
    screen: &mut Screen,
    names: &Names,
    replayed: &VerifiedCalls,
    texts: &[Option<String>],
    with_traces: bool,
) -> Result<(), CliError> {
    let steps = replayed.context.steps.iter().filter_map(called);
    let done = steps.zip(&replayed.receipts).zip(texts);
    if screen.is_json() {
        let receipts: Value = done
            .map(|(((contract, function), receipt), text)| {
                let mut value = receipt_json(names, receipt);
                value["contract"] = json!(contract.to_string());
                value["function"] = json!(function);
                value["trace"] = json!(text);
                value
            })
            .collect();
        return screen.value(&json!({
            "root_before": replayed.root_before.to_string(),
            "root_after": replayed.root_after.to_string(),
            "receipts": receipts,
        }));
    }
    for (((contract, function), receipt), text) in done {
        let place = names.labels.shown(&contract);
        let line = format!("{place}::{function}  {}", outcome(receipt));
        screen.line(plain(&line))?;
        if let Some(text) = text.as_ref().filter(|_| with_traces) {
            screen.line(text.trim_end())?;
        }
    }
    let mark = screen.paint_note(Tone::Good, "replayed");
    screen.note(format!(
        "{mark} to the same receipts and root {}",
        replayed.root_after
    ));
    Ok(())
}

/// The contract and function of a step that has a receipt.
fn called(step: &Step) -> Option<(ContractId, String)> {
    match step {
        Step::Call(call) => Some((call.contract, call.function.clone())),
        Step::Deploy(deploy) => Some((deploy.contract, "init".into())),
        _ => None,
    }
}

fn outcome(receipt: &StepReceipt) -> String {
    match receipt {
        StepReceipt::Call(Ok(receipt)) => {
            let gas = number(receipt.gas_spent);
            format!("success  {gas} gas  {}", short(&receipt.data))
        }
        StepReceipt::Deploy(Ok(_)) => "deployed".into(),
        StepReceipt::Call(Err(error)) | StepReceipt::Deploy(Err(error)) => match error.reverted() {
            Some(failed) => {
                let gas = number(failed.receipt.gas_spent);
                format!(
                    "reverted  {gas} gas  {}: {}",
                    failed.failure.reason(),
                    failed.failure.text()
                )
            }
            None => error.to_string(),
        },
    }
}

fn receipt_json(names: &Names, receipt: &StepReceipt) -> Value {
    let failed = |error: &Error| match error.reverted() {
        Some(failed) => names.receipt(&failed.receipt, Some(&failed.failure)),
        None => json!({"outcome": "rejected", "message": error.to_string()}),
    };
    match receipt {
        StepReceipt::Call(Ok(receipt)) => {
            let mut value = names.receipt(receipt, None);
            value["result_hex"] = json!(hex::shown(&receipt.data));
            value
        }
        StepReceipt::Deploy(Ok(deployed)) => json!({
            "outcome": "success",
            "init": deployed.init.as_ref().map(|init| names.receipt(init, None)),
        }),
        StepReceipt::Call(Err(error)) | StepReceipt::Deploy(Err(error)) => failed(error),
    }
}

//! `test`: a contract's tests, whose chains run in this command.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;
use crostata_testing::remote::COMMAND_VARIABLE;
use serde_json::json;

use super::Done;
use super::build;
use crate::error::CliError;
use crate::screen::Screen;

/// Builds the contract and runs `cargo test`, with contracts run by this command: the tests' own build has no VM in it. A failing test shows the
/// trace of its latest call; `-v` to `-vvvvv` says how much of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  crostata test
  crostata test transfers
  crostata test -vvvv transfers -- --nocapture")]
pub struct Test {
    /// Only tests whose name has this in it.
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
    /// The folder of the contract's Cargo.toml.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// How much of traces is shown: -v the error, -vvvvv everything [default: -vvv].
    #[arg(short, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Arguments for the test programs.
    #[arg(last = true, value_name = "ARGUMENT")]
    rest: Vec<String>,
}

/// What cargo's test programs said.
#[derive(Debug, Default)]
struct Told {
    passed: Vec<String>,
    failed: Vec<String>,
}

impl Test {
    /// Exit code 1 if a test fails.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let manifest = self.folder.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(CliError::input(
                format!("{} is no file", manifest.display()),
                "run it in a contract's folder, or name that with `--folder`; `crostata new NAME` makes one",
            ));
        }
        // Tests that run at once would wait for each other's build.
        build::build(&self.folder)?;
        let mut command = self.command()?;
        let is_json = screen.is_json();
        command.stdout(if is_json {
            Stdio::piped()
        } else {
            Stdio::inherit()
        });
        let failed = |source| CliError::Program {
            program: "cargo test".into(),
            source,
        };
        let mut child = command.spawn().map_err(failed)?;
        let told = child.stdout.take().map(|out| listen(BufReader::new(out)));
        let status = child.wait().map_err(failed)?;
        if let Some(told) = told {
            screen.value(&json!({
                "passed": status.success(),
                "tests_passed": told.passed,
                "tests_failed": told.failed,
            }))?;
        }
        Ok(if status.success() {
            Done::Well
        } else {
            Done::Failed
        })
    }

    fn command(&self) -> Result<Command, CliError> {
        let own = std::env::current_exe().map_err(|source| CliError::Program {
            program: "crostata".into(),
            source,
        })?;
        let mut command = Command::new("cargo");
        command.arg("test").current_dir(&self.folder);
        command.env(COMMAND_VARIABLE, own);
        if self.verbose > 0 {
            command.env("CROSTATA_TRACE", self.verbose.min(5).to_string());
        }
        command.args(&self.filter);
        if !self.rest.is_empty() {
            command.arg("--").args(&self.rest);
        }
        Ok(command)
    }
}

/// Passes on what the tests print, and remembers which passed.
fn listen(out: impl BufRead) -> Told {
    let mut told = Told::default();
    for line in out.lines().map_while(Result::ok) {
        let test = line
            .strip_prefix("test ")
            .and_then(|line| line.rsplit_once(" ... "));
        match test {
            Some((name, "ok")) => told.passed.push(name.to_owned()),
            Some((name, "FAILED")) => told.failed.push(name.to_owned()),
            _ => eprintln!("{line}"),
        }
    }
    told
}

//! `test`: a contract's tests, whose chains run in this command.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
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
pub struct Told {
    /// Whether all passed.
    pub passed: bool,
    tests_passed: Vec<String>,
    tests_failed: Vec<String>,
}

impl Test {
    /// Exit code 1 if a test fails.
    pub fn run(&self, screen: &mut Screen) -> Result<Done, CliError> {
        let told = tested(&mut self.command(screen)?, !screen.is_json())?;
        if screen.is_json() {
            screen.value(&json!({
                "passed": told.passed,
                "tests_passed": told.tests_passed,
                "tests_failed": told.tests_failed,
            }))?;
        }
        Ok(if told.passed {
            Done::Well
        } else {
            Done::Failed
        })
    }

    /// The folder of the contract.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What runs the tests. Builds the contract: tests that run at once would wait for each other's build.
    pub fn command(&self, screen: &mut Screen) -> Result<Command, CliError> {
        let manifest = self.folder.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(CliError::input(
                format!("{} is no file", manifest.display()),
                "run it in a contract's folder, or name that with `--folder`; `crostata new NAME` makes one",
            ));
        }
        build::build(&self.folder, screen)?;
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

/// Runs the tests; what they print goes to standard output, or else is listened to and goes to standard error.
pub fn tested(command: &mut Command, is_result: bool) -> Result<Told, CliError> {
    command.stdout(if is_result {
        Stdio::inherit()
    } else {
        Stdio::piped()
    });
    let failed = |source| CliError::Program {
        program: "cargo test".into(),
        source,
    };
    let mut child = command.spawn().map_err(failed)?;
    let told = child.stdout.take().map(|out| listen(BufReader::new(out)));
    let status = child.wait().map_err(failed)?;
    Ok(Told {
        passed: status.success(),
        ..told.unwrap_or_default()
    })
}

/// Passes on what the tests print, and remembers which passed.
fn listen(out: impl BufRead) -> Told {
    let mut told = Told::default();
    for line in out.lines().map_while(Result::ok) {
        let test = line
            .strip_prefix("test ")
            .and_then(|line| line.rsplit_once(" ... "));
        match test {
            Some((name, "ok")) => told.tests_passed.push(name.to_owned()),
            Some((name, "FAILED")) => told.tests_failed.push(name.to_owned()),
            _ => eprintln!("{line}"),
        }
    }
    told
}

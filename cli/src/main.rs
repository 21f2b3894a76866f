//! `crostata`: the contract author's command.
//!
//! What holds for every subcommand: results go to standard output and everything else to standard error; `--json` makes both JSON with
//! stable field names (`docs/cli.md`); the exit code is 0, 1 if what was asked for failed (a revert, a check, a proof), 2 for wrong usage or
//! input. Bytes that others chose (names, messages) never reach a terminal raw. A reader that goes away ends the command quietly.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod arguments;
mod commands;
mod coverage;
mod error;
mod gas_log;
mod hex;
mod interface;
mod key;
mod labels;
mod picture;
mod progress;
mod receipt;
mod screen;
mod sections;
mod store;
mod view;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use commands::Done;
use error::CliError;
use screen::Screen;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let mut screen = Screen::new(arguments.json);
    let done = commands::run(arguments.command, &mut screen);
    match done.and_then(|done| screen.finish().map(|()| done)) {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Failed) => ExitCode::from(1),
        // Who reads the output has had enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            screen.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Help and version, or what is wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|argument| argument == "--json");
    if wants_json && error.use_stderr() {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
        let text = text.to_owned();
        let error = CliError::Usage { text };
        Screen::new(true).error(&error);
        return ExitCode::from(error.exit_code());
    }
    // Nobody to tell if this can not be printed.
    let _ = error.print();
    match error.use_stderr() {
        true => ExitCode::from(2),
        false => ExitCode::SUCCESS,
    }
}

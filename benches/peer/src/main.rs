//! Runs the same contract bytecode on Crostata and on Piecrust, and compares what it takes.
//!
//! Each VM runs in a process of its own; the two take turns, a round each, so that whatever else the machine does hits
//! both. `../README.md` says what the cases are and how to run them.

mod arguments;
mod child;
mod compare;
mod ours;
mod report;

use std::process::ExitCode;

use crostata_peer_cases::{Failure, serve};

use arguments::Arguments;
use child::{Programs, Side};
use ours::Crostata;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every case could be measured.
fn run() -> Result<bool, Failure> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    if arguments.child {
        serve::<Crostata>()?;
        return Ok(true);
    }
    let programs = match arguments.ours_only {
        true => Programs::ours()?,
        false => Programs::both()?,
    };
    let sides = programs.sides();
    Ok(measure(&arguments, &sides))
}

fn measure(arguments: &Arguments, sides: &[Side<'_>]) -> bool {
    if !arguments.json {
        println!("{}", report::head());
    }
    let mut complete = true;
    for kind in arguments.cases() {
        match compare::compare(kind, sides) {
            Ok(figures) if arguments.json => println!("{}", report::json(kind, &figures)),
            Ok(figures) => println!("{}", report::row(kind, &figures)),
            Err(failure) => {
                eprintln!("{}: {failure}", kind.name);
                complete = false;
            }
        }
    }
    complete
}

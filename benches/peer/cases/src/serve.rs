//! The child's side of the talk with the parent: a line in, a line out.
//!
//! | line in | line out |
//! |---|---|
//! | `prepare NAME` | `ready FINGERPRINT` of the contracts' bytecode |
//! | `check` | `bytes HEX` |
//! | `round` | `figure NUMBER` |
//!
//! or `failed TEXT` to any of them. The child ends with its input.

use std::io::{self, BufRead, Write};

use crate::Case;
use crate::catalogue::prepare;
use crate::contracts::fingerprint;
use crate::machine::{Failure, Machine};

/// Answers until the input ends.
///
/// # Errors
/// Of the input and output only; those of a case are answers.
pub fn serve<M: Machine>() -> io::Result<()> {
    let mut case = None;
    for line in io::stdin().lock().lines() {
        let answer = answer::<M>(&line?, &mut case);
        let answer = answer.unwrap_or_else(|failure| {
            let text = failure.to_string().replace('\n', " ");
            format!("failed {text}")
        });
        let mut output = io::stdout().lock();
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn answer<M: Machine>(line: &str, case: &mut Option<Box<dyn Case>>) -> Result<String, Failure> {
    if let Some(name) = line.strip_prefix("prepare ") {
        *case = Some(prepare::<M>(name)?);
        return Ok(format!("ready {}", fingerprint()));
    }
    let case = case.as_mut().ok_or("nothing is prepared")?;
    match line {
        "check" => Ok(format!("bytes {}", hex(&case.check()?))),
        "round" => Ok(format!("figure {}", case.round()?)),
        _ => Err(format!("unknown request: {line}").into()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! A light client: it follows the roots of a chain and verifies what a node says of the state, without a VM and without a database.
//!
//! ```text
//! light-client ADDRESS --trusted HEIGHT:ID --agreed HEIGHT:ID
//! ```
//!
//! `--trusted` is a block that the client knew before, `--agreed` the newest one that the chain's consensus has agreed on. Both come from
//! somewhere else than the node: whoever could choose them could choose the state. Everything else comes from the node, and is verified.
//!
//! It ends with 0 if everything it asked for was proven and every forgery was refused, with 1 if not, and with 2 if it was not told what
//! it needs.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]
#![forbid(unsafe_code)]

mod follow;
mod forgeries;
mod node;
mod report;
mod steps;

use std::process::ExitCode;
use std::str::FromStr;

use follow::Checkpoint;
use node::Node;
use report::Report;

const USAGE: &str = "usage: light-client ADDRESS --trusted HEIGHT:ID --agreed HEIGHT:ID
  ADDRESS    of the node, as http://127.0.0.1:8080
  --trusted  a block that you trust already: its height and its commit id
  --agreed   the newest block that consensus has agreed on
The node prints the whole command when it starts: in this demo it plays the part of consensus, too.";

struct Told {
    address: String,
    trusted: Checkpoint,
    agreed: Checkpoint,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let told = match told(&arguments) {
        Ok(told) => told,
        Err(reason) => {
            eprintln!("light-client: {reason}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut report = Report::default();
    steps::run(
        &Node::at(&told.address),
        told.trusted,
        told.agreed,
        &mut report,
    );
    match report.end() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn told(arguments: &[String]) -> Result<Told, String> {
    let (mut address, mut trusted, mut agreed) = (None, None, None);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let place = match argument.as_str() {
            "--trusted" => &mut trusted,
            "--agreed" => &mut agreed,
            option if option.starts_with('-') => return Err(format!("no option {option}")),
            _ => {
                address = Some(argument.clone());
                continue;
            }
        };
        let value = arguments.next();
        let value = value.ok_or_else(|| format!("{argument} needs a block, as HEIGHT:ID"))?;
        let block = Checkpoint::from_str(value).map_err(|error| format!("{argument}: {error}"))?;
        *place = Some(block);
    }
    Ok(Told {
        address: address.ok_or("no address of a node")?,
        trusted: trusted.ok_or("no --trusted block")?,
        agreed: agreed.ok_or("no --agreed block")?,
    })
}

//! A node: a little chain in memory, whose headers and proofs it serves over HTTP on the loopback interface.
//!
//! ```text
//! light-node [--port PORT]     serves until it is stopped; port 0, the default, is any that is free
//! light-node --examples        prints proofs for the page, as JSON, and ends
//! ```
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod chain;
mod examples;
mod forge;
mod query;
mod requests;
mod serve;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use chain::Chain;

/// How many blocks there are from the start, the first included.
const BLOCKS: u64 = 10;

enum Task {
    Serve { port: u16 },
    Examples,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Some(task) = task(&arguments) else {
        eprintln!("usage: light-node [--port PORT]\n       light-node --examples");
        return ExitCode::from(2);
    };
    match run(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("light-node: {error}");
            ExitCode::FAILURE
        }
    }
}

fn task(arguments: &[String]) -> Option<Task> {
    match arguments {
        [] => Some(Task::Serve { port: 0 }),
        [option, port] if option == "--port" => port.parse().ok().map(|port| Task::Serve { port }),
        [option] if option == "--examples" => Some(Task::Examples),
        _ => None,
    }
}

fn run(task: Task) -> Result<(), Box<dyn Error>> {
    let chain = Arc::new(Chain::with_blocks(BLOCKS)?);
    match task {
        Task::Examples => {
            println!("{}", examples::json(&chain)?);
            Ok(())
        }
        Task::Serve { port } => serve::serve(chain, port),
    }
}

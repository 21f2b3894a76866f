//! The processes in which attacks run: how they are started, what they are told, what they say.

use std::env;
use std::process::{Command, Stdio};

use crate::attacks::{self, Attack};
use crate::fair;
use crate::measure::{Cost, Run, measure};

/// The argument that makes this program a child.
const CHILD: &str = "--child";

/// Runs the attack that the arguments name, if this is a child.
pub fn answer() -> bool {
    let arguments: Vec<String> = env::args().collect();
    let Some(at) = arguments.iter().position(|argument| argument == CHILD) else {
        return false;
    };
    match answer_to(&arguments[at + 1..]) {
        Some(line) => println!("{line}"),
        None => eprintln!("a child was started with unknown arguments"),
    }
    true
}

fn answer_to(arguments: &[String]) -> Option<String> {
    let [name, gas, seconds, watched] = arguments.first_chunk()?;
    let run = Run {
        budget_gas: gas.parse().ok()?,
        seconds_max: seconds.parse().ok()?,
        watched: watched == "true",
    };
    let attack = named(name)?;
    Some(match measure(&attack, run) {
        Ok(cost) => line(&cost),
        Err(error) => format!("stopped {error}"),
    })
}

fn named(name: &str) -> Option<Attack> {
    let fair = fair::program(name).map(|program| Attack {
        name: program.name,
        world: program.world,
    });
    fair.or_else(|| {
        attacks::all()
            .into_iter()
            .find(|attack| attack.name == name)
    })
}

/// Runs an attack or a fair program in a process of its own.
///
/// # Errors
/// What the child said instead of figures: it ended before its time, or its session is unusable.
pub fn ask(name: &str, run: Run) -> Result<Cost, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args([CHILD, name])
        .args([run.budget_gas.to_string(), run.seconds_max.to_string()])
        .arg(run.watched.to_string())
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    read(last).ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("{}: {last} {}", output.status, errors.trim())
    })
}

fn line(cost: &Cost) -> String {
    fields(cost).map(|field| field.to_string()).join(" ")
}

fn fields(cost: &Cost) -> [u64; 8] {
    [
        cost.gas,
        cost.steps,
        cost.succeeded,
        cost.rejected,
        cost.cpu_ns,
        cost.wall_ns,
        cost.rss_bytes,
        cost.disk_bytes,
    ]
}

fn read(line: &str) -> Option<Cost> {
    let fields: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
    let [
        gas,
        steps,
        succeeded,
        rejected,
        cpu_ns,
        wall_ns,
        rss_bytes,
        disk_bytes,
    ] = fields.ok()?.try_into().ok()?;
    Some(Cost {
        gas,
        steps,
        succeeded,
        rejected,
        cpu_ns,
        wall_ns,
        rss_bytes,
        disk_bytes,
    })
}

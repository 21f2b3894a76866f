//! What gas buys an attacker, over what it buys fair programs.
mod attacks;
mod child;
#[path = "../store/counting.rs"]
mod counting;
mod fair;
mod measure;
mod report;

use std::process::ExitCode;

use measure::Run;
use report::Figures;

/// Gas of a run, as of a block, unless `--gas` says another number.
const BUDGET_GAS: u64 = 200_000_000;
/// Timed runs of each attack.
const ROUNDS: u32 = 3;
/// An attack that takes longer is bad enough.
const SECONDS_MAX: u64 = 5;

fn main() -> ExitCode {
    if child::answer() {
        return ExitCode::SUCCESS;
    }
    let options = Options::read();
    let fair = cheapest(&options);
    if !options.json {
        report::heading();
    }
    let mut stopped = false;
    for attack in attacks::all() {
        if options.wants(attack.name) {
            stopped |= !show(&options, attack.name, fair);
        }
    }
    if stopped {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

struct Options {
    json: bool,
    run: Run,
    rounds: u32,
    filters: Vec<String>,
}

impl Options {
    fn read() -> Self {
        let mut options = Self {
            json: false,
            run: Run {
                budget_gas: BUDGET_GAS,
                seconds_max: SECONDS_MAX,
                watched: false,
            },
            rounds: ROUNDS,
            filters: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse().ok());
            match argument.as_str() {
                "--json" => options.json = true,
                "--gas" => options.run.budget_gas = number().unwrap_or(BUDGET_GAS),
                "--rounds" => options.rounds = number().map_or(ROUNDS, |rounds| rounds as u32),
                "--bench" => {}
                _ => options.filters.push(argument),
            }
        }
        options
    }

    fn wants(&self, name: &str) -> bool {
        self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|filter| name.contains(filter.as_str()))
    }
}

/// Runs every fair program, and tells which takes the least time for its gas.
fn cheapest(options: &Options) -> (&'static str, Figures) {
    let mut programs: Vec<(&'static str, Figures)> = fair::PROGRAMS
        .iter()
        .map(|program| {
            let figures = figures(options, program.name, None).expect("fair programs run");
            (program.name, figures)
        })
        .collect();
    programs.sort_by(|(_, one), (_, other)| one.ns_per_gas().total_cmp(&other.ns_per_gas()));
    let cheapest = programs[0];
    if !options.json {
        for (name, figures) in &programs {
            let ratios = figures.over(&cheapest.1);
            report::line(&format!("fair {name}"), figures, &ratios);
        }
    }
    cheapest
}

/// Runs something, in turn with `beside` if there is one; gives the least time of each.
fn figures(options: &Options, name: &str, beside: Option<&mut Figures>) -> Result<Figures, String> {
    let watched = child::ask(
        name,
        Run {
            watched: true,
            ..options.run
        },
    )?;
    let mut timed = child::ask(name, options.run)?;
    let _ = beside;
    for _ in 1..options.rounds {
        let again = child::ask(name, options.run)?;
        if again.cpu_ns as f64 / again.gas.max(1) as f64
            <= timed.cpu_ns as f64 / timed.gas.max(1) as f64
        {
            timed = again;
        }
    }
    Ok(Figures { timed, watched })
}

/// Runs an attack and tells of it; `false` if it stopped the node.
fn show(options: &Options, name: &str, fair: (&'static str, Figures)) -> bool {
    let figures = match figures(options, name, None) {
        Ok(figures) => figures,
        Err(said) => {
            eprintln!("{name} stopped the node: {said}");
            return false;
        }
    };
    let ratios = figures.over(&fair.1);
    match options.json {
        true => report::json(name, &ratios),
        false => report::line(name, &figures, &ratios),
    }
    true
}

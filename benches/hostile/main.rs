//! What gas buys an attacker, over what it buys fair programs.
//!
//! `cargo bench --bench hostile` prints a table, `-- --json` a line per attack and nothing else, `{"name", "time_x", "rss_x", "disk_x"}`; `-- NAME ..`
//! keeps the attacks whose names contain one of these; `--rounds N` and `--gas N` set what is said below. The program fails if an attack stopped its node.
//!
//! **What a run is.** An attack has a world, which is what is committed before, and transactions. Each run has a process and a directory of
//! its own, and is a block: a session is opened over the base, transactions are taken until 200 million gas are paid or five seconds have passed, the
//! session is committed. All of that counts, and so do the fixed costs; what comes before, and reading the files, does not, but for attacks whose
//! name says `cold`: there the node has just started, and the system was told to forget the files.
//!
//! **What is paid** is what the VM says: the gas of receipts, failed calls included, and `deploy_price` of deployments, failed and rejected ones included. A
//! rejected call has no receipt; it counts as 20,000 gas, the price of a contract's first frame, which is the least that a call from outside costs.
//!
//! **Time** is the processor time of the process, all threads, in the system too: on a machine that does something else besides, wall time says what
//! the others do. Each figure is the least of its rounds, in each of which all fair programs and all attacks run in turn. Time spent waiting for the disk is not
//! in it; the table has wall time beside it.
//!
//! **Memory** is how much `RssAnon` of `/proc/self/status` and the memory files of images, mapped or not, grew at most from the session's opening to the
//! commit's end, looked at every millisecond in a run that is not timed. **Disk** is bytes written to the VM's files.
//!
//! **The ratios** are each of these per gas, over the same of the *cheapest fair program*: the one of six (`fair`) that takes the least time per gas.
mod attacks;
mod child;
#[path = "../store/counting.rs"]
mod counting;
mod fair;
mod measure;
mod report;

use std::process::ExitCode;

use attacks::Attack;
use measure::Run;
use report::Figures;

/// Gas of a run, as of a block, unless `--gas` says another number.
const BUDGET_GAS: u64 = 200_000_000;
/// Timed runs of each attack.
const ROUNDS: u32 = 2;
/// An attack that takes longer is bad enough.
const SECONDS_MAX: u64 = 5;

fn main() -> ExitCode {
    if child::answer() {
        return ExitCode::SUCCESS;
    }
    let options = Options::read();
    let mut fair = options.candidates(fair::PROGRAMS);
    let mut hostile = options.candidates(attacks::all());
    hostile.retain(|candidate| options.wants(candidate.name));
    if hostile.is_empty() {
        return ExitCode::SUCCESS;
    }
    for round in 0..=options.rounds {
        let run = Run {
            watched: round == 0,
            ..options.run
        };
        let all = fair.iter_mut().chain(&mut hostile);
        all.for_each(|candidate| candidate.take_part(run));
    }
    tell(&options, &fair, &hostile)
}

/// An attack or a fair program, with what its runs took so far.
struct Candidate {
    name: &'static str,
    figures: Figures,
    /// What it said instead of figures, if it ever did.
    stopped: Option<String>,
}

impl Candidate {
    fn take_part(&mut self, run: Run) {
        match child::ask(self.name, run) {
            Ok(cost) => self.figures.add(cost, run.watched),
            Err(said) => self.stopped = Some(said),
        }
    }
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
                // `--bench` is Cargo's, others are of benches that run beside this one.
                other if other.starts_with("--") => {}
                _ => options.filters.push(argument),
            }
        }
        options
    }

    fn candidates(&self, attacks: impl IntoIterator<Item = Attack>) -> Vec<Candidate> {
        let candidates = attacks.into_iter().map(|attack| Candidate {
            name: attack.name,
            figures: Figures::default(),
            stopped: None,
        });
        candidates.collect()
    }

    fn wants(&self, name: &str) -> bool {
        let mut filters = self.filters.iter();
        self.filters.is_empty() || filters.any(|filter| name.contains(filter.as_str()))
    }
}

/// Prints everything; a failure if something stopped a node.
fn tell(options: &Options, fair: &[Candidate], hostile: &[Candidate]) -> ExitCode {
    let ns = |candidate: &&Candidate| candidate.figures.ns_per_gas();
    let cheapest = fair
        .iter()
        .min_by(|one, other| ns(one).total_cmp(&ns(other)));
    let Some(cheapest) = cheapest else {
        return ExitCode::FAILURE;
    };
    if !options.json {
        report::heading();
        for program in fair {
            let ratios = program.figures.over(&cheapest.figures);
            report::line(
                &format!("fair: {}", program.name),
                &program.figures,
                &ratios,
            );
        }
    }
    for attack in hostile.iter().filter(|attack| attack.stopped.is_none()) {
        let ratios = attack.figures.over(&cheapest.figures);
        match options.json {
            true => report::json(attack.name, &ratios),
            false => report::line(attack.name, &attack.figures, &ratios),
        }
    }
    let mut code = ExitCode::SUCCESS;
    for candidate in fair.iter().chain(hostile) {
        if let Some(said) = &candidate.stopped {
            eprintln!("{} stopped its node: {said}", candidate.name);
            code = ExitCode::FAILURE;
        }
    }
    code
}

//! Many cases: runs them, counts what they did, and keeps those on which somebody disagrees.

use std::sync::atomic::{AtomicU64, Ordering};

use crostata::{Backend, Outcome};

use super::case::{Case, found};
use super::generate;
use super::lane::{Lane, Ran, Seen, Told};
use super::oracle::{self, Opinion};
use super::shrink::shrink;

/// What cases did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub modules: u64,
    /// Modules that the rules refuse; the others are run.
    pub rejected: u64,
    /// Modules with a call that returns, or runs until its gas is gone.
    pub running: u64,
    /// Calls, tries that were undone included.
    pub calls: u64,
    pub returned: u64,
    pub out_of_gas: u64,
    pub stack_exhausted: u64,
    pub trapped: u64,
    /// Gas of all calls that returned.
    pub gas: u64,
    /// Modules, and calls, that wasmi agrees on.
    pub judged: u64,
    pub judged_calls: u64,
    /// Modules on which wasmi can not say anything more at some call.
    pub silent: u64,
    pub disagreements: u64,
}

macro_rules! add {
    ($left:ident $right:ident $($field:ident)*) => { Counts { $($field: $left.$field + $right.$field,)* } };
}

impl Counts {
    fn and(self, other: Self) -> Self {
        add!(self other modules rejected running calls returned out_of_gas stack_exhausted trapped gas
            judged judged_calls silent disagreements)
    }

    fn see(&mut self, seen: &Seen) {
        self.calls += 1;
        match &seen.ended {
            Ok(_) => {
                self.returned += 1;
                self.gas += seen.gas;
            }
            Err((Outcome::OutOfGas, ..)) => self.out_of_gas += 1,
            Err((Outcome::StackExhausted, ..)) => self.stack_exhausted += 1,
            Err(_) => self.trapped += 1,
        }
    }
}

/// The lanes that cases are run on.
pub struct Lanes {
    pub native: Lane,
    pub portable: Lane,
}

impl Lanes {
    /// One for each backend.
    pub fn new() -> Self {
        Self {
            native: Lane::of(Backend::Native),
            portable: Lane::of(Backend::Portable),
        }
    }

    /// Runs a case everywhere.
    ///
    /// # Errors
    /// What the disagreement is.
    pub fn run(&self, case: &Case) -> Result<Counts, String> {
        let native = self.native.run(case)?;
        let portable = self.portable.run(case)?;
        if let Some(what) = native.difference(&portable) {
            return Err(format!("native and portable: {what}"));
        }
        let mut counts = Counts {
            modules: 1,
            ..Counts::default()
        };
        let ran = match native {
            Told::Ran(ran) => ran,
            Told::Rejected(why) => {
                println!("{} is rejected: {why}", case.name);
                counts.rejected = 1;
                return Ok(counts);
            }
        };
        ran.seen.iter().for_each(|seen| counts.see(seen));
        counts.running = u64::from(ran.calls.iter().any(|at| is_running(&ran.seen[*at])));
        if !case.calls_host() {
            hold_probes(case, &ran)?;
            match oracle::judge(case, &ran) {
                Opinion::Differs(what) => return Err(format!("the VM and wasmi: {what}")),
                Opinion::Agrees(calls) => counts.judged_calls = calls as u64,
                Opinion::Silent(calls) => (counts.judged_calls, counts.silent) = (calls as u64, 1),
            }
            counts.judged = 1;
        }
        Ok(counts)
    }
}

/// Whether the call does something: it returns, or spends all of an ordinary call's gas.
fn is_running(seen: &Seen) -> bool {
    match &seen.ended {
        Ok(_) => true,
        Err((outcome, ..)) => *outcome == Outcome::OutOfGas && seen.gas >= generate::GAS,
    }
}

/// What a call costs and does is no matter of its limit, if that suffices: with one gas more than it spent it is the same
/// call, with as much as it spent it is out of gas. (Code that calls nobody can not see its limit.)
fn hold_probes(case: &Case, ran: &Ran) -> Result<(), String> {
    for (call, at) in case.calls.iter().zip(&ran.calls) {
        if !call.probed || ran.seen[*at].ended.is_err() {
            continue;
        }
        let [tried, enough, too_little, ..] = &ran.seen[at - 5..*at] else {
            return Err("a try is missing".to_owned());
        };
        let made = &ran.seen[*at];
        let same = |other: &Seen| {
            (&other.ended, other.gas, other.root) == (&made.ended, made.gas, made.root)
        };
        if !same(tried) || !same(enough) {
            return Err(format!(
                "run {at} is not what its tries were: {made:?}, {tried:?}, {enough:?}"
            ));
        }
        if !matches!(&too_little.ended, Err((Outcome::OutOfGas, ..))) {
            return Err(format!(
                "run {at}: a limit of what was spent sufficed: {too_little:?}"
            ));
        }
    }
    Ok(())
}

/// Runs a case; keeps it, made smaller, and says how to run it again if anybody disagrees.
pub fn run(lanes: &Lanes, case: &Case) -> Counts {
    let what = match outcome(lanes, case) {
        Ok(counts) => return counts,
        Err(what) => what,
    };
    let path = case.save(&found(), &what);
    let path = path.display();
    println!(
        "DISAGREEMENT in {}: {what}\nreplay with CROSTATA_DIFFERENTIAL_CASE={path} cargo test --test differential replayed -- --nocapture",
        case.name
    );
    let kind = kind(&what);
    let mut small = shrink(case, |case| {
        outcome(lanes, case).is_err_and(|what| self::kind(&what) == kind)
    });
    small.name += "-small";
    let path = small.save(&found(), &what);
    println!("made smaller: {}\n{small}", path.display());
    Counts {
        modules: 1,
        disagreements: 1,
        ..Counts::default()
    }
}

fn outcome(lanes: &Lanes, case: &Case) -> Result<Counts, String> {
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lanes.run(case)));
    ran.unwrap_or_else(|_| Err("a panic".to_owned()))
}

/// Who disagrees: what stands before the colon.
fn kind(what: &str) -> &str {
    what.split(':').next().unwrap_or(what)
}

/// Runs the cases of so many seeds from the first on, on all processors.
///
/// Threads of our own take the seeds: in rayon's, a case that waits for its compilation would begin another, deeper and deeper.
pub fn run_seeds(first: u64, count: u64) -> Counts {
    // Compiled code is dropped with each case; what else a VM keeps of a code is dropped with the VM.
    const SEEDS_PER_VM: u64 = 1_000;
    let mut counts = Counts::default();
    for begin in (first..first + count).step_by(SEEDS_PER_VM as usize) {
        let end = (begin + SEEDS_PER_VM).min(first + count);
        counts = counts.and(run_some(begin, end));
        if count > SEEDS_PER_VM {
            println!("seeds below {end}: {counts:?}");
        }
    }
    counts
}

fn run_some(begin: u64, end: u64) -> Counts {
    let (lanes, next) = (Lanes::new(), AtomicU64::new(begin));
    let work = || {
        let mut counts = Counts::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return counts;
            }
            counts = counts.and(run(&lanes, &generate::case(seed)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let counts = running.into_iter().map(|thread| thread.join().unwrap());
        counts.fold(Counts::default(), Counts::and)
    })
}

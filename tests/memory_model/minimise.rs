//! Running cases, and making those that fail small enough to be understood.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::generate::{Operation, operations};
use super::mover::Step;
use super::world::{Counts, Stage, Wrong};

/// Time for making a failing case smaller.
const MINIMISE_TIME: Duration = Duration::from_secs(60);

/// The seed of the first case, unless the environment gives another.
const SEED: &str = "CROSTATA_MODEL_SEED";

/// How many cases, unless the test says so.
const CASES: &str = "CROSTATA_MODEL_CASES";

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs cases of `count` operations, each from a seed of its own. Panics at the first that fails, with its seed and the
/// smallest case found that fails too. Gives what was done in all.
pub fn hold(stage: &Stage, first_seed: u64, cases: u64, count: usize) -> Counts {
    let first_seed = from_environment(SEED).unwrap_or(first_seed);
    let cases = from_environment(CASES).unwrap_or(cases);
    let mut total = Counts::default();
    for seed in first_seed..first_seed + cases {
        let operations = operations(seed, stage.shape(), count);
        match run(stage, &operations) {
            Ok(counts) => total.add(counts),
            Err(wrong) => fail(stage, seed, operations, &wrong),
        }
    }
    println!("seeds {first_seed} and {cases} more: {total:?}");
    total
}

fn run(stage: &Stage, operations: &[Operation]) -> Result<Counts, Wrong> {
    match catch_unwind(AssertUnwindSafe(|| stage.run(operations))) {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("panic: {}", text.unwrap_or_default()))
        }
    }
}

fn fail(stage: &Stage, seed: u64, operations: Vec<Operation>, wrong: &str) -> ! {
    println!("seed {seed} fails: {wrong}");
    let (smaller, wrong) = minimise(stage, operations, wrong.to_owned());
    let lines: Vec<_> = smaller
        .iter()
        .map(|operation| format!("{operation:?}"))
        .collect();
    panic!(
        "replay with {SEED}={seed} {CASES}=1\n{wrong}\n{}",
        lines.join("\n")
    );
}

/// Leaves operations and steps out as long as the rest still fails.
fn minimise(stage: &Stage, operations: Vec<Operation>, wrong: Wrong) -> (Vec<Operation>, Wrong) {
    let end = Instant::now() + MINIMISE_TIME;
    let (mut smallest, mut wrong) = (operations, wrong);
    let mut chunk = smallest.len().div_ceil(2);
    while chunk > 0 && Instant::now() < end {
        let mut at = smallest.len();
        let mut progress = false;
        while at > 0 && Instant::now() < end {
            at = at.saturating_sub(chunk);
            let mut fewer = smallest.clone();
            fewer.drain(at..(at + chunk).min(smallest.len()));
            if let Err(still) = run(stage, &fewer) {
                (smallest, wrong, progress) = (fewer, still, true);
            }
        }
        if chunk > 1 || !progress {
            chunk /= 2;
        }
    }
    for at in 0..smallest.len() {
        thin(stage, &mut smallest, &mut wrong, at, end);
    }
    (smallest, wrong)
}

/// Leaves steps out of one call.
fn thin(stage: &Stage, operations: &mut [Operation], wrong: &mut Wrong, at: usize, end: Instant) {
    let mut step = 0;
    while Instant::now() < end {
        let Operation::Call { steps, .. } = &operations[at] else {
            return;
        };
        let Some(fewer) = without(steps, step) else {
            return;
        };
        let mut thinner = operations.to_vec();
        if let Operation::Call { steps, .. } = &mut thinner[at] {
            *steps = fewer;
        }
        match run(stage, &thinner) {
            Ok(_) => step += 1,
            Err(still) => {
                operations.clone_from_slice(&thinner);
                *wrong = still;
            }
        }
    }
}

/// The steps without the one that is `number`th in the order of their running; `None` if there are fewer.
fn without(steps: &[Step], number: usize) -> Option<Vec<Step>> {
    let mut fewer = steps.to_vec();
    let mut left = number;
    leave_out(&mut fewer, &mut left).then_some(fewer)
}

fn leave_out(steps: &mut Vec<Step>, left: &mut usize) -> bool {
    for at in 0..steps.len() {
        if *left == 0 {
            steps.remove(at);
            return true;
        }
        *left -= 1;
        if let Step::Call(nested) = &mut steps[at]
            && leave_out(&mut nested.steps, left)
        {
            return true;
        }
    }
    false
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.operations += other.operations;
        self.steps += other.steps;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.frames += other.frames;
    }
}

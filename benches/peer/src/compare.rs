//! One case on all sides, in turns.

use std::time::{Duration, Instant};

use crostata_peer_cases::{Failure, Kind};

use crate::child::{Running, Side};

/// Rounds that are not counted.
const WARM_UP: usize = 2;
/// Rounds that are always counted, and the most that are.
const ROUNDS: std::ops::RangeInclusive<usize> = 7..=41;
/// Rounds with fresh processes.
const FRESH_ROUNDS: usize = 3;
/// How long rounds go on after the least number of them.
const BUDGET: Duration = Duration::from_millis(2_500);

/// The medians of a case.
pub struct Figures {
    /// Our VM's.
    pub ours: u64,
    /// The peer's, if it ran.
    pub peer: Option<u64>,
}

/// Measures a case.
pub fn compare(kind: &Kind, sides: &[Side<'_>]) -> Result<Figures, Failure> {
    let samples = match kind.fresh {
        true => fresh(kind, sides)?,
        false => lasting(kind, sides)?,
    };
    let mut medians = samples.into_iter().map(median);
    Ok(Figures {
        ours: medians.next().ok_or("no side ran")?,
        peer: medians.next(),
    })
}

/// Rounds in one process per side.
fn lasting(kind: &Kind, sides: &[Side<'_>]) -> Result<Vec<Vec<u64>>, Failure> {
    let mut running = prepare(kind, sides)?;
    agree(&mut running)?;
    for _ in 0..WARM_UP {
        turn(&mut running)?;
    }
    let mut samples = vec![Vec::new(); sides.len()];
    let begin = Instant::now();
    for round in 1..=*ROUNDS.end() {
        append(&mut samples, turn(&mut running)?);
        if round >= *ROUNDS.start() && begin.elapsed() > BUDGET {
            break;
        }
    }
    Ok(samples)
}

/// Rounds in a new process each, checked afterwards.
fn fresh(kind: &Kind, sides: &[Side<'_>]) -> Result<Vec<Vec<u64>>, Failure> {
    let mut samples = vec![Vec::new(); sides.len()];
    for _ in 0..FRESH_ROUNDS {
        let mut running = prepare(kind, sides)?;
        append(&mut samples, turn(&mut running)?);
        agree(&mut running)?;
    }
    Ok(samples)
}

fn prepare(kind: &Kind, sides: &[Side<'_>]) -> Result<Vec<Running>, Failure> {
    let running = sides.iter().map(|side| side.prepare(kind.name));
    let running: Vec<_> = running.collect::<Result<_, _>>()?;
    match running
        .windows(2)
        .all(|pair| pair[0].runs_the_same_as(&pair[1]))
    {
        true => Ok(running),
        false => Err("the two sides were built with different contracts".into()),
    }
}

/// A round on each side.
fn turn(running: &mut [Running]) -> Result<Vec<u64>, Failure> {
    running.iter_mut().map(Running::round).collect()
}

/// All sides compute the same.
fn agree(running: &mut [Running]) -> Result<(), Failure> {
    let answers = running.iter_mut().map(Running::check);
    let answers: Vec<_> = answers.collect::<Result<_, _>>()?;
    match answers.windows(2).all(|pair| pair[0] == pair[1]) {
        true => Ok(()),
        false => Err(format!("the VMs compute different things: {answers:?}").into()),
    }
}

fn append(samples: &mut [Vec<u64>], round: Vec<u64>) {
    for (samples, figure) in samples.iter_mut().zip(round) {
        samples.push(figure);
    }
}

fn median(mut figures: Vec<u64>) -> u64 {
    figures.sort_unstable();
    figures[figures.len() / 2]
}

//! Rounds, medians, and lines of the table.

use std::time::{Duration, Instant};

/// What to run and how to print it.
pub struct Report {
    filter: Option<String>,
}

impl Report {
    pub fn new(filter: Option<String>) -> Self {
        println!(
            "{:28} {:>14} {:>14} {:>8}  wanted",
            "case", "ours", "limit", "ratio"
        );
        Self { filter }
    }

    /// The large cases run only when they are asked for.
    pub fn wants(&self, name: &str) -> bool {
        match &self.filter {
            Some(filter) => name.contains(filter.as_str()),
            None => !name.starts_with("large"),
        }
    }

    /// A line: two figures with a unit, and what their ratio should be at most.
    pub fn ratio(&self, name: &str, unit: &str, ours: f64, limit: f64, wanted: f64) {
        let ratio = ours / limit;
        let verdict = if ratio <= wanted { "" } else { "  MISSED" };
        println!(
            "{name:28} {ours:>11.1} {unit:2} {limit:>11.1} {unit:2} {ratio:>8.2}  <= {wanted}{verdict}"
        );
    }

    /// A line without a limit of the same run.
    pub fn figure(&self, name: &str, unit: &str, ours: f64, wanted: &str) {
        println!(
            "{name:28} {ours:>11.1} {unit:2} {:>14} {:>8}  {wanted}",
            "", ""
        );
    }
}

/// The middle one.
pub fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// Medians of both in microseconds, taking turns; the first rounds are not counted.
pub fn alternate(
    rounds: usize,
    mut ours: impl FnMut() -> Duration,
    mut limit: impl FnMut() -> Duration,
) -> (f64, f64) {
    const WARM_UP: usize = 3;
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for _ in 0..rounds + WARM_UP {
        one.push(ours());
        other.push(limit());
    }
    (
        median(one.split_off(WARM_UP)),
        median(other.split_off(WARM_UP)),
    )
}

/// How long it takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed(), result)
}

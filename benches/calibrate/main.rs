//! Calibration of the gas schedule: what everything that has a price takes, in time and in the gas it is charged.
//!
//!     cargo bench --bench calibrate            # all of it
//!     cargo bench --bench calibrate -- page    # the rules whose names contain this
//!
//! For each rule a contract does the priced thing many times in a loop; the same loop without it is measured beside it, in turns,
//! and taken off. Times are those of the thread on the processor, the least of several rounds: what the machine did beside it adds,
//! and nothing takes away. The fair programs of `contracts/bench` say what gas is worth: `fair` is the time per gas of the median one.
//!
//! The columns: nanoseconds for one, gas charged for one, nanoseconds per gas, that over `cheapest`, which is the least time per
//! gas of a fair program (P6 allows 10), and the gas that it would be charged if it were as dear as `fair`.

#[path = "../common/mod.rs"]
mod common;
mod fair;
mod host;
mod measure;
mod operators;

use measure::Cost;

/// What gas is worth in fair programs, in nanoseconds.
struct Worth {
    cheapest: f64,
    fair: f64,
}

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let wanted = |name: &str| filter.as_deref().is_none_or(|filter| name.contains(filter));
    let worth = fair_programs();
    let table = format!(
        "{:44} {:>10} {:>10} {:>8} {:>7} {:>10}",
        "rule", "ns", "gas", "ns/gas", "x", "fair gas"
    );
    println!("\n{table}");
    operators::each(&wanted, |name, cost| show(name, cost, &worth));
    host::each(&wanted, |name, cost| show(name, cost, &worth));
}

fn fair_programs() -> Worth {
    println!(
        "{:44} {:>10} {:>14} {:>8}",
        "fair program", "ms", "gas", "ns/gas"
    );
    let mut rates = Vec::new();
    for (name, cost) in fair::programs() {
        println!(
            "{name:44} {:10.2} {:14.0} {:8.3}",
            cost.ns / 1e6,
            cost.gas,
            cost.rate()
        );
        rates.push(cost.rate());
    }
    rates.sort_by(f64::total_cmp);
    let (least, most) = (rates[0], rates[rates.len() - 1]);
    println!(
        "spread {:.2}: from {least:.3} to {most:.3} ns per gas",
        most / least
    );
    Worth {
        cheapest: least,
        fair: rates[rates.len() / 2],
    }
}

fn show(name: &str, cost: Cost, worth: &Worth) {
    println!(
        "{name:44} {:10.2} {:10.2} {:8.3} {:7.2} {:10.1}",
        cost.ns,
        cost.gas,
        cost.rate(),
        cost.rate() / worth.cheapest,
        cost.ns / worth.fair,
    );
}

//! Figures per gas, held against the cheapest fair program's, as lines for people or for programs.

use crate::measure::Cost;

/// What an attack took in all its runs: the least time, and memory and disk of the watched run.
#[derive(Default, Clone, Copy)]
pub struct Figures {
    pub timed: Cost,
    pub watched: Cost,
}

/// How many times as much a unit of gas bought.
pub struct Ratios {
    pub time: f64,
    pub rss: f64,
    pub disk: f64,
}

impl Figures {
    /// Takes what another run took.
    pub fn add(&mut self, cost: Cost, watched: bool) {
        if watched {
            self.watched = cost;
        } else if self.timed.gas == 0 || ns_per_gas(&cost) < self.ns_per_gas() {
            self.timed = cost;
        }
    }

    /// Processor time per gas.
    pub fn ns_per_gas(&self) -> f64 {
        ns_per_gas(&self.timed)
    }

    fn rss_per_gas(&self) -> f64 {
        self.watched.rss_bytes as f64 / self.watched.gas.max(1) as f64
    }

    fn disk_per_gas(&self) -> f64 {
        self.watched.disk_bytes as f64 / self.watched.gas.max(1) as f64
    }

    /// Over what a fair program took.
    pub fn over(&self, fair: &Figures) -> Ratios {
        Ratios {
            time: self.ns_per_gas() / fair.ns_per_gas(),
            rss: self.rss_per_gas() / fair.rss_per_gas(),
            disk: self.disk_per_gas() / fair.disk_per_gas(),
        }
    }
}

fn ns_per_gas(cost: &Cost) -> f64 {
    cost.cpu_ns as f64 / cost.gas.max(1) as f64
}

/// The heading of the table.
pub fn heading() {
    println!(
        "{:<40} {:>9} {:>9} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "attack",
        "time_x",
        "rss_x",
        "disk_x",
        "gas",
        "steps",
        "done",
        "refused",
        "ns/gas",
        "wall/gas",
        "us/step",
        "rss KiB",
        "disk KiB"
    );
}

/// A line of the table.
pub fn line(name: &str, figures: &Figures, ratios: &Ratios) {
    let (timed, watched) = (&figures.timed, &figures.watched);
    println!(
        "{name:<40} {:>9.2} {:>9.2} {:>9.2} {:>10} {:>9} {:>9} {:>9} {:>9.3} {:>9.3} {:>9.1} {:>9} {:>9}",
        ratios.time,
        ratios.rss,
        ratios.disk,
        timed.gas,
        timed.steps,
        timed.succeeded,
        timed.rejected,
        figures.ns_per_gas(),
        timed.wall_ns as f64 / timed.gas.max(1) as f64,
        timed.cpu_ns as f64 / timed.steps.max(1) as f64 / 1e3,
        watched.rss_bytes >> 10,
        watched.disk_bytes >> 10,
    );
}

/// A line for programs.
pub fn json(name: &str, ratios: &Ratios) {
    println!(
        r#"{{"name": "{name}", "time_x": {:.3}, "rss_x": {:.3}, "disk_x": {:.3}}}"#,
        ratios.time, ratios.rss, ratios.disk
    );
}

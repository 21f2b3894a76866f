//! Gas reports: what each function of each contract spent in all calls that were watched, and for what.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde_json::{Value, json};

use super::known::Known;
use super::safe;
use crate::engine::GasSplit;
use crate::session::{CallTrace, TracedFrame};

/// Characters of a name in the table.
const NAME_MAX: usize = 48;

/// Functions that a report tells apart. Those that come later are added up under `…`.
pub const REPORT_ROWS_MAX: usize = 10_000;

/// What functions of contracts spent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GasReport {
    rows: BTreeMap<(String, String), GasRow>,
}

/// What one function spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GasRow {
    /// How often it was called, by the host or by contracts.
    pub calls: u64,
    /// How many of these calls failed.
    pub failures: u64,
    /// The least gas of a call, callees included.
    pub min_gas: u64,
    /// The most.
    pub max_gas: u64,
    /// All.
    pub sum_gas: u64,
    /// What all that went to.
    pub split: GasSplit,
}

impl GasRow {
    /// The mean gas of a call, rounded down.
    pub fn mean_gas(&self) -> u64 {
        self.sum_gas / self.calls.max(1)
    }

    fn add(&mut self, frame: &TracedFrame) {
        self.calls += 1;
        self.failures += u64::from(frame.result.is_err());
        self.min_gas = self.min_gas.min(frame.gas_spent);
        self.max_gas = self.max_gas.max(frame.gas_spent);
        self.sum_gas = self.sum_gas.saturating_add(frame.gas_spent);
        let (sum, gas) = (&mut self.split, &frame.gas);
        sum.instructions = sum.instructions.saturating_add(gas.instructions);
        sum.host = sum.host.saturating_add(gas.host);
        sum.memory = sum.memory.saturating_add(gas.memory);
        sum.calls = sum.calls.saturating_add(gas.calls);
    }
}

impl GasReport {
    /// Of no calls yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds all frames of a call. Contracts are called as `known` calls them.
    pub fn add(&mut self, trace: &CallTrace, known: &Known) {
        for frame in &trace.frames {
            let name = (
                known.name(&frame.contract),
                safe::cut(&frame.function, NAME_MAX),
            );
            let is_full = self.rows.len() >= REPORT_ROWS_MAX && !self.rows.contains_key(&name);
            let name = match is_full {
                true => ("…".to_owned(), "…".to_owned()),
                false => name,
            };
            self.rows.entry(name).or_insert(EMPTY).add(frame);
        }
    }

    /// The rows: contract, function, and what it spent.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, &GasRow)> {
        let rows = self.rows.iter();
        rows.map(|((contract, function), row)| (contract.as_str(), function.as_str(), row))
    }

    /// The report for other programs: a list of objects, gas in numbers.
    pub fn to_json(&self) -> Value {
        let rows = self.rows().map(|(contract, function, row)| {
            json!({
                "contract": contract,
                "function": function,
                "calls": row.calls,
                "failures": row.failures,
                "gas": {
                    "min": row.min_gas,
                    "mean": row.mean_gas(),
                    "max": row.max_gas,
                    "sum": row.sum_gas,
                    "instructions": row.split.instructions,
                    "host": row.split.host,
                    "memory": row.split.memory,
                    "calls": row.split.calls,
                },
            })
        });
        Value::Array(rows.collect())
    }
}

const EMPTY: GasRow = GasRow {
    calls: 0,
    failures: 0,
    min_gas: u64::MAX,
    max_gas: 0,
    sum_gas: 0,
    split: GasSplit {
        instructions: 0,
        host: 0,
        memory: 0,
        calls: 0,
    },
};

/// A table: a block for each contract, gas per call, then the parts of all gas in percent.
impl fmt::Display for GasReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .rows
            .keys()
            .map(|(_, function)| function.chars().count() + 2);
        let contracts = self
            .rows
            .keys()
            .map(|(contract, _)| contract.chars().count());
        let width = names.chain(contracts).max().unwrap_or(0).max(10);
        writeln!(
            f,
            "{:<width$}{:>7}{:>7}{:>13}{:>13}{:>13}{:>8}{:>7}{:>8}{:>7}",
            "", "calls", "failed", "min", "mean", "max", "instr.", "host", "memory", "calls"
        )?;
        let mut latest = None;
        for (contract, function, row) in self.rows() {
            if latest != Some(contract) {
                writeln!(f, "{contract}")?;
                latest = Some(contract);
            }
            let mut line = format!("  {function}");
            let used = line.chars().count();
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
            row.write(&mut line)?;
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl GasRow {
    fn write(&self, line: &mut String) -> fmt::Result {
        let failures = match self.failures {
            0 => String::new(),
            failures => safe::number(failures),
        };
        let part = |gas: u64| match self.sum_gas {
            0 => "-".to_owned(),
            sum => format!("{:.0} %", gas as f64 * 100.0 / sum as f64),
        };
        let split = &self.split;
        write!(
            line,
            "{:>7}{failures:>7}{:>13}{:>13}{:>13}{:>8}{:>7}{:>8}{:>7}",
            safe::number(self.calls),
            safe::number(self.min_gas),
            safe::number(self.mean_gas()),
            safe::number(self.max_gas),
            part(split.instructions),
            part(split.host),
            part(split.memory),
            part(split.calls)
        )
    }
}

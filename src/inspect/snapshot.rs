//! Gas snapshots: a file beside the tests that says what each case spends, so that a change of it is seen in review.
//!
//! The file is text, a line for each case in order of names: `contract::method::case gas`. Lines that begin with `#` are comments.

use std::collections::BTreeMap;
use std::fmt;

use super::safe;

/// Characters of a part of a name.
const NAME_MAX: usize = 80;

/// What cases spend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GasSnapshot {
    cases: BTreeMap<String, u64>,
}

/// Why a file is no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// A line is none.
    #[error("line {line} of the gas snapshot is `{text}`; lines are `contract::method::case gas`")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// A case is there twice.
    #[error(
        "line {line} of the gas snapshot has the case `{case}` a second time; remove one of them"
    )]
    Twice {
        /// The number of the second one, from 1.
        line: usize,
        /// The case.
        case: String,
    },
}

/// By how much gas may rise before it is told, in hundredths of a percent of what it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// Hundredths of a percent.
    pub basis_points: u64,
}

impl Tolerance {
    /// So many percent.
    pub const fn percent(percent: u64) -> Self {
        Self {
            basis_points: percent.saturating_mul(100),
        }
    }

    fn allows(self, before: u64, now: u64) -> bool {
        let difference = u128::from(before.abs_diff(now)) * 10_000;
        difference <= u128::from(before) * u128::from(self.basis_points)
    }
}

/// A case that spends something else than the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The case.
    pub case: String,
    /// What the file says; `None` for a new case.
    pub before: Option<u64>,
    /// What it spends; `None` for a case that is gone.
    pub now: Option<u64>,
}

impl Change {
    /// Whether it spends more than before.
    pub fn is_rise(&self) -> bool {
        matches!((self.before, self.now), (Some(before), Some(now)) if now > before)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = &self.case;
        match (self.before, self.now) {
            (Some(before), Some(now)) => {
                let (word, sign) = if now > before {
                    ("rose", '+')
                } else {
                    ("fell", '-')
                };
                let by = now.abs_diff(before);
                let percent = by as f64 * 100.0 / before.max(1) as f64;
                let [by, before, now] = [by, before, now].map(safe::number);
                write!(
                    f,
                    "{case} {word} by {by} gas ({sign}{percent:.2} %), from {before} to {now}"
                )
            }
            (None, Some(now)) => write!(f, "{case} is new: {} gas", safe::number(now)),
            (Some(before), None) => {
                write!(f, "{case} is gone; it spent {} gas", safe::number(before))
            }
            (None, None) => write!(f, "{case}"),
        }
    }
}

impl GasSnapshot {
    /// Of no cases.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn parse(text: &str) -> Result<Self, SnapshotError> {
        let mut snapshot = Self::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parts = line.rsplit_once(' ');
            let parsed = parts.and_then(|(case, gas)| Some((case.trim_end(), gas.parse().ok()?)));
            let Some((case, gas)) = parsed else {
                return Err(SnapshotError::Line {
                    line: number,
                    text: safe::line(line),
                });
            };
            if snapshot.cases.insert(case.to_owned(), gas).is_some() {
                return Err(SnapshotError::Twice {
                    line: number,
                    case: safe::line(case),
                });
            }
        }
        Ok(snapshot)
    }

    /// Notes what a case of a contract's method spends; gives what was noted of it before.
    pub fn set(&mut self, contract: &str, method: &str, case: &str, gas: u64) -> Option<u64> {
        let name = [contract, method, case].map(part).join("::");
        self.cases.insert(name, gas)
    }

    /// The cases in order, with their gas.
    pub fn cases(&self) -> impl Iterator<Item = (&str, u64)> {
        self.cases.iter().map(|(case, gas)| (case.as_str(), *gas))
    }

    /// What the cases do now that this snapshot says otherwise, in order of names: changes beyond the tolerance, new cases, and cases that are gone. Empty if all
    /// is as it was.
    pub fn check(&self, now: &Self, tolerance: Tolerance) -> Vec<Change> {
        let names = self.cases.keys().chain(now.cases.keys());
        let names: std::collections::BTreeSet<&String> = names.collect();
        let changes = names.into_iter().map(|case| Change {
            case: case.clone(),
            before: self.cases.get(case).copied(),
            now: now.cases.get(case).copied(),
        });
        changes
            .filter(|change| match (change.before, change.now) {
                (Some(before), Some(now)) => !tolerance.allows(before, now),
                _ => true,
            })
            .collect()
    }
}

/// What a failed check says: the changes, those that rose first and most, and the command that accepts them.
pub fn explain_changes(changes: &[Change], accept: &str) -> String {
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| {
        let by = change
            .now
            .unwrap_or(0)
            .saturating_sub(change.before.unwrap_or(0));
        (!change.is_rise(), std::cmp::Reverse(by))
    });
    let lines = sorted.iter().map(|change| format!("  {change}\n"));
    let lines: String = lines.collect();
    format!("gas is not what the snapshot says:\n{lines}if that is meant, accept it: {accept}\n")
}

/// A part of a name without what would make it another line or another part.
fn part(name: &str) -> String {
    safe::cut(name.trim(), NAME_MAX)
        .replace("::", ".")
        .replace([' ', '#'], "_")
}

/// The file's text.
impl fmt::Display for GasSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cases = self.cases();
        cases.try_for_each(|(case, gas)| writeln!(f, "{case} {gas}"))
    }
}

//! A look at the machine before a node starts on it: what the kernel offers and limits, memory, disk, and whether contracts run.
//!
//! [`look`] collects facts and judges nothing; [`judge`] turns facts into findings and looks at nothing. What could not be looked at, on
//! this system or by this user, is said and never taken for good.

mod disk;
mod facts;
mod judge;
mod kernel;
mod look;
#[cfg(test)]
mod tests;
mod trial;

use std::fmt;

pub use facts::{DiskFacts, Facts, Limits, Looked, NotLooked, StoreLock};
pub use judge::judge;
pub use look::look;

use super::settings::Settings;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// The node runs, and slower, with less room or less safely than it could; or it could not be looked at.
    Warning,
    /// The node does not start, stops under load, or loses what it acknowledged.
    Error,
}

/// Something that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at, always the same word for the same thing.
    pub subject: &'static str,
    /// What was found.
    pub found: String,
    /// Why it matters; empty if all is well.
    pub why: String,
    /// What to do; empty if all is well.
    pub todo: String,
}

/// What [`check`] found, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Finding>,
}

/// Looks at this machine and holds it against a node's settings.
///
/// Takes a few milliseconds: it runs a small contract in memory, and writes and removes a small file where the store is or will be. Nothing else
/// is changed.
///
/// ```
/// use crostata::operate::{Settings, doctor};
///
/// let report = doctor::check(&Settings::default());
/// for finding in report.findings.iter().filter(|finding| finding.level != doctor::Level::Ok) {
///     eprintln!("{finding}");
/// }
/// if report.worst() == doctor::Level::Error {
///     // Do not start.
/// }
/// ```
pub fn check(settings: &Settings) -> Report {
    judge(&look(settings), settings)
}

impl Report {
    /// The worst level of all findings.
    pub fn worst(&self) -> Level {
        let levels = self.findings.iter().map(|finding| finding.level);
        levels.max().unwrap_or(Level::Ok)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.level, self.subject, self.found)?;
        for more in [&self.why, &self.todo] {
            if !more.is_empty() {
                write!(f, "; {more}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings
            .iter()
            .try_for_each(|one| writeln!(f, "{one}"))
    }
}

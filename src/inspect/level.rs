//! How much of a trace is shown, and how.

use std::env;
use std::fmt;
use std::str::FromStr;

/// The environment variable that says how much is shown.
const VARIABLE: &str = "CROSTATA_TRACE";

/// How much of a trace is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The error with the path of contracts and the line of source.
    Error = 1,
    /// The frames that led to it, too.
    Path = 2,
    /// The whole tree of calls: arguments, results, gas, events, what was reverted.
    #[default]
    Tree = 3,
    /// Queries, data, messages, pages and what gas went to, too.
    Details = 4,
    /// All bytes and every function of backtraces, too.
    Everything = 5,
}

/// A level that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{VARIABLE} is `{found}`; it is a number from 1 (the error) to 5 (everything), 3 without it"
)]
pub struct BadLevel {
    /// What was found, made harmless.
    pub found: String,
}

impl Level {
    /// The level that the environment variable `CROSTATA_TRACE` asks for; [`Level::Tree`] without it.
    ///
    /// # Errors
    /// [`BadLevel`] for anything but a number from 1 to 5.
    pub fn from_env() -> Result<Self, BadLevel> {
        match env::var_os(VARIABLE) {
            None => Ok(Self::default()),
            Some(value) => value.to_string_lossy().parse(),
        }
    }
}

impl FromStr for Level {
    type Err = BadLevel;

    fn from_str(text: &str) -> Result<Self, BadLevel> {
        Ok(match text {
            "1" => Self::Error,
            "2" => Self::Path,
            "3" => Self::Tree,
            "4" => Self::Details,
            "5" => Self::Everything,
            other => {
                let found = super::safe::cut(other, 40);
                return Err(BadLevel { found });
            }
        })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", *self as u8)
    }
}

/// How a trace is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Style {
    /// As text alone.
    #[default]
    Plain,
    /// With the colours of terminals.
    Ansi,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who asks for a level that there is none of is told what there is.
    #[test]
    fn levels_are_numbers_from_one_to_five() {
        for number in 1..=5 {
            let level: Level = number.to_string().parse().unwrap();
            assert_eq!(level.to_string(), number.to_string());
        }
        for bad in ["", "0", "6", "03", "tree", " 3", "\u{1b}[2J"] {
            let error = bad.parse::<Level>().unwrap_err();
            assert!(!error.to_string().contains('\u{1b}'));
            assert!(error.to_string().contains("from 1"), "{error}");
        }
        assert_eq!(Level::default(), Level::Tree);
    }
}

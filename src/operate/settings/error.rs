//! What can be wrong with settings.

use std::io;
use std::path::PathBuf;

use crate::engine::{AllowListError, Fingerprint, ProtocolTextError};

/// Why there are no settings, or why they can not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file can not be read.
    #[error("the settings {} can not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file says what is not allowed: everything that is wrong, in the order of lines; never empty.
    #[error("the settings are not in order:\n{}", lines(problems))]
    Invalid {
        /// What is wrong.
        problems: Vec<SettingsProblem>,
    },
    /// A protocol that the settings name can not be had.
    #[error("the protocol {fingerprint} can not be had: {problem}")]
    Protocol {
        /// What the settings call it.
        fingerprint: Fingerprint,
        /// Why.
        #[source]
        problem: Box<ProtocolProblem>,
    },
}

/// Something that is wrong in a settings file. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsProblem {
    /// It is not TOML from here on.
    #[error("line {line}: {message}")]
    Syntax {
        /// The line.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// There is no such key.
    #[error(
        "line {line}: there is no setting `{key}`{}; settings here are {}",
        meant.map(|meant| format!("; is `{meant}` meant?")).unwrap_or_default(),
        known.join(", ")
    )]
    UnknownKey {
        /// The line.
        line: usize,
        /// The key, with the table that it is in.
        key: String,
        /// The key that is written most like it.
        meant: Option<&'static str>,
        /// All keys that could be there.
        known: &'static [&'static str],
    },
    /// The value is of another type.
    #[error("line {line}: `{key}` wants {allowed}, and has a value of the type {found}")]
    Type {
        /// The line.
        line: usize,
        /// The key, with the table that it is in.
        key: String,
        /// The type of its value.
        found: &'static str,
        /// What is allowed.
        allowed: String,
    },
    /// The value is of the type and not allowed: out of range, or a name that is none.
    #[error("line {line}: `{key}` wants {allowed}, not `{found}`")]
    Value {
        /// The line.
        line: usize,
        /// The key, with the table that it is in.
        key: String,
        /// Its value, cut if it is long.
        found: String,
        /// What is allowed.
        allowed: String,
    },
    /// A key is missing.
    #[error("line {line}: `{table}` has no `{key}`, which it must: {allowed}")]
    Missing {
        /// The line where the table is.
        line: usize,
        /// The table.
        table: String,
        /// The key.
        key: &'static str,
        /// What is allowed.
        allowed: String,
    },
}

/// Why a protocol that settings name can not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolProblem {
    /// Its file can not be read.
    #[error("{} can not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its text is no protocol of this build.
    #[error("{}: {source}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ProtocolTextError,
    },
    /// Its list of allowed code is none.
    #[error("{}: {source}", path.display())]
    AllowList {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: AllowListError,
    },
    /// The rules are others.
    #[error(
        "the rules that the settings describe have the fingerprint {found}: another file is meant, or another list of allowed code"
    )]
    Fingerprint {
        /// The fingerprint of the rules that were found.
        found: Fingerprint,
    },
}

fn lines(problems: &[SettingsProblem]) -> String {
    let texts: Vec<String> = problems.iter().map(|one| format!("  {one}")).collect();
    texts.join("\n")
}

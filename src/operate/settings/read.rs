//! Reading settings: everything that is wrong with a file is said at once, with its line.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Settings;
use super::error::{SettingsError, SettingsProblem};
use super::kind::{Kind, Misfit, OptionalPath, fingerprint, other_type, shown};
use super::protocols::ProtocolSource;
use super::table::{Table, Unfit};

/// The tables and lists of a file.
const TOP: &[&str] = &[
    "store",
    "protocols",
    "log",
    "artifacts",
    "queries",
    "warm_up",
    "telemetry",
];

const PROTOCOL_KEYS: &[&str] = &["fingerprint", "file", "allow_list"];

const FINGERPRINT_ALLOWED: &str = "the protocol's fingerprint, text of 64 hexadecimal digits";

/// Of more problems, those behind are not said: the file is something else.
const PROBLEMS_MAX: usize = 100;

/// A longer file is none of settings.
const FILE_BYTES_MAX: u64 = 1 << 20;

impl Settings {
    /// The settings in a file. Relative paths in it begin at its directory.
    ///
    /// # Errors
    /// [`SettingsError::Read`], or [`SettingsError::Invalid`] with everything that is wrong.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SettingsError> {
        let path = path.as_ref();
        let text = read_text(path).map_err(|source| SettingsError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        let mut settings = Self::parse(&text)?;
        settings.root_at(path.parent().unwrap_or(Path::new("")));
        Ok(settings)
    }

    /// The settings that a text says. Relative paths stay as they are.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] with everything that is wrong.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let mut reading = Reading::of(text);
        let settings = reading.settings();
        match reading.problems.is_empty() {
            true => Ok(settings),
            false => Err(SettingsError::Invalid {
                problems: reading.sorted(),
            }),
        }
    }

    /// Has relative paths begin at a directory.
    fn root_at(&mut self, directory: &Path) {
        let sources = self.protocols.iter_mut();
        let of_protocols = sources.flat_map(|source| [&mut source.file, &mut source.allow_list]);
        let optional = [&mut self.store.binaries, &mut self.artifacts.directory];
        let paths = of_protocols.chain(optional).flatten();
        for path in paths.chain([&mut self.store.directory]) {
            *path = directory.join(&*path);
        }
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = fs::File::open(path)?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(std::io::ErrorKind::FileTooLarge.into()),
        false => Ok(text),
    }
}

/// A file while it is read.
struct Reading<'a> {
    text: &'a str,
    /// Where lines end.
    line_ends: Vec<usize>,
    problems: Vec<SettingsProblem>,
}

impl<'a> Reading<'a> {
    fn of(text: &'a str) -> Self {
        let line_ends = text.match_indices('\n').map(|(at, _)| at);
        Self {
            text,
            line_ends: line_ends.collect(),
            problems: Vec::new(),
        }
    }

    fn settings(&mut self) -> Settings {
        let mut settings = Settings::default();
        let (top, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let line = error.span().map_or(1, |span| self.line(&span));
            let message = error.message().to_owned();
            self.problems
                .push(SettingsProblem::Syntax { line, message });
        }
        // What could not be read may be missing from the rest, which would be said to be wrong.
        if !self.problems.is_empty() {
            return settings;
        }
        for (key, value) in top.get_ref() {
            self.top(&mut settings, key, value);
        }
        settings
    }

    fn top(
        &mut self,
        settings: &mut Settings,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) {
        match key.get_ref().as_ref() {
            "store" => self.table("store", &mut settings.store, value),
            "protocols" => settings.protocols = self.protocols(value),
            "log" => self.table("log", &mut settings.log, value),
            "artifacts" => self.table("artifacts", &mut settings.artifacts, value),
            "queries" => self.table("queries", &mut settings.queries, value),
            "warm_up" => self.table("warm_up", &mut settings.warm_up, value),
            "telemetry" => self.table("telemetry", &mut settings.telemetry, value),
            name => self.unknown("", name, &key.span(), TOP),
        }
    }

    fn table<T: Table>(&mut self, name: &str, table: &mut T, value: &Spanned<DeValue<'_>>) {
        let Some(entries) = self.entries(name, value) else {
            return;
        };
        for (key, value) in entries {
            let (span, key) = (key.span(), key.get_ref().as_ref());
            if !T::KEYS.contains(&key) {
                self.unknown(name, key, &span, T::KEYS);
            } else if let Err(unfit) = table.set(key, value.get_ref()) {
                self.unfit(format!("{name}.{key}"), unfit, &value.span());
            }
        }
    }

    fn entries<'v, 'i>(
        &mut self,
        name: &str,
        value: &'v Spanned<DeValue<'i>>,
    ) -> Option<&'v DeTable<'i>> {
        let entries = value.get_ref().as_table();
        if entries.is_none() {
            self.other_type(name, value, &format!("a table, [{name}]"));
        }
        entries
    }

    fn protocols(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<ProtocolSource> {
        let Some(list) = value.get_ref().as_array() else {
            let allowed = "a list of tables, each under [[protocols]]";
            self.other_type("protocols", value, allowed);
            return Vec::new();
        };
        let sources = list.iter().filter_map(|source| self.protocol(source));
        sources.collect()
    }

    fn protocol(&mut self, value: &Spanned<DeValue<'_>>) -> Option<ProtocolSource> {
        let mut source = ProtocolSource {
            fingerprint: crate::engine::Fingerprint([0; 32]),
            file: None,
            allow_list: None,
        };
        let entries = self.entries("protocols", value)?;
        for (key, value) in entries {
            let (span, key) = (key.span(), key.get_ref().as_ref());
            match key {
                "fingerprint" => match fingerprint(value.get_ref()) {
                    Ok(fingerprint) => source.fingerprint = fingerprint,
                    Err(misfit) => {
                        let allowed = FINGERPRINT_ALLOWED.to_owned();
                        let unfit = Unfit { misfit, allowed };
                        self.unfit("protocols.fingerprint".to_owned(), unfit, &value.span());
                    }
                },
                "file" => source.file = self.path("protocols.file", value),
                "allow_list" => source.allow_list = self.path("protocols.allow_list", value),
                other => self.unknown("protocols", other, &span, PROTOCOL_KEYS),
            }
        }
        if !entries.contains_key("fingerprint") {
            self.problems.push(SettingsProblem::Missing {
                line: self.line(&value.span()),
                table: "protocols".to_owned(),
                key: "fingerprint",
                allowed: FINGERPRINT_ALLOWED.to_owned(),
            });
        }
        Some(source)
    }

    fn path(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<PathBuf> {
        let kind = OptionalPath("");
        kind.read(value.get_ref()).unwrap_or_else(|misfit| {
            let allowed = kind.allowed();
            let unfit = Unfit { misfit, allowed };
            self.unfit(key.to_owned(), unfit, &value.span());
            None
        })
    }

    fn unknown(
        &mut self,
        table: &str,
        key: &str,
        span: &Range<usize>,
        known: &'static [&'static str],
    ) {
        let line = self.line(span);
        let meant = nearest(key, known);
        let dot = if table.is_empty() { "" } else { "." };
        self.problems.push(SettingsProblem::UnknownKey {
            line,
            key: format!("{table}{dot}{}", shown(key)),
            meant,
            known,
        });
    }

    fn other_type(&mut self, key: &str, value: &Spanned<DeValue<'_>>, allowed: &str) {
        let unfit = Unfit {
            misfit: other_type(value.get_ref()),
            allowed: allowed.to_owned(),
        };
        self.unfit(key.to_owned(), unfit, &value.span());
    }

    fn unfit(&mut self, key: String, unfit: Unfit, span: &Range<usize>) {
        let (line, allowed) = (self.line(span), unfit.allowed);
        self.problems.push(match unfit.misfit {
            Misfit::Type { found } => SettingsProblem::Type {
                line,
                key,
                found,
                allowed,
            },
            Misfit::Value { found } => SettingsProblem::Value {
                line,
                key,
                found,
                allowed,
            },
        });
    }

    fn line(&self, span: &Range<usize>) -> usize {
        1 + self.line_ends.partition_point(|end| *end < span.start)
    }

    fn sorted(self) -> Vec<SettingsProblem> {
        let mut problems = self.problems;
        problems.sort_by_key(SettingsProblem::line);
        problems.truncate(PROBLEMS_MAX);
        problems
    }
}

impl SettingsProblem {
    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        match self {
            Self::Syntax { line, .. }
            | Self::UnknownKey { line, .. }
            | Self::Type { line, .. }
            | Self::Value { line, .. }
            | Self::Missing { line, .. } => *line,
        }
    }
}

/// The longest key that is compared with those that there are.
const COMPARED_BYTES_MAX: usize = 64;

/// The key that takes the fewest changes of a letter, at most a third of them.
fn nearest(key: &str, known: &'static [&'static str]) -> Option<&'static str> {
    if key.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let by_changes = known.iter().map(|one| (changes(key, one), *one));
    let (changes, nearest) = by_changes.min()?;
    (changes * 3 <= nearest.len()).then_some(nearest)
}

/// How many bytes must be put in, taken out or changed.
fn changes(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, byte) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, wanted) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte != wanted);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

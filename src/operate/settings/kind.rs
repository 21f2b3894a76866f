//! Kinds of values in a settings file: how each is read, written, and what of it is allowed.

use std::path::PathBuf;

use toml::de::{DeInteger, DeValue};

use crate::engine::{Backend, Fingerprint};
use crostata_abi::ContractId;

/// What is wrong with a value; where it is, its reader knows.
#[derive(Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is of another type.
    Type {
        /// What it is.
        found: &'static str,
    },
    /// It is of the type and not allowed.
    Value {
        /// What it says.
        found: String,
    },
}

/// A kind of value.
pub trait Kind {
    /// What it is in the program.
    type Value;

    /// Reads a value.
    ///
    /// # Errors
    /// [`Misfit`].
    fn read(&self, value: &DeValue<'_>) -> Result<Self::Value, Misfit>;

    /// How a value is written; none for one that is said by leaving the key out.
    fn write(&self, value: &Self::Value) -> Option<String>;

    /// What is allowed, in words.
    fn allowed(&self) -> String;

    /// A value for the example, where the default is said by leaving the key out.
    fn sample(&self) -> &str {
        ""
    }
}

/// A number of bytes: an integer, or text such as `"64 MiB"`.
pub struct Size(pub u64, pub u64);

/// A number of something.
pub struct Count(pub u64, pub u64);

/// `true` or `false`.
pub struct Flag;

/// A backend, by name.
pub struct BackendName;

/// A file or directory.
pub struct PathText;

/// A file or directory, or none; with one to show.
pub struct OptionalPath(pub &'static str);

/// A list of contracts.
pub struct ContractIds;

/// The longest part of a value that a message shows.
const SHOWN_CHARS: usize = 60;

const UNITS: [(&str, u32); 5] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

/// What a value of another type than the wanted one is.
pub fn other_type(value: &DeValue<'_>) -> Misfit {
    let found = value.type_str();
    Misfit::Type { found }
}

/// Text that is shown in one line of a message.
pub fn shown(text: &str) -> String {
    let safe = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    safe.take(SHOWN_CHARS).collect()
}

fn not_allowed(text: &str) -> Misfit {
    let found = shown(text);
    Misfit::Value { found }
}

fn integer(number: &DeInteger<'_>) -> Option<u64> {
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A number between bounds.
fn bounded(number: Option<u64>, shown: &str, &(least, most): &(u64, u64)) -> Result<u64, Misfit> {
    let number = number.filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| not_allowed(shown))
}

/// The number of bytes that a text says.
fn size_of(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let (_, shift) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// A number of bytes as people write it: in the largest unit that gives an integer.
pub fn size_text(bytes: u64) -> String {
    let mut units = UNITS.iter();
    let fits = |unit: &&(&str, u32)| bytes != 0 && bytes.is_multiple_of(1 << unit.1);
    let (unit, shift) = units.find(fits).unwrap_or(&UNITS[4]);
    format!("{} {unit}", bytes >> shift)
}

/// Text as a TOML string.
pub fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

impl Kind for Size {
    type Value = u64;

    fn read(&self, value: &DeValue<'_>) -> Result<u64, Misfit> {
        let bounds = (self.0, self.1);
        match value {
            DeValue::Integer(number) => bounded(integer(number), number.as_str(), &bounds),
            DeValue::String(text) => bounded(size_of(text), text, &bounds),
            other => Err(other_type(other)),
        }
    }

    fn write(&self, value: &u64) -> Option<String> {
        Some(quoted(&size_text(*value)))
    }

    fn allowed(&self) -> String {
        let (least, most) = (size_text(self.0), size_text(self.1));
        format!("a size from {least} to {most} (bytes, or text such as \"64 MiB\")")
    }
}

impl Kind for Count {
    type Value = u64;

    fn read(&self, value: &DeValue<'_>) -> Result<u64, Misfit> {
        match value {
            DeValue::Integer(number) => {
                bounded(integer(number), number.as_str(), &(self.0, self.1))
            }
            other => Err(other_type(other)),
        }
    }

    fn write(&self, value: &u64) -> Option<String> {
        Some(grouped(*value))
    }

    fn allowed(&self) -> String {
        let (least, most) = (grouped(self.0), grouped(self.1));
        format!("an integer from {least} to {most}")
    }
}

/// An integer with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .filter_map(|group| str::from_utf8(group).ok())
        .collect();
    groups.join("_")
}

impl Kind for Flag {
    type Value = bool;

    fn read(&self, value: &DeValue<'_>) -> Result<bool, Misfit> {
        value.as_bool().ok_or_else(|| other_type(value))
    }

    fn write(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }

    fn allowed(&self) -> String {
        "true or false".to_owned()
    }
}

const BACKENDS: [(&str, Backend); 2] =
    [("native", Backend::Native), ("portable", Backend::Portable)];

impl Kind for BackendName {
    type Value = Backend;

    fn read(&self, value: &DeValue<'_>) -> Result<Backend, Misfit> {
        let text = value.as_str().ok_or_else(|| other_type(value))?;
        let named = BACKENDS.iter().find(|(name, _)| *name == text);
        named
            .map(|(_, backend)| *backend)
            .ok_or_else(|| not_allowed(text))
    }

    fn write(&self, value: &Backend) -> Option<String> {
        let named = BACKENDS.iter().find(|(_, backend)| backend == value)?;
        Some(quoted(named.0))
    }

    fn allowed(&self) -> String {
        "\"native\" or \"portable\"".to_owned()
    }
}

/// A path that is no empty text.
fn path(value: &DeValue<'_>) -> Result<PathBuf, Misfit> {
    let text = value.as_str().ok_or_else(|| other_type(value))?;
    match text.is_empty() || text.contains('\0') {
        true => Err(not_allowed(text)),
        false => Ok(PathBuf::from(text)),
    }
}

impl Kind for PathText {
    type Value = PathBuf;

    fn read(&self, value: &DeValue<'_>) -> Result<PathBuf, Misfit> {
        path(value)
    }

    fn write(&self, value: &PathBuf) -> Option<String> {
        Some(quoted(&value.to_string_lossy()))
    }

    fn allowed(&self) -> String {
        "a path, not empty".to_owned()
    }
}

impl Kind for OptionalPath {
    type Value = Option<PathBuf>;

    fn read(&self, value: &DeValue<'_>) -> Result<Option<PathBuf>, Misfit> {
        path(value).map(Some)
    }

    fn write(&self, value: &Option<PathBuf>) -> Option<String> {
        let path = value.as_ref()?;
        Some(quoted(&path.to_string_lossy()))
    }

    fn allowed(&self) -> String {
        "a path, not empty; or no such key".to_owned()
    }

    fn sample(&self) -> &str {
        self.0
    }
}

impl Kind for ContractIds {
    type Value = Vec<ContractId>;

    fn read(&self, value: &DeValue<'_>) -> Result<Vec<ContractId>, Misfit> {
        let list = value.as_array().ok_or_else(|| other_type(value))?;
        let ids = list.iter().map(|id| {
            let id = id.get_ref();
            let text = id.as_str().ok_or_else(|| other_type(id))?;
            text.parse().map_err(|_| not_allowed(text))
        });
        ids.collect()
    }

    fn write(&self, value: &Vec<ContractId>) -> Option<String> {
        let ids: Vec<String> = value.iter().map(|id| quoted(&id.to_string())).collect();
        Some(format!("[{}]", ids.join(", ")))
    }

    fn allowed(&self) -> String {
        "a list of contract ids, each text of 64 hexadecimal digits".to_owned()
    }
}

/// A fingerprint of 64 hexadecimal digits.
pub fn fingerprint(value: &DeValue<'_>) -> Result<Fingerprint, Misfit> {
    let text = value.as_str().ok_or_else(|| other_type(value))?;
    // Ids and fingerprints are written alike.
    let id: ContractId = text.parse().map_err(|_| not_allowed(text))?;
    Ok(Fingerprint(*id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<K: Kind>(kind: &K, text: &str) -> Result<K::Value, Misfit> {
        kind.read(DeValue::parse(text).unwrap().get_ref())
    }

    fn refused(text: &str) -> Option<Misfit> {
        read(&Size(1, u64::MAX), text).err()
    }

    /// P7: sizes are exact at their bounds, and what overflows is refused, not wrapped.
    #[test]
    fn sizes_are_exact() {
        let all = Size(0, u64::MAX);
        assert_eq!(read(&all, "0"), Ok(0));
        assert_eq!(read(&all, "0x1_000"), Ok(4096));
        assert_eq!(read(&all, "\"64 MiB\""), Ok(64 << 20));
        assert_eq!(read(&all, "\"64MiB\""), Ok(64 << 20));
        assert_eq!(read(&all, "\"16777215 TiB\""), Ok(16_777_215 << 40));
        assert_eq!(read(&Size(4, 8), "8"), Ok(8));
        let bad = [
            "\"16777216 TiB\"",
            "\"18446744073709551616 B\"",
            "-1",
            "99999999999999999999",
            "\"MiB\"",
            "\"1 mib\"",
            "\"1\"",
            "\"\"",
            "\"-1 B\"",
            "\"1.5 GiB\"",
        ];
        for text in bad {
            assert!(
                matches!(refused(text), Some(Misfit::Value { .. })),
                "{text}"
            );
        }
        for text in ["1.5", "true", "[]", "{}", "2020-01-01"] {
            assert!(matches!(refused(text), Some(Misfit::Type { .. })), "{text}");
        }
        assert!(read(&Size(4, 8), "3").is_err() && read(&Size(4, 8), "9").is_err());
    }

    /// What is written is read as the same.
    #[test]
    fn what_is_written_is_read() {
        for bytes in [0, 1, 1023, 1024, 3 << 29, u64::MAX, 1 << 40] {
            let kind = Size(0, u64::MAX);
            let text = kind.write(&bytes).unwrap();
            assert_eq!(read(&kind, &text), Ok(bytes), "{text}");
        }
        for count in [0, 999, 1_000, 1_234_567] {
            let kind = Count(0, u64::MAX);
            assert_eq!(read(&kind, &kind.write(&count).unwrap()), Ok(count));
        }
        for path in ["a b", "\"x\"\\", "\u{1}\u{7f}é\n"] {
            let path = PathBuf::from(path);
            let text = PathText.write(&path).unwrap();
            assert_eq!(read(&PathText, &text), Ok(path), "{text}");
        }
    }
}

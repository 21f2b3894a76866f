//! Why a section, a value or an archive could not be read.

use thiserror::Error;

use crate::module::NotWasm;

/// Why code has no schema that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// The bytes are not a WebAssembly module.
    #[error(transparent)]
    NotWasm(#[from] NotWasm),
    /// There are two sections.
    #[error(
        "the module has more than one section `crostata.schema`: build a contract with the feature `client` of those that it depends on"
    )]
    Twice,
    /// Another version of the section.
    #[error(
        "the section `crostata.schema` has version {found}; this program reads version {known}: use a newer one"
    )]
    Version {
        /// The version of the section.
        found: u8,
        /// The version that is read here.
        known: u8,
    },
    /// The section breaks a rule of its format.
    #[error("the section `crostata.schema` is damaged: at byte {offset}, {reason}")]
    Damaged {
        /// Offset in the section.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
}

/// Why a value is none of a type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EncodeError {
    /// A value of another kind, or one that the type can not hold.
    #[error("{place} must be {expected}, not {found}")]
    Unfit {
        /// Which argument, field or element.
        place: String,
        /// What the type wants.
        expected: String,
        /// What is there, shortened.
        found: String,
    },
    /// Too many or too few arguments.
    #[error("`{method}` takes {}, not {found}: {signature}", arguments(*expected))]
    Count {
        /// The method.
        method: String,
        /// Its arguments, as Rust declares them.
        signature: String,
        /// How many arguments it has.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// A type of which only the name is known.
    #[error(
        "{place} is of type `{name}`, which the schema does not describe: put `#[crostata_sdk::data]` on the type, or send bytes"
    )]
    Opaque {
        /// Which argument, field or element.
        place: String,
        /// The name of the type.
        name: String,
    },
    /// The archive is longer than the argument buffer.
    #[error(
        "the archive has more than {max_bytes} bytes, which is all that a call takes: send less at once"
    )]
    TooLong {
        /// The length of the argument buffer.
        max_bytes: usize,
    },
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}

/// Why bytes are no archive of a type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("at byte {offset} of {len_bytes}: {reason}")]
pub struct DecodeError {
    /// Where in the bytes.
    pub offset: usize,
    /// How many bytes there are.
    pub len_bytes: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

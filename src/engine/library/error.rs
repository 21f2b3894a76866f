//! What is wrong with a library.

/// Why a binary is no library of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// It is no valid component.
    #[error("it is no component of the features that libraries may use: {what}")]
    Invalid {
        /// The rule and the place.
        what: String,
    },
    /// Something in it is larger than it may be.
    #[error("its {what} is {found}; the protocol's library.{limit} is {max}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// How large it is.
        found: u64,
        /// How large it may be.
        max: u64,
    },
    /// A component inside of it has code of its own.
    #[error(
        "the component inside of it at byte {offset} has core modules or instances; only the outermost may"
    )]
    Nested {
        /// Where.
        offset: u64,
    },
    /// It imports what libraries do not get.
    #[error("it imports `{name}`; libraries get interfaces of wasi 0.2 and nothing else")]
    Import {
        /// What.
        name: String,
    },
    /// Nothing in it can be called.
    #[error(
        "it exports no function of the type `func(list<u8>) -> list<u8>` or `func(list<u8>) -> result<list<u8>, list<u8>>`"
    )]
    NoFunction,
    /// It can not be compiled.
    #[error("it can not be compiled: {what}")]
    Compile {
        /// Why.
        what: String,
    },
}

impl From<wasmparser::BinaryReaderError> for LibraryError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        let what = error.to_string();
        Self::Invalid { what }
    }
}

impl LibraryError {
    /// It can not be compiled.
    pub(in crate::engine) fn compile(what: String) -> Self {
        Self::Compile { what }
    }

    /// Holds `found` against a limit.
    pub(super) fn at_most(
        what: &'static str,
        limit: &'static str,
        found: u64,
        max: u64,
    ) -> Result<(), Self> {
        match found <= max {
            true => Ok(()),
            false => Err(Self::Limit {
                what,
                limit,
                found,
                max,
            }),
        }
    }
}

//! Tables of a settings file, each declared once: the struct, its documentation, defaults, what is allowed, and the example.

use toml::de::DeValue;

use super::kind::Misfit;

/// A key that a table has, as the example shows it.
pub struct Shown {
    /// The lines of its documentation.
    pub docs: &'static [&'static str],
    /// Its name.
    pub key: &'static str,
    /// What is allowed.
    pub allowed: String,
    /// Its value; commented out if it is said by leaving the key out.
    pub text: String,
    /// Whether the example leaves the key out.
    pub is_left_out: bool,
}

/// Why a value could not be set.
pub struct Unfit {
    /// What is wrong.
    pub misfit: Misfit,
    /// What is allowed.
    pub allowed: String,
}

/// A table with keys.
pub trait Table {
    /// The lines of its documentation.
    const DOCS: &'static [&'static str];

    /// Its keys.
    const KEYS: &'static [&'static str];

    /// Sets a key, which is one of [`KEYS`](Self::KEYS).
    ///
    /// # Errors
    /// [`Unfit`]; then nothing has changed.
    fn set(&mut self, key: &str, value: &DeValue<'_>) -> Result<(), Unfit>;

    /// All keys with their present values.
    fn shown(&self) -> Vec<Shown>;
}

/// Declares a table: a public struct, its defaults, and its [`Table`].
macro_rules! table {
    (
        $(#[doc = $table_doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $key:ident: $type:ty = $default:expr, $kind:expr;
            )*
        }
    ) => {
        $(#[doc = $table_doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[doc = $doc])* pub $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $crate::operate::settings::table::Table for $name {
            const DOCS: &'static [&'static str] = &[$($table_doc,)*];
            const KEYS: &'static [&'static str] = &[$(stringify!($key),)*];

            fn set(
                &mut self,
                key: &str,
                value: &toml::de::DeValue<'_>,
            ) -> Result<(), $crate::operate::settings::table::Unfit> {
                use $crate::operate::settings::kind::Kind;
                match key {
                    $(stringify!($key) => {
                        let kind = $kind;
                        let read = kind.read(value);
                        self.$key = read.map_err(|misfit| $crate::operate::settings::table::Unfit {
                            misfit,
                            allowed: kind.allowed(),
                        })?;
                    })*
                    _ => {} // its reader looked for it among the keys
                }
                Ok(())
            }

            fn shown(&self) -> Vec<$crate::operate::settings::table::Shown> {
                use $crate::operate::settings::kind::Kind;
                vec![$({
                    let kind = $kind;
                    let text = kind.write(&self.$key);
                    $crate::operate::settings::table::Shown {
                        docs: &[$($doc,)*],
                        key: stringify!($key),
                        allowed: kind.allowed(),
                        is_left_out: text.is_none(),
                        text: text.unwrap_or_else(|| kind.sample().to_owned()),
                    }
                },)*]
            }
        }
    };
}

pub(super) use table;

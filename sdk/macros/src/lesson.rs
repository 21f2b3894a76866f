//! Compile errors that teach: what is wrong and why, and the line to write instead.

use quote::ToTokens;
use syn::Error;

/// The error at these tokens: what can not be and why, then what to write.
pub fn lesson(at: impl ToTokens, reason: &str, instead: &str) -> Error {
    let instead = instead.replace('\n', "\n    ");
    Error::new_spanned(at, format!("{reason}\n\nwrite instead:\n    {instead}"))
}

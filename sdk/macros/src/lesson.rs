//! Compile errors that teach: what is wrong and why, and the line to write instead.

use proc_macro2::Span;
use syn::Error;

/// The error at a place: what can not be and why, then what to write.
pub fn lesson(span: Span, reason: &str, instead: &str) -> Error {
    let instead = instead.replace('\n', "\n    ");
    Error::new(span, format!("{reason}\n\nwrite instead:\n    {instead}"))
}

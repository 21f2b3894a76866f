//! What a contract says about itself, and its values as JSON.
//!
//! A contract of the SDK carries a custom section, `crostata.schema`: its functions with arguments and results, its events and
//! its errors. [`Schema::of_code`] reads it out of deployed bytes. With a [`Type`] the archive of a value becomes JSON and back:
//! [`Type::decode`], [`Type::encode`]; [`Type::parse`] reads what somebody typed, [`shown`] writes what somebody reads.
//!
//! | Rust | JSON |
//! |---|---|
//! | `()` | `null` |
//! | `bool`, `char`, `String` | the same; a `char` is a string |
//! | integers to 64 bits | numbers; strings of digits are read, too |
//! | `u128`, `i128` | strings of decimal digits |
//! | `Vec<u8>`, `[u8; N]`, `ContractId` | `"0x…"`, hexadecimal |
//! | `Option<T>` | `null`, or the value (of an option in an option: `{"Some": …}`) |
//! | `Result<T, E>` | `{"Ok": …}` or `{"Err": …}` |
//! | `Vec<T>`, `[T; N]`, tuples | arrays |
//! | a struct | an object; with unnamed fields an array, with only one of them its value |
//! | an enum | `"Variant"` or `{"Variant": …}`, where what follows is as for a struct |
//! | types that the SDK does not know | `"0x…"`, the bytes that lie where the value does |
//!
//! Code and archives are anybody's bytes: reading them never panics, and takes memory and time in proportion to their length.
//! [`module`] takes modules apart, as deploying and reading schemas need it.
//! Nothing here decides anything: whoever changes a section changes what people see, never what a contract does.
#![cfg_attr(not(test), deny(clippy::unwrap_used))]

mod archive;
mod error;
mod json;
pub mod module;
mod section;
mod shown;
mod text;
mod types;
mod wasm;

pub use error::{DecodeError, EncodeError, SchemaError};
pub use module::{NotWasm, strip};
pub use serde_json::Value;
pub use shown::shown;
pub use types::{
    ErrorType, EventType, Field, Method, MethodAccess, Reentry, Schema, Type, Variant,
};

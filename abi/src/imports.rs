//! The functions a contract may import, all from the module `env`.
//!
//! The two tables are the whole allow-list: a deploy rejects any other import by name.

/// The one module that contracts import from.
pub const MODULE: &str = "env";

/// The type of an import's parameter or result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// An `i32`, also in 64-bit contracts: lengths and counts.
    I32,
    /// An `i64`: gas.
    I64,
    /// A pointer: `i32` in a 32-bit contract, `i64` in a 64-bit one.
    Pointer,
}

/// One importable function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    /// Its name in the module `env`.
    pub name: &'static str,
    /// The types of its parameters.
    pub params: &'static [Type],
    /// The types of its results.
    pub results: &'static [Type],
}

const fn import(name: &'static str, params: &'static [Type], results: &'static [Type]) -> Import {
    Import {
        name,
        params,
        results,
    }
}

use Type::{I32, I64, Pointer};

/// Every function that contracts of blocks may import.
pub const IMPORTS: &[Import] = &[
    import("c", &[Pointer, Pointer, I32, I32, I64], &[I32]),
    import("hq", &[Pointer, I32, I32], &[I32]),
    import("hd", &[Pointer, I32], &[I32]),
    import("emit", &[Pointer, I32, I32], &[]),
    import("feed", &[I32], &[]),
    import("caller", &[], &[I32]),
    import("callstack", &[], &[I32]),
    import("limit", &[], &[I64]),
    import("spent", &[], &[I64]),
    import("owner", &[Pointer], &[I32]),
    import("self_id", &[], &[]),
    import("panic", &[I32], &[]),
    import("hdebug", &[I32], &[]),
];

/// Every function that only queries have. A contract that imports one may be deployed; no call of a block can enter it.
pub const QUERY_IMPORTS: &[Import] = &[import("hqa", &[Pointer, I32, I32], &[I32])];

/// The import called `name`, if there is one.
pub fn find(name: &str) -> Option<&'static Import> {
    let mut known = IMPORTS.iter().chain(QUERY_IMPORTS);
    known.find(|import| import.name == name)
}

/// Whether only queries have the import called `name`.
pub fn is_for_queries(name: &str) -> bool {
    QUERY_IMPORTS.iter().any(|import| import.name == name)
}

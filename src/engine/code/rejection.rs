//! Why a module is not a contract. Each variant is one rule; nothing decides by a message's text.

use crostata_proof::layout::LayoutProblem;
use thiserror::Error;

/// A range of memory that data segments must keep clear of, because it is zeroed after each call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Reserved {
    /// The 65,536 bytes at `A`.
    #[error("the argument buffer")]
    ArgumentBuffer,
    /// The range of the section `crostata.stack`.
    #[error("the shadow stack declared by `crostata.stack`")]
    Stack,
}

/// The rule that a module breaks, and where.
///
/// `offset` is a byte offset in the deployed code; where something is missing, it is where the
/// code was expected to have it, or 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields are named in each variant's message"
)]
pub enum Rejection {
    /// It is a component.
    #[error("the code at offset {offset} is a component; deploy the core module inside it")]
    Component { offset: u64 },
    /// It is not valid WebAssembly.
    #[error("the code is not valid WebAssembly at offset {offset}: {message}")]
    Invalid { offset: u64, message: String },
    /// It uses a feature that contracts do not have.
    #[error(
        "offset {offset} uses the feature {feature}, which contracts do not have ({message}); compile without it"
    )]
    Feature {
        offset: u64,
        feature: String,
        message: String,
    },
    /// It uses an operator that would give an instance state of its own.
    #[error(
        "offset {offset} uses `{operator}`, which contracts may not use: tables and segments never change; remove it"
    )]
    Operator { offset: u64, operator: &'static str },
    /// It uses a type of value other than the four numbers.
    #[error(
        "offset {offset} uses the value type {found}; contracts have i32, i64, f32 and f64 only"
    )]
    ValueType { offset: u64, found: String },
    /// It has more of something than the protocol allows.
    #[error(
        "offset {offset} needs {found} where the protocol's limit `{limit}` is {max}; make it smaller or split it"
    )]
    Limit {
        offset: u64,
        limit: &'static str,
        found: u64,
        max: u64,
    },
    /// It has a start function.
    #[error(
        "offset {offset} declares a start function; export `init` instead, which runs once at deploy"
    )]
    Start { offset: u64 },
    /// It imports something other than a function.
    #[error(
        "the import `{module}`.`{name}` at offset {offset} is a {kind}; contracts import functions only"
    )]
    ImportKind {
        offset: u64,
        module: String,
        name: String,
        kind: &'static str,
    },
    /// It imports a function that does not exist.
    #[error(
        "the import `{module}`.`{name}` at offset {offset} does not exist; the module `env` of the contract ABI has all there are"
    )]
    UnknownImport {
        offset: u64,
        module: String,
        name: String,
    },
    /// It imports a function under another type than its own.
    #[error("the import `{name}` at offset {offset} has type {found}; declare it as {expected}")]
    ImportSignature {
        offset: u64,
        name: String,
        expected: String,
        found: String,
    },
    /// It has no memory of its own.
    #[error("the code defines no memory at offset {offset}; define one and export it as `memory`")]
    MemoryMissing { offset: u64 },
    /// It has more than one memory.
    #[error("offset {offset} defines {found} memories; a contract has one")]
    MemoryCount { offset: u64, found: u32 },
    /// Its memory is not exported as `memory`.
    #[error("the memory at offset {offset} is not exported; export it as `memory`")]
    MemoryNotExported { offset: u64 },
    /// It has more than one table.
    #[error("offset {offset} defines {found} tables; a contract has at most one")]
    TableCount { offset: u64, found: u32 },
    /// Its table has other elements than functions, or an initial value.
    #[error(
        "the table at offset {offset} holds {found}; a contract's table holds `funcref`, null at first"
    )]
    TableType { offset: u64, found: String },
    /// It exports something that contracts do not export.
    #[error(
        "the export `{name}` at offset {offset} is a {kind} that may not be exported under this name; remove it or rename it"
    )]
    ExportKind {
        offset: u64,
        name: String,
        kind: &'static str,
    },
    /// It exports a function that can not be called.
    #[error(
        "the exported function `{name}` at offset {offset} has type {found}; callable exports have type (i32) -> (i32): do not export it, or change it"
    )]
    ExportSignature {
        offset: u64,
        name: String,
        found: String,
    },
    /// It exports one of its imports.
    #[error(
        "the export `{name}` at offset {offset} is an imported function; export a function that calls it"
    )]
    ImportExported { offset: u64, name: String },
    /// It exports under a name that the rewriting uses.
    #[error(
        "the export `{name}` at offset {offset} starts with `crostata.`, which is reserved; rename it"
    )]
    ReservedName { offset: u64, name: String },
    /// It exports a mutable global.
    #[error(
        "the exported global `{name}` at offset {offset} is mutable; do not export it, or make it immutable"
    )]
    MutableGlobalExported { offset: u64, name: String },
    /// It exports no argument buffer.
    #[error(
        "the code has no argument buffer (looked for from offset {offset}); export the address of 65,536 bytes as the global `A`"
    )]
    ArgumentBufferMissing { offset: u64 },
    /// Its `A` is not a constant address.
    #[error(
        "the global `A` at offset {offset} has type {found}; it must be an immutable {expected}"
    )]
    ArgumentBufferType {
        offset: u64,
        expected: &'static str,
        found: String,
    },
    /// Its argument buffer lies outside its memory.
    #[error(
        "the argument buffer, 65,536 bytes at {start}, declared at offset {offset} ends beyond the initial memory of {memory_bytes} bytes; place it inside"
    )]
    ArgumentBufferOutOfBounds {
        offset: u64,
        start: u64,
        memory_bytes: u64,
    },
    /// A constant expression does something other than arithmetic on numbers.
    #[error(
        "the constant expression at offset {offset} is not arithmetic on i32 or i64 constants; write the number"
    )]
    Constant { offset: u64 },
    /// It has a passive data segment.
    #[error(
        "data segment {segment} at offset {offset} is passive; make it active (do not link with --shared-memory)"
    )]
    PassiveData { offset: u64, segment: u32 },
    /// It has a data segment outside its memory.
    #[error(
        "data segment {segment} at offset {offset}, {len_bytes} bytes at {start}, ends beyond the initial memory of {memory_bytes} bytes; enlarge the memory"
    )]
    DataOutOfBounds {
        offset: u64,
        segment: u32,
        start: u64,
        len_bytes: u64,
        memory_bytes: u64,
    },
    /// It has a data segment in a range that is zeroed after each call.
    #[error(
        "data segment {segment} at offset {offset}, {len_bytes} bytes at {start}, overlaps {reserved}, which is zeroed after each call; place it elsewhere"
    )]
    DataOverlaps {
        offset: u64,
        segment: u32,
        start: u64,
        len_bytes: u64,
        reserved: Reserved,
    },
    /// It has a passive or declared element segment.
    #[error(
        "element segment {segment} at offset {offset} is not active; a contract's table is filled at its start only"
    )]
    InactiveElements { offset: u64, segment: u32 },
    /// It has an element segment made of expressions.
    #[error(
        "element segment {segment} at offset {offset} is made of expressions; list the functions by index"
    )]
    ElementExpressions { offset: u64, segment: u32 },
    /// It has an element segment outside its table.
    #[error(
        "element segment {segment} at offset {offset}, {count} elements at {start}, ends beyond the table of {table_elements}; enlarge the table"
    )]
    ElementsOutOfBounds {
        offset: u64,
        segment: u32,
        start: u64,
        count: u64,
        table_elements: u64,
    },
    /// It has a section with a reserved name that has no meaning.
    #[error(
        "the custom section `{name}` at offset {offset} is unknown, and names starting with `crostata.` are reserved; rename it"
    )]
    UnknownSection { offset: u64, name: String },
    /// It has one of the reserved sections twice.
    #[error("the custom section `{name}` at offset {offset} occurs a second time; keep one")]
    DuplicateSection { offset: u64, name: String },
    /// One of the reserved sections is malformed.
    #[error("the custom section `{name}` at offset {offset} is malformed: it must be {expected}")]
    MalformedSection {
        offset: u64,
        name: String,
        expected: &'static str,
    },
    /// Its storage layout breaks a rule of layouts.
    #[error("the storage layout, at offset {offset}, is malformed: {problem}")]
    StorageLayout { offset: u64, problem: LayoutProblem },
    /// Its storage layout is relative to a global that is not there.
    #[error(
        "the storage layout at offset {offset} is relative to the global `{name}`, which is not exported; export the address of the state under this name"
    )]
    StateMissing { offset: u64, name: String },
    /// The global that its storage layout is relative to is not a constant address.
    #[error(
        "the global `{name}` at offset {offset}, the address of the state, has type {found}; it must be an immutable {expected}"
    )]
    StateType {
        offset: u64,
        name: String,
        expected: &'static str,
        found: String,
    },
    /// A field of its storage layout lies outside its memory.
    #[error(
        "the field `{name}` of the storage layout at offset {offset}, {len_bytes} bytes at {start}, ends beyond the initial memory of {memory_bytes} bytes"
    )]
    FieldOutOfBounds {
        offset: u64,
        name: String,
        start: u64,
        len_bytes: u64,
        memory_bytes: u64,
    },
    /// A field of its storage layout lies in a range that is zeroed after each call.
    #[error(
        "the field `{name}` of the storage layout at offset {offset}, {len_bytes} bytes at {start}, overlaps {reserved}, which is zeroed after each call; place it elsewhere"
    )]
    FieldOverlaps {
        offset: u64,
        name: String,
        start: u64,
        len_bytes: u64,
        reserved: Reserved,
    },
    /// Its shadow stack lies outside its memory.
    #[error(
        "the shadow stack declared at offset {offset}, {len_bytes} bytes at {start}, ends beyond the initial memory of {memory_bytes} bytes"
    )]
    StackOutOfBounds {
        offset: u64,
        start: u64,
        len_bytes: u64,
        memory_bytes: u64,
    },
    /// Its shadow stack overlaps its argument buffer.
    #[error(
        "the shadow stack declared at offset {offset}, {len_bytes} bytes at {start}, overlaps the argument buffer; link the stack first"
    )]
    StackOverlapsArgumentBuffer {
        offset: u64,
        start: u64,
        len_bytes: u64,
    },
}

impl Rejection {
    /// The rule's name, for programs: it stays the same whatever becomes of the messages.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Component { .. } => "component",
            Self::Invalid { .. } => "invalid",
            Self::Feature { .. } => "feature",
            Self::Operator { .. } => "operator",
            Self::ValueType { .. } => "value-type",
            Self::Limit { .. } => "limit",
            Self::Start { .. } => "start",
            Self::ImportKind { .. } => "import-kind",
            Self::UnknownImport { .. } => "unknown-import",
            Self::ImportSignature { .. } => "import-signature",
            Self::MemoryMissing { .. } => "memory-missing",
            Self::MemoryCount { .. } => "memory-count",
            Self::MemoryNotExported { .. } => "memory-not-exported",
            Self::TableCount { .. } => "table-count",
            Self::TableType { .. } => "table-type",
            Self::ExportKind { .. } => "export-kind",
            Self::ExportSignature { .. } => "export-signature",
            Self::ImportExported { .. } => "import-exported",
            Self::ReservedName { .. } => "reserved-name",
            Self::MutableGlobalExported { .. } => "mutable-global-exported",
            Self::ArgumentBufferMissing { .. } => "argument-buffer-missing",
            Self::ArgumentBufferType { .. } => "argument-buffer-type",
            Self::ArgumentBufferOutOfBounds { .. } => "argument-buffer-out-of-bounds",
            Self::Constant { .. } => "constant",
            Self::PassiveData { .. } => "passive-data",
            Self::DataOutOfBounds { .. } => "data-out-of-bounds",
            Self::DataOverlaps { .. } => "data-overlaps",
            Self::InactiveElements { .. } => "inactive-elements",
            Self::ElementExpressions { .. } => "element-expressions",
            Self::ElementsOutOfBounds { .. } => "elements-out-of-bounds",
            Self::UnknownSection { .. } => "unknown-section",
            Self::DuplicateSection { .. } => "duplicate-section",
            Self::MalformedSection { .. } => "malformed-section",
            Self::StorageLayout { .. } => "storage-layout",
            Self::StateMissing { .. } => "state-missing",
            Self::StateType { .. } => "state-type",
            Self::FieldOutOfBounds { .. } => "field-out-of-bounds",
            Self::FieldOverlaps { .. } => "field-overlaps",
            Self::StackOutOfBounds { .. } => "stack-out-of-bounds",
            Self::StackOverlapsArgumentBuffer { .. } => "stack-overlaps-argument-buffer",
        }
    }

    /// Where in the code it is broken.
    pub fn offset(&self) -> u64 {
        match self {
            Self::Component { offset, .. }
            | Self::Invalid { offset, .. }
            | Self::Feature { offset, .. }
            | Self::Operator { offset, .. }
            | Self::ValueType { offset, .. }
            | Self::Limit { offset, .. }
            | Self::Start { offset, .. }
            | Self::ImportKind { offset, .. }
            | Self::UnknownImport { offset, .. }
            | Self::ImportSignature { offset, .. }
            | Self::MemoryMissing { offset, .. }
            | Self::MemoryCount { offset, .. }
            | Self::MemoryNotExported { offset, .. }
            | Self::TableCount { offset, .. }
            | Self::TableType { offset, .. }
            | Self::ExportKind { offset, .. }
            | Self::ExportSignature { offset, .. }
            | Self::ImportExported { offset, .. }
            | Self::ReservedName { offset, .. }
            | Self::MutableGlobalExported { offset, .. }
            | Self::ArgumentBufferMissing { offset, .. }
            | Self::ArgumentBufferType { offset, .. }
            | Self::ArgumentBufferOutOfBounds { offset, .. }
            | Self::Constant { offset, .. }
            | Self::PassiveData { offset, .. }
            | Self::DataOutOfBounds { offset, .. }
            | Self::DataOverlaps { offset, .. }
            | Self::InactiveElements { offset, .. }
            | Self::ElementExpressions { offset, .. }
            | Self::ElementsOutOfBounds { offset, .. }
            | Self::UnknownSection { offset, .. }
            | Self::DuplicateSection { offset, .. }
            | Self::MalformedSection { offset, .. }
            | Self::StorageLayout { offset, .. }
            | Self::StateMissing { offset, .. }
            | Self::StateType { offset, .. }
            | Self::FieldOutOfBounds { offset, .. }
            | Self::FieldOverlaps { offset, .. }
            | Self::StackOutOfBounds { offset, .. }
            | Self::StackOverlapsArgumentBuffer { offset, .. } => *offset,
        }
    }

    /// What the parser or the validator refused, named by the missing feature where there is one.
    pub(super) fn invalid(error: wasmparser::Error) -> Self {
        let offset = error.offset() as u64;
        // Some messages list bytes, a line for each.
        let words: Vec<&str> = error.message().split_whitespace().collect();
        let message = words.join(" ");
        let Some(missing) = error.missing_wasm_feature() else {
            return Self::Invalid { offset, message };
        };
        let names: Vec<&str> = missing.iter_names().map(|(name, _)| name).collect();
        Self::Feature {
            offset,
            feature: names.join(" + "),
            message,
        }
    }
}

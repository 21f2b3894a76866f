//! What a contract says about its functions, events and errors: the custom section `crostata.schema`.
//!
//! Everything here is computed by the compiler; a contract has the section and no code for it. Its format is in `docs/format.md`,
//! "Contract schemas", and `crostata-schema` reads it. A type that is not [`Described`] is told by its name and size.

pub(crate) mod described;
mod section;

pub use described::Described;
pub use section::{section, section_bytes};

/// The type of an argument, a result, or what is in them.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// `()`.
    Unit,
    /// `bool`.
    Bool,
    /// `char`.
    Char,
    /// `String`.
    String,
    /// `ContractId`.
    ContractId,
    /// An unsigned number of so many bytes.
    Uint(usize),
    /// A signed number of so many bytes.
    Int(usize),
    /// `Option<T>`.
    Option(&'static Type),
    /// `Result<T, E>`.
    Result(&'static Type, &'static Type),
    /// `Vec<T>`.
    List(&'static Type),
    /// `[T; N]`.
    Array(usize, &'static Type),
    /// A tuple.
    Tuple(&'static [&'static Type]),
    /// `Box<T>`.
    Boxed(&'static Type),
    /// A struct or enum of the author's.
    Named(&'static Definition),
    /// Any other type: as the author wrote it, and the length of its archived form.
    Opaque(&'static str, usize),
}

/// A struct or enum.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// What it is made of.
    pub content: Content,
}

/// What a struct or enum is made of.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// The fields of a struct.
    Struct(Fields),
    /// The variants of an enum.
    Enum(&'static [Variant]),
}

/// Fields of a struct or variant.
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    /// Whether they have names.
    pub named: bool,
    /// The fields, in order.
    pub fields: &'static [Field],
}

/// A field, or an argument.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name; nothing counts here where fields have none.
    pub name: &'static str,
    /// Its type.
    pub value_type: &'static Type,
}

/// A variant of an enum.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// Its fields.
    pub fields: Fields,
}

/// A contract.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// The name of its struct.
    pub name: &'static str,
    /// The byte of the section `crostata.reentry`.
    pub reentry: u8,
    /// Its exports.
    pub methods: &'static [Method],
    /// Its events.
    pub events: &'static [Event],
}

/// An export of a contract.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// The first line of its documentation.
    pub docs: &'static str,
    /// Whether it may change the state.
    pub changes: bool,
    /// Its arguments.
    pub arguments: &'static [Field],
    /// What it gives.
    pub result: &'static Type,
    /// What it raises.
    pub error: Option<&'static Type>,
}

/// An event of a contract.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Its topic.
    pub topic: &'static str,
    /// The type of its data.
    pub data: &'static Type,
}

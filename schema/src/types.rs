//! The schema of a contract: its methods, events and errors, and their types.

use std::fmt;

/// What a contract says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// The name of the contract's struct.
    pub contract: String,
    /// Who may call it while it runs.
    pub reentry: Reentry,
    /// The functions that can be called, and `init`.
    pub methods: Vec<Method>,
    /// The events that it emits.
    pub events: Vec<EventType>,
    /// The errors that its methods raise.
    pub errors: Vec<ErrorType>,
}

/// Who may call a contract while one of its functions runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reentry {
    /// Anybody.
    Allowed,
    /// Only the contract itself.
    OnlySelf,
    /// Nobody.
    Never,
}

/// A function of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// The name of the export.
    pub name: String,
    /// The first line of its documentation.
    pub docs: String,
    /// Its arguments, in order.
    pub arguments: Vec<Field>,
    /// What it gives; of a method that raises errors, without them.
    pub result: Type,
    /// The errors with which it undoes what it did.
    pub error: Option<Type>,
    /// Whether it changes the contract's state.
    pub access: MethodAccess,
}

/// Whether a method changes the state of its contract.
///
/// It is what the author says (`&self`, or an attribute), and nothing enforces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MethodAccess {
    /// It only reads.
    ReadOnly,
    /// It may change it.
    Changes,
}

/// An event of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventType {
    /// Its topic.
    pub topic: String,
    /// The type of its data.
    pub data: Type,
}

/// An error that a contract raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorType {
    /// The name of its Rust type, which travels with it.
    pub name: String,
    /// The type.
    pub value: Type,
}

/// A field of a struct or variant, or an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name; empty if it has none.
    pub name: String,
    /// Its type.
    pub value_type: Type,
}

/// A variant of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// The type of a value that a contract takes or gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `()`.
    Unit,
    /// `bool`.
    Bool,
    /// An integer.
    Int {
        /// Whether it can be negative.
        signed: bool,
        /// 1, 2, 4, 8 or 16.
        len_bytes: u8,
    },
    /// `char`.
    Char,
    /// `String`.
    String,
    /// `Vec<u8>`.
    Bytes,
    /// `[u8; N]`.
    FixedBytes(usize),
    /// `ContractId`.
    ContractId,
    /// `Option<T>`.
    Option(Box<Type>),
    /// `Result<T, E>`, as a value.
    Result(Box<Type>, Box<Type>),
    /// `Vec<T>`.
    List(Box<Type>),
    /// `[T; N]`.
    Array(Box<Type>, usize),
    /// A tuple.
    Tuple(Vec<Type>),
    /// `Box<T>`: shown as what is in it.
    Boxed(Box<Type>),
    /// A struct under `#[crostata_sdk::data]`.
    Struct {
        /// Its name.
        name: String,
        /// Its fields.
        fields: Vec<Field>,
    },
    /// An enum under `#[crostata_sdk::data]`.
    Enum {
        /// Its name.
        name: String,
        /// Its variants; the first has the tag 0.
        variants: Vec<Variant>,
    },
    /// A type that the SDK does not know.
    Opaque {
        /// As the author wrote it.
        name: String,
        /// The length of its part of an archive, without what that points to.
        len_bytes: usize,
    },
}

impl Schema {
    /// The method of this name.
    pub fn method(&self, name: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.name == name)
    }

    /// The event with this topic.
    pub fn event(&self, topic: &str) -> Option<&EventType> {
        self.events.iter().find(|event| event.topic == topic)
    }

    /// The error of this name.
    pub fn error(&self, name: &str) -> Option<&ErrorType> {
        self.errors.iter().find(|error| error.name == name)
    }
}

impl Method {
    /// The method as Rust declares it, without the receiver.
    pub fn signature(&self) -> String {
        let arguments: Vec<String> = self.arguments.iter().map(Field::to_string).collect();
        let head = format!("{}({})", self.name, arguments.join(", "));
        match (&self.error, &self.result) {
            (None, Type::Unit) => head,
            (None, result) => format!("{head} -> {result}"),
            (Some(error), result) => format!("{head} -> Result<{result}, {error}>"),
        }
    }

    /// The type of what the call takes: nothing, the argument, or the tuple of them.
    pub fn argument(&self) -> Type {
        match self.arguments.as_slice() {
            [] => Type::Unit,
            [only] => only.value_type.clone(),
            all => Type::Tuple(all.iter().map(|field| field.value_type.clone()).collect()),
        }
    }
}

impl Type {
    /// Bytes that a value takes in its place in an archive, without what it points to.
    pub(crate) fn place_bytes(&self) -> u64 {
        match self {
            Self::Unit => 0,
            Self::Bool => 1,
            Self::Int { len_bytes, .. } => u64::from(*len_bytes),
            Self::Char | Self::Boxed(_) => 4,
            Self::String | Self::Bytes | Self::List(_) => 8,
            Self::FixedBytes(len) | Self::Opaque { len_bytes: len, .. } => *len as u64,
            Self::ContractId => 32,
            Self::Option(value) => value.place_bytes().saturating_add(1),
            Self::Result(value, error) => {
                let longer = value.place_bytes().max(error.place_bytes());
                longer.saturating_add(1)
            }
            Self::Array(element, count) => element.place_bytes().saturating_mul(*count as u64),
            Self::Tuple(types) => sum(types.iter()),
            Self::Struct { fields, .. } => sum(fields.iter().map(|field| &field.value_type)),
            Self::Enum { variants, .. } => {
                let lengths = variants.iter().map(Variant::place_bytes);
                lengths.max().unwrap_or(0).saturating_add(1)
            }
        }
    }
}

impl Variant {
    fn place_bytes(&self) -> u64 {
        sum(self.fields.iter().map(|field| &field.value_type))
    }
}

fn sum<'a>(types: impl Iterator<Item = &'a Type>) -> u64 {
    types.fold(0, |sum, one| sum.saturating_add(one.place_bytes()))
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "{}", self.value_type),
            name => write!(f, "{name}: {}", self.value_type),
        }
    }
}

/// As Rust writes it; structs and enums by their names.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit => f.write_str("()"),
            Self::Bool => f.write_str("bool"),
            Self::Char => f.write_str("char"),
            Self::String => f.write_str("String"),
            Self::Bytes => f.write_str("Vec<u8>"),
            Self::ContractId => f.write_str("ContractId"),
            Self::Int { signed, len_bytes } => {
                let letter = if *signed { 'i' } else { 'u' };
                write!(f, "{letter}{}", u32::from(*len_bytes) * 8)
            }
            Self::FixedBytes(len) => write!(f, "[u8; {len}]"),
            Self::Option(value) => write!(f, "Option<{value}>"),
            Self::Result(value, error) => write!(f, "Result<{value}, {error}>"),
            Self::List(element) => write!(f, "Vec<{element}>"),
            Self::Array(element, count) => write!(f, "[{element}; {count}]"),
            Self::Boxed(value) => write!(f, "Box<{value}>"),
            Self::Tuple(types) => write_tuple(f, types),
            Self::Struct { name, .. } | Self::Enum { name, .. } | Self::Opaque { name, .. } => {
                f.write_str(name)
            }
        }
    }
}

fn write_tuple(f: &mut fmt::Formatter<'_>, types: &[Type]) -> fmt::Result {
    let names: Vec<String> = types.iter().map(Type::to_string).collect();
    match names.as_slice() {
        [only] => write!(f, "({only},)"),
        all => write!(f, "({})", all.join(", ")),
    }
}

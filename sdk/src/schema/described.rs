//! The types that the SDK can describe, and the questions that generated code asks about any type.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;

use crostata_abi::{ContractError, ContractId};

use super::{Content, Definition, Field, Fields, Type, Variant};

/// A type that the schema of a contract can tell, so that tools can write and read its values.
///
/// `#[crostata_sdk::data]` implements it.
pub trait Described {
    /// The type in the schema.
    const TYPE: Type;
}

macro_rules! described {
    ($($rust:ty => $told:expr,)*) => {
        $(impl Described for $rust {
            const TYPE: Type = $told;
        })*
    };
}

described! {
    () => Type::Unit,
    bool => Type::Bool,
    char => Type::Char,
    String => Type::String,
    ContractId => Type::ContractId,
    u8 => Type::Uint(1),
    u16 => Type::Uint(2),
    u32 => Type::Uint(4),
    u64 => Type::Uint(8),
    u128 => Type::Uint(16),
    usize => Type::Uint(4),
    i8 => Type::Int(1),
    i16 => Type::Int(2),
    i32 => Type::Int(4),
    i64 => Type::Int(8),
    i128 => Type::Int(16),
    isize => Type::Int(4),
    ContractError => Type::Named(&Definition {
        name: "ContractError",
        content: Content::Enum(&[
            variant("Panic", &[Field { name: "", value_type: &Type::String }]),
            variant("OutOfGas", &[]),
            variant("DoesNotExist", &[]),
            variant("Unknown", &[]),
        ]),
    }),
}

const fn variant(name: &'static str, fields: &'static [Field]) -> Variant {
    let named = false;
    Variant {
        name,
        fields: Fields { named, fields },
    }
}

impl<T: Described> Described for Option<T> {
    const TYPE: Type = Type::Option(&T::TYPE);
}

impl<T: Described, E: Described> Described for Result<T, E> {
    const TYPE: Type = Type::Result(&T::TYPE, &E::TYPE);
}

impl<T: Described> Described for Vec<T> {
    const TYPE: Type = Type::List(&T::TYPE);
}

impl<T: Described, const N: usize> Described for [T; N] {
    const TYPE: Type = Type::Array(N, &T::TYPE);
}

impl<T: Described> Described for Box<T> {
    const TYPE: Type = Type::Boxed(&T::TYPE);
}

macro_rules! described_tuples {
    ($($first:ident $($rest:ident)*,)*) => {
        $(impl<$first: Described, $($rest: Described),*> Described for ($first, $($rest,)*) {
            const TYPE: Type = Type::Tuple(&[&$first::TYPE, $(&$rest::TYPE),*]);
        })*
    };
}

described_tuples! {
    A,
    A B,
    A B C,
    A B C D,
    A B C D E,
    A B C D E F,
    A B C D E F G,
    A B C D E F G H,
    A B C D E F G H I,
    A B C D E F G H I J,
    A B C D E F G H I J K,
    A B C D E F G H I J K L,
}

/// Asks about a type whatever it is: where a constant of its own does not apply, [`Unknown`]'s does.
pub struct Probe<T>(PhantomData<T>);

impl<T: Described> Probe<T> {
    /// The type in the schema, if it has one.
    pub const TYPE: Option<Type> = Some(T::TYPE);
}

impl<T, E> Probe<Result<T, E>> {
    /// Whether the type is a `Result`.
    pub const IS_RESULT: bool = true;
}

impl<T: Sync> Probe<T> {
    /// Whether a shared reference may change the value: no type with a cell is `Sync`.
    pub const HAS_CELLS: bool = false;
}

/// A `Result` under any name: what a method gives, and what it raises.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called `Result`, but it is not Rust's",
    label = "a method that returns `Result` raises its error",
    note = "return `core::result::Result`, or give this type another name"
)]
pub trait Outcome {
    /// What it gives.
    type Value;
    /// What it raises.
    type Error;
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;
    type Error = E;
}

/// The answers about types of which nothing is known.
pub trait Unknown {
    /// Not in the schema.
    const TYPE: Option<Type> = None;
    /// No `Result`.
    const IS_RESULT: bool = false;
    /// It may have cells.
    const HAS_CELLS: bool = true;
}

impl<T> Unknown for Probe<T> {}

/// The type in the schema; if it has none, its name and the length of its archived form.
pub const fn or_opaque(known: Option<Type>, name: &'static str, len_bytes: usize) -> Type {
    match known {
        Some(known) => known,
        None => Type::Opaque(name, len_bytes),
    }
}

/// The bytes of a slice as an array.
pub const fn copied<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut copy = [0; N];
    copy.copy_from_slice(bytes);
    copy
}

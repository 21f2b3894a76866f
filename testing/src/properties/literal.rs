//! Values as Rust writes them, for reproductions that can be pasted.

use std::fmt::Debug;

use crostata_abi::ContractId;
use crostata_abi::typed::Encode;

/// What contracts and accounts are called in a reproduction: an expression for each id.
pub trait Names {
    /// The expression, if the id has a name.
    fn of(&self, id: &ContractId) -> Option<String>;
}

/// A value that random calls can have as an argument: it can be sent, and written as Rust.
///
/// Implemented for what arguments are mostly made of. For a type of your own, `rust` gives the expression that makes the value.
pub trait Literal: Encode + Debug + Clone {
    /// The expression.
    fn rust(&self, names: &dyn Names) -> String;
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Literal for $type {
            fn rust(&self, _: &dyn Names) -> String {
                format!(concat!("{:?}_", stringify!($type)), self)
            }
        }
    )*};
}

plain!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);

macro_rules! debugged {
    ($($type:ty)*) => {$(
        impl Literal for $type {
            fn rust(&self, _: &dyn Names) -> String {
                format!("{self:?}")
            }
        }
    )*};
}

debugged!(bool char);

impl Literal for () {
    fn rust(&self, _: &dyn Names) -> String {
        "()".to_owned()
    }
}

impl Literal for String {
    fn rust(&self, _: &dyn Names) -> String {
        format!("{self:?}.to_owned()")
    }
}

impl Literal for ContractId {
    fn rust(&self, names: &dyn Names) -> String {
        let bytes = || format!("ContractId::from_bytes({:?})", self.to_bytes());
        names.of(self).unwrap_or_else(bytes)
    }
}

impl<const N: usize> Literal for [u8; N] {
    fn rust(&self, names: &dyn Names) -> String {
        let id = <[u8; 32]>::try_from(self.as_slice());
        let named = id.ok().and_then(|id| names.of(&ContractId::from_bytes(id)));
        match named {
            Some(name) => format!("{name}.to_bytes()"),
            None => format!("{self:?}"),
        }
    }
}

impl<T: Literal> Literal for Vec<T>
where
    Vec<T>: Encode,
{
    fn rust(&self, names: &dyn Names) -> String {
        match self.is_empty() {
            true => format!("Vec::<{}>::new()", std::any::type_name::<T>()),
            false => format!("vec![{}]", list(self.iter().map(|item| item.rust(names)))),
        }
    }
}

impl<T: Literal> Literal for Option<T>
where
    Option<T>: Encode,
{
    fn rust(&self, names: &dyn Names) -> String {
        match self {
            Some(value) => format!("Some({})", value.rust(names)),
            None => format!("None::<{}>", std::any::type_name::<T>()),
        }
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {$(
        impl<$($name: Literal),*> Literal for ($($name,)*)
        where
            ($($name,)*): Encode,
        {
            fn rust(&self, names: &dyn Names) -> String {
                #[allow(non_snake_case)]
                let ($($name,)*) = self;
                let parts = [$($name.rust(names)),*];
                match parts.len() {
                    1 => format!("({},)", parts[0]),
                    _ => format!("({})", list(parts)),
                }
            }
        }
    )*};
}

tuples!((A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F));

fn list(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().collect();
    parts.join(", ")
}

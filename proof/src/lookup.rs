//! Looking a value up by its name, and by a key if it is in a map: the same for whoever makes a proof and whoever verifies one.
//!
//! What is read depends on the layout, the name, the key and the bytes that are read, and on nothing else.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::layout::{Field, Layout, Type};
use crate::map::{self, MapError, MemoryBytes, Shape};
use crate::value::{KeyError, Value, ValueError};

/// Which value of a contract's state is meant.
///
/// A field of a struct is named `struct.field`. Strings are the names of values that are in no map.
///
/// ```
/// use crostata_proof::ValuePath;
///
/// let supply = ValuePath::from("total_supply");
/// let fee = ValuePath::field("terms.fee");
/// let balance = ValuePath::key("balances", [7; 32]);
/// assert!(balance.to_string().starts_with("balances[0x0707"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuePath {
    /// The name of the value or map.
    pub name: String,
    /// The key in the map.
    pub key: Option<Value>,
}

impl ValuePath {
    /// A value that is in no map.
    pub fn field(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { name, key: None }
    }

    /// What a map has under a key, or that it has nothing there.
    pub fn key(name: impl Into<String>, key: impl Into<Value>) -> Self {
        Self {
            name: name.into(),
            key: Some(key.into()),
        }
    }
}

impl From<&str> for ValuePath {
    fn from(name: &str) -> Self {
        Self::field(name)
    }
}

impl fmt::Display for ValuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.key {
            Some(key) => write!(f, "[{key}]"),
            None => Ok(()),
        }
    }
}

/// Why there is no value under a name or key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValueLookupError<E> {
    /// The memory could not be read.
    #[error(transparent)]
    Memory(E),
    /// Nothing has this name.
    #[error("there is no `{name}`; there is {}", names.join(", "))]
    NoName {
        /// The name, or as much of it as leads nowhere.
        name: String,
        /// The names that there are.
        names: Vec<String>,
    },
    /// A field was asked for of something that has no fields.
    #[error("`{name}` has no fields: it is {value_type}")]
    NoStruct {
        /// Its name.
        name: String,
        /// Its type.
        value_type: String,
    },
    /// A key was asked for in something that is no map.
    #[error("`{name}` has no keys: it is {value_type}; ask for it without a key")]
    NoMap {
        /// Its name.
        name: String,
        /// Its type.
        value_type: String,
    },
    /// A map, or something with a map in it, was asked for without a key.
    #[error("`{name}` is {value_type}; a map is proven key by key: ask for the value of one")]
    WholeMap {
        /// Its name.
        name: String,
        /// Its type.
        value_type: String,
    },
    /// The key is none of this map.
    #[error("in `{name}`: {error}")]
    Key {
        /// The map's name.
        name: String,
        /// Why.
        #[source]
        error: KeyError,
    },
    /// The contract's memory has no map where it declares one.
    #[error("`{name}` is no map in the contract's memory: {error}")]
    Map {
        /// The map's name.
        name: String,
        /// Why.
        #[source]
        error: MapError,
    },
    /// The contract's memory has no value of the type where it declares one.
    #[error("`{name}` is no value of its type in the contract's memory: {error}")]
    Value {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        error: ValueError,
    },
}

/// The value under a name.
///
/// # Errors
/// [`ValueLookupError`] when there is none, or the memory can not be read.
pub fn look_up_field<M: MemoryBytes>(
    layout: &Layout,
    name: &str,
    memory: &mut M,
) -> Result<Value, ValueLookupError<M::Error>> {
    let (address, value_type) = resolve(layout, name)?;
    if value_type.has_map() {
        return Err(ValueLookupError::WholeMap {
            name: name.into(),
            value_type: value_type.to_string(),
        });
    }
    let mut bytes = alloc::vec![0; value_type.len_bytes() as usize]; // at most 65,536 in a layout
    memory
        .read(address, &mut bytes)
        .map_err(ValueLookupError::Memory)?;
    value(name, value_type, &bytes)
}

/// The value that a map has under a key, if it has one.
///
/// # Errors
/// [`ValueLookupError`] when there is no such map, or the memory can not be read.
pub fn look_up_key<M: MemoryBytes>(
    layout: &Layout,
    name: &str,
    key: &Value,
    memory: &mut M,
) -> Result<Option<Value>, ValueLookupError<M::Error>> {
    let (address, map_type) = resolve(layout, name)?;
    let no_map = || ValueLookupError::NoMap {
        name: name.into(),
        value_type: map_type.to_string(),
    };
    let Type::Map {
        key: key_type,
        value: value_type,
    } = map_type
    else {
        return Err(no_map());
    };
    let shape = Shape::new(key_type.key_bytes(), value_type.len_bytes()).ok_or_else(no_map)?;
    let key = key
        .to_key(key_type)
        .map_err(|error| ValueLookupError::Key {
            name: name.into(),
            error,
        })?;
    let found = map::find(memory, shape, address, &key).map_err(ValueLookupError::Memory)?;
    let found = found.map_err(|error| ValueLookupError::Map {
        name: name.into(),
        error,
    })?;
    found
        .map(|bytes| value(name, value_type, &bytes))
        .transpose()
}

fn value<E>(name: &str, value_type: &Type, bytes: &[u8]) -> Result<Value, ValueLookupError<E>> {
    Value::from_memory(value_type, bytes).map_err(|error| ValueLookupError::Value {
        name: name.into(),
        error,
    })
}

/// The address and type of what has this name.
fn resolve<'l, E>(layout: &'l Layout, name: &str) -> Result<(u64, &'l Type), ValueLookupError<E>> {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let field = find(layout.fields(), first, first)?;
    let (mut address, mut value_type) = (field.place, &field.value_type);
    let mut so_far = first.len();
    for part in parts {
        let Type::Struct { fields, .. } = value_type else {
            return Err(ValueLookupError::NoStruct {
                name: name[..so_far].into(),
                value_type: value_type.to_string(),
            });
        };
        so_far += 1 + part.len();
        let field = find(fields, part, &name[..so_far])?;
        // The layout keeps fields inside their structs, and those inside the addresses.
        address = address.saturating_add(field.place);
        value_type = &field.value_type;
    }
    Ok((address, value_type))
}

fn find<'l, E>(
    fields: &'l [Field],
    name: &str,
    path: &str,
) -> Result<&'l Field, ValueLookupError<E>> {
    let field = fields.iter().find(|field| field.name == name);
    field.ok_or_else(|| ValueLookupError::NoName {
        name: path.into(),
        names: fields.iter().map(|field| field.name.clone()).collect(),
    })
}

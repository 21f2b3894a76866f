//! The storage layout of a contract: the names, types and addresses of the values in its memory that it declares.
//!
//! Two encodings, both of `docs/format.md`, "Storage layout". The [`SourceLayout`] is the custom section that the
//! contract's code carries: places are relative to the state, whose address only the linker knew. Deploying it makes the
//! canonical [`Layout`] of it, with addresses; its hash is in the contract's record.
//!
//! Nothing here reads a memory. What decodes is within the bounds below, which also bound what a value can take up.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::map;
use crate::read::{Cut, Reader};

/// The version of both encodings.
pub const LAYOUT_VERSION: u8 = 1;
/// The longest encoding of a layout.
pub const LAYOUT_BYTES_MAX: usize = 16_384;
/// The longest name of a field.
pub const NAME_BYTES_MAX: usize = 64;
/// How deep types may lie in each other.
pub const TYPE_DEPTH_MAX: usize = 8;
/// The largest value that can be declared.
pub const VALUE_BYTES_MAX: u64 = 65_536;

const BOOL: u8 = 1;
const UINT: u8 = 2;
const INT: u8 = 3;
const ARRAY: u8 = 4;
const STRUCT: u8 = 5;
const MAP: u8 = 6;

/// The type of a declared value: how its bytes in memory are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// One byte, 0 or 1.
    Bool,
    /// An unsigned number of 1, 2, 4, 8 or 16 bytes, little-endian.
    Uint {
        /// How many bytes.
        len_bytes: u8,
    },
    /// A number in two's complement of 1, 2, 4, 8 or 16 bytes, little-endian.
    Int {
        /// How many bytes.
        len_bytes: u8,
    },
    /// Elements side by side. Those of one-byte unsigned numbers are bytes.
    Array {
        /// How many elements, one at least.
        count: u32,
        /// What they are; no map.
        element: Box<Type>,
    },
    /// Named fields at places of their own.
    Struct {
        /// Bytes from its start to its end, which the fields need not fill.
        len_bytes: u32,
        /// The fields, one at least, in the order of their declaration. `place` counts from the start of the struct.
        fields: Vec<Field>,
    },
    /// A map of the SDK: 8 bytes, the address of its root node.
    Map {
        /// The type of its keys; no map.
        key: Box<Type>,
        /// The type of its values; no map.
        value: Box<Type>,
    },
}

/// A declared value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its address in the memory, or its offset in the struct that it is a field of.
    pub place: u64,
    /// Its type.
    pub value_type: Type,
}

/// The canonical layout: fields by ascending name, with their addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    fields: Vec<Field>,
}

/// The layout as the contract's code declares it, relative to its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLayout {
    /// Name of the exported global that holds the address of the state.
    pub global: String,
    /// The fields of the state. `place` counts from its address.
    pub fields: Vec<Field>,
}

/// What is wrong with a layout, and at which of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("byte {at} of the storage layout: {problem}")]
pub struct LayoutError {
    /// Where, counted from the start of the layout.
    pub at: usize,
    /// What.
    #[source]
    pub problem: LayoutProblem,
}

/// A rule of storage layouts that is broken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutProblem {
    /// The bytes end inside the layout.
    #[error("it ends early")]
    Cut,
    /// There are bytes behind the layout.
    #[error("{extra_bytes} bytes follow the last field")]
    Trailing {
        /// How many.
        extra_bytes: usize,
    },
    /// It is too long.
    #[error("{found} bytes, at most {LAYOUT_BYTES_MAX} are possible: declare fewer fields")]
    Long {
        /// Its length.
        found: usize,
    },
    /// A version that this build does not know.
    #[error("version {found} is unknown; this build reads version {LAYOUT_VERSION}")]
    Version {
        /// The version in the layout.
        found: u8,
    },
    /// A name is not 1 to 64 ASCII letters, digits and underscores.
    #[error(
        "a name is 1 to {NAME_BYTES_MAX} ASCII letters, digits and underscores: rename the field"
    )]
    Name,
    /// A name occurs twice.
    #[error("the name `{name}` occurs a second time")]
    Twice {
        /// The name.
        name: String,
    },
    /// The fields of a canonical layout do not ascend by name.
    #[error("the field `{name}` is out of order")]
    Order {
        /// Its name.
        name: String,
    },
    /// A type that this build does not know.
    #[error("there is no type {found}")]
    Type {
        /// The byte that should be a type.
        found: u8,
    },
    /// A number of a size that no number has.
    #[error("a number has 1, 2, 4, 8 or 16 bytes, not {found}")]
    Number {
        /// The size in the layout.
        found: u8,
    },
    /// Types are nested too deep.
    #[error("types lie in each other more than {TYPE_DEPTH_MAX} deep")]
    Depth,
    /// An array without elements or a struct without fields.
    #[error("a value without bytes can not be declared")]
    Nothing,
    /// A value is too large.
    #[error("a value of {found} bytes, at most {VALUE_BYTES_MAX} are possible: leave it out")]
    Large {
        /// Its size.
        found: u64,
    },
    /// A field of a struct ends behind the struct, or its fields take up more than the struct.
    #[error("the fields do not fit into their struct of {len_bytes} bytes")]
    Struct {
        /// The size of the struct.
        len_bytes: u32,
    },
    /// A map lies in an array or in another map.
    #[error("a map can only be a field of the state, or of a struct in it")]
    Map,
    /// Keys and values are too large for the nodes of a map.
    #[error("a map of {key_bytes}-byte keys to {value_bytes}-byte values does not fit into nodes")]
    Entry {
        /// The size of an encoded key.
        key_bytes: u64,
        /// The size of a value.
        value_bytes: u64,
    },
    /// A field ends behind the last address.
    #[error("the field `{name}` ends behind the last address")]
    Place {
        /// Its name.
        name: String,
    },
}

impl Type {
    /// Bytes that a value takes up in memory.
    pub fn len_bytes(&self) -> u64 {
        match self {
            Self::Bool => 1,
            Self::Uint { len_bytes } | Self::Int { len_bytes } => u64::from(*len_bytes),
            Self::Array { count, element } => u64::from(*count).saturating_mul(element.len_bytes()),
            Self::Struct { len_bytes, .. } => u64::from(*len_bytes),
            Self::Map { .. } => map::HEADER_BYTES,
        }
    }

    /// Bytes of a value as the key of a map: without those between the fields of structs.
    pub fn key_bytes(&self) -> u64 {
        match self {
            Self::Array { count, element } => u64::from(*count).saturating_mul(element.key_bytes()),
            Self::Struct { fields, .. } => {
                let sizes = fields.iter().map(|field| field.value_type.key_bytes());
                sizes.fold(0, u64::saturating_add)
            }
            other => other.len_bytes(),
        }
    }

    /// Whether a map is in it.
    pub fn has_map(&self) -> bool {
        match self {
            Self::Map { .. } => true,
            Self::Struct { fields, .. } => fields.iter().any(|field| field.value_type.has_map()),
            _ => false,
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Bool => bytes.push(BOOL),
            Self::Uint { len_bytes } => bytes.extend([UINT, *len_bytes]),
            Self::Int { len_bytes } => bytes.extend([INT, *len_bytes]),
            Self::Array { count, element } => {
                bytes.push(ARRAY);
                bytes.extend(count.to_le_bytes());
                element.write(bytes);
            }
            Self::Struct { len_bytes, fields } => {
                bytes.push(STRUCT);
                bytes.extend(len_bytes.to_le_bytes());
                write_fields(fields, bytes, |place| (place as u32).to_le_bytes());
            }
            Self::Map { key, value } => {
                bytes.push(MAP);
                key.write(bytes);
                value.write(bytes);
            }
        }
    }
}

/// The type as Rust would write it, with fields of structs in braces.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Uint { len_bytes } => write!(f, "u{}", u32::from(*len_bytes) * 8),
            Self::Int { len_bytes } => write!(f, "i{}", u32::from(*len_bytes) * 8),
            Self::Array { count, element } => write!(f, "[{element}; {count}]"),
            Self::Struct { fields, .. } => {
                for (at, field) in fields.iter().enumerate() {
                    let before = if at == 0 { "{ " } else { ", " };
                    write!(f, "{before}{}: {}", field.name, field.value_type)?;
                }
                f.write_str(" }")
            }
            Self::Map { key, value } => write!(f, "Map<{key}, {value}>"),
        }
    }
}

impl Layout {
    /// The fields, by ascending name.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = alloc::vec![LAYOUT_VERSION];
        write_fields(&self.fields, &mut bytes, u64::to_le_bytes);
        bytes
    }

    /// The layout that `bytes` encodes. Encoding it again gives `bytes`.
    ///
    /// # Errors
    /// [`LayoutError`] if the bytes are not exactly one canonical layout of the known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, LayoutError> {
        let mut decoder = Decoder::new(bytes)?;
        let fields = decoder.fields(0, |place: [u8; 8]| u64::from_le_bytes(place))?;
        decoder.end()?;
        for (field, next) in fields.iter().zip(fields.iter().skip(1)) {
            if field.name >= next.name {
                let name = next.name.clone();
                return Err(decoder.error(LayoutProblem::Order { name }));
            }
        }
        match fields.iter().find(|field| end(field).is_none()) {
            None => Ok(Self { fields }),
            Some(field) => {
                let name = field.name.clone();
                Err(decoder.error(LayoutProblem::Place { name }))
            }
        }
    }
}

impl SourceLayout {
    /// The source that `bytes`, the contents of the custom section, hold.
    ///
    /// # Errors
    /// [`LayoutError`] if the bytes are not exactly one source layout of the known version.
    pub fn decode(bytes: &[u8]) -> Result<Self, LayoutError> {
        let mut decoder = Decoder::new(bytes)?;
        let global = decoder.name()?;
        let fields = decoder.struct_fields(0)?;
        decoder.end()?;
        Ok(Self { global, fields })
    }

    /// The canonical layout of a contract whose state is at this address.
    ///
    /// # Errors
    /// [`LayoutError`] if a field ends behind the last address, or the canonical layout is too long.
    pub fn resolve(mut self, state: u64) -> Result<Layout, LayoutError> {
        for field in &mut self.fields {
            let place = field.place.checked_add(state);
            field.place = place.unwrap_or(u64::MAX);
            if end(field).is_none() {
                let name = field.name.clone();
                let problem = LayoutProblem::Place { name };
                return Err(LayoutError { at: 0, problem });
            }
        }
        let mut fields = self.fields;
        fields.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let layout = Layout { fields };
        match layout.encode().len() {
            ..=LAYOUT_BYTES_MAX => Ok(layout),
            found => {
                let problem = LayoutProblem::Long { found };
                Err(LayoutError { at: 0, problem })
            }
        }
    }
}

/// The address behind the field.
fn end(field: &Field) -> Option<u64> {
    field.place.checked_add(field.value_type.len_bytes())
}

fn write_fields<const N: usize>(
    fields: &[Field],
    bytes: &mut Vec<u8>,
    place: impl Fn(u64) -> [u8; N],
) {
    bytes.extend((fields.len() as u16).to_le_bytes()); // a layout has room for fewer
    for field in fields {
        bytes.push(field.name.len() as u8); // at most 64
        bytes.extend(field.name.as_bytes());
        bytes.extend(place(field.place));
        field.value_type.write(bytes);
    }
}

/// Reads a layout and knows where it is.
struct Decoder<'a> {
    reader: Reader<'a>,
    len_bytes: usize,
}

impl<'a> Decoder<'a> {
    /// Reads length and version.
    fn new(bytes: &'a [u8]) -> Result<Self, LayoutError> {
        let mut decoder = Self {
            reader: Reader::new(bytes),
            len_bytes: bytes.len(),
        };
        if bytes.len() > LAYOUT_BYTES_MAX {
            let found = bytes.len();
            return Err(decoder.error(LayoutProblem::Long { found }));
        }
        match decoder.byte()? {
            LAYOUT_VERSION => Ok(decoder),
            found => Err(decoder.before(1, LayoutProblem::Version { found })),
        }
    }

    fn error(&self, problem: LayoutProblem) -> LayoutError {
        let at = self.len_bytes - self.reader.rest().len();
        LayoutError { at, problem }
    }

    /// An error in the last bytes that were read.
    fn before(&self, bytes: usize, problem: LayoutProblem) -> LayoutError {
        let LayoutError { at, problem } = self.error(problem);
        let at = at.saturating_sub(bytes);
        LayoutError { at, problem }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LayoutError> {
        let array = self.reader.array();
        array.map_err(|Cut| self.error(LayoutProblem::Cut))
    }

    fn byte(&mut self) -> Result<u8, LayoutError> {
        self.array().map(|[byte]| byte)
    }

    fn end(&self) -> Result<(), LayoutError> {
        match self.reader.rest().len() {
            0 => Ok(()),
            extra_bytes => Err(self.error(LayoutProblem::Trailing { extra_bytes })),
        }
    }

    fn name(&mut self) -> Result<String, LayoutError> {
        let len = usize::from(self.byte()?);
        let name = self.reader.bytes(len);
        let name = name.map_err(|Cut| self.error(LayoutProblem::Cut))?;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let is_good = (1..=NAME_BYTES_MAX).contains(&len) && name.iter().all(is_word);
        match core::str::from_utf8(name) {
            Ok(name) if is_good => Ok(name.into()),
            _ => Err(self.before(len, LayoutProblem::Name)),
        }
    }

    /// Fields under different names, which lie `depth` types deep.
    fn fields<const N: usize>(
        &mut self,
        depth: usize,
        place: impl Fn([u8; N]) -> u64,
    ) -> Result<Vec<Field>, LayoutError> {
        let count = u16::from_le_bytes(self.array()?);
        let mut fields = Vec::new();
        for _ in 0..count {
            fields.push(Field {
                name: self.name()?,
                place: place(self.array()?),
                value_type: self.value_type(depth + 1)?,
            });
        }
        let mut names: Vec<&String> = fields.iter().map(|field| &field.name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(fields),
            Some(pair) => {
                let name = pair[0].clone();
                Err(self.error(LayoutProblem::Twice { name }))
            }
        }
    }

    fn struct_fields(&mut self, depth: usize) -> Result<Vec<Field>, LayoutError> {
        self.fields(depth, |place: [u8; 4]| u64::from(u32::from_le_bytes(place)))
    }

    fn value_type(&mut self, depth: usize) -> Result<Type, LayoutError> {
        if depth > TYPE_DEPTH_MAX {
            return Err(self.error(LayoutProblem::Depth));
        }
        let value_type = match self.byte()? {
            BOOL => Type::Bool,
            UINT => Type::Uint {
                len_bytes: self.number()?,
            },
            INT => Type::Int {
                len_bytes: self.number()?,
            },
            ARRAY => self.array_type(depth)?,
            STRUCT => self.struct_type(depth)?,
            MAP => self.map_type(depth)?,
            found => return Err(self.before(1, LayoutProblem::Type { found })),
        };
        match value_type.len_bytes() {
            0 => Err(self.error(LayoutProblem::Nothing)),
            1..=VALUE_BYTES_MAX => Ok(value_type),
            found => Err(self.error(LayoutProblem::Large { found })),
        }
    }

    fn number(&mut self) -> Result<u8, LayoutError> {
        match self.byte()? {
            len_bytes @ (1 | 2 | 4 | 8 | 16) => Ok(len_bytes),
            found => Err(self.before(1, LayoutProblem::Number { found })),
        }
    }

    /// A type that is within another as a value: no map.
    fn plain_type(&mut self, depth: usize) -> Result<Box<Type>, LayoutError> {
        match self.value_type(depth)? {
            inside if inside.has_map() => Err(self.error(LayoutProblem::Map)),
            inside => Ok(Box::new(inside)),
        }
    }

    fn array_type(&mut self, depth: usize) -> Result<Type, LayoutError> {
        let count = u32::from_le_bytes(self.array()?);
        let element = self.plain_type(depth + 1)?;
        Ok(Type::Array { count, element })
    }

    fn struct_type(&mut self, depth: usize) -> Result<Type, LayoutError> {
        let len_bytes = u32::from_le_bytes(self.array()?);
        let fields = self.struct_fields(depth)?;
        if fields.is_empty() {
            return Err(self.error(LayoutProblem::Nothing));
        }
        let inside = |field| end(field).is_some_and(|end| end <= u64::from(len_bytes));
        // Together too: a value is then never made of more parts than it has bytes.
        let sum = fields
            .iter()
            .map(|field| field.value_type.len_bytes())
            .sum::<u64>();
        match fields.iter().all(inside) && sum <= u64::from(len_bytes) {
            true => Ok(Type::Struct { len_bytes, fields }),
            false => Err(self.error(LayoutProblem::Struct { len_bytes })),
        }
    }

    fn map_type(&mut self, depth: usize) -> Result<Type, LayoutError> {
        let key = self.plain_type(depth + 1)?;
        let value = self.plain_type(depth + 1)?;
        let (key_bytes, value_bytes) = (key.key_bytes(), value.len_bytes());
        match map::Shape::new(key_bytes, value_bytes) {
            Some(_) => Ok(Type::Map { key, value }),
            None => Err(self.error(LayoutProblem::Entry {
                key_bytes,
                value_bytes,
            })),
        }
    }
}

//! From JSON to bytes: exactly those that `rkyv` writes.
//!
//! `rkyv` goes over a value twice: first everything that it points to is written, then the value itself. So do [`Writer::part`] and
//! [`Writer::place`], with a [`Part`] between them.

use crostata_abi::{ARGBUF_LEN, ContractId};
use serde_json::Value;

use super::INLINE_BYTES;
use crate::EncodeError;
use crate::json::{self, Shape, bytes_of, may_be_null, untagged};
use crate::types::{Field, Method, Type};

type Result<T, E = EncodeError> = core::result::Result<T, E>;

impl Type {
    /// The archive of a value of this type.
    ///
    /// # Errors
    /// A value that is none of the type, or too long for a call; the error says which part of it.
    pub fn encode(&self, value: &Value) -> Result<Vec<u8>> {
        encode(self, value, "the value")
    }
}

impl Method {
    /// The bytes that a call of this method takes.
    ///
    /// # Errors
    /// Another number of arguments, one that is not of its type, or all of them too long for a call.
    pub fn encode(&self, arguments: &[Value]) -> Result<Vec<u8>> {
        if arguments.len() != self.arguments.len() {
            return Err(EncodeError::Count {
                method: self.name.clone(),
                signature: self.signature(),
                expected: self.arguments.len(),
                found: arguments.len(),
            });
        }
        let mut writer = Writer::default();
        let mut parts = Vec::new();
        for (field, value) in self.arguments.iter().zip(arguments) {
            parts.push(writer.part(&field.value_type, value, &field.name)?);
        }
        writer.finish(Part::Parts(parts))
    }
}

fn encode(value_type: &Type, value: &Value, place: &str) -> Result<Vec<u8>> {
    let mut writer = Writer::default();
    let root = writer.part(value_type, value, place)?;
    writer.finish(root)
}

/// A value whose pointers' targets are written.
enum Part {
    Bytes(Vec<u8>),
    /// A pointer, and the count behind it, if there is one.
    Pointer(usize, Option<usize>),
    /// A long string: its place and length.
    Text(usize, usize),
    Parts(Vec<Part>),
    /// A tag, what follows it, and the bytes that all of it has.
    Tagged(u8, Box<Part>, usize),
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn finish(mut self, root: Part) -> Result<Vec<u8>> {
        self.place(root);
        self.check_length()?;
        Ok(self.bytes)
    }

    /// Writes what the value points to.
    fn part(&mut self, value_type: &Type, value: &Value, place: &str) -> Result<Part> {
        let unfit = || unfit(value_type, value, place);
        Ok(match value_type {
            Type::Unit => value
                .as_null()
                .map(|()| Part::Parts(Vec::new()))
                .ok_or_else(unfit)?,
            Type::Bool => Part::Bytes(vec![value.as_bool().ok_or_else(unfit)?.into()]),
            Type::Char => {
                let letter = one_char(value).ok_or_else(unfit)?;
                Part::Bytes(u32::from(letter).to_le_bytes().to_vec())
            }
            Type::Int { signed, len_bytes } => {
                Part::Bytes(int(value, *signed, *len_bytes).ok_or_else(unfit)?)
            }
            Type::String => self.text(value.as_str().ok_or_else(unfit)?)?,
            Type::Bytes => self.apart(&hex(value).ok_or_else(unfit)?)?,
            Type::FixedBytes(len) => Part::Bytes(
                hex(value)
                    .filter(|bytes| bytes.len() == *len)
                    .ok_or_else(unfit)?,
            ),
            Type::ContractId => Part::Bytes(id(value).ok_or_else(unfit)?),
            Type::Opaque { name, .. } => {
                let (place, name) = (place.to_owned(), name.clone());
                return Err(EncodeError::Opaque { place, name });
            }
            Type::Option(inner) => self.option(value_type, inner, value, place)?,
            Type::Result(ok, error) => match untagged(value).ok_or_else(unfit)? {
                ("Ok", value) => self.tagged(value_type, 0, |it| it.part(ok, value, place))?,
                ("Err", value) => self.tagged(value_type, 1, |it| it.part(error, value, place))?,
                _ => return Err(unfit()),
            },
            Type::List(element) => {
                let values = value.as_array().ok_or_else(unfit)?;
                let parts = self.elements(element, values, place)?;
                let start = self.bytes.len();
                self.place(parts);
                self.check_length()?;
                Part::Pointer(start, Some(values.len()))
            }
            Type::Array(element, count) => {
                let values = value.as_array().filter(|values| values.len() == *count);
                self.elements(element, values.ok_or_else(unfit)?, place)?
            }
            Type::Tuple(types) => {
                let values = value
                    .as_array()
                    .filter(|values| values.len() == types.len());
                let pairs = types.iter().zip(values.ok_or_else(unfit)?);
                self.parts(pairs, place)?
            }
            Type::Boxed(inner) => {
                let target = self.part(inner, value, place)?;
                let start = self.bytes.len();
                self.place(target);
                Part::Pointer(start, None)
            }
            Type::Struct { fields, .. } => self.fields(fields, value, place)?.ok_or_else(unfit)?,
            Type::Enum { .. } => self.variant(value_type, value, place)?,
        })
    }

    fn option(&mut self, whole: &Type, inner: &Type, value: &Value, place: &str) -> Result<Part> {
        if value.is_null() {
            return self.tagged(whole, 0, |_| Ok(Part::Parts(Vec::new())));
        }
        let value = match (may_be_null(inner), untagged(value)) {
            (false, _) => value,
            (true, Some(("Some", value))) => value,
            (true, _) => return Err(unfit(whole, value, place)),
        };
        self.tagged(whole, 1, |it| it.part(inner, value, place))
    }

    fn variant(&mut self, whole: &Type, value: &Value, place: &str) -> Result<Part> {
        let unfit = || unfit(whole, value, place);
        let Type::Enum { variants, .. } = whole else {
            return Err(unfit());
        };
        let (name, content) = match value {
            Value::String(name) => (name.as_str(), &Value::Null),
            _ => untagged(value).ok_or_else(unfit)?,
        };
        let index = variants.iter().position(|variant| variant.name == name);
        let index = index.ok_or_else(unfit)?;
        let fields = &variants[index].fields;
        let tag = u8::try_from(index).map_err(|_| unfit())?;
        let place = format!("{place}.{name}");
        self.tagged(whole, tag, |it| {
            it.fields(fields, content, &place)?.ok_or_else(unfit)
        })
    }

    /// `None` if the value has another shape than the fields.
    fn fields(&mut self, fields: &[Field], value: &Value, place: &str) -> Result<Option<Part>> {
        let types = fields.iter().map(|field| &field.value_type);
        Ok(match json::shape(fields) {
            Shape::Nothing => value.as_null().map(|()| Part::Parts(Vec::new())),
            Shape::Only(value_type) => Some(self.part(value_type, value, place)?),
            Shape::Array => match value.as_array() {
                Some(values) if values.len() == fields.len() => {
                    Some(self.parts(types.zip(values), place)?)
                }
                _ => None,
            },
            Shape::Object => match value.as_object() {
                Some(object) if object.len() == fields.len() => {
                    self.object(fields, object, place)?
                }
                _ => None,
            },
        })
    }

    fn object(
        &mut self,
        fields: &[Field],
        object: &serde_json::Map<String, Value>,
        place: &str,
    ) -> Result<Option<Part>> {
        let mut parts = Vec::new();
        for field in fields {
            let Some(value) = object.get(&field.name) else {
                return Ok(None);
            };
            let place = format!("{place}.{}", field.name);
            parts.push(self.part(&field.value_type, value, &place)?);
        }
        Ok(Some(Part::Parts(parts)))
    }

    fn elements(&mut self, element: &Type, values: &[Value], place: &str) -> Result<Part> {
        self.parts(values.iter().map(|value| (element, value)), place)
    }

    fn parts<'v>(
        &mut self,
        pairs: impl Iterator<Item = (&'v Type, &'v Value)>,
        place: &str,
    ) -> Result<Part> {
        let mut parts = Vec::new();
        for (index, (value_type, value)) in pairs.enumerate() {
            parts.push(self.part(value_type, value, &format!("{place}[{index}]"))?);
        }
        Ok(Part::Parts(parts))
    }

    fn tagged(
        &mut self,
        whole: &Type,
        tag: u8,
        write: impl FnOnce(&mut Self) -> Result<Part>,
    ) -> Result<Part> {
        let len = usize::try_from(whole.place_bytes()).unwrap_or(usize::MAX);
        if len > ARGBUF_LEN {
            return Err(too_long());
        }
        Ok(Part::Tagged(tag, Box::new(write(self)?), len))
    }

    fn text(&mut self, text: &str) -> Result<Part> {
        if text.len() > INLINE_BYTES {
            let start = self.bytes.len();
            self.bytes.extend(text.as_bytes());
            self.check_length()?;
            return Ok(Part::Text(start, text.len()));
        }
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(INLINE_BYTES, 0xff);
        Ok(Part::Bytes(bytes))
    }

    fn apart(&mut self, bytes: &[u8]) -> Result<Part> {
        let start = self.bytes.len();
        self.bytes.extend(bytes);
        self.check_length()?;
        Ok(Part::Pointer(start, Some(bytes.len())))
    }

    /// Writes the value itself.
    fn place(&mut self, part: Part) {
        match part {
            Part::Bytes(bytes) => self.bytes.extend(bytes),
            Part::Parts(parts) => parts.into_iter().for_each(|part| self.place(part)),
            Part::Pointer(to, count) => {
                self.pointer(to, self.bytes.len());
                let count = count.map(|count| (count as u32).to_le_bytes());
                self.bytes.extend(count.into_iter().flatten());
            }
            Part::Text(to, len) => {
                let base = self.bytes.len();
                let len = len as u32;
                let head = len & 0x3f | 0x80 | (len & !0x3f) << 2;
                self.bytes.extend(head.to_le_bytes());
                self.pointer(to, base);
            }
            Part::Tagged(tag, content, len) => {
                let end = self.bytes.len() + len;
                self.bytes.push(tag);
                self.place(*content);
                self.bytes.resize(end, 0);
            }
        }
    }

    fn pointer(&mut self, to: usize, base: usize) {
        // Both are lengths of a buffer that was kept below 64 KiB.
        let distance = to as i64 - base as i64;
        self.bytes.extend((distance as i32).to_le_bytes());
    }

    fn check_length(&self) -> Result<()> {
        match self.bytes.len() > ARGBUF_LEN {
            true => Err(too_long()),
            false => Ok(()),
        }
    }
}

const fn too_long() -> EncodeError {
    EncodeError::TooLong {
        max_bytes: ARGBUF_LEN,
    }
}

fn unfit(value_type: &Type, value: &Value, place: &str) -> EncodeError {
    let mut found = value.to_string();
    if let Some((end, _)) = found.char_indices().nth(60) {
        found.truncate(end);
        found.push('…');
    }
    EncodeError::Unfit {
        place: place.to_owned(),
        expected: expected(value_type),
        found,
    }
}

/// What a value of the type looks like.
fn expected(value_type: &Type) -> String {
    match value_type {
        Type::Bytes => "bytes (`0x` and hexadecimal digits)".to_owned(),
        Type::FixedBytes(len) => format!("{len} bytes (`0x` and {} hexadecimal digits)", 2 * len),
        Type::ContractId => "a contract's id (`0x` and 64 hexadecimal digits)".to_owned(),
        Type::Struct { name, fields } => {
            let fields: Vec<String> = fields.iter().map(Field::to_string).collect();
            format!("{name} {{ {} }}", fields.join(", "))
        }
        Type::Enum { name, variants } => {
            let names: Vec<&str> = variants.iter().map(|one| one.name.as_str()).collect();
            format!("{name} ({})", names.join(" | "))
        }
        other => format!("{other}"),
    }
}

fn one_char(value: &Value) -> Option<char> {
    let mut letters = value.as_str()?.chars();
    letters.next().filter(|_| letters.next().is_none())
}

fn hex(value: &Value) -> Option<Vec<u8>> {
    bytes_of(value.as_str()?)
}

fn id(value: &Value) -> Option<Vec<u8>> {
    let digits = value.as_str()?;
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let id: ContractId = digits.to_ascii_lowercase().parse().ok()?;
    Some(id.as_bytes().to_vec())
}

/// The little-endian bytes of a number, or of a string of its digits.
fn int(value: &Value, signed: bool, len_bytes: u8) -> Option<Vec<u8>> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let spare = 128 - 8 * u32::from(len_bytes);
    let bits = match signed {
        false => text
            .parse::<u128>()
            .ok()
            .filter(|value| value << spare >> spare == *value)?,
        true => {
            let value = text.parse::<i128>().ok();
            value.filter(|value| value << spare >> spare == *value)? as u128
        }
    };
    Some(bits.to_le_bytes()[..usize::from(len_bytes)].to_vec())
}

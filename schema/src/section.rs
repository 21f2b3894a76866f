//! The section `crostata.schema`, read as untrusted bytes. Its format is in `docs/format.md`, "Contract schemas".
//!
//! A type takes memory for each place that it is used in, so uses are counted: more of them than the section has bytes for are damage.

use std::collections::HashSet;

use crate::types::{
    ErrorType, EventType, Field, Method, MethodAccess, Reentry, Schema, Type, Variant,
};
use crate::{SchemaError, wasm};

const VERSION: u8 = 1;
/// How deep types may lie in each other.
const DEPTH_MAX: usize = 32;
/// The longest section. That of a contract with a hundred methods has some ten thousand bytes.
const SECTION_BYTES_MAX: usize = 64 * 1024;
/// Parts of types that a byte of the section may stand for, and that any section may.
const PARTS_PER_BYTE: usize = 64;
const PARTS_MAX: usize = 1 << 16;
/// Bytes of a name that count as a part: names are there again wherever their type is used.
const NAME_BYTES_PER_PART: usize = 32;
/// Longest value whose length a type says itself: an argument buffer's.
const VALUE_BYTES_MAX: usize = crostata_abi::ARGBUF_LEN;

impl Schema {
    /// The schema in a contract's code; `None` if there is no section.
    ///
    /// # Errors
    /// Bytes that are no module, or a section that this version can not read.
    pub fn of_code(wasm: &[u8]) -> Result<Option<Self>, SchemaError> {
        wasm::section(wasm)?.map(Self::of_section).transpose()
    }

    /// The schema in the content of a section.
    ///
    /// # Errors
    /// [`SchemaError::Version`] and [`SchemaError::Damaged`].
    pub fn of_section(section: &[u8]) -> Result<Self, SchemaError> {
        let mut reader = Reader {
            bytes: section,
            at: 0,
            named: Vec::new(),
            parts_left: section.len().saturating_mul(PARTS_PER_BYTE).min(PARTS_MAX),
        };
        if section.len() > SECTION_BYTES_MAX {
            return Err(reader.damage("it has more than 64 KiB"));
        }
        let schema = reader.schema()?;
        if reader.at < section.len() {
            return Err(
                reader.damage("bytes follow the end: two contracts may be linked into one module")
            );
        }
        Ok(schema)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The structs and enums so far, each with its depth and parts.
    named: Vec<Measured>,
    parts_left: usize,
}

/// A type, how deep it is, and of how many parts.
struct Measured {
    value_type: Type,
    depth: usize,
    parts: usize,
}

impl Measured {
    const fn simple(value_type: Type) -> Self {
        Self {
            value_type,
            depth: 1,
            parts: 1,
        }
    }
}

/// Types that lie in another one.
#[derive(Default)]
struct Inside {
    depth: usize,
    parts: usize,
}

impl Inside {
    fn add(&mut self, one: Measured) -> Type {
        self.depth = self.depth.max(one.depth);
        self.parts += one.parts;
        one.value_type
    }

    fn add_name(&mut self, name: &str) {
        self.parts += parts_of_name(name);
    }

    fn around(self, value_type: Type) -> Measured {
        Measured {
            value_type,
            depth: self.depth + 1,
            parts: self.parts + 1,
        }
    }
}

const fn parts_of_name(name: &str) -> usize {
    name.len() / NAME_BYTES_PER_PART
}

impl Reader<'_> {
    fn schema(&mut self) -> Result<Schema, SchemaError> {
        let found = self.byte()?;
        if found != VERSION {
            return Err(SchemaError::Version {
                found,
                known: VERSION,
            });
        }
        let reentry = match self.byte()? {
            0 => Reentry::Allowed,
            1 => Reentry::OnlySelf,
            2 => Reentry::Never,
            _ => return Err(self.damage("there is no such re-entry policy")),
        };
        let contract = self.name()?;
        for _ in 0..self.number()? {
            let definition = self.definition()?;
            self.named.push(definition);
        }
        let methods = self.repeated(Self::method)?;
        let events = self.repeated(Self::event)?;
        let errors = errors(&methods);
        Ok(Schema {
            contract,
            reentry,
            methods,
            events,
            errors,
        })
    }

    fn method(&mut self) -> Result<Method, SchemaError> {
        let flags = self.byte()?;
        if flags > 3 {
            return Err(self.damage("there is no such mark of a method"));
        }
        let (name, docs) = (self.name()?, self.name()?);
        let arguments = self.repeated(|reader| {
            Ok(Field {
                name: reader.name()?,
                value_type: reader.used()?,
            })
        })?;
        let result = self.used()?;
        let error = if flags & 2 == 0 {
            None
        } else {
            Some(self.used()?)
        };
        let access = match flags & 1 {
            0 => MethodAccess::ReadOnly,
            _ => MethodAccess::Changes,
        };
        Ok(Method {
            name,
            docs,
            arguments,
            result,
            error,
            access,
        })
    }

    fn event(&mut self) -> Result<EventType, SchemaError> {
        Ok(EventType {
            topic: self.name()?,
            data: self.used()?,
        })
    }

    fn definition(&mut self) -> Result<Measured, SchemaError> {
        let name = self.name()?;
        let mut inside = Inside::default();
        inside.add_name(&name);
        match self.byte()? {
            0 => {
                let fields = self.fields(&mut inside)?;
                Ok(inside.around(Type::Struct { name, fields }))
            }
            1 => {
                let variants = self.repeated(|reader| {
                    let name = reader.name()?;
                    inside.parts += 1;
                    inside.add_name(&name);
                    Ok(Variant {
                        name,
                        fields: reader.fields(&mut inside)?,
                    })
                })?;
                Ok(inside.around(Type::Enum { name, variants }))
            }
            _ => Err(self.damage("a definition is of a struct or an enum")),
        }
    }

    /// Fields after a number: twice as many as there are, plus one if they have names.
    fn fields(&mut self, inside: &mut Inside) -> Result<Vec<Field>, SchemaError> {
        let head = self.number()?;
        let mut fields = Vec::new();
        for _ in 0..head / 2 {
            let name = if head % 2 == 1 {
                self.name()?
            } else {
                String::new()
            };
            inside.add_name(&name);
            let value_type = self.inner(inside)?;
            fields.push(Field { name, value_type });
        }
        Ok(fields)
    }

    /// A type where it is used. Only here do types take memory without end.
    fn used(&mut self) -> Result<Type, SchemaError> {
        self.value_type(0).map(|one| one.value_type)
    }

    fn inner(&mut self, inside: &mut Inside) -> Result<Type, SchemaError> {
        let one = self.value_type(0)?;
        Ok(inside.add(one))
    }

    fn value_type(&mut self, depth: usize) -> Result<Measured, SchemaError> {
        if depth > DEPTH_MAX {
            return Err(self.damage("types lie too deep in each other"));
        }
        let tag = self.number()?;
        let simple = match tag {
            0 => Type::Unit,
            1 => Type::Bool,
            2 => Type::Char,
            3 => Type::String,
            4 => Type::ContractId,
            5 => self.opaque()?,
            16..=20 => Type::Int {
                signed: false,
                len_bytes: 1 << (tag - 16),
            },
            24..=28 => Type::Int {
                signed: true,
                len_bytes: 1 << (tag - 24),
            },
            6..=11 => return self.composite(tag, depth + 1),
            _ => return self.reference(tag),
        };
        let mut one = Measured::simple(simple);
        if let Type::Opaque { name, .. } = &one.value_type {
            one.parts += parts_of_name(name);
        }
        self.take_parts(one.parts)?;
        Ok(one)
    }

    fn opaque(&mut self) -> Result<Type, SchemaError> {
        let name = self.name()?;
        let len_bytes = self.number()?;
        Ok(Type::Opaque { name, len_bytes })
    }

    fn composite(&mut self, tag: usize, depth: usize) -> Result<Measured, SchemaError> {
        let mut inside = Inside::default();
        let value_type = match tag {
            7 => {
                let value = inside.add(self.value_type(depth)?);
                let error = inside.add(self.value_type(depth)?);
                Type::Result(Box::new(value), Box::new(error))
            }
            10 => Type::Tuple(self.repeated(|reader| Ok(inside.add(reader.value_type(depth)?)))?),
            _ => {
                let count = if tag == 9 { self.number()? } else { 0 };
                if count > VALUE_BYTES_MAX {
                    return Err(self.damage("an array is longer than the argument buffer"));
                }
                let element = inside.add(self.value_type(depth)?);
                of_one(tag, count, element)
            }
        };
        let whole = inside.around(value_type);
        self.take_parts(1)?;
        self.check_depth(whole)
    }

    /// A struct or enum that was defined before, once more.
    fn reference(&mut self, tag: usize) -> Result<Measured, SchemaError> {
        let known = tag.checked_sub(64).and_then(|index| self.named.get(index));
        let Some(Measured { depth, parts, .. }) = known else {
            return Err(self.damage("there is no such type"));
        };
        let (depth, parts) = (*depth, *parts);
        self.take_parts(parts)?;
        let value_type = self.named[tag - 64].value_type.clone();
        self.check_depth(Measured {
            value_type,
            depth,
            parts,
        })
    }

    fn check_depth(&self, one: Measured) -> Result<Measured, SchemaError> {
        match one.depth > DEPTH_MAX {
            true => Err(self.damage("types lie too deep in each other")),
            false => Ok(one),
        }
    }

    fn take_parts(&mut self, parts: usize) -> Result<(), SchemaError> {
        match self.parts_left.checked_sub(parts) {
            Some(left) => self.parts_left = left,
            None => return Err(self.damage("its types are too many for its length")),
        }
        Ok(())
    }

    fn repeated<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, SchemaError>,
    ) -> Result<Vec<T>, SchemaError> {
        // Each takes a byte at least, so a number that lies ends soon.
        (0..self.number()?).map(|_| read(self)).collect()
    }

    fn name(&mut self) -> Result<String, SchemaError> {
        let len = usize::from(self.byte()?);
        let Some(bytes) = self.bytes[self.at..].get(..len) else {
            return Err(self.damage("a name is longer than the section"));
        };
        let Ok(text) = core::str::from_utf8(bytes) else {
            return Err(self.damage("a name is not UTF-8"));
        };
        self.at += len;
        Ok(text.to_owned())
    }

    /// A number in the variable length of WebAssembly: seven bits a byte, the low ones first.
    fn number(&mut self) -> Result<usize, SchemaError> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value as usize);
            }
        }
        Err(self.damage("a number has more than 28 bits"))
    }

    fn byte(&mut self) -> Result<u8, SchemaError> {
        let Some(byte) = self.bytes.get(self.at) else {
            return Err(self.damage("it ends too early"));
        };
        self.at += 1;
        Ok(*byte)
    }

    const fn damage(&self, reason: &'static str) -> SchemaError {
        SchemaError::Damaged {
            offset: self.at,
            reason,
        }
    }
}

/// The types around one other.
fn of_one(tag: usize, count: usize, element: Type) -> Type {
    let byte = Type::Int {
        signed: false,
        len_bytes: 1,
    };
    match tag {
        6 => Type::Option(Box::new(element)),
        8 if element == byte => Type::Bytes,
        8 => Type::List(Box::new(element)),
        9 if element == byte => Type::FixedBytes(count),
        9 => Type::Array(Box::new(element), count),
        _ => Type::Boxed(Box::new(element)),
    }
}

/// Each error that methods raise, once.
fn errors(methods: &[Method]) -> Vec<ErrorType> {
    let (mut errors, mut names) = (Vec::new(), HashSet::new());
    for value in methods.iter().filter_map(|method| method.error.as_ref()) {
        let name = value.to_string();
        if names.insert(name.clone()) {
            errors.push(ErrorType {
                name,
                value: value.clone(),
            });
        }
    }
    errors
}

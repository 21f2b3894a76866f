//! The bytes of the section, written by the compiler.

use super::{Content, Contract, Definition, Field, Fields, Method, Type};

const VERSION: u8 = 1;
const NAME_BYTES_MAX: usize = 255;
/// Structs and enums of one contract.
const DEFINITIONS_MAX: usize = 128;
/// The tag of the first of them.
const FIRST_DEFINITION: usize = 64;

/// The length of the section of a contract.
pub const fn section_bytes(contract: &Contract) -> usize {
    Writer::<0>::written(contract).len
}

/// The section of a contract.
pub const fn section<const N: usize>(contract: &Contract) -> [u8; N] {
    Writer::<N>::written(contract).bytes
}

/// The bytes so far (those for which there is no room are counted only), and the structs and enums, each behind those that are in it.
struct Writer<const N: usize> {
    bytes: [u8; N],
    len: usize,
    definitions: [Option<&'static Definition>; DEFINITIONS_MAX],
    count: usize,
}

impl<const N: usize> Writer<N> {
    const fn written(contract: &Contract) -> Self {
        let mut writer = Self {
            bytes: [0; N],
            len: 0,
            definitions: [None; DEFINITIONS_MAX],
            count: 0,
        };
        writer.collect_contract(contract);
        writer.contract(contract);
        writer
    }

    const fn collect_contract(&mut self, contract: &Contract) {
        let mut at = 0;
        while at < contract.methods.len() {
            let method = &contract.methods[at];
            self.collect_fields(method.arguments);
            self.collect(method.result);
            if let Some(error) = method.error {
                self.collect(error);
            }
            at += 1;
        }
        at = 0;
        while at < contract.events.len() {
            self.collect(contract.events[at].data);
            at += 1;
        }
    }

    const fn collect_fields(&mut self, fields: &[Field]) {
        let mut at = 0;
        while at < fields.len() {
            self.collect(fields[at].value_type);
            at += 1;
        }
    }

    const fn collect(&mut self, value_type: &Type) {
        match value_type {
            Type::Option(inner)
            | Type::List(inner)
            | Type::Array(_, inner)
            | Type::Boxed(inner) => {
                self.collect(inner);
            }
            Type::Result(value, error) => {
                self.collect(value);
                self.collect(error);
            }
            Type::Tuple(types) => {
                let mut at = 0;
                while at < types.len() {
                    self.collect(types[at]);
                    at += 1;
                }
            }
            Type::Named(definition) => self.collect_definition(definition),
            _ => {}
        }
    }

    const fn collect_definition(&mut self, definition: &'static Definition) {
        if self.index_of(definition) < self.count {
            return;
        }
        match &definition.content {
            Content::Struct(fields) => self.collect_fields(fields.fields),
            Content::Enum(variants) => {
                let mut at = 0;
                while at < variants.len() {
                    self.collect_fields(variants[at].fields.fields);
                    at += 1;
                }
            }
        }
        assert!(
            self.count < DEFINITIONS_MAX,
            "a contract's schema has at most 128 structs and enums"
        );
        self.definitions[self.count] = Some(definition);
        self.count += 1;
    }

    /// The place of a struct or enum; as many as there are, if it has none yet.
    const fn index_of(&self, definition: &Definition) -> usize {
        let mut at = 0;
        while at < self.count {
            if let Some(known) = self.definitions[at]
                && same_definition(known, definition)
            {
                return at;
            }
            at += 1;
        }
        at
    }

    const fn contract(&mut self, contract: &Contract) {
        self.byte(VERSION);
        self.byte(contract.reentry);
        self.name(contract.name);
        self.number(self.count);
        let mut at = 0;
        while at < self.count {
            if let Some(definition) = self.definitions[at] {
                self.definition(definition);
            }
            at += 1;
        }
        self.number(contract.methods.len());
        at = 0;
        while at < contract.methods.len() {
            self.method(&contract.methods[at]);
            at += 1;
        }
        self.number(contract.events.len());
        at = 0;
        while at < contract.events.len() {
            self.name(contract.events[at].topic);
            self.value_type(contract.events[at].data);
            at += 1;
        }
    }

    const fn definition(&mut self, definition: &Definition) {
        self.name(definition.name);
        match &definition.content {
            Content::Struct(fields) => {
                self.byte(0);
                self.fields(fields);
            }
            Content::Enum(variants) => {
                self.byte(1);
                self.number(variants.len());
                let mut at = 0;
                while at < variants.len() {
                    self.name(variants[at].name);
                    self.fields(&variants[at].fields);
                    at += 1;
                }
            }
        }
    }

    const fn fields(&mut self, fields: &Fields) {
        self.number(2 * fields.fields.len() + fields.named as usize);
        let mut at = 0;
        while at < fields.fields.len() {
            if fields.named {
                self.name(fields.fields[at].name);
            }
            self.value_type(fields.fields[at].value_type);
            at += 1;
        }
    }

    const fn method(&mut self, method: &Method) {
        self.byte(method.changes as u8 | (method.error.is_some() as u8) << 1);
        self.name(method.name);
        self.name(method.docs);
        self.number(method.arguments.len());
        let mut at = 0;
        while at < method.arguments.len() {
            self.name(method.arguments[at].name);
            self.value_type(method.arguments[at].value_type);
            at += 1;
        }
        self.value_type(method.result);
        if let Some(error) = method.error {
            self.value_type(error);
        }
    }

    const fn value_type(&mut self, value_type: &Type) {
        match value_type {
            Type::Unit => self.number(0),
            Type::Bool => self.number(1),
            Type::Char => self.number(2),
            Type::String => self.number(3),
            Type::ContractId => self.number(4),
            Type::Opaque(name, len_bytes) => {
                self.number(5);
                self.name(name);
                self.number(*len_bytes);
            }
            Type::Option(inner) => self.around(6, inner),
            Type::Result(value, error) => {
                self.around(7, value);
                self.value_type(error);
            }
            Type::List(element) => self.around(8, element),
            Type::Array(count, element) => {
                self.number(9);
                self.number(*count);
                self.value_type(element);
            }
            Type::Tuple(types) => {
                self.number(10);
                self.number(types.len());
                let mut at = 0;
                while at < types.len() {
                    self.value_type(types[at]);
                    at += 1;
                }
            }
            Type::Boxed(inner) => self.around(11, inner),
            Type::Uint(len_bytes) => self.number(16 + len_bytes.ilog2() as usize),
            Type::Int(len_bytes) => self.number(24 + len_bytes.ilog2() as usize),
            Type::Named(definition) => self.number(FIRST_DEFINITION + self.index_of(definition)),
        }
    }

    const fn around(&mut self, tag: usize, inner: &Type) {
        self.number(tag);
        self.value_type(inner);
    }

    const fn name(&mut self, name: &str) {
        assert!(
            name.len() <= NAME_BYTES_MAX,
            "a name in a contract's schema has at most 255 bytes"
        );
        self.byte(name.len() as u8);
        let mut at = 0;
        while at < name.len() {
            self.byte(name.as_bytes()[at]);
            at += 1;
        }
    }

    const fn number(&mut self, mut number: usize) {
        assert!(
            number < 1 << 28,
            "a value in a contract's schema is too large"
        );
        while number >= 0x80 {
            self.byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.byte(number as u8);
    }

    const fn byte(&mut self, byte: u8) {
        if self.len < N {
            self.bytes[self.len] = byte;
        }
        self.len += 1;
    }
}

const fn same_definition(one: &Definition, other: &Definition) -> bool {
    if !same_text(one.name, other.name) {
        return false;
    }
    match (&one.content, &other.content) {
        (Content::Struct(one), Content::Struct(other)) => same_fields(one, other),
        (Content::Enum(one), Content::Enum(other)) => {
            let mut at = 0;
            while at < one.len() && at < other.len() {
                let same = same_text(one[at].name, other[at].name)
                    && same_fields(&one[at].fields, &other[at].fields);
                if !same {
                    return false;
                }
                at += 1;
            }
            one.len() == other.len()
        }
        _ => false,
    }
}

const fn same_fields(one: &Fields, other: &Fields) -> bool {
    let mut at = 0;
    while at < one.fields.len() && at < other.fields.len() {
        let (one, other) = (&one.fields[at], &other.fields[at]);
        if !same_text(one.name, other.name) || !same_type(one.value_type, other.value_type) {
            return false;
        }
        at += 1;
    }
    one.named == other.named && one.fields.len() == other.fields.len()
}

const fn same_type(one: &Type, other: &Type) -> bool {
    match (one, other) {
        (Type::Unit, Type::Unit)
        | (Type::Bool, Type::Bool)
        | (Type::Char, Type::Char)
        | (Type::String, Type::String)
        | (Type::ContractId, Type::ContractId) => true,
        (Type::Uint(one), Type::Uint(other)) | (Type::Int(one), Type::Int(other)) => *one == *other,
        (Type::Option(one), Type::Option(other))
        | (Type::List(one), Type::List(other))
        | (Type::Boxed(one), Type::Boxed(other)) => same_type(one, other),
        (Type::Array(count, one), Type::Array(others, other)) => {
            *count == *others && same_type(one, other)
        }
        (Type::Result(value, error), Type::Result(other_value, other_error)) => {
            same_type(value, other_value) && same_type(error, other_error)
        }
        (Type::Tuple(one), Type::Tuple(other)) => {
            let mut at = 0;
            while at < one.len() && at < other.len() {
                if !same_type(one[at], other[at]) {
                    return false;
                }
                at += 1;
            }
            one.len() == other.len()
        }
        (Type::Named(one), Type::Named(other)) => same_definition(one, other),
        (Type::Opaque(one, len), Type::Opaque(other, others)) => {
            *len == *others && same_text(one, other)
        }
        _ => false,
    }
}

const fn same_text(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    one.len() == other.len()
}

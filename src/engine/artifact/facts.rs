//! The module section of an artifact: what the host knows of a contract's code. Canonical: one encoding per value.
//!
//! In order, integers little-endian; a *text* is its length (4 bytes) and that many bytes; a list is its
//! length (4 bytes) and its members; what may be absent is a byte 0, or a byte 1 and the value.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | word size in bytes, 4 or 8 |
//! | 8 | address of the argument buffer |
//! | 1 or 17 | shadow stack: start (8), length (8) |
//! | 8 | initial memory in pages of 64 KiB |
//! | 1 or 9 | maximum memory in those |
//! | | list of texts: names of the callable exports, sorted |
//! | 1 | whether there is an `init`, 0 or 1 |
//! | | list of texts: exports that are the contract's mutable globals |
//! | | text: export that is the stack counter |
//! | | text that may be absent: the canonical storage layout |
//! | 1 | re-entry: 0 allowed, 1 by itself only, 2 never |
//! | 1 | whether only queries enter it, 0 or 1 |
//! | 8 | elements of the table |
//! | 4 | functions that the rewriting imports |
//! | 4 | functions that the contract defines |
//! | 144 | what there is to compile, by kind: 18 counts of 8 bytes |
//! | | list of data segments: offset (8), text |

use crate::engine::code::{ByteRange, CodeFacts, DataSegment, Effort, Reentry, WordSize};

/// The bytes of facts and data segments.
pub fn encode(facts: &CodeFacts, data: &[DataSegment]) -> Vec<u8> {
    // All of them by name, so that a fact that is added is not forgotten here.
    let CodeFacts {
        word_size,
        argument_buffer,
        stack,
        initial_memory_wasm_pages,
        maximum_memory_wasm_pages,
        functions,
        has_init,
        globals,
        height_global,
        layout,
        reentry,
        queries_only,
        table_elements,
        added_imports,
        defined_functions,
        effort,
    } = facts;
    let mut out = Writer::default();
    out.byte(word_bytes(*word_size));
    out.number(*argument_buffer);
    out.optional(stack.as_ref(), |out, stack| {
        out.number(stack.start);
        out.number(stack.len_bytes);
    });
    out.number(*initial_memory_wasm_pages);
    out.optional(maximum_memory_wasm_pages.as_ref(), |out, max| {
        out.number(*max);
    });
    out.list(functions, |out, name| out.text(name.as_bytes()));
    out.byte(u8::from(*has_init));
    out.list(globals, |out, name| out.text(name.as_bytes()));
    out.text(height_global.as_bytes());
    out.optional(layout.as_ref(), |out, layout| out.text(layout));
    out.byte(reentry_byte(*reentry));
    out.byte(u8::from(*queries_only));
    out.number(*table_elements);
    out.short(*added_imports);
    out.short(*defined_functions);
    effort
        .values()
        .into_iter()
        .for_each(|count| out.number(count));
    out.list(data, |out, segment| {
        out.number(segment.offset);
        out.text(&segment.bytes);
    });
    out.0
}

/// Facts and data segments of these bytes, if they are what [`encode`] gives.
pub fn decode(bytes: &[u8]) -> Option<(CodeFacts, Vec<DataSegment>)> {
    let mut from = Reader(bytes);
    let facts = CodeFacts {
        word_size: word_size(from.byte()?)?,
        argument_buffer: from.number()?,
        stack: from.optional(|from| {
            Some(ByteRange {
                start: from.number()?,
                len_bytes: from.number()?,
            })
        })?,
        initial_memory_wasm_pages: from.number()?,
        maximum_memory_wasm_pages: from.optional(Reader::number)?,
        functions: from.list(Reader::name)?,
        has_init: from.truth()?,
        globals: from.list(Reader::name)?,
        height_global: from.name()?,
        layout: from.optional(|from| Some(from.text()?.to_vec()))?,
        reentry: reentry(from.byte()?)?,
        queries_only: from.truth()?,
        table_elements: from.number()?,
        added_imports: from.short()?,
        defined_functions: from.short()?,
        effort: Effort::read(|| from.number())?,
    };
    let data = from.list(|from| {
        Some(DataSegment {
            offset: from.number()?,
            bytes: from.text()?.to_vec(),
        })
    })?;
    let sorted = facts.functions.is_sorted_by(|one, next| one < next);
    (from.0.is_empty() && sorted).then_some((facts, data))
}

fn word_bytes(size: WordSize) -> u8 {
    match size {
        WordSize::W32 => 4,
        WordSize::W64 => 8,
    }
}

fn word_size(bytes: u8) -> Option<WordSize> {
    let sizes = [WordSize::W32, WordSize::W64];
    sizes.into_iter().find(|size| word_bytes(*size) == bytes)
}

fn reentry_byte(reentry: Reentry) -> u8 {
    match reentry {
        Reentry::Allowed => 0,
        Reentry::SelfOnly => 1,
        Reentry::Never => 2,
    }
}

fn reentry(byte: u8) -> Option<Reentry> {
    let policies = [Reentry::Allowed, Reentry::SelfOnly, Reentry::Never];
    policies.into_iter().find(|one| reentry_byte(*one) == byte)
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn short(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn length(&mut self, len: usize) {
        // Counts and texts of a module are shorter than the module, whose own lengths have 32 bits.
        self.short(len as u32);
    }

    fn text(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn list<T>(&mut self, members: &[T], mut put: impl FnMut(&mut Self, &T)) {
        self.length(members.len());
        members.iter().for_each(|member| put(self, member));
    }

    fn optional<T>(&mut self, value: Option<&T>, put: impl FnOnce(&mut Self, &T)) {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            put(self, value);
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn truth(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn short(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.short()?;
        let (text, rest) = self.0.split_at_checked(len as usize)?;
        self.0 = rest;
        Some(text)
    }

    fn name(&mut self) -> Option<String> {
        String::from_utf8(self.text()?.to_vec()).ok()
    }

    /// Makes room for members as they come: a stated count is not believed.
    fn list<T>(&mut self, mut take: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.short()?;
        let mut members = Vec::new();
        for _ in 0..count {
            members.push(take(self)?);
        }
        Some(members)
    }

    fn optional<T>(&mut self, take: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.truth()? {
            true => take(self).map(Some),
            false => Some(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> (CodeFacts, Vec<DataSegment>) {
        let facts = CodeFacts {
            word_size: WordSize::W64,
            argument_buffer: 65_536,
            stack: Some(ByteRange {
                start: 16,
                len_bytes: 4_096,
            }),
            initial_memory_wasm_pages: 3,
            maximum_memory_wasm_pages: Some(9),
            functions: vec!["a".into(), "b".into()],
            has_init: true,
            globals: vec!["crostata.global.1".into()],
            height_global: "crostata.height".into(),
            layout: Some(vec![1, 2, 3]),
            reentry: Reentry::Never,
            queries_only: true,
            table_elements: 5,
            added_imports: 4,
            defined_functions: 12,
            effort: Effort::read(|| Some(7)).unwrap(),
        };
        let data = vec![DataSegment {
            offset: 8_192,
            bytes: b"data".to_vec(),
        }];
        (facts, data)
    }

    fn least() -> (CodeFacts, Vec<DataSegment>) {
        let (mut facts, _) = some();
        facts.word_size = WordSize::W32;
        facts.stack = None;
        facts.maximum_memory_wasm_pages = None;
        facts.functions.clear();
        facts.has_init = false;
        facts.globals.clear();
        facts.layout = None;
        facts.reentry = Reentry::SelfOnly;
        facts.queries_only = false;
        (facts, Vec::new())
    }

    /// P1: a module section gives the facts that were put in.
    #[test]
    fn facts_come_back() {
        for (facts, data) in [some(), least()] {
            let bytes = encode(&facts, &data);
            assert_eq!(decode(&bytes), Some((facts, data)));
        }
    }

    /// P7: whatever the bytes are, decoding ends; and what decodes has one encoding, itself.
    #[test]
    fn one_encoding_per_value() {
        for (facts, data) in [some(), least()] {
            let bytes = encode(&facts, &data);
            let mut decoded = 0;
            for at in 0..bytes.len() {
                assert_eq!(decode(&bytes[..at]), None);
                for bit in 0..8 {
                    let mut other = bytes.clone();
                    other[at] ^= 1 << bit;
                    if let Some((facts, data)) = decode(&other) {
                        decoded += 1;
                        assert_eq!(encode(&facts, &data), other);
                    }
                }
            }
            assert!(decoded > 0);
            assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
        }
    }

    /// P7: a count of four thousand million makes no room for as many.
    #[test]
    fn counts_are_not_believed() {
        let mut bytes = encode(&least().0, &[]);
        let end = bytes.len();
        bytes[end - 4..].fill(0xff);
        assert_eq!(decode(&bytes), None);
    }
}

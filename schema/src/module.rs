//! A module's sections, told apart without looking into them, and what is deployed of it.
//!
//! Deployed are all sections that decide anything: everything but custom sections, of which those named `crostata.…` stay. Names and
//! debug information go. The bytes of what stays are not touched.

use thiserror::Error;

/// Custom sections with this beginning are deployed.
const KEPT: &str = "crostata.";

/// Bytes of a module's magic number and version.
const PREAMBLE: &[u8] = b"\0asm\x01\0\0\0";

/// Bytes that are not a WebAssembly module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("these bytes are not a WebAssembly module: at byte {offset}, {reason}")]
pub struct NotWasm {
    /// Where.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

/// What is deployed of a module: names and debug information are taken out.
///
/// ```
/// let module = b"\0asm\x01\0\0\0\x00\x05\x04name";
/// assert_eq!(crostata_schema::strip(module)?, b"\0asm\x01\0\0\0");
/// # Ok::<(), crostata_schema::NotWasm>(())
/// ```
///
/// # Errors
/// [`NotWasm`].
pub fn strip(wasm: &[u8]) -> Result<Vec<u8>, NotWasm> {
    let mut code = PREAMBLE.to_vec();
    for section in sections(wasm)? {
        if section.is_deployed() {
            code.extend_from_slice(&wasm[section.start..section.end]);
        }
    }
    Ok(code)
}

/// A section of a module.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    /// Which kind.
    pub id: u8,
    /// Where it begins, with its head.
    pub start: usize,
    /// Where its contents begin.
    pub contents: usize,
    /// Where it ends.
    pub end: usize,
    /// The name of a custom section.
    pub name: Option<&'a str>,
    /// The contents; of a custom section what follows the name.
    pub data: &'a [u8],
}

impl Section<'_> {
    /// Whether it decides anything.
    pub fn is_deployed(&self) -> bool {
        self.name.is_none_or(|name| name.starts_with(KEPT))
    }
}

/// The id of the import section.
pub const IMPORTS: u8 = 2;

/// The id of the code section.
pub const CODE: u8 = 10;

/// The sections of a module, in order.
///
/// # Errors
/// [`NotWasm`] for bytes whose sections can not be told apart. What is in the sections is not looked at.
pub fn sections(wasm: &[u8]) -> Result<Vec<Section<'_>>, NotWasm> {
    if !wasm.starts_with(PREAMBLE) {
        let reason = "the magic number and version 1 are missing";
        return Err(NotWasm { offset: 0, reason });
    }
    let mut reader = Reader {
        wasm,
        at: PREAMBLE.len(),
    };
    let mut sections = Vec::new();
    while reader.at < wasm.len() {
        sections.push(reader.section()?);
    }
    Ok(sections)
}

struct Reader<'a> {
    wasm: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn section(&mut self) -> Result<Section<'a>, NotWasm> {
        let start = self.at;
        let id = self.byte()?;
        let len = self.number()?;
        let contents = self.at;
        let data = self.bytes(len)?;
        let end = self.at;
        let (name, data) = match id {
            0 => {
                let mut inside = Reader {
                    wasm: &self.wasm[..end],
                    at: contents,
                };
                let len = inside.number()?;
                let name = std::str::from_utf8(inside.bytes(len)?);
                let name = name.map_err(|_| self.wrong(contents, "a name is not UTF-8"))?;
                (Some(name), &self.wasm[inside.at..end])
            }
            _ => (None, data),
        };
        Ok(Section {
            id,
            start,
            contents,
            end,
            name,
            data,
        })
    }

    fn wrong(&self, offset: usize, reason: &'static str) -> NotWasm {
        NotWasm { offset, reason }
    }

    fn byte(&mut self) -> Result<u8, NotWasm> {
        let byte = self.wasm.get(self.at).copied();
        let byte = byte.ok_or_else(|| self.wrong(self.at, "the module ends inside a section"))?;
        self.at += 1;
        Ok(byte)
    }

    /// An unsigned number of 32 bits.
    fn number(&mut self) -> Result<usize, NotWasm> {
        let start = self.at;
        let mut number = 0_u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return match u32::try_from(number) {
                    Ok(number) => Ok(number as usize),
                    Err(_) => break,
                };
            }
        }
        Err(self.wrong(start, "a length has more than 32 bits"))
    }

    fn bytes(&mut self, len: usize) -> Result<&'a [u8], NotWasm> {
        let end = self.at.checked_add(len);
        let bytes = end.and_then(|end| self.wasm.get(self.at..end));
        let bytes = bytes.ok_or_else(|| self.wrong(self.at, "a section reaches beyond its end"))?;
        self.at += len;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(name: &str, data: &[u8]) -> Vec<u8> {
        let mut section = vec![0, (1 + name.len() + data.len()) as u8, name.len() as u8];
        section.extend_from_slice(name.as_bytes());
        section.extend_from_slice(data);
        section
    }

    /// Authors rely on it that what is deployed does what was built: only custom sections go, and the rest keeps its bytes, also lengths
    /// that are longer than they need to be.
    #[test]
    fn only_what_nobody_runs_goes() {
        let types = [1, 0x84, 0x80, 0, 1, 0x60, 0, 0];
        let kept = custom("crostata.stack", &[1, 2]);
        let parts = [
            PREAMBLE,
            &custom(".debug_line", &[9; 40]),
            &types,
            &kept,
            &custom("name", b"x"),
            &custom("producers", b"y"),
        ];
        let module = parts.concat();
        let stripped = strip(&module).unwrap();
        assert_eq!(stripped, [PREAMBLE, &types, &kept].concat());
        assert_eq!(strip(&stripped).unwrap(), stripped);
    }

    /// P7: bytes of any kind are told from modules, with the place.
    #[test]
    fn junk_has_a_place() {
        let offset = |tail: &[u8]| {
            let error = strip(&[PREAMBLE, tail].concat()).unwrap_err();
            error.offset
        };
        assert_eq!(strip(b"\0asm").unwrap_err().offset, 0);
        assert_eq!(strip(b"").unwrap_err().offset, 0);
        assert_eq!(offset(&[1]), 9);
        assert_eq!(offset(&[1, 5, 0]), 10);
        assert_eq!(offset(&[1, 0xff, 0xff, 0xff, 0xff, 0x7f]), 9);
        assert_eq!(offset(&[0, 2, 9, 0]), 11);
        assert_eq!(offset(&[0, 2, 1, 0xff]), 10);
    }

    /// What was built and committed stripped stays as it is.
    #[test]
    fn the_built_contracts_have_nothing_to_strip() {
        let counter = include_bytes!("../../contracts/artifacts/counter.wasm");
        assert_eq!(strip(counter).unwrap(), counter);
    }
}

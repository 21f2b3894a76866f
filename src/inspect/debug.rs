//! Source lines of places in deployed code, from the DWARF and names that a compiler left in the module before it was stripped.
//!
//! DWARF in WebAssembly counts addresses from the beginning of the code section's contents.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use addr2line::{Context, Frame};
use crostata_proof::{CodeHash, hash};
use gimli::{DwarfSections, EndianArcSlice, LittleEndian};
use wasmparser::{
    BinaryReader, CodeSectionReader, ImportSectionReader, Name, NameSectionReader, TypeRef,
};

use super::dwarf_work;
use super::path::{Origin, shorten};
use super::safe;
use super::strip::strip;
use crostata_schema::module::{CODE, IMPORTS, NotWasm, Section, sections};

/// Debug information in memory.
pub(super) type Bytes = EndianArcSlice<LittleEndian>;

/// Inlined functions of one place that are told.
const INLINED_MAX: usize = 64;

/// Characters of a function's name that are shown.
const NAME_MAX: usize = 120;

/// Bytes of a name that is demangled: the text can be much longer than the name.
const MANGLED_MAX: usize = 512;

/// Bytes of a demangled name that hold all that is shown of it.
const BEGINNING_MAX: usize = 4 * (NAME_MAX + 1);

/// Functions that stand between contracts and the VM: no author looks for a mistake there first.
const GLUE: [&str; 3] = ["crostata_sdk::", "crostata_abi::", "rkyv::"];

/// Why a module's debug information can not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DebugInfoError {
    /// No module at all.
    #[error(transparent)]
    NotWasm(#[from] NotWasm),
    /// The sections of debug information do not fit together.
    #[error("the module's debug information can not be read: {0}; build the contract again")]
    Dwarf(String),
}

/// A place in source code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The file, from its crate on.
    pub file: String,
    /// The line, from 1; 0 if the compiler did not tell.
    pub line: u32,
    /// The column, from 1, if the compiler told.
    pub column: Option<u32>,
    /// The function, if the compiler told.
    pub function: Option<String>,
    /// Whether this is the author's own code, and no library's.
    pub is_own: bool,
}

impl SourceLine {
    /// Whether the function was made by `#[contract]`: it stands at the method's signature, around the method.
    pub(super) fn is_generated(&self) -> bool {
        let function = self.function.as_deref();
        function.is_some_and(|function| function.starts_with("export_"))
    }
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        match self.column {
            Some(column) => write!(f, ":{column}"),
            None => Ok(()),
        }
    }
}

/// What is known of a module's source code.
pub struct DebugInfo {
    stripped: Variant,
    whole: Variant,
    /// How many functions are imported.
    imports: u32,
    /// Where the bodies of functions end, from the beginning of the code section's contents.
    bodies: Vec<u64>,
    /// The names of functions, by index.
    names: Vec<(u32, String)>,
    lines: Option<Mutex<Context<Bytes>>>,
}

/// The module in one of the forms in which it may have been deployed.
#[derive(Clone, Copy)]
struct Variant {
    code: CodeHash,
    /// Where the contents of the code section begin.
    code_start: u64,
}

impl fmt::Debug for DebugInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugInfo")
            .field("code", &self.stripped.code)
            .field("has_lines", &self.lines.is_some())
            .finish_non_exhaustive()
    }
}

impl DebugInfo {
    /// Reads the names and lines of a module that was not stripped. One that was has none, and is no error.
    ///
    /// # Errors
    /// [`DebugInfoError`].
    pub fn of(unstripped: &[u8]) -> Result<Self, DebugInfoError> {
        let stripped = strip(unstripped)?;
        let found = sections(unstripped)?;
        Ok(Self {
            stripped: Variant {
                code: stripped.code_hash(),
                code_start: code_start(&sections(&stripped.code)?),
            },
            whole: Variant {
                code: hash::code_hash(unstripped),
                code_start: code_start(&found),
            },
            imports: imports(&found),
            bodies: bodies(&found),
            names: names(&found),
            lines: context(&found)?.map(Mutex::new),
        })
    }

    /// The hash of the code without names and debug information: what is deployed of the module.
    pub fn code(&self) -> CodeHash {
        self.stripped.code
    }

    /// The hash of the code with all that: what is deployed by who does not strip it.
    pub fn unstripped_code(&self) -> CodeHash {
        self.whole.code
    }

    /// Whether there are lines.
    pub fn has_lines(&self) -> bool {
        self.lines.is_some()
    }

    /// The name of a function, demangled, by its index in the module.
    pub fn function(&self, index: u32) -> Option<&str> {
        let at = self.names.binary_search_by_key(&index, |(index, _)| *index);
        at.ok().map(|at| self.names[at].1.as_str())
    }

    /// The source line of an offset in the stripped module: the author's own, if there is one of those that the compiler inlined here.
    pub fn line(&self, offset: u64) -> Option<SourceLine> {
        let lines = self.lines(&self.stripped.code, offset);
        let own = lines.iter().position(|line| line.is_own);
        lines.into_iter().nth(own.unwrap_or(0))
    }

    /// The source lines of an offset in the code with this hash, innermost first: of functions that the compiler inlined there, then of
    /// the function itself. Empty if it is not this module, stripped or whole.
    pub fn lines(&self, code: &CodeHash, offset: u64) -> Vec<SourceLine> {
        let variants = [self.stripped, self.whole];
        let variant = variants.into_iter().find(|variant| variant.code == *code);
        let address = variant.and_then(|variant| offset.checked_sub(variant.code_start));
        let (Some(address), Some(lines)) = (address, &self.lines) else {
            return Vec::new();
        };
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = found(&lines, address);
        if let Some(last) = found.last_mut() {
            // The name section has the whole path of a function, where lines have only its last part or nothing.
            let named = self.function_at(address);
            if let Some(name) = named.filter(|name| name.contains("::")) {
                last.is_own &= !is_glue(name);
                last.function = Some(name.to_owned());
            }
        }
        found
    }

    /// The name of the function whose body holds an address.
    fn function_at(&self, address: u64) -> Option<&str> {
        let nth = self.bodies.partition_point(|end| *end <= address);
        let index = self.imports.checked_add(u32::try_from(nth).ok()?)?;
        self.function(index)
    }
}

/// What stands at an address. What is damaged there is not told.
fn found(context: &Context<Bytes>, address: u64) -> Vec<SourceLine> {
    let mut lines = Vec::new();
    let Ok(mut frames) = context.find_frames(address).skip_all_loads() else {
        return lines;
    };
    while let Ok(Some(frame)) = frames.next() {
        lines.extend(source_line(&frame));
        if lines.len() == INLINED_MAX {
            break;
        }
    }
    lines
}

fn source_line(frame: &Frame<'_, Bytes>) -> Option<SourceLine> {
    let location = frame.location.as_ref()?;
    let (file, origin) = shorten(location.file?);
    let raw = frame
        .function
        .as_ref()
        .and_then(|name| name.raw_name().ok());
    let function = raw.map(|name| demangled(&name));
    let is_glue = function.as_deref().is_some_and(is_glue);
    Some(SourceLine {
        file: safe::line(&file),
        line: location.line.unwrap_or(0),
        column: location.column.filter(|column| *column > 0),
        function,
        is_own: origin == Origin::Own && !is_glue,
    })
}

fn is_glue(function: &str) -> bool {
    let beginning = function.trim_start_matches(['<', '&']);
    // Methods of clients stand in the author's crate, and are made by `#[contract]`.
    GLUE.iter().any(|glue| beginning.starts_with(glue))
        || function.contains("<crostata_sdk::client::")
}

/// A function's name as its author wrote it, made harmless.
fn demangled(name: &str) -> String {
    if name.len() > MANGLED_MAX {
        return safe::cut(name, NAME_MAX);
    }
    let mut beginning = Beginning(String::new());
    // An error is that there is more than is shown: a name can stand for a megabyte of text, so it ends there.
    let _ = write!(beginning, "{:#}", rustc_demangle::demangle(name));
    safe::cut(&beginning.0, NAME_MAX)
}

/// A text that ends soon after the characters that are shown.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push_str(text);
        match self.0.len() > BEGINNING_MAX {
            true => Err(fmt::Error),
            false => Ok(()),
        }
    }
}

fn code_start(sections: &[Section<'_>]) -> u64 {
    let code = sections.iter().find(|section| section.id == CODE);
    code.map_or(0, |code| code.contents as u64)
}

fn imports(sections: &[Section<'_>]) -> u32 {
    let section = sections.iter().find(|section| section.id == IMPORTS);
    let data = section.map_or(&[][..], |section| section.data);
    let Ok(section) = ImportSectionReader::new(BinaryReader::new(data, 0)) else {
        return 0;
    };
    let imports = section.into_imports().map_while(Result::ok);
    let functions = imports.filter(|import| matches!(import.ty, TypeRef::Func(_)));
    functions.count() as u32
}

/// Where bodies end; nothing from where the section is damaged.
fn bodies(sections: &[Section<'_>]) -> Vec<u64> {
    let section = sections.iter().find(|section| section.id == CODE);
    let data = section.map_or(&[][..], |section| section.data);
    let Ok(section) = CodeSectionReader::new(BinaryReader::new(data, 0)) else {
        return Vec::new();
    };
    let bodies = section.into_iter().map_while(Result::ok);
    bodies.map(|body| body.range().end as u64).collect()
}

fn context(sections: &[Section<'_>]) -> Result<Option<Context<Bytes>>, DebugInfoError> {
    if !sections.iter().any(|one| one.name == Some(".debug_info")) {
        return Ok(None);
    }
    let load = |id: gimli::SectionId| {
        let found = sections.iter().find(|one| one.name == Some(id.name()));
        Ok::<_, gimli::Error>(Arc::<[u8]>::from(found.map_or(&[][..], |one| one.data)))
    };
    let dwarf = |error: gimli::Error| DebugInfoError::Dwarf(error.to_string());
    let debug = sections.iter().filter(|one| is_debug(one));
    let len_bytes = debug.map(|one| one.data.len()).sum();
    let sections = DwarfSections::load(load).map_err(dwarf)?;
    let mut borrowed = sections.borrow(|bytes| Bytes::new(bytes.clone(), LittleEndian));
    dwarf_work::check(&mut borrowed, len_bytes)
        .map_err(|error| DebugInfoError::Dwarf(error.to_string()))?;
    Context::from_dwarf(borrowed).map(Some).map_err(dwarf)
}

fn is_debug(section: &Section<'_>) -> bool {
    section.name.is_some_and(|name| name.starts_with(".debug_"))
}

/// The names of functions; what is damaged is left out, as debuggers do.
fn names(sections: &[Section<'_>]) -> Vec<(u32, String)> {
    let section = sections.iter().find(|one| one.name == Some("name"));
    let data = section.map_or(&[][..], |section| section.data);
    let mut names = Vec::new();
    for name in NameSectionReader::new(BinaryReader::new(data, 0)) {
        if let Ok(Name::Function(functions)) = name {
            let functions = functions.into_iter().map_while(Result::ok);
            names.extend(functions.map(|one| (one.index, demangled(one.name))));
        }
    }
    names.sort_by_key(|(index, _)| *index);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P7: names that stand for a megabyte each, by references to their own parts, take no longer than what is shown of them.
    #[test]
    fn a_name_ends_where_it_is_cut() {
        // Tuples of two of the tuple before.
        let mut name = "_RINvC1a1b".to_owned();
        let mut before = "y".to_owned();
        for _ in 0..30 {
            let start = name.len() - 2;
            name.push_str(&format!("T{before}{before}E"));
            before = format!("B{}_", base_62(start));
        }
        name.push('E');
        assert!(name.len() < MANGLED_MAX, "{}", name.len());
        let whole = format!("{:#}", rustc_demangle::demangle(&name));
        assert!(whole.len() > 100 * NAME_MAX, "{whole}");
        let mut beginning = Beginning(String::new());
        let ended = write!(beginning, "{:#}", rustc_demangle::demangle(&name));
        assert!(ended.is_err() && beginning.0.len() <= 2 * BEGINNING_MAX);
        assert_eq!(demangled(&name), safe::cut(&whole, NAME_MAX));
    }

    /// A number of a mangled name: nothing for 0, then the digits of one less.
    fn base_62(number: usize) -> String {
        let digits = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let Some(mut rest) = number.checked_sub(1) else {
            return String::new();
        };
        let mut text = vec![digits[rest % 62]];
        while rest >= 62 {
            rest /= 62;
            text.push(digits[rest % 62]);
        }
        text.reverse();
        String::from_utf8(text).unwrap()
    }
}

//! Size reports: the bytes of a module by section and by function, and what of them is deployed.

use std::fmt;

use super::debug::{DebugInfo, DebugInfoError};
use super::safe;
use super::strip::strip;
use crostata_schema::module::sections;

/// Characters of a name.
const NAME_MAX: usize = 100;

/// The bytes of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeReport {
    /// Bytes of the module as the compiler made it.
    pub module_bytes: usize,
    /// Bytes of what is deployed of it.
    pub deployed_bytes: usize,
    /// Its sections, in their order.
    pub sections: Vec<SectionSize>,
    /// Its functions, the largest first.
    pub functions: Vec<FunctionSize>,
}

/// A section's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionSize {
    /// What it is called.
    pub name: String,
    /// Its bytes, with what tells what it is and how long.
    pub bytes: usize,
    /// Whether it is deployed.
    pub is_deployed: bool,
}

/// A function's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionSize {
    /// Its index, imports included.
    pub index: u32,
    /// Its name, if the module says it.
    pub name: Option<String>,
    /// The bytes of its body.
    pub bytes: usize,
}

/// Why the sizes can not be told.
#[derive(Debug, thiserror::Error)]
pub enum SizeError {
    /// It can not be told apart.
    #[error(transparent)]
    Debug(#[from] DebugInfoError),
    /// Its functions can not be read.
    #[error("the module can not be read: {0}")]
    Wasm(#[from] wasmparser::BinaryReaderError),
}

impl SizeReport {
    /// The sizes of a module, stripped or not. Functions have names if it was not.
    ///
    /// # Errors
    /// [`SizeError`].
    pub fn of(wasm: &[u8]) -> Result<Self, SizeError> {
        let debug = DebugInfo::of(wasm)?;
        let stripped = strip(wasm).map_err(DebugInfoError::from)?;
        let found = sections(wasm).map_err(DebugInfoError::from)?;
        let sections = found.iter().map(|section| SectionSize {
            name: section_name(section.id, section.name),
            bytes: section.end - section.start,
            is_deployed: section.is_deployed(),
        });
        Ok(Self {
            module_bytes: wasm.len(),
            deployed_bytes: stripped.code.len(),
            sections: sections.collect(),
            functions: functions(wasm, &debug)?,
        })
    }
}

fn section_name(id: u8, name: Option<&str>) -> String {
    const NAMES: [&str; 14] = [
        "custom",
        "types",
        "imports",
        "functions",
        "tables",
        "memories",
        "globals",
        "exports",
        "start",
        "elements",
        "code",
        "data",
        "data count",
        "tags",
    ];
    match name {
        Some(name) => safe::cut(name, NAME_MAX),
        None => NAMES
            .get(usize::from(id))
            .map_or_else(|| format!("section {id}"), |name| (*name).to_owned()),
    }
}

fn functions(wasm: &[u8], debug: &DebugInfo) -> Result<Vec<FunctionSize>, SizeError> {
    let found = super::functions::functions(wasm)?.into_iter();
    let found = found.map(|(index, body)| FunctionSize {
        index,
        name: debug.function(index).map(str::to_owned),
        bytes: body.range().len(),
    });
    let mut functions: Vec<FunctionSize> = found.collect();
    functions.sort_by(|one, other| {
        other
            .bytes
            .cmp(&one.bytes)
            .then(one.index.cmp(&other.index))
    });
    Ok(functions)
}

/// Functions that the table shows.
const ROWS_MAX: usize = 40;

/// Tables of sections and of the largest functions.
impl fmt::Display for SizeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [module, deployed] =
            [self.module_bytes, self.deployed_bytes].map(|n| safe::number(n as u64));
        writeln!(
            f,
            "{module} bytes, {deployed} of them deployed\n\n     bytes  section"
        )?;
        for section in &self.sections {
            let note = if section.is_deployed {
                ""
            } else {
                " (not deployed)"
            };
            writeln!(
                f,
                "{:>10}  {}{note}",
                safe::number(section.bytes as u64),
                section.name
            )?;
        }
        writeln!(f, "\n     bytes  function")?;
        for function in self.functions.iter().take(ROWS_MAX) {
            let bytes = safe::number(function.bytes as u64);
            match &function.name {
                Some(name) => writeln!(f, "{bytes:>10}  {name}")?,
                None => writeln!(f, "{bytes:>10}  function {}", function.index)?,
            }
        }
        let rest = self.functions.iter().skip(ROWS_MAX);
        let (count, bytes) =
            rest.fold((0, 0), |(count, bytes), one| (count + 1, bytes + one.bytes));
        match count {
            0 => Ok(()),
            count => writeln!(
                f,
                "{:>10}  {count} smaller functions",
                safe::number(bytes as u64)
            ),
        }
    }
}

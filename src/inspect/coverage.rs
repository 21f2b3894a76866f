//! Coverage: which lines and functions of contracts ran, and how often, from the profiles of any number of calls.
//!
//! Profiles count pieces of code, from which it follows for each operator how often it ran. Lines are those of the author's crates: what the compiler put inline counts for the
//! line where it was written and for the line that it was put into. A line is as often covered as the piece of it that ran most, in all
//! instances of a function together.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use crostata_proof::CodeHash;
use wasmparser::{FunctionBody, Operator};

use super::debug::{DebugInfo, DebugInfoError, SourceLine};
use super::strip::strip;
use crate::engine::Profile;
use crostata_schema::NotWasm;

/// How often the code of some contracts ran.
#[derive(Debug, Default)]
pub struct Coverage {
    modules: Vec<Code>,
    /// The modules by the hashes of what may be deployed of them, with how far what stands there stands further on in the module.
    known: HashMap<CodeHash, (usize, u32)>,
}

/// How often the lines and functions of a file ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoveredFile {
    /// Runs by line. Lines without code are not there.
    pub lines: BTreeMap<u32, u64>,
    /// Functions by their names: the line, and runs.
    pub functions: BTreeMap<String, (u32, u64)>,
}

/// A module, and how often its pieces ran.
#[derive(Debug)]
struct Code {
    debug: DebugInfo,
    functions: Vec<Function>,
    counts: HashMap<u32, u64>,
}

/// A function in pieces.
#[derive(Debug)]
struct Function {
    index: u32,
    pieces: Vec<Piece>,
}

/// A straight line of code.
#[derive(Debug)]
struct Piece {
    start: u32,
    operators: Vec<u32>,
}

/// Why the coverage of some code can not be told.
#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    /// Its debug information.
    #[error(transparent)]
    Debug(#[from] DebugInfoError),
    /// There are no lines in it.
    #[error(
        "the module has no source lines: give it as the compiler made it, not stripped, from a build with `debug = \"line-tables-only\"` or more"
    )]
    NoLines,
    /// It can not be read.
    #[error("the module can not be read: {0}")]
    Wasm(#[from] wasmparser::BinaryReaderError),
}

impl From<NotWasm> for CoverageError {
    fn from(error: NotWasm) -> Self {
        Self::Debug(error.into())
    }
}

impl Coverage {
    /// Of no code yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds code, as the compiler made it, whose coverage is wanted; gives the hash of what is deployed of it.
    ///
    /// # Errors
    /// [`CoverageError`].
    pub fn add_code(&mut self, unstripped: &[u8]) -> Result<CodeHash, CoverageError> {
        let debug = DebugInfo::of(unstripped)?;
        if !debug.has_lines() {
            return Err(CoverageError::NoLines);
        }
        let deployed = debug.code();
        if self.known.contains_key(&deployed) {
            return Ok(deployed);
        }
        let functions = functions(unstripped)?;
        let start = |functions: &[Function]| functions.first().map_or(0, Function::start);
        let stripped = self::functions(&strip(unstripped)?.code)?;
        let moved = start(&functions).saturating_sub(start(&stripped));
        let place = self.modules.len();
        self.known.insert(deployed, (place, moved));
        self.known.insert(debug.unstripped_code(), (place, 0));
        self.modules.push(Code {
            debug,
            functions,
            counts: HashMap::new(),
        });
        Ok(deployed)
    }

    /// Adds what ran in the calls of a profile.
    pub fn add(&mut self, profile: &Profile) {
        for piece in &profile.reached {
            if let Some((place, moved)) = self.known.get(&piece.code) {
                let offset = piece.offset.saturating_add(*moved);
                let count = self.modules[*place].counts.entry(offset).or_default();
                *count = count.saturating_add(piece.count);
            }
        }
    }

    /// The files of the authors, by path from their crate on.
    pub fn files(&self) -> BTreeMap<String, CoveredFile> {
        let mut files = BTreeMap::new();
        for code in &self.modules {
            for function in &code.functions {
                code.add_function(&mut files, function);
            }
        }
        files
    }

    /// The coverage as `lcov` writes it, for `genhtml`, editors and services; `path` says where a file is.
    pub fn lcov(&self, path: impl Fn(&str) -> String) -> String {
        let mut text = String::new();
        for (name, file) in self.files() {
            // Writing to a string does not fail. A line's end would begin another record.
            let _ = file.write_lcov(&mut text, &path(&name).replace(['\n', '\r'], "?"));
        }
        text
    }
}

impl CoveredFile {
    /// Lines that ran, and lines with code.
    pub fn covered_lines(&self) -> (usize, usize) {
        let ran = self.lines.values().filter(|count| **count > 0);
        (ran.count(), self.lines.len())
    }

    /// Functions that ran, and functions.
    pub fn covered_functions(&self) -> (usize, usize) {
        let ran = self.functions.values().filter(|(_, count)| *count > 0);
        (ran.count(), self.functions.len())
    }

    fn write_lcov(&self, text: &mut String, path: &str) -> std::fmt::Result {
        writeln!(text, "TN:\nSF:{path}")?;
        for (name, (line, _)) in &self.functions {
            writeln!(text, "FN:{line},{name}")?;
        }
        for (name, (_, count)) in &self.functions {
            writeln!(text, "FNDA:{count},{name}")?;
        }
        let (ran, all) = self.covered_functions();
        writeln!(text, "FNF:{all}\nFNH:{ran}")?;
        for (line, count) in &self.lines {
            writeln!(text, "DA:{line},{count}")?;
        }
        let (ran, all) = self.covered_lines();
        writeln!(text, "LF:{all}\nLH:{ran}\nend_of_record")
    }
}

impl Function {
    /// The offset of its first operator.
    fn start(&self) -> u32 {
        self.pieces.first().map_or(0, |piece| piece.start)
    }
}

impl Code {
    /// Adds the runs of an instance of a function to its lines.
    fn add_function(&self, files: &mut BTreeMap<String, CoveredFile>, function: &Function) {
        let whole = self.debug.unstripped_code();
        let mut lines = BTreeMap::<(String, u32), u64>::new();
        let mut begins = None;
        for piece in &function.pieces {
            let count = self.count(piece.start);
            for offset in &piece.operators {
                let found = self.debug.lines(&whole, u64::from(*offset));
                // The outermost is the function's own.
                begins = begins.or_else(|| found.last().filter(|line| line.is_own).cloned());
                for line in found
                    .into_iter()
                    .filter(|line| line.is_own && line.line > 0)
                {
                    let most = lines.entry((line.file, line.line)).or_default();
                    *most = count.max(*most);
                }
            }
        }
        for ((file, line), count) in lines {
            let sum = files
                .entry(file)
                .or_default()
                .lines
                .entry(line)
                .or_default();
            *sum = sum.saturating_add(count);
        }
        if let Some(begins) = begins {
            self.name(
                files.entry(begins.file.clone()).or_default(),
                function,
                begins,
            );
        }
    }

    /// Adds the runs of a function under its name.
    fn name(&self, file: &mut CoveredFile, function: &Function, begins: SourceLine) {
        let name = self.debug.function(function.index).map(str::to_owned);
        let name = name.or(begins.function);
        let name = name.unwrap_or_else(|| format!("function {}", function.index));
        let (_, count) = file.functions.entry(name).or_insert((begins.line, 0));
        *count = count.saturating_add(self.count(function.start()));
    }

    fn count(&self, offset: u32) -> u64 {
        self.counts.get(&offset).copied().unwrap_or(0)
    }
}

/// The functions of a module in pieces, cut where probes cut them.
fn functions(wasm: &[u8]) -> Result<Vec<Function>, CoverageError> {
    let found = super::functions::functions(wasm)?.into_iter();
    let found = found.map(|(index, body)| {
        let pieces = pieces(&body)?;
        Ok(Function { index, pieces })
    });
    found.collect()
}

fn pieces(body: &FunctionBody<'_>) -> Result<Vec<Piece>, CoverageError> {
    let mut reader = body.get_operators_reader()?;
    let mut pieces = vec![Piece {
        start: reader.original_position() as u32,
        operators: Vec::new(),
    }];
    // Behind a jump nothing runs until the next block's end.
    let mut is_reached = true;
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        let is_structure = matches!(operator, Operator::End | Operator::Else);
        if let Some(piece) = pieces.last_mut()
            && is_reached
            && !is_structure
        {
            piece.operators.push(offset as u32);
        }
        is_reached = (is_reached || is_structure) && !jumps(&operator);
        if ends_piece(&operator) {
            pieces.push(Piece {
                start: reader.original_position() as u32,
                operators: Vec::new(),
            });
        }
    }
    Ok(pieces)
}

fn jumps(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Br { .. } | Operator::BrTable { .. } | Operator::Return | Operator::Unreachable
    )
}

/// Whether a probe stands behind the operator, as `engine::code` puts it there.
fn ends_piece(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::BrIf { .. }
            | Operator::Call { .. }
            | Operator::CallIndirect { .. }
    )
}

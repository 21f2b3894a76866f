//! What a renderer knows beside the trace: labels of contracts, schemas and source lines of code.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crostata_abi::ContractId;
use crostata_proof::CodeHash;
use crostata_schema::{NotWasm, Schema, SchemaError};

use super::debug::{DebugInfo, DebugInfoError, SourceLine};
use super::safe;
use super::strip::{Stripped, file_name};
use crate::engine::CodePosition;

/// Characters of a label that are shown.
const LABEL_MAX: usize = 40;

/// Digits of an id that has no label.
const ID_DIGITS: usize = 8;

/// What is known of contracts and code.
#[derive(Debug, Default)]
pub struct Known {
    labels: HashMap<ContractId, String>,
    code: HashMap<CodeHash, Code>,
}

#[derive(Debug, Default, Clone)]
struct Code {
    schema: Option<Arc<Schema>>,
    debug: Option<Arc<DebugInfo>>,
}

/// Why code is not known now.
#[derive(Debug, thiserror::Error)]
pub enum SideFileError {
    /// The file can not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not of the code that its name says.
    #[error(
        "{} holds the code {found}, not {wanted}: build the contract again",
        path.display()
    )]
    OtherCode {
        /// The file.
        path: PathBuf,
        /// The hash of what it holds, stripped.
        found: CodeHash,
        /// The hash in its name.
        wanted: CodeHash,
    },
    /// Its debug information can not be read.
    #[error("{}: {source}", path.display())]
    Debug {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DebugInfoError,
    },
}

/// Why code says nothing of itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Its debug information.
    #[error(transparent)]
    Debug(#[from] DebugInfoError),
    /// Its schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl Known {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls a contract by this name from here on.
    pub fn add_contract(&mut self, label: &str, contract: ContractId) {
        self.labels.insert(contract, safe::cut(label, LABEL_MAX));
    }

    /// Learns what code says of itself: schema, names, lines. It may be stripped or not; give it as the compiler made it, if it can be
    /// had. What was learned of the same code before stays where this says nothing.
    ///
    /// Gives the hash of what is deployed of it.
    ///
    /// # Errors
    /// [`CodeError`]; what can be read is known nevertheless.
    pub fn add_code(&mut self, wasm: &[u8]) -> Result<CodeHash, CodeError> {
        let debug = DebugInfo::of(wasm)?;
        let schema = Schema::of_code(wasm);
        let code = Code {
            schema: schema.as_ref().ok().cloned().flatten().map(Arc::new),
            debug: None,
        };
        let deployed = self.learn(code, debug);
        schema?;
        Ok(deployed)
    }

    fn learn(&mut self, code: Code, debug: DebugInfo) -> CodeHash {
        let (deployed, whole) = (debug.code(), debug.unstripped_code());
        let says_something = debug.has_lines() || debug.function(0).is_some();
        let debug = Arc::new(debug);
        for hash in [deployed, whole] {
            let known = self.code.entry(hash).or_default();
            if code.schema.is_some() {
                known.schema.clone_from(&code.schema);
            }
            if says_something || known.debug.is_none() {
                known.debug = Some(debug.clone());
            }
        }
        deployed
    }

    /// Learns the side file of some code, if the directory has one: `true` if it does.
    ///
    /// # Errors
    /// [`SideFileError`].
    pub fn add_side_file(
        &mut self,
        directory: &Path,
        code: &CodeHash,
    ) -> Result<bool, SideFileError> {
        let path = directory.join(file_name(code));
        let wasm = match fs::read(&path) {
            Ok(wasm) => wasm,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(SideFileError::File { path, source }),
        };
        let debug = match DebugInfo::of(&wasm) {
            Ok(debug) => debug,
            Err(source) => return Err(SideFileError::Debug { path, source }),
        };
        if debug.code() != *code {
            return Err(SideFileError::OtherCode {
                path,
                found: debug.code(),
                wanted: *code,
            });
        }
        // What its schema does not say, the deployed code does not either.
        let schema = Schema::of_code(&wasm).ok().flatten().map(Arc::new);
        let code = Code {
            schema,
            debug: None,
        };
        self.learn(code, debug);
        Ok(true)
    }

    /// Whether the source lines of some code are known.
    pub fn has_lines(&self, code: &CodeHash) -> bool {
        self.debug(code).is_some_and(DebugInfo::has_lines)
    }

    /// The schema of some code.
    pub fn schema(&self, code: &CodeHash) -> Option<&Schema> {
        self.code.get(code)?.schema.as_deref()
    }

    /// What is known of the sources of some code.
    pub fn debug(&self, code: &CodeHash) -> Option<&DebugInfo> {
        self.code.get(code)?.debug.as_deref()
    }

    /// What a contract is called: its label, or the beginning of its id.
    pub fn name(&self, contract: &ContractId) -> String {
        match self.labels.get(contract) {
            Some(label) => label.clone(),
            None => format!("0x{}…", &contract.to_string()[..ID_DIGITS]),
        }
    }

    /// A text in which shortened ids of contracts with labels are these labels.
    pub(super) fn with_labels(&self, text: &str) -> String {
        if !text.contains("0x") {
            return text.to_owned();
        }
        let labels = self.labels.iter();
        labels.fold(text.to_owned(), |text, (contract, label)| {
            let id = contract.to_string();
            let short = format!("0x{}…", &id[..ID_DIGITS]);
            text.replace(&short, label)
                .replace(&format!("0x{id}"), label)
        })
    }

    /// The source lines of a place, innermost first.
    pub fn lines(&self, position: &CodePosition) -> Vec<SourceLine> {
        let debug = self.debug(&position.code);
        debug.map_or_else(Vec::new, |debug| {
            debug.lines(&position.code, position.offset)
        })
    }
}

impl Stripped {
    /// Writes the side file into a directory; gives its path.
    ///
    /// # Errors
    /// [`SideFileError::File`].
    pub fn write_side_file(&self, directory: &Path) -> Result<PathBuf, SideFileError> {
        let path = directory.join(self.file_name());
        match fs::write(&path, &self.debug) {
            Ok(()) => Ok(path),
            Err(source) => Err(SideFileError::File { path, source }),
        }
    }
}

impl From<NotWasm> for CodeError {
    fn from(error: NotWasm) -> Self {
        Self::Debug(error.into())
    }
}

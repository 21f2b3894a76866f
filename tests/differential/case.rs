//! A case: a contract's code and the calls made of it, as files that can be replayed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crostata::ContractId;

use super::module::Module;

/// The ids that the code is deployed under.
pub const CONTRACTS: [ContractId; 2] = [
    ContractId::from_bytes([0xa1; 32]),
    ContractId::from_bytes([0xb2; 32]),
];

/// A call of a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which of [`CONTRACTS`].
    pub contract: usize,
    pub function: String,
    pub argument: Vec<u8>,
    pub gas: u64,
    /// Whether the call is tried before, and undone, with limits around what it spends.
    pub probed: bool,
}

/// Code and calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    pub wasm: Vec<u8>,
    pub calls: Vec<Call>,
}

/// Where cases go that were found.
pub fn found() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/differential")
}

/// Where cases are that are replayed always.
pub fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/cases")
}

impl Call {
    fn line(&self) -> String {
        let argument: String = self
            .argument
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let argument = if argument.is_empty() { "-" } else { &argument };
        let probed = if self.probed { " probed" } else { "" };
        let (contract, function, gas) = (self.contract, &self.function, self.gas);
        format!("{contract} {function} {gas} {argument}{probed}\n")
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        Some(Self {
            contract: words.next()?.parse().ok()?,
            function: words.next()?.to_owned(),
            gas: words.next()?.parse().ok()?,
            argument: bytes(words.next()?)?,
            probed: words.next() == Some("probed"),
        })
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_start_matches('-');
    let pairs = (0..text.len() / 2).map(|at| text.get(2 * at..2 * at + 2));
    pairs
        .map(|pair| u8::from_str_radix(pair?, 16).ok())
        .collect()
}

impl Case {
    /// Whether the code imports anything.
    pub fn calls_host(&self) -> bool {
        !Module::parse(&self.wasm).imports.is_empty()
    }

    /// The same calls of code that has one bit of what an entry gives changed.
    pub fn with_planted(&self, function: &str) -> Self {
        let mut module = Module::parse(&self.wasm);
        module.plant(function);
        Self {
            wasm: module.encode(),
            ..self.clone()
        }
    }

    /// Writes the code as `<name>.wasm` and the calls as `<name>.txt`, below lines of comment; gives the code's path.
    pub fn save(&self, directory: &Path, comment: &str) -> PathBuf {
        fs::create_dir_all(directory).unwrap();
        let path = directory.join(&self.name).with_extension("wasm");
        fs::write(&path, &self.wasm).unwrap();
        let comment = comment.lines().map(|line| format!("# {line}\n"));
        let lines = comment.chain(self.calls.iter().map(Call::line));
        fs::write(path.with_extension("txt"), lines.collect::<String>()).unwrap();
        path
    }

    /// Reads what [`save`](Self::save) wrote.
    pub fn load(path: &Path) -> Self {
        let text = fs::read_to_string(path.with_extension("txt")).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            wasm: fs::read(path.with_extension("wasm")).unwrap(),
            calls: lines.map(|line| Call::read(line).unwrap()).collect(),
        }
    }
}

/// Functions that are shown.
const SHOWN_MAX: usize = 8;

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = Module::parse(&self.wasm);
        for (at, body) in module.functions.iter().enumerate().take(SHOWN_MAX) {
            let ty = &module.types[body.ty as usize];
            writeln!(f, "function {at}: {ty:?}, locals {:?}", body.locals)?;
            writeln!(f, "    {:?}", body.code)?;
        }
        self.calls
            .iter()
            .try_for_each(|call| f.write_str(&call.line()))
    }
}

//! What a store's contracts are called and declare, as far as traces and receipts need it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crostata::inspect::{self, Known, Level, Style};
use crostata::{CallTrace, CodeHash, Commit, ContractId, VM};

use crate::arguments::StoreArguments;
use crate::error::CliError;
use crate::interface::Interface;
use crate::labels::Labels;
use crate::screen::Screen;

/// What texts about contracts are made with.
#[derive(Debug)]
pub struct Names {
    /// What contracts are called.
    pub labels: Labels,
    /// The interfaces of contracts.
    pub interfaces: BTreeMap<ContractId, Interface>,
    /// The codes of contracts.
    pub codes: BTreeMap<ContractId, Vec<u8>>,
    /// What traces are rendered with.
    pub known: Known,
    /// Where side files are: the later folders are looked into for what the earlier ones do not have.
    pub side_files: Vec<PathBuf>,
}

impl Names {
    /// What is known before anything is called.
    pub fn new(arguments: &StoreArguments) -> Result<Self, CliError> {
        let labels = Labels::of(arguments)?;
        let mut known = Known::new();
        for (label, contract) in labels.iter() {
            known.add_contract(label, *contract);
        }
        Ok(Self {
            labels,
            interfaces: BTreeMap::new(),
            codes: BTreeMap::new(),
            known,
            side_files: vec![side_files(&arguments.store)],
        })
    }

    /// Learns what a contract's code says of itself, and its side file. What can not be read shows as bytes.
    pub fn learn(&mut self, contract: ContractId, code: &[u8]) {
        self.interfaces.insert(contract, Interface::of(code));
        self.codes.insert(contract, code.to_vec());
        self.learn_code(code);
    }

    /// Learns what some code says of itself, and its side file.
    pub fn learn_code(&mut self, code: &[u8]) {
        let hash = self.known.add_code(code);
        let hash = hash.unwrap_or_else(|_| crostata::code_hash(code));
        self.learn_side_file(&hash);
    }

    fn learn_side_file(&mut self, code: &CodeHash) {
        // Without it traces have no lines of source, and say so.
        let mut folders = self.side_files.iter();
        let known = &mut self.known;
        folders.any(|folder| matches!(known.add_side_file(folder, code), Ok(true)));
    }

    /// Learns the contracts of a call.
    pub fn learn_trace(&mut self, trace: &CallTrace, vm: &VM, commit: Commit) {
        for frame in &trace.frames {
            let contract = frame.contract;
            if self.interfaces.contains_key(&contract) {
                continue;
            }
            if let Ok(code) = vm.contract_code(commit, contract) {
                self.learn(contract, &code);
            }
        }
    }

    /// A trace as text.
    pub fn render(&self, screen: &Screen, trace: &CallTrace, level: Level) -> String {
        let style = match screen.has_colours() {
            true => Style::Ansi,
            false => Style::Plain,
        };
        inspect::render(trace, &self.known, level, style)
    }

    /// A trace as text for notes.
    pub fn render_note(&self, screen: &Screen, trace: &CallTrace, level: Level) -> String {
        let style = match screen.notes_have_colours() {
            true => Style::Ansi,
            false => Style::Plain,
        };
        inspect::render(trace, &self.known, level, style)
    }
}

/// Where the side files of a store's contracts are: beside it.
pub fn side_files(store: &Path) -> PathBuf {
    store
        .parent()
        .unwrap_or(Path::new(""))
        .join(".crostata/debug")
}

/// The side file of some code, if one of the folders has it.
pub fn side_file(folders: &[PathBuf], code: &[u8]) -> Option<Vec<u8>> {
    let name = format!("{}.debug.wasm", crostata::code_hash(code));
    let mut folders = folders.iter();
    folders.find_map(|folder| std::fs::read(folder.join(&name)).ok())
}

/// How much of traces is shown: what `-v` says, or the environment, or the whole tree.
pub fn level(verbose: u8) -> Result<Level, CliError> {
    Ok(match verbose {
        0 => Level::from_env().map_err(|error| {
            CliError::input(
                error.to_string(),
                "unset it, or set it to a number from 1 to 5",
            )
        })?,
        1 => Level::Error,
        2 => Level::Path,
        3 => Level::Tree,
        4 => Level::Details,
        _ => Level::Everything,
    })
}

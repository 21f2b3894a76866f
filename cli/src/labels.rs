//! Labels: what an author calls the contracts of a store. A file of the project, beside the store and never in it.
//!
//! `{"contracts": {"counter": "…64 hex digits…"}}`

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crostata::ContractId;
use serde_json::{Map, Value, json};

use crate::arguments::StoreArguments;
use crate::error::CliError;
use crate::file;
use crate::hex;

const FILE: &str = "crostata.labels.json";

/// The longest label in bytes.
const LABEL_BYTES_MAX: usize = 64;

/// Labels and their contracts.
#[derive(Debug)]
pub struct Labels {
    path: PathBuf,
    contracts: BTreeMap<String, ContractId>,
}

impl Labels {
    /// Those of a store; none if there is no file.
    pub fn of(arguments: &StoreArguments) -> Result<Self, CliError> {
        let path = match &arguments.labels {
            Some(path) => path.clone(),
            None => arguments.store.parent().unwrap_or(Path::new("")).join(FILE),
        };
        let contracts = match std::fs::read(&path) {
            Ok(bytes) => read(&bytes).map_err(|problem| CliError::Labels {
                path: path.clone(),
                problem,
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(CliError::Read { path, source }),
        };
        Ok(Self { path, contracts })
    }

    /// The contract that a label or an id names.
    pub fn contract(&self, name: &str) -> Result<ContractId, CliError> {
        if let Some(id) = self.contracts.get(name) {
            return Ok(*id);
        }
        hex::without_mark(name)
            .parse()
            .map_err(|_| CliError::Label {
                name: name.to_owned(),
                known: self.contracts.keys().cloned().collect(),
            })
    }

    /// The label of a contract.
    pub fn label(&self, contract: &ContractId) -> Option<&str> {
        let mut all = self.contracts.iter();
        let found = all.find(|(_, id)| *id == contract);
        found.map(|(label, _)| label.as_str())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ContractId)> {
        self.contracts
            .iter()
            .map(|(label, id)| (label.as_str(), id))
    }

    /// The label, or the beginning of the id.
    pub fn shown(&self, contract: &ContractId) -> String {
        match self.label(contract) {
            Some(label) => label.to_owned(),
            None => format!("0x{}…", &contract.to_string()[..8]),
        }
    }

    /// Whether a label can be given.
    pub fn check_new(&self, label: &str) -> Result<(), CliError> {
        check(label).map_err(|problem| {
            CliError::input(
                format!("`{label}` can be no label: {problem}"),
                "use up to 64 letters, digits, `-`, `_` and `.`",
            )
        })?;
        // Before anything is deployed that would have no label then.
        match self.folder().is_dir() {
            true => Ok(()),
            false => Err(CliError::input(
                format!("there is no folder for {}", self.path.display()),
                "make it, or name another file with `--labels FILE`",
            )),
        }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Gives a contract a label, which another one may have had, and writes the file.
    pub fn give(&mut self, label: &str, contract: ContractId) -> Result<(), CliError> {
        self.contracts.insert(label.to_owned(), contract);
        let wrote = self.write();
        wrote.map_err(|source| CliError::Write {
            path: self.path.clone(),
            source,
        })
    }

    fn write(&self) -> std::io::Result<()> {
        let contracts = self.contracts.iter();
        let contracts: Map<String, Value> = contracts
            .map(|(label, id)| (label.clone(), json!(id.to_string())))
            .collect();
        let text = format!("{:#}\n", json!({"contracts": contracts}));
        file::replace(&self.path, text.as_bytes())
    }
}

fn check(label: &str) -> Result<(), &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if label.is_empty() || label.len() > LABEL_BYTES_MAX {
        return Err("it has no or more than 64 characters");
    }
    if !label.bytes().all(is_allowed) {
        return Err("it has other characters");
    }
    match label.parse::<ContractId>() {
        Ok(_) => Err("it could be an id"),
        Err(_) => Ok(()),
    }
}

fn read(bytes: &[u8]) -> Result<BTreeMap<String, ContractId>, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let contracts = value.get("contracts").and_then(Value::as_object);
    let contracts = contracts.ok_or("it has no object `contracts`")?;
    let read = contracts.iter().map(|(label, id)| {
        check(label).map_err(|problem| format!("the label `{label}`: {problem}"))?;
        let id = id
            .as_str()
            .and_then(|id| hex::without_mark(id).parse().ok());
        let id = id.ok_or_else(|| format!("`{label}` has no id of 64 hex digits"))?;
        Ok((label.clone(), id))
    });
    read.collect()
}

//! The replay capsule of a test that fails: what its chain did, in one file that `crostata replay` does again anywhere. Beside it is what
//! traces of it are read with:
//!
//! | file | what |
//! |---|---|
//! | `TEST.capsule` | what was done |
//! | `TEST.labels.json` | names of contracts and accounts, as `crostata.labels.json` has them |
//! | `debug/CODE.debug.wasm` | for each code hash, the module with its names and source lines |

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{env, fs, io, thread};

use crostata_proof::hash::code_hash;
use serde_json::{Map, Value, json};

use super::deploy::Code;
use super::{Labels, Shared};
use crate::machine::{Request, Response};

/// The environment variable that names the folder for the capsules of failing tests. Chains that are started with it are recorded.
pub const CAPSULES: &str = "CROSTATA_CAPSULES";

/// The longest label that the command reads.
const LABEL_BYTES_MAX: usize = 64;

/// The folder for capsules, if they are wanted.
pub fn capsules() -> Option<OsString> {
    env::var_os(CAPSULES).filter(|folder| !folder.is_empty())
}

/// What is kept of a recorded chain beside what its machine records.
#[derive(Clone, Default)]
pub(crate) struct Recording(Arc<Kept>);

#[derive(Default)]
struct Kept {
    /// The files' name, once they are written.
    name: OnceLock<String>,
    /// Codes that came with debug information.
    codes: Mutex<Vec<Code>>,
}

impl Recording {
    /// Keeps the debug information of deployed code.
    pub fn keep(&self, code: &Code) {
        if capsules().is_some() {
            locked(&self.0.codes).push(code.clone());
        }
    }

    /// Whether the chain has a capsule.
    pub fn is_saved(&self) -> bool {
        self.0.name.get().is_some()
    }

    /// The name of the chain's files: the test's, with a number after the test's first chain that is saved.
    fn name(&self) -> &str {
        self.0.name.get_or_init(|| {
            static CHAINS: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
            let test = test_name();
            let mut chains = locked(&CHAINS);
            let number = chains.entry(test.clone()).or_default();
            *number += 1;
            match number {
                1 => test,
                number => format!("{test}.{number}"),
            }
        })
    }

    fn write_debug(&self, folder: &Path) -> io::Result<()> {
        let codes = locked(&self.0.codes);
        for code in codes.iter() {
            if let Some(unstripped) = &code.unstripped {
                fs::create_dir_all(folder)?;
                let name = format!("{}.debug.wasm", code_hash(&code.wasm));
                fs::write(folder.join(name), unstripped)?;
            }
        }
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Saves what the chain did, if that is wanted, and says where, or why not.
    pub fn save_capsule(&self) -> String {
        let Some(folder) = capsules() else {
            return String::new();
        };
        match self.write_capsule(Path::new(&folder)) {
            Ok(file) => {
                let file = file.display();
                format!("\nsaved as a capsule: crostata replay {file} --trace\n")
            }
            Err(reason) => format!("\nno capsule was saved: {reason}\n"),
        }
    }

    fn write_capsule(&self, folder: &Path) -> Result<PathBuf, String> {
        let response = self.ask(Request::Capsule);
        let bytes = match response.map_err(|error| error.to_string())? {
            Response::Bytes(Some(bytes)) => bytes,
            _ => return Err("the machine has none".to_owned()),
        };
        let name = self.recording.name();
        let file = folder.join(format!("{name}.capsule"));
        let labels = folder.join(format!("{name}.labels.json"));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, bytes))
            .and_then(|()| fs::write(labels, labels_file(&self.labels)))
            .and_then(|()| self.recording.write_debug(&folder.join("debug")));
        written.map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(file)
    }
}

/// The file that names a chain's contracts, with labels that the command takes.
fn labels_file(labels: &Labels) -> String {
    let mut contracts = Map::new();
    let mut taken = BTreeSet::new();
    for (contract, label) in labels.all() {
        let label = plain_label(&label, &taken);
        contracts.insert(label.clone(), Value::from(contract.to_string()));
        taken.insert(label);
    }
    format!("{:#}\n", json!({"contracts": contracts}))
}

/// The label without what no label of the command has, and unlike those that are taken.
fn plain_label(label: &str, taken: &BTreeSet<String>) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let plain = label.chars();
    let plain = plain.map(|character| if is_plain(character) { character } else { '_' });
    // Room for a number; and no label can be taken for an id.
    let plain: String = plain.take(LABEL_BYTES_MAX - 20).collect();
    let plain = match plain.is_empty() {
        true => "unnamed".to_owned(),
        false => plain,
    };
    let mut numbered = (2u64..).map(|number| format!("{plain}.{number}"));
    match taken.contains(&plain) {
        false => plain,
        true => numbered
            .find(|label| !taken.contains(label))
            .unwrap_or_default(),
    }
}

/// The test's name, which the harness gives its thread, as a file's name.
fn test_name() -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("chain").replace("::", ".");
    let is_plain = |character: &char| character.is_alphanumeric() || "._-".contains(*character);
    name.chars().filter(is_plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command reads whatever names a test gave: each contract keeps a name of its own.
    #[test]
    fn labels_are_made_plain_and_stay_apart() {
        let mut taken = BTreeSet::new();
        for (label, plain) in [
            ("my token", "my_token"),
            ("my/token", "my_token.2"),
            ("my token", "my_token.3"),
            ("", "unnamed"),
        ] {
            let found = plain_label(label, &taken);
            assert_eq!(found, plain);
            taken.insert(found);
        }
        assert!(plain_label(&"ab".repeat(32), &taken).len() < 64);
    }
}

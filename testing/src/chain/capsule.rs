//! The replay capsule of a test that fails: what its chain did, in one file that `crostata replay` does again anywhere.

use std::ffi::OsString;
use std::path::PathBuf;
use std::{env, fs, thread};

use super::Shared;
use crate::machine::{Request, Response};

/// The environment variable that names the folder for the capsules of failing tests. Chains that are started with it are recorded.
pub const CAPSULES: &str = "CROSTATA_CAPSULES";

/// The folder for capsules, if they are wanted.
pub fn capsules() -> Option<OsString> {
    env::var_os(CAPSULES).filter(|folder| !folder.is_empty())
}

impl Shared {
    /// Saves what the chain did, if that is wanted, and says where, or why not.
    pub fn save_capsule(&self) -> String {
        let Some(folder) = capsules() else {
            return String::new();
        };
        match self.write_capsule(folder) {
            Ok(file) => {
                let file = file.display();
                format!("\nsaved as a capsule: crostata replay {file} --trace\n")
            }
            Err(reason) => format!("\nno capsule was saved: {reason}\n"),
        }
    }

    fn write_capsule(&self, folder: OsString) -> Result<PathBuf, String> {
        let response = self.ask(Request::Capsule);
        let bytes = match response.map_err(|error| error.to_string())? {
            Response::Bytes(Some(bytes)) => bytes,
            _ => return Err("the machine has none".to_owned()),
        };
        let folder = PathBuf::from(folder);
        let file = folder.join(format!("{}.capsule", test_name()));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, bytes));
        written.map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(file)
    }
}

/// The test's name, which the harness gives its thread, as a file's name.
fn test_name() -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("chain").replace("::", ".");
    let is_plain = |character: &char| character.is_alphanumeric() || "._-".contains(*character);
    name.chars().filter(is_plain).collect()
}

//! Programs that are run, without what the cargo that runs the test has put into the environment.

use std::path::Path;
use std::process::{Command, Stdio};

use super::error::BuildError;

/// Variables of cargo that are the user's.
const KEPT: [&str; 5] = [
    "CARGO_HOME",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTR",
    "CARGO_TERM_COLOR",
];

/// What else would change what is built.
const REMOVED: [&str; 7] = [
    "LD_LIBRARY_PATH",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "__CARGO_DEFAULT_LIB_METADATA",
];

/// A program to run as the user would, not as a part of the build that runs now.
pub fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_cargos =
            text.starts_with("CARGO") && !KEPT.iter().any(|kept| text.starts_with(kept));
        if is_cargos || REMOVED.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs it: what it wrote, or, if it failed, its complaints.
pub fn run(command: &mut Command) -> Result<Result<String, String>, BuildError> {
    command.stdin(Stdio::null());
    let output = command.output().map_err(|source| BuildError::Run {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    })
}

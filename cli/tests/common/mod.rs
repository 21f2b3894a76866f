//! The real command, run in a folder of its own.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder with a project: the command is run in it.
pub struct Project {
    folder: tempfile::TempDir,
}

/// What a run of the command gave.
#[derive(Debug)]
pub struct Run {
    pub line: String,
    pub code: i32,
    pub out: String,
    pub error: String,
}

impl Project {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    /// With a store that has the counter, labelled `counter`.
    pub fn with_counter() -> Self {
        let project = Self::new();
        project.good(["deploy", &artifact("counter"), "--label", "counter"]);
        project
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), contents).unwrap();
    }

    /// Deploys a module from its text, labelled `h`, of the file `h.wasm`.
    #[track_caller]
    pub fn deploy_text(&self, module: &str) {
        self.write("h.wasm", wat::parse_str(module).unwrap());
        self.good(["deploy", "h.wasm", "--label", "h"]);
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crostata"));
        command.current_dir(self.path()).stdin(Stdio::null());
        for variable in ["NO_COLOR", "CROSTATA_TRACE", "RUST_BACKTRACE"] {
            command.env_remove(variable);
        }
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        let mut command = self.command();
        command.args(arguments);
        let line = format!("{command:?}");
        Run::of(line, &command.output().unwrap())
    }

    /// Runs what must succeed.
    #[track_caller]
    pub fn good<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{run:#?}");
        run
    }

    /// Runs what must succeed and gives its JSON.
    #[track_caller]
    pub fn json<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Value {
        let run = self.run(arguments);
        serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run:#?}"))
    }
}

impl Run {
    pub fn of(line: String, output: &Output) -> Self {
        Self {
            line,
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            error: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

/// The path of a contract that is built.
pub fn artifact(name: &str) -> String {
    let path = repository().join(format!("contracts/artifacts/{name}.wasm"));
    path.to_str().unwrap().to_owned()
}

pub fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap().to_owned()
}

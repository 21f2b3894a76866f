//! The two programs, and the processes that run them.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crostata_peer_cases::Failure;

use crate::arguments::Arguments;

/// Where the programs are.
pub struct Programs {
    ours: PathBuf,
    peer: Option<PathBuf>,
}

/// How to start one VM's side.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    program: &'a Path,
    argument: Option<&'static str>,
}

impl Programs {
    /// This program alone.
    pub fn ours() -> Result<Self, Failure> {
        Ok(Self {
            ours: env::current_exe()?,
            peer: None,
        })
    }

    /// This program, and the peer's beside it, which is built if it has to be.
    pub fn both() -> Result<Self, Failure> {
        let ours = env::current_exe()?;
        let directory = ours.parent().and_then(Path::parent);
        let target = directory
            .ok_or("the program lies in no target folder")?
            .join("piecrust");
        build_peer(&target)?;
        let name = format!("crostata-peer-piecrust{}", env::consts::EXE_SUFFIX);
        Ok(Self {
            ours,
            peer: Some(target.join("release").join(name)),
        })
    }

    /// Ours, then the peer's if there is one.
    pub fn sides(&self) -> Vec<Side<'_>> {
        let ours = Side {
            program: &self.ours,
            argument: Some(Arguments::CHILD),
        };
        let peer = self.peer.as_deref().map(|program| Side {
            program,
            argument: None,
        });
        [ours].into_iter().chain(peer).collect()
    }
}

fn build_peer(target: &Path) -> Result<(), Failure> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/piecrust/Cargo.toml");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet"])
        .args(["--manifest-path", manifest, "--target-dir"])
        .arg(target)
        .stdout(Stdio::null())
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err("the peer's side could not be built".into()),
    }
}

/// A running side. It ends when dropped.
pub struct Running {
    child: Child,
    /// Absent once the child was told to end.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// What tells its contracts' bytecode apart from another.
    contracts: String,
}

impl Side<'_> {
    /// Starts a process and prepares a case in it.
    pub fn prepare(&self, case: &str) -> Result<Running, Failure> {
        let mut child = Command::new(self.program)
            .args(self.argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = child.stdout.take().ok_or("no output of the child")?;
        let mut running = Running {
            requests: child.stdin.take(),
            child,
            answers: BufReader::new(answers),
            contracts: String::new(),
        };
        running.contracts = running.ask(&format!("prepare {case}"), "ready")?;
        Ok(running)
    }
}

impl Running {
    /// Whether both run the same bytecode.
    pub fn runs_the_same_as(&self, other: &Self) -> bool {
        self.contracts == other.contracts
    }

    /// What the case computes.
    pub fn check(&mut self) -> Result<String, Failure> {
        self.ask("check", "bytes")
    }

    /// The figure of one round.
    pub fn round(&mut self) -> Result<u64, Failure> {
        Ok(self.ask("round", "figure")?.parse()?)
    }

    fn ask(&mut self, request: &str, expected: &str) -> Result<String, Failure> {
        let requests = self.requests.as_mut().ok_or("the child has ended")?;
        writeln!(requests, "{request}")?;
        requests.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        match line.trim_end().strip_prefix(expected) {
            Some(answer) => Ok(answer.trim_start().to_owned()),
            None => Err(format!("{request}: {}", line.trim_end()).into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The end of its input is the child's sign to end.
        self.requests = None;
        if let Err(failure) = self.child.wait() {
            eprintln!("a child did not end: {failure}");
        }
    }
}

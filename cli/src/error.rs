//! Why the command did not do what was asked: what, where, and what to do next.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use crostata::operate::SettingsError;
use crostata::{
    CommitError, DatumError, Error as SessionFailure, ExportError, ImportError, OpenVmError,
    OpeningError, ProofError, ProveValueError, Rejected, ReplayError, SessionError, WitnessError,
};
use crostata_testing::build::BuildError;
use crostata_testing::remote::wire::WireError;

/// An error of the command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line can not be understood.
    #[error("{text}")]
    Usage {
        /// What the parser says.
        text: String,
    },
    /// An argument, file or name is not what it must be.
    #[error("{what}")]
    Input {
        /// What is wrong.
        what: String,
        /// What to do about it.
        next: String,
    },
    /// A file can not be read.
    #[error("{} can not be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file can not be written.
    #[error("{} can not be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The results can not be printed.
    #[error("the results can not be printed")]
    Output(#[source] io::Error),
    /// There is no store.
    #[error("there is no store in {}", path.display())]
    NoStore {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The store does not open.
    #[error("the store in {} does not open", path.display())]
    OpenStore {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<OpenVmError>,
    },
    /// No commit, or more than one, is named so.
    #[error("{what}")]
    Commit {
        /// What was looked for and found.
        what: String,
    },
    /// No contract has the label.
    #[error("no contract has the label `{name}`, and it is no id of 64 hex digits")]
    Label {
        /// The label.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The labels' file is no labels' file.
    #[error("{} is no file of labels: {problem}", path.display())]
    Labels {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A session did not start.
    #[error(transparent)]
    Session(Box<SessionError>),
    /// A session datum can not be.
    #[error(transparent)]
    Datum(Box<DatumError>),
    /// What the session was asked for was rejected, or the host failed.
    #[error(transparent)]
    Run(Box<SessionFailure>),
    /// Nothing was committed or finalised.
    #[error(transparent)]
    NotCommitted(Box<CommitError>),
    /// There is no proof.
    #[error(transparent)]
    Proof(Box<ProofError>),
    /// There is no proof of a value.
    #[error(transparent)]
    ProveValue(Box<ProveValueError>),
    /// A proof shows nothing, or something else.
    #[error("the proof in {} does not show this", path.display())]
    Unproven {
        /// The proof's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The contract was not built.
    #[error("the contract in {} was not built", folder.display())]
    Build {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: Box<BuildError>,
    },
    /// A program can not be run.
    #[error("`{program}` can not be run")]
    Program {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The streams to a test program fail.
    #[error(transparent)]
    Machine(WireError),
    /// A picture can not be made.
    #[error("a picture can not be made: {what}")]
    Picture {
        /// Why.
        what: String,
    },
    /// The session gives no capsule.
    #[error("there is no capsule of this call")]
    NoCapsule(#[source] Box<dyn Error + Send + Sync>),
    /// A capsule is none, or comes to something else.
    #[error("{} was not replayed", path.display())]
    Capsule {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A node's settings can not be read, or are not in order.
    #[error(transparent)]
    Settings(Box<SettingsError>),
    /// The state was not exported.
    #[error("the state was not exported to {}", path.display())]
    Export {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<ExportError>,
    },
    /// The state was not imported.
    #[error("the state was not imported from {}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<ImportError>,
    },
}

impl CliError {
    /// Wrong input, with what to do about it.
    pub fn input(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::Input {
            what: what.into(),
            next: next.into(),
        }
    }

    /// The name of the kind of error, for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "usage",
            Self::Input { .. } => "input",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Output(_) => "output",
            Self::NoStore { .. } => "no-store",
            Self::OpenStore { .. } => "open-store",
            Self::Commit { .. } => "commit",
            Self::Label { .. } => "label",
            Self::Labels { .. } => "labels",
            Self::Session(_) => "session",
            Self::Datum(_) => "datum",
            Self::Run(error) => run_name(error),
            Self::NotCommitted(_) => "not-committed",
            Self::Proof(_) | Self::ProveValue(_) => "no-proof",
            Self::Unproven { .. } => "unproven",
            Self::Build { .. } => "build",
            Self::Program { .. } => "program",
            Self::Machine(_) => "machine",
            Self::Picture { .. } => "picture",
            Self::NoCapsule(_) => "no-capsule",
            Self::Capsule { .. } => "capsule",
            Self::Settings(_) => "settings",
            Self::Export { .. } => "export",
            Self::Import { .. } => "import",
        }
    }

    /// 2 for what is wrong with the command line or its files, 1 for what failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. }
            | Self::Input { .. }
            | Self::Read { .. }
            | Self::NoStore { .. }
            | Self::Commit { .. }
            | Self::Label { .. }
            | Self::Labels { .. }
            | Self::Settings(_)
            | Self::Datum(_) => 2,
            _ => 1,
        }
    }

    /// What to do next, if there is something to say.
    pub fn next(&self) -> Option<String> {
        Some(match self {
            Self::Usage { .. } => "`crostata --help` and `crostata SUBCOMMAND --help` say what can be written".into(),
            Self::Input { next, .. } => next.clone(),
            Self::NoStore { .. } => "`crostata deploy` makes one; `--store DIR` names another".into(),
            Self::OpenStore { .. } => "if another process has it open, end that first; `crostata verify-store` tells what is damaged".into(),
            Self::Commit { .. } => "`crostata inspect` lists the commits".into(),
            Self::Label { known, .. } if known.is_empty() => "`crostata inspect contracts` lists ids; `crostata deploy --label NAME` gives a label".into(),
            Self::Label { known, .. } => format!("the labels are: {}", known.join(", ")),
            Self::Labels { .. } => "mend it, remove it, or name another with `--labels FILE`".into(),
            Self::Session(error) if matches!(**error, SessionError::UnknownProtocol { .. }) => {
                "name the file with the rules that the store's commits were made under: `--protocol FILE`".into()
            }
            Self::Run(error) => return run_next(error),
            Self::Settings(_) => "mend what is said; `crostata doctor --example` prints a file with every setting".into(),
            Self::Proof(error) if is_no_contract(error) => {
                "`crostata inspect contracts` lists them; `--at COMMIT` looks at another commit".into()
            }
            Self::Program { .. } => "install it, or add its folder to PATH".into(),
            Self::Capsule { source, .. } if is_limit(source.as_ref()) => {
                "give more with `--gas-max GAS`, if it may take that long".into()
            }
            Self::Capsule { .. } => {
                "get the file again, or make one with `crostata call … --capsule FILE`".into()
            }
            Self::Unproven { source, .. } if is_other_kind(source.as_ref()) => {
                "ask with `--value NAME` for a value, with `--bytes ADDRESS:LENGTH` for bytes, with neither for the contract's record".into()
            }
            Self::Unproven { .. } => "compare the question, and get the root from somebody you trust".into(),
            Self::Import { .. } => "get the file again, and the commit's id or root from somebody you trust; running the command again goes on where it stopped".into(),
            _ => return None,
        })
    }

    /// Whether nobody reads what is printed any more.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The message with those of its causes.
    pub fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let message = error.to_string();
            if !text.contains(&message) {
                text.push_str(": ");
                text.push_str(&message);
            }
            cause = error.source();
        }
        text
    }
}

impl From<SessionError> for CliError {
    fn from(error: SessionError) -> Self {
        Self::Session(Box::new(error))
    }
}

impl From<SessionFailure> for CliError {
    fn from(error: SessionFailure) -> Self {
        Self::Run(Box::new(error))
    }
}

impl From<CommitError> for CliError {
    fn from(error: CommitError) -> Self {
        Self::NotCommitted(Box::new(error))
    }
}

impl From<ProofError> for CliError {
    fn from(error: ProofError) -> Self {
        Self::Proof(Box::new(error))
    }
}

impl From<ProveValueError> for CliError {
    fn from(error: ProveValueError) -> Self {
        Self::ProveValue(Box::new(error))
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::Settings(Box::new(error))
    }
}

impl From<DatumError> for CliError {
    fn from(error: DatumError) -> Self {
        Self::Datum(Box::new(error))
    }
}

fn is_no_contract(error: &ProofError) -> bool {
    matches!(error, ProofError::Opening(OpeningError::NoContract { .. }))
}

/// Whether a proof answers another kind of question.
fn is_other_kind(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let error = error.downcast_ref::<crostata_proof::DecodeError>();
    matches!(error, Some(crostata_proof::DecodeError::Kind { .. }))
}

/// Whether a capsule was not replayed since it may spend more than the verifier allows.
fn is_limit(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let error = error.downcast_ref::<ReplayError>();
    matches!(
        error,
        Some(ReplayError::Witness(WitnessError::TooMuchGas { .. }))
    )
}

fn run_name(error: &SessionFailure) -> &'static str {
    match error {
        SessionFailure::Reverted(_) => "reverted",
        SessionFailure::Rejected(_) => "rejected",
        SessionFailure::Fatal(_) => "fatal",
        SessionFailure::Timeout => "timeout",
        SessionFailure::Undecodable(_) => "undecodable",
    }
}

fn run_next(error: &SessionFailure) -> Option<String> {
    use crostata::Refusal;
    let SessionFailure::Rejected(rejected) = error else {
        return None;
    };
    Some(match rejected {
        Rejected::Code { .. } => "`crostata check FILE` says more about the module".into(),
        Rejected::ContractExists { .. } => {
            "`--nonce N` tells deployments of the same code apart".into()
        }
        Rejected::Call(Refusal::NoFunction { .. }) => {
            "`crostata inspect contract NAME` lists its functions".into()
        }
        Rejected::Call(Refusal::NoContract { .. }) => {
            "`crostata inspect contracts` lists them; `--at COMMIT` looks at another commit".into()
        }
        Rejected::Call(Refusal::QueriesOnly { .. }) => {
            "a node's service answers such contracts; docs/queries.md says how".into()
        }
        _ => return None,
    })
}

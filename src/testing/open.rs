//! What a chain starts from: nothing, a commit in the store of a node, or an export.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use crostata_testing::machine::{Base, MachineError};

use super::overlay::Overlay;
use crate::session::{Session, SessionData};
use crate::state::{Commit, LogConfig};
use crate::store::files::MemoryFiles;
use crate::vm::{BinariesConfig, Config, VM, read_header};

/// The log of a chain in memory grows in steps of this.
const SEGMENT_BYTES: u64 = 1 << 20;

/// The VM whose engine and compiled code every chain of this process uses.
fn common() -> Result<&'static VM, MachineError> {
    static COMMON: OnceLock<Result<VM, String>> = OnceLock::new();
    let opened = COMMON.get_or_init(|| {
        let config = Config {
            binaries: BinariesConfig {
                directory: None,
                told: None,
            },
            ..Config::default()
        };
        VM::with_files(Arc::new(MemoryFiles::new()), config).map_err(|error| chained(&error))
    });
    opened.as_ref().map_err(|reason| MachineError::Start {
        reason: reason.clone(),
    })
}

/// A VM and a session over the base, that write nothing outside of memory; recorded for a capsule, if asked for.
pub fn open(base: &Base, recorded: bool) -> Result<(VM, Session), MachineError> {
    let data = SessionData::builder().located();
    let data = match recorded {
        true => data.recording(),
        false => data,
    };
    match base {
        Base::Empty => {
            let vm = beside()?;
            let session = session(&vm, data.build())?;
            Ok((vm, session))
        }
        Base::Store { directory, commit } => {
            let vm = store(directory)?;
            let commit = chosen(&vm, directory, commit.as_deref())?;
            let session = vm.session(data.base(commit));
            let session = session.map_err(|error| base_error(directory, chained(&error)))?;
            Ok((vm, session))
        }
        Base::Export { file } => {
            let vm = beside()?;
            let commit = import(&vm, file).map_err(|reason| base_error(file, reason))?;
            let session = vm.session(data.base(commit));
            let session = session.map_err(|error| base_error(file, chained(&error)))?;
            Ok((vm, session))
        }
    }
}

/// A VM over a node's store, which is only read.
fn store(directory: &Path) -> Result<VM, MachineError> {
    let failed = |reason: String| base_error(directory, reason);
    if !directory.is_dir() {
        return Err(failed("there is no such directory".to_owned()));
    }
    let files = Arc::new(Overlay::new(directory.to_path_buf()));
    let opened = common()?.beside(files, LogConfig::default());
    let vm = opened.map_err(|error| failed(chained(&error)))?;
    match vm.commits().is_empty() {
        true => Err(failed("there is no commit in it".to_owned())),
        false => Ok(vm),
    }
}

/// The commit with this id or root; without one the finalised commit, or the latest one where nothing is final.
fn chosen(vm: &VM, directory: &Path, wanted: Option<&str>) -> Result<Commit, MachineError> {
    let failed = |reason: String| base_error(directory, reason);
    let commits = vm.commits();
    let Some(wanted) = wanted else {
        let latest = commits.last().copied();
        let chosen = vm.finalized().or(latest);
        return chosen.ok_or_else(|| failed("there is no commit in it".to_owned()));
    };
    let wanted = wanted.strip_prefix("0x").unwrap_or(wanted);
    let is_wanted =
        |commit: &&Commit| commit.id.to_string() == wanted || commit.root.to_string() == wanted;
    let found: Vec<&Commit> = commits.iter().filter(is_wanted).collect();
    match found.as_slice() {
        [one] => Ok(**one),
        [] => Err(failed(format!(
            "no commit has the id or root {wanted}; retained are: {}",
            ids(&commits)
        ))),
        several => Err(failed(format!(
            "{} commits have the root {wanted}; name one by its id: {}",
            several.len(),
            ids(several.iter().copied())
        ))),
    }
}

fn ids<'a>(commits: impl IntoIterator<Item = &'a Commit>) -> String {
    let ids = commits.into_iter().map(|commit| commit.id.to_string());
    ids.collect::<Vec<_>>().join(", ")
}

/// Imports what `Export::write_to` wrote, which says itself what it is.
fn import(vm: &VM, file: &Path) -> Result<Commit, String> {
    let open = || File::open(file).map_err(|error| chained(&error));
    let header = read_header(&mut open()?).map_err(|error| chained(&error))?;
    let imported = vm.import_from(header.commit, BufReader::new(open()?));
    imported.map_err(|error| chained(&error))
}

fn beside() -> Result<VM, MachineError> {
    let log = LogConfig {
        segment_bytes: SEGMENT_BYTES,
        ..LogConfig::default()
    };
    let files = Arc::new(MemoryFiles::new());
    common()?
        .beside(files, log)
        .map_err(|error| MachineError::Start {
            reason: chained(&error),
        })
}

fn session(vm: &VM, data: SessionData) -> Result<Session, MachineError> {
    vm.session(data).map_err(|error| MachineError::Start {
        reason: chained(&error),
    })
}

fn base_error(path: &Path, reason: String) -> MachineError {
    let base = path.display().to_string();
    MachineError::Base { base, reason }
}

/// An error with its causes.
fn chained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

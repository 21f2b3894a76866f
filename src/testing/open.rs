//! What a chain starts from: nothing, a commit in the store of a node, or an export.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use crostata_testing::machine::{Base, MachineError};

use crate::session::{Session, SessionData};
use crate::state::LogConfig;
use crate::store::files::MemoryFiles;
use crate::vm::{BinariesConfig, Config, VM};

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

/// A VM and a session over the base, that write nothing outside of memory.
pub fn open(base: &Base) -> Result<(VM, Session), MachineError> {
    match base {
        Base::Empty => {
            let vm = beside()?;
            let session = session(&vm, SessionData::builder().located().build())?;
            Ok((vm, session))
        }
        Base::Store { directory, .. } => Err(base_error(directory, "not yet".to_owned())),
        Base::Export { file } => Err(base_error(file, "not yet".to_owned())),
    }
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

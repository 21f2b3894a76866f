//! A contract of a few bytes that is deployed, called and committed in memory: the shortest way to know that contracts run here.

use std::sync::Arc;

use super::super::settings::Settings;
use crate::session::{ContractData, SessionData};
use crate::store::files::MemoryFiles;
use crate::vm::{Config, VM};

/// Enough for the trial under any schedule that lets contracts run.
const LIMIT_GAS: u64 = 1_000_000_000;

/// A contract whose function `run` writes to its memory:
///
/// ```wat
/// (module
///   (func (export "run") (param i32) (result i32)
///     (i32.store (i32.const 0) (i32.const 7))
///     (i32.const 0))
///   (memory (export "memory") 2)
///   (global (export "A") i32 (i32.const 65536)))
/// ```
pub const CONTRACT: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x06\x01\x60\x01\x7f\x01\x7f\
    \x03\x02\x01\0\
    \x05\x03\x01\0\x02\
    \x06\x08\x01\x7f\0\x41\x80\x80\x04\x0b\
    \x07\x14\x03\x03run\0\0\x06memory\x02\0\x01A\x03\0\
    \x0a\x0d\x01\x0b\0\x41\0\x41\x07\x36\x02\0\x41\0\x0b";

/// Runs the trial with a node's backend.
///
/// # Errors
/// What failed, with its causes.
pub fn trial(settings: &Settings) -> Result<(), String> {
    run(settings).map_err(|error| {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text += &format!(": {cause}");
            source = cause.source();
        }
        text
    })
}

fn run(settings: &Settings) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config {
        backend: settings.store.backend,
        image_cache_bytes: 1 << 20,
        ..Config::default()
    };
    let vm = VM::with_files(Arc::new(MemoryFiles::new()), config)?;
    let mut session = vm.session(SessionData::default())?;
    let contract = session.deploy(CONTRACT, ContractData::builder(), LIMIT_GAS)?;
    let mut session = vm.session(SessionData::builder().base(session.commit()?))?;
    session.call_raw(contract, "run", [], LIMIT_GAS)?;
    session.commit()?;
    Ok(())
}
